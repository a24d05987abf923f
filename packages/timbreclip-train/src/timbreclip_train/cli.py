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
    from .datasets.base import NoteDataset

FOLDER = click.Path(file_okay=False, path_type=Path)
EXISTING = click.Path(exists=True, file_okay=False, path_type=Path)


@click.group(cls=DefaultGroup, default="run", default_if_no_args=False)
def train() -> None:
    """Train a model, or look at how a training goes."""


def _data_options(command: click.decorators.FC) -> click.decorators.FC:
    for option in (
        click.option("--cache", type=FOLDER, help="Where spectrograms and text vectors are kept."),
        click.option("--root", type=EXISTING, help="Folder of the dataset."),
    ):
        command = option(command)
    return command


@train.command()
@click.option("--preset", default="small", show_default=True, help="Settings to start from.")
@click.option("--out", type=FOLDER, required=True, help="Folder of the run; gone on with if there.")
@click.option(
    "--set", "changes", multiple=True, metavar="SECTION.KEY=VALUE", help="Change a setting."
)
@click.option("--taught", type=EXISTING, help="Vectors of the teacher, from `tclip train teach`.")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True, help="Processes.")
@_data_options
def run(
    preset: str,
    out: Path,
    changes: tuple[str, ...],
    taught: Path | None,
    threads: int,
    jobs: int,
    root: Path | None,
    cache: Path | None,
) -> None:
    """Compute the spectrograms, train, and write the model to OUT/model.

    Kill it at any time and run the same command again: it goes on where it was.
    """
    import torch

    from .config import load_preset
    from .datasets.opening import open_dataset
    from .export import export

    torch.set_num_threads(threads)
    config = load_preset(preset, changes)
    cache = cache or _user_cache()
    dataset = open_dataset(config.sounds.dataset, root)
    _compute(dataset, config, cache, jobs)
    _encode(dataset, config, cache)
    _train(config, out, dataset, cache, taught)
    checkpoint = export(out, out / "model", dataset, cache)
    click.echo(f"{checkpoint.root}  {checkpoint.name}@{checkpoint.digest}")


def _progress(what: str, unit: str) -> tqdm:
    """A bar on stderr; a line every half a minute where stderr is a file."""
    from tqdm import tqdm

    seconds = 0.2 if sys.stderr.isatty() else 30
    return tqdm(desc=what, unit=unit, unit_scale=True, mininterval=seconds, maxinterval=seconds)


def _compute(dataset: NoteDataset, config: TrainConfig, cache: Path, jobs: int) -> None:
    from .loop import SPECTRA, notes_of
    from .spectra import compute_missing

    for split, limit in (("train", config.sounds.limit), ("valid", 0)):
        notes = notes_of(dataset, split, limit)
        with _progress(f"spectrograms, {split}", "notes") as bar:
            bar.total = len(notes)
            for count in compute_missing(dataset, notes, cache / SPECTRA, jobs):
                bar.update(count)


def _encode(dataset: NoteDataset, config: TrainConfig, cache: Path) -> None:
    from .loop import open_split
    from .text_vectors import encode_missing
    from .truths import Speaker

    notes = open_split(dataset, "train", cache, config.sounds.limit).notes
    texts = Speaker(config.texts.variants, config.texts.pair_variants).everything(notes)
    with _progress("encoding texts", "texts") as bar:
        for done, bar.total in encode_missing(cache, texts):
            bar.update(done - bar.n)


def _train(
    config: TrainConfig, out: Path, dataset: NoteDataset, cache: Path, taught: Path | None
) -> None:
    from .loop import train as steps

    batch = config.optimiser.batch
    total = config.optimiser.steps * batch
    with _progress("training", "notes") as bar:
        bar.total = total
        for result in steps(config, out, dataset, cache, taught):
            # After a resume, the first result says how much is already done.
            if bar.n == 0 and result.step > 1:
                bar.initial = bar.n = bar.last_print_n = (result.step - 1) * batch
            bar.update(batch)
            bar.set_postfix(loss=f"{result.loss:.3f}", refresh=False)
            if result.figures:
                bar.write(f"step {result.step}: {_told(result.figures)}", file=bar.fp)


def _told(figures: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in figures.items())


def _dataset_of(run_folder: Path, root: Path | None) -> NoteDataset:
    from .datasets.opening import open_dataset
    from .loop import load_config

    return open_dataset(load_config(run_folder).sounds.dataset, root)


def _user_cache() -> Path:
    import platformdirs

    return Path(platformdirs.user_cache_dir("timbreclip")) / "train"


@train.command("export")
@click.argument("run_folder", metavar="RUN", type=EXISTING)
@click.argument("folder", type=FOLDER)
@_data_options
def export_command(run_folder: Path, folder: Path, root: Path | None, cache: Path | None) -> None:
    """Write the model of the training in RUN, finished or not, to FOLDER."""
    from .export import export

    dataset = _dataset_of(run_folder, root)
    checkpoint = export(run_folder, folder, dataset, cache or _user_cache())
    click.echo(f"{checkpoint.root}  {checkpoint.name}@{checkpoint.digest}")


@train.command()
@click.argument("run_folder", metavar="RUN", type=EXISTING)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_data_options
def validate(run_folder: Path, as_json: bool, root: Path | None, cache: Path | None) -> None:
    """Figures of the training in RUN, as it stands, on the validation split."""
    from .loop import figures_of

    figures = figures_of(run_folder, _dataset_of(run_folder, root), cache or _user_cache())
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
