"""The command group ``tclip train``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click_default_group import DefaultGroup

from timbreclip_core.errors import UsageError

if TYPE_CHECKING:
    from tqdm import tqdm

    from .config import TrainConfig

FOLDER = click.Path(file_okay=False, path_type=Path)
EXISTING = click.Path(exists=True, file_okay=False, path_type=Path)


@click.group(cls=DefaultGroup, default="run", default_if_no_args=False)
def train() -> None:
    """Train a model, or look at how a training goes."""


def _cache_option(command: click.decorators.FC) -> click.decorators.FC:
    return click.option(
        "--cache", type=FOLDER, help="Where rendered notes are kept.  [default: the user's cache]"
    )(command)


@train.command()
@click.option("--preset", default="first", show_default=True, help="Settings to start from.")
@click.option("--out", type=FOLDER, required=True, help="Folder of the run; gone on with if there.")
@click.option(
    "--set", "changes", multiple=True, metavar="SECTION.KEY=VALUE", help="Change a setting."
)
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
@_cache_option
def run(preset: str, out: Path, changes: tuple[str, ...], threads: int, cache: Path | None) -> None:
    """Render the notes, train, and write the model to OUT/model.

    Kill it at any time and run the same command again: it goes on where it was.
    """
    import torch

    from .config import load_preset
    from .export import export

    torch.set_num_threads(threads)
    config = load_preset(preset, changes)
    cache = cache or _user_cache()
    _render(config, cache)
    _encode(config, cache)
    _train(config, out, cache)
    checkpoint = export(out, out / "model", cache)
    click.echo(f"{checkpoint.root}  {checkpoint.name}@{checkpoint.digest}")


def _progress(what: str, unit: str) -> tqdm:
    """A bar on stderr; a line every half a minute where stderr is a file."""
    from tqdm import tqdm

    seconds = 0.2 if sys.stderr.isatty() else 30
    return tqdm(desc=what, unit=unit, unit_scale=True, mininterval=seconds, maxinterval=seconds)


def _render(config: TrainConfig, cache: Path) -> None:
    from .notes import (
        HELD_OUT_SEED,
        PATCHES_PER_SHARD,
        cache_folder,
        render_missing,
        shard_count,
    )

    folder, sounds = cache_folder(cache, config.sounds), config.sounds
    for what, seed, patches in (
        ("held-out notes", HELD_OUT_SEED, sounds.held_out),
        ("notes", 0, sounds.patches),
    ):
        steps = render_missing(folder, sounds, seed, patches)
        with _progress(f"rendering {what}", "notes") as bar:
            bar.total = shard_count(patches) * PATCHES_PER_SHARD * sounds.notes
            for count in steps:
                bar.update(count)


def _encode(config: TrainConfig, cache: Path) -> None:
    from .notes import cache_folder, open_notes
    from .text_vectors import encode_missing
    from .truths import Speaker

    notes = open_notes(cache_folder(cache, config.sounds), 0, config.sounds.patches).notes
    texts = Speaker(config.texts.variants, config.texts.pair_variants).everything(notes)
    with _progress("encoding texts", "texts") as bar:
        for done, bar.total in encode_missing(cache, texts):
            bar.update(done - bar.n)


def _train(config: TrainConfig, out: Path, cache: Path) -> None:
    from .loop import train as steps

    batch = config.optimiser.batch
    total = config.optimiser.steps * batch
    with _progress("training", "notes") as bar:
        bar.total = total
        for result in steps(config, out, cache):
            # After a resume, the first result says how much is already done.
            if bar.n == 0 and result.step > 1:
                bar.initial = bar.n = bar.last_print_n = (result.step - 1) * batch
            bar.update(batch)
            bar.set_postfix(loss=f"{result.loss:.3f}", refresh=False)
            if result.figures:
                bar.write(f"step {result.step}: {_told(result.figures)}", file=bar.fp)


def _told(figures: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in figures.items())


def _user_cache() -> Path:
    import platformdirs

    return Path(platformdirs.user_cache_dir("timbreclip")) / "train"


@train.command("export")
@click.argument("run_folder", metavar="RUN", type=EXISTING)
@click.argument("folder", type=FOLDER)
@_cache_option
def export_command(run_folder: Path, folder: Path, cache: Path | None) -> None:
    """Write the model of the training in RUN, finished or not, to FOLDER."""
    from .export import export

    checkpoint = export(run_folder, folder, cache or _user_cache())
    click.echo(f"{checkpoint.root}  {checkpoint.name}@{checkpoint.digest}")


@train.command()
@click.argument("run_folder", metavar="RUN", type=EXISTING)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_cache_option
def validate(run_folder: Path, as_json: bool, cache: Path | None) -> None:
    """Figures of the training in RUN, as it stands, on held-out notes."""
    from .loop import figures_of

    figures = figures_of(run_folder, cache or _user_cache())
    if as_json:
        click.echo(json.dumps(figures, indent=2))
        return
    for name, value in figures.items():
        click.echo(f"{name:24s} {value:6.3f}")


@train.command()
@click.option("--set", "changes", multiple=True, metavar="SECTION.KEY=VALUE")
@click.argument("name", required=False)
def presets(name: str | None, changes: tuple[str, ...]) -> None:
    """List the presets, or print all settings of one as JSON."""
    from .config import load_preset, preset_names

    if name is None and changes:
        raise UsageError("Name the preset whose settings --set changes.")
    click.echo("\n".join(preset_names()) if name is None else load_preset(name, changes).as_json())
