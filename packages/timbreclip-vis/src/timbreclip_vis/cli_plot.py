"""``tclip plot``: plots of sounds and of how close they are to words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from timbreclip_core.cli.options import model_option
from timbreclip_core.errors import InputError, UsageError

from .cli_options import PATH, make_scheme, weight_options

if TYPE_CHECKING:
    from timbreclip_core import Model

OUT = "The plot: .png, .pdf or .svg."


@click.group("plot")
def plot_command() -> None:
    """Plots of sounds: spectrogram, weights of words, sounds against words, a map."""


@plot_command.command("spectrogram")
@click.argument("file", type=PATH)
@click.option("-o", "--out", required=True, type=PATH, help=OUT)
def plot_spectrogram(file: Path, out: Path) -> None:
    """Level of FILE over time and frequency."""
    from .figures.cells import check_figure_path
    from .plots import save_spectrogram

    check_figure_path(out)
    save_spectrogram(out, file)
    click.echo(out)


@plot_command.command("weights")
@click.argument("files", nargs=-1, required=True, type=PATH)
@click.option("-o", "--out", required=True, type=PATH, help=OUT)
@click.option("--kind", type=click.Choice(["bars", "radar"]), default="bars", show_default=True)
@weight_options
@model_option
@click.pass_context
def plot_weights(
    ctx: click.Context, files: tuple[Path, ...], out: Path, kind: str, **options: Any
) -> None:
    """Weights with which keywords mix into the pictures of FILES; as bars or around a circle."""
    from . import plots
    from .figures.cells import check_figure_path
    from .keywords import keyword_weights

    check_figure_path(out)
    scheme = make_scheme(options, keyword_set="adjectives", template="{keyword}")
    if kind == "radar" and len(scheme.keywords) < plots.FEWEST_SPOKES:
        raise UsageError(f"A radar needs {plots.FEWEST_SPOKES} keywords or more. Use bars.")
    model, names, vectors, failed = _embed(files, options, "text")
    weights = keyword_weights(model, vectors, scheme.keywords, **scheme.weighing())
    save = plots.save_bars if kind == "bars" else plots.save_radar
    save(out, names, scheme.keywords, weights)
    _finish(ctx, out, failed)


@plot_command.command("matrix")
@click.argument("files", nargs=-1, required=True, type=PATH)
@click.option("-o", "--out", required=True, type=PATH, help=OUT)
@weight_options
@model_option
@click.pass_context
def plot_matrix(ctx: click.Context, files: tuple[Path, ...], out: Path, **options: Any) -> None:
    """Cosines of FILES, in rows, and keywords, in columns."""
    from .figures.cells import check_figure_path
    from .keywords import keyword_weights
    from .plots import save_matrix

    check_figure_path(out)
    options["weighting"] = options["weighting"] or "raw"
    scheme = make_scheme(options, keyword_set="adjectives", template="{keyword}")
    model, names, vectors, failed = _embed(files, options, "text")
    cosines = keyword_weights(model, vectors, scheme.keywords, **scheme.weighing())
    save_matrix(out, names, scheme.keywords, cosines)
    _finish(ctx, out, failed)


@plot_command.command("map")
@click.argument("files", nargs=-1, required=True, type=PATH)
@click.option("-o", "--out", required=True, type=PATH, help=OUT)
@click.option("-k", "--keyword", "keywords", multiple=True, help="Colour by the closest of these.")
@model_option
@click.pass_context
def plot_map(
    ctx: click.Context,
    files: tuple[Path, ...],
    out: Path,
    keywords: tuple[str, ...],
    **options: Any,
) -> None:
    """FILES on a plane: the two directions in which their timbres differ most."""
    from .figures.atlas import flat_map
    from .figures.cells import check_figure_path
    from .keywords import keyword_weights
    from .plots import save_map

    check_figure_path(out)
    model, names, vectors, failed = _embed(files, options, None)
    groups = None
    if keywords:
        _, _, heard, _ = _embed(files, options, "text")
        closest = keyword_weights(model, heard, keywords, sentences="sound").argmax(1)
        groups = [keywords[i] for i in closest.tolist()]
    save_map(out, names, flat_map(vectors), groups)
    _finish(ctx, out, failed)


def _embed(
    files: tuple[Path, ...], options: dict[str, Any], kind: str | None
) -> tuple[Model, list[str], Any, list[str]]:
    """The model, and the names and vectors ``(sounds, dim)`` of the files that it can hear.

    ``kind`` None: that which compares sounds with sounds. The last item is what went wrong.
    """
    import torch
    from tqdm import tqdm

    from timbreclip_core.batch import sound_files
    from timbreclip_core.model import load_model

    sources = sound_files(files)
    model = load_model(
        options["model_name"], device=options["device"], precision=options["precision"]
    )
    kind = kind or model.kind_for_sounds()
    results = list(
        tqdm(
            model.embed_files(sources, kinds=(kind,)),
            total=len(sources),
            unit="file",
            disable=None,
        )
    )
    good = [(r.path.stem, r.vectors[kind]) for r in results if r.vectors is not None]
    failed = [f"Failed: {r.path}: {r.error}" for r in results if r.vectors is None]
    if not good:
        raise InputError("None of the files could be heard. " + " ".join(failed))
    return model, [name for name, _ in good], torch.cat([v for _, v in good]), failed


def _finish(ctx: click.Context, out: Path, failed: list[str]) -> None:
    click.echo(out)
    for sentence in failed:
        click.echo(sentence, err=True)
    if failed:
        ctx.exit(1)
