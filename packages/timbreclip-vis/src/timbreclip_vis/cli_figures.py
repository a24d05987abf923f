"""``tclip vis grid / effect / morph / timeline``: figures of many pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from timbreclip_core.cli.options import echo_json, json_option, model_option
from timbreclip_core.errors import TimbreClipError, UsageError

from .cli_options import PATH, make_painter, picture_options, weight_options

if TYPE_CHECKING:
    from .painter import Painter

FIGURE = "The figure: .png, .pdf or .svg; its pictures are kept beside it, in NAME.cells."


@click.command("grid")
@click.argument("files", nargs=-1, required=True, type=PATH)
@click.option("-o", "--out", required=True, type=PATH, help=FIGURE)
@click.option(
    "--layout",
    type=click.Choice(["rows", "map"]),
    default="rows",
    show_default=True,
    help="map: sounds alike lie near each other.",
)
@click.option("--columns", type=click.IntRange(1), default=6, show_default=True, help="Of rows.")
@weight_options
@picture_options
@model_option
@json_option
def grid_command(
    files: tuple[Path, ...],
    out: Path,
    layout: str,
    columns: int,
    as_json: bool,
    **options: Any,
) -> None:
    """Draw FILES (and the sounds in folders) side by side in one figure.

    Stopped or killed, the same command goes on where it was.
    """
    import torch

    from timbreclip_core.batch import sound_files

    from .figures.atlas import save_atlas
    from .figures.cells import cell_folder, check_figure_path, draw_cells
    from .figures.page import save_sheet

    check_figure_path(out)
    sources = sound_files(files)
    painter = make_painter(options)
    failed: list[dict[str, Any]] = []
    vectors: list[Any] = []
    subjects = _sounds(painter, sources, vectors, failed)
    cells = draw_cells(painter, subjects, cell_folder(out), seed=options["seed"])
    records = list(_progress(cells, len(sources)))
    if records and layout == "map":
        save_atlas(out, records, torch.cat(vectors))
    elif records:
        save_sheet(out, records, columns)
    _finish(out, records, failed, as_json)


@click.command("effect")
@click.argument("files", nargs=-1, required=True, type=PATH)
@click.option(
    "-o", "--out", required=True, type=PATH, help="As of grid; for several FILES, a folder."
)
@click.option(
    "-e",
    "--effect",
    "effects",
    multiple=True,
    default=("distortion", "high-pass", "low-pass", "echo"),
    show_default=True,
    help="A column each, as `tclip effect list` shows.",
)
@click.option(
    "--levels", default="0.25,0.5,0.75,1", show_default=True, help="A row each, from 0 to 1."
)
@click.option("--curves", is_flag=True, help="Draw how the weights move, too: NAME-curves.png.")
@weight_options
@picture_options
@model_option
@json_option
def effect_command(
    files: tuple[Path, ...],
    out: Path,
    effects: tuple[str, ...],
    levels: str,
    curves: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Draw what effects do to FILES: effects in columns, intensity in rows.

    A picture shows a(f(x)) - a(x): keywords count that the sound came closer to. Raw weights are
    how much closer it came to each; those of softmax are shares, which fall when others rise.
    """
    from timbreclip_core.batch import sound_files
    from timbreclip_core.plugins import EffectEntry, plugin_manager

    from .figures.cells import cell_folder, draw_cells
    from .figures.effect import check_levels, effect_subjects, save_curves, save_effects

    steps = _numbers(levels)
    check_levels(steps)
    for name in effects:
        plugin_manager().find(EffectEntry, name)
    sources = sound_files(files)
    outs = _figure_paths(sources, out)
    painter = make_painter(options, of_changes=True)
    failed: list[dict[str, Any]] = []
    figures: list[dict[str, Any]] = []
    for source, path in zip(sources, outs, strict=True):
        try:
            subjects = effect_subjects(painter.model, source, effects, steps)
            cells = draw_cells(painter, subjects, cell_folder(path), seed=options["seed"])
            records = list(_progress(cells, len(effects) * len(steps)))
        except TimbreClipError as error:
            failed.append({"file": str(source), "error": str(error)})
            continue
        save_effects(path, records, len(effects))
        if curves:
            save_curves(path.with_name(f"{path.stem}-curves{path.suffix}"), records, len(effects))
        figures.append({"file": str(source), "picture": str(path), "cells": records})
        if not as_json:
            click.echo(path)
    if as_json:
        echo_json({"figures": figures, "failed": failed})
    _complain(failed)


@click.command("morph")
@click.argument("first", type=PATH)
@click.argument("second", type=PATH)
@click.option("-o", "--out", required=True, type=PATH, help="A .gif, or an .mp4 (needs ffmpeg).")
@click.option("--frames", type=click.IntRange(2), default=24, show_default=True)
@click.option("--fps", type=click.FloatRange(0.1, 50), default=12, show_default=True)
@click.option("--back/--no-back", default=True, show_default=True, help="And back again.")
@weight_options
@picture_options
@model_option
@json_option
def morph_command(
    first: Path,
    second: Path,
    out: Path,
    frames: int,
    fps: float,
    back: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Draw the path from the sound FIRST to the sound SECOND as a film.

    Its frames are kept beside it, in NAME.cells.
    """
    from .figures.cells import cell_folder, check_figure_path, draw_cells
    from .figures.morph import FILM_SUFFIXES, check_film, morph_subjects, save_film

    check_figure_path(out, FILM_SUFFIXES)
    check_film(out)
    painter = make_painter(options)
    subjects = morph_subjects(painter.model, first, second, frames)
    cells = draw_cells(painter, subjects, cell_folder(out), seed=options["seed"])
    records = list(_progress(cells, frames))
    save_film(out, [Path(r["picture"]) for r in records], fps=fps, back=back)
    _finish(out, records, [], as_json)


@click.command("timeline")
@click.argument("file", type=PATH)
@click.option("-o", "--out", required=True, type=PATH, help=FIGURE)
@click.option("--window", type=float, default=0.5, show_default=True, help="Seconds a picture.")
@click.option("--hop", type=float, help="Seconds from one to the next; default: the window.")
@weight_options
@picture_options
@model_option
@json_option
def timeline_command(
    file: Path, out: Path, window: float, hop: float | None, as_json: bool, **options: Any
) -> None:
    """Draw the sound FILE window by window, below its waveform."""
    from timbreclip_core.audio import read_audio
    from timbreclip_core.errors import SilentAudioError

    from .figures.cells import cell_folder, check_figure_path, draw_cells
    from .figures.timeline import Cut, save_timeline, timeline_subjects

    check_figure_path(out)
    cut = Cut(window, window if hop is None else hop)
    sound, rate = read_audio(file)
    count = len(cut.starts(sound.shape[-1] / rate))
    painter = make_painter(options)
    subjects = timeline_subjects(painter.model, file, sound, rate, cut)
    cells = draw_cells(painter, subjects, cell_folder(out), seed=options["seed"])
    records = list(_progress(cells, count))
    if not records:
        raise SilentAudioError(f"{file} is silent: silence has no timbre.")
    save_timeline(out, records, sound, rate, cut)
    _finish(out, records, [], as_json)


def _sounds(
    painter: Painter, sources: Sequence[Path], vectors: list[Any], failed: list[dict[str, Any]]
) -> Iterator[Any]:
    """Subjects of sounds; their vectors for maps, and the failures, go into the lists."""
    from .job import Subject

    kind = painter.model.kind_for_sounds()
    for result in painter.model.embed_files(sources, kinds=tuple({"text", kind})):
        if result.vectors is None:
            failed.append({"file": str(result.path), "error": str(result.error)})
            continue
        vectors.append(result.vectors[kind].plain())
        yield result.path.stem, Subject(result.vectors["text"], {"file": result.path.name})


def _figure_paths(sources: Sequence[Path], out: Path) -> list[Path]:
    """``out`` for one sound, else a figure a sound in the folder ``out``."""
    from .figures.cells import check_figure_path
    from .job import plan

    if len(sources) == 1 and out.suffix and not out.is_dir():
        check_figure_path(out)
        return [out]
    return [task.out for task in plan(sources, out)]


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(f"--levels are numbers, as 0.25,0.5,1, not {text!r}.") from None


def _progress(cells: Iterator[dict[str, Any]], total: int) -> Iterator[dict[str, Any]]:
    from tqdm import tqdm

    return tqdm(cells, total=total, unit="picture", disable=None)


def _finish(
    out: Path, records: Sequence[dict[str, Any]], failed: list[dict[str, Any]], as_json: bool
) -> None:
    """Say what was made, and fail if something did."""
    if as_json:
        picture = str(out) if records else None
        echo_json({"picture": picture, "cells": list(records), "failed": failed})
    elif records:
        click.echo(out)
    _complain(failed)


def _complain(failed: list[dict[str, Any]]) -> None:
    for bad in failed:
        click.echo(f"Failed: {bad['file']}: {bad['error']}", err=True)
    if failed:
        click.get_current_context().exit(1)
