"""``tclip train teach``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from timbreclip_core.cli.options import echo_json, json_option

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .teach import TeachStep

FOLDER = click.Path(file_okay=False, path_type=Path)
EXISTING = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command("teach")
@click.option(
    "--teacher", "name", default="aisfx", show_default=True, help="A model of `tclip models`."
)
@click.option("--dataset", "dataset_name", default="rendered", show_default=True)
@click.option("--root", type=EXISTING, help="Folder of the dataset.")
@click.option("--out", type=FOLDER, required=True, help="Where the vectors go.")
@click.option("--split", type=click.Choice(["train", "valid"]), default="train", show_default=True)
@click.option(
    "--per-patch",
    type=click.IntRange(0),
    default=3,
    show_default=True,
    help="Notes of a patch, spread over its pitches; 0 for all.",
)
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Processes.")
@click.option(
    "--precision",
    type=click.Choice(["auto", "bfloat16", "float32"]),
    default="auto",
    show_default=True,
    help="auto is the quicker one here.",
)
@json_option
def teach(
    dataset_name: str,
    root: Path | None,
    out: Path,
    split: str,
    per_patch: int,
    jobs: int,
    as_json: bool,
    **teacher: str,
) -> None:
    """Compute a teacher's vectors of the notes of a dataset, once, for trainings to come.

    Kill it at any time and run the same command again: it goes on where it was. Notes that cannot
    be heard are left out; the file of vectors says why.
    """
    import torch

    from ..datasets.opening import open_dataset
    from .taught import FILE, read_taught
    from .teach import Teacher, notes_to_teach
    from .teach import teach as steps

    torch.set_num_threads(1)
    dataset = open_dataset(dataset_name, root)
    notes = notes_to_teach(dataset, split, per_patch)
    _show(steps(dataset, notes, out, Teacher(**teacher), jobs))
    ids, vectors, info = read_taught(out)
    if as_json:
        echo_json({"notes": len(ids), "dim": vectors.shape[1], "out": str(out / FILE), **info})
    else:
        click.echo(f"{len(ids)} notes, {vectors.shape[1]} numbers each: {out / FILE}")


def _show(steps: Iterable[TeachStep]) -> None:
    """Progress on stderr: a bar, or a line every half a minute where stderr is a file."""
    from tqdm import tqdm

    seconds = 0.2 if sys.stderr.isatty() else 30
    with tqdm(desc="teaching", unit="note", mininterval=seconds, maxinterval=seconds) as bar:
        for step in steps:
            bar.total = step.total
            if bar.n == 0 and step.done and not step.failed:
                bar.initial = bar.last_print_n = step.done
            bar.update(step.done - bar.n)
            for note, reason in step.failed.items():
                bar.write(f"Left out: {note}: {reason}", file=sys.stderr)
