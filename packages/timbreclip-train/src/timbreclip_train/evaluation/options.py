"""What the evaluation commands share: which notes, and their vectors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from timbreclip_core.model import Model

    from ..datasets.base import NoteDataset
    from .hearing import HeardNotes


@dataclass(frozen=True)
class Asked:
    """What the options asked for.

    Args:
        dataset: Opened.
        model: Loaded.
        heard: The chosen notes.
        cache: Folder of what is kept, None for the default.
        jobs: Threads, None for all cores.
    """

    dataset: NoteDataset
    model: Model
    heard: HeardNotes
    cache: Path | None
    jobs: int | None


def data_options(command: Any) -> Any:
    """Adds --dataset, --root, --split, --source, --collection, --pitch, --cache and --jobs."""
    for option in (
        click.option("-j", "--jobs", type=click.IntRange(1), help="Threads.  [default: all cores]"),
        click.option("--cache", type=click.Path(path_type=Path), help="Where vectors are kept."),
        click.option("--pitch", "pitches", type=int, multiple=True, help="Only these MIDI notes."),
        click.option(
            "--collection",
            "collections",
            multiple=True,
            metavar="PATTERN",
            help="Only notes of these banks, SoundFonts or kits, as olivers-*; repeat it.",
        ),
        click.option(
            "--source",
            "sources",
            multiple=True,
            metavar="PATTERN",
            help="Only notes from these renderers; repeat it.",
        ),
        click.option("--split", default="test", show_default=True, help='A split, or "all".'),
        click.option("--root", type=click.Path(path_type=Path), help="Folder of the dataset."),
        click.option("--dataset", "dataset_name", required=True, help="See `tclip data list`."),
    ):
        command = option(command)
    return command


def hear_options(options: dict[str, Any]) -> Asked:
    """The notes that the options choose, heard by the model that they name."""
    from timbreclip_core import load_model

    from ..datasets.opening import open_dataset
    from .hearing import hear
    from .run import Selection, choose_notes
    from .store import VectorStore, model_source

    dataset = open_dataset(options["dataset_name"], options["root"])
    split = None if options["split"] == "all" else options["split"]
    chosen = (options[name] for name in ("pitches", "sources", "collections"))
    notes = choose_notes(dataset, Selection(split, *chosen))
    model = load_model(
        options["model_name"], device=options["device"], precision=options["precision"]
    )
    store = VectorStore(model_source(model), options["cache"])
    heard = hear(dataset, notes, model, store=store, jobs=options["jobs"])
    if heard.failed:
        shown = "; ".join(reason for _, reason in heard.failed[:3])
        click.echo(f"{len(heard.failed)} notes are left out: {shown} ...", err=True)
    return Asked(dataset, model, heard, options["cache"], options["jobs"])
