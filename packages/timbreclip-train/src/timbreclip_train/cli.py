"""The command group ``tclip train``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click_default_group import DefaultGroup

from timbreclip_core.errors import UsageError

if TYPE_CHECKING:
    from tqdm import tqdm

    from .config import TrainConfig
    from .loop import StepResult
    from .processes import Processes
    from .recipes import Material, Prepared

FOLDER = click.Path(file_okay=False, path_type=Path)
EXISTING = click.Path(exists=True, file_okay=False, path_type=Path)
WEIGHTS = click.Path(exists=True, path_type=Path)
WHICH = click.Choice(["best", "last"])


@click.group(cls=DefaultGroup, default="run", default_if_no_args=False)
def train() -> None:
    """Train a model, or look at how a training goes."""


def _data_options(command: click.decorators.FC) -> click.decorators.FC:
    for option in (
        click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1 ..."),
        click.option("--clip", type=WEIGHTS, help="Weights of texts.space, if not installed."),
        click.option("--start", type=EXISTING, help="Model to start from, if not the bundled one."),
        click.option("--wav2clip", type=WEIGHTS, help="Wav2CLIP.pt, if it is not installed."),
        click.option("--taught", type=EXISTING, help="A teacher's vectors (`tclip train teach`)."),
        click.option("--cache", type=FOLDER, help="Where spectrograms and text vectors are kept."),
        click.option(
            "--root",
            "roots",
            multiple=True,
            metavar="[NAME=]FOLDER",
            help="Folder of the dataset; of several datasets, one each with its name.",
        ),
    ):
        command = option(command)
    return command


@train.command()
@click.option("--preset", default="small", show_default=True, help="Settings to start from.")
@click.option("--out", type=FOLDER, required=True, help="Folder of the run; gone on with if there.")
@click.option(
    "--set", "changes", multiple=True, metavar="SECTION.KEY=VALUE", help="Change a setting."
)
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True, help="To prepare.")
@click.option(
    "--loaders",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Processes that make batches ahead; 0 makes each when it is needed.",
)
@click.option("--which", type=WHICH, default="best", show_default=True, help="Weights to export.")
@_data_options
def run(
    preset: str,
    out: Path,
    changes: tuple[str, ...],
    threads: int,
    loaders: int,
    which: str,
    **given: Any,
) -> None:
    """Prepare the data, train, and write the model to OUT/model.

    Kill it at any time and run the same command again: it goes on where it was. Under torchrun,
    several processes share every batch.
    """
    import torch

    from .config import load_preset
    from .export import export
    from .processes import finish, start

    torch.set_num_threads(threads)
    config = load_preset(preset, changes)
    material = _material(config, **given)
    processes = start(material.device)
    _prepare(config, material, processes)
    _train(config, out, material, processes, loaders)
    if processes.first:
        checkpoint = export(out, out / "model", material, which)
        click.echo(f"{checkpoint.root}  {checkpoint.id}")
    finish()


def _material(
    config: TrainConfig, *, roots: tuple[str, ...], cache: Path | None, **given: Any
) -> Material:
    """What the options say of data and weights."""
    from .datasets.opening import open_dataset
    from .recipes import Material

    folders = _roots(config.sounds.datasets, roots)
    datasets = tuple(open_dataset(name, folders.get(name)) for name in config.sounds.datasets)
    return Material(datasets=datasets, cache=cache or _user_cache(), **given)


def _roots(names: tuple[str, ...], roots: Iterable[str]) -> dict[str, Path]:
    """Folders by dataset, from ``NAME=FOLDER``, or from a folder alone where there is one name."""
    found: dict[str, Path] = {}
    for root in roots:
        name, equals, folder = root.partition("=")
        if not (equals and name in names):
            if len(names) > 1:
                raise UsageError(
                    f"Say of which dataset {root!r} is the folder: --root {names[0]}=FOLDER"
                )
            name, folder = names[0], root
        if name in found:
            raise UsageError(f"The dataset {name} has two folders: {found[name]} and {folder}.")
        if not Path(folder).is_dir():
            raise UsageError(f"There is no folder {folder!r} for --root.")
        found[name] = Path(folder)
    return found


def _progress(what: str, unit: str, shown: bool = True) -> tqdm:
    """A bar on stderr; a line every half a minute where stderr is a file."""
    from tqdm import tqdm

    seconds = 0.2 if sys.stderr.isatty() else 30
    return tqdm(
        desc=what,
        unit=unit,
        unit_scale=True,
        mininterval=seconds,
        maxinterval=seconds,
        disable=not shown,
    )


def _prepare(config: TrainConfig, material: Material, processes: Processes) -> None:
    """Once on every machine; the others wait."""
    from .recipes import recipe_of

    if processes.first_here:
        _show(recipe_of(config)(config, material).prepare(), processes.first)
    processes.wait()


def _show(steps: Iterable[Prepared], shown: bool) -> None:
    bar, what = None, ""
    for step in steps:
        if bar is None or step.what != what:
            if bar is not None:
                bar.close()
            bar, what = _progress(step.what, step.unit, shown), step.what
        bar.total = step.total
        bar.update(step.done - bar.n)
    if bar is not None:
        bar.close()


def _train(
    config: TrainConfig, out: Path, material: Material, processes: Processes, loaders: int
) -> None:
    from .loop import train as steps

    batch = config.optimiser.batch
    with _progress("training", "notes", processes.first) as bar:
        bar.total = config.optimiser.steps * batch
        for result in steps(config, out, material, processes=processes, loaders=loaders):
            # After a resume, the first result says how much is already done.
            if bar.n == 0 and result.step > 1:
                bar.initial = bar.n = bar.last_print_n = (result.step - 1) * batch
            bar.update(batch)
            loading = f"{result.loading:.0%}"
            bar.set_postfix(loss=f"{result.loss:.3f}", loading=loading, refresh=False)
            if result.figures and processes.first:
                bar.write(_line(result), file=sys.stderr)


def _line(result: StepResult) -> str:
    figures = ", ".join(f"{name} {value:.3f}" for name, value in result.figures.items())
    return f"step {result.step}: {figures}"


def _user_cache() -> Path:
    import platformdirs

    return Path(platformdirs.user_cache_dir("timbreclip")) / "train"


@train.command("export")
@click.argument("run_folder", metavar="RUN", type=EXISTING)
@click.argument("folder", type=FOLDER)
@click.option(
    "--which",
    type=WHICH,
    default="best",
    show_default=True,
    help="The best weights by run.best_by, or the last.",
)
@click.option(
    "--with",
    "others",
    multiple=True,
    metavar="RUN",
    type=EXISTING,
    help="Average with this training, which differs in nothing but its seed and `augment`. May be "
    "given several times.",
)
@click.option(
    "--with-start",
    is_flag=True,
    help="Let the text side of the model that it started from (--start) speak as well.",
)
@click.option(
    "--beside",
    multiple=True,
    metavar="MODEL",
    type=EXISTING,
    help="Let this finished model hear and speak beside the training: vectors get longer, and a "
    "cosine is the mean of theirs. May be given several times.",
)
@_data_options
def export_command(
    run_folder: Path,
    folder: Path,
    which: str,
    others: tuple[Path, ...],
    with_start: bool,
    beside: tuple[Path, ...],
    **given: Any,
) -> None:
    """Write the model of the training in RUN, finished or not, to FOLDER."""
    from .export import export
    from .loop import load_config

    material = _material(load_config(run_folder), **given)
    checkpoint = export(run_folder, folder, material, which, others, with_start, beside)
    click.echo(f"{checkpoint.root}  {checkpoint.id}")


@train.command()
@click.argument("run_folder", metavar="RUN", type=EXISTING)
@click.option("--which", type=WHICH, default="last", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_data_options
def validate(run_folder: Path, which: str, as_json: bool, **given: Any) -> None:
    """Figures of the training in RUN, as it stands, on the validation split."""
    from .loop import figures_of, load_config

    figures = figures_of(run_folder, _material(load_config(run_folder), **given), which)
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
