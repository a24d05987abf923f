"""Checks that authors of plugins run in their own tests."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from timbreclip_core.errors import InputError, TimbreClipError

if TYPE_CHECKING:
    from .datasets.base import Note, NoteDataset

READ_AT_MOST = 50


class ConformanceError(TimbreClipError, AssertionError):
    """A plugin does not do what its kind must do; the message lists all that was found."""


def check_dataset(dataset: NoteDataset) -> None:
    """Check that a dataset does all that the rest of timbreclip relies on.

    One line in a test of a plugin, with a few notes in its layout::

        check_dataset(open_dataset("my-dataset", root))

    Args:
        dataset: Opened on a folder without faults.

    Raises:
        ConformanceError: With a line for everything that is wrong.
    """
    from .datasets.base import NoteDataset

    if not isinstance(dataset, NoteDataset):
        raise ConformanceError(f"{dataset!r} is no NoteDataset.")
    try:
        faults = [str(problem) for problem in dataset.validate(decode=True)]
        faults = faults or [f for check in _CHECKS for f in check(dataset)]
    except InputError as error:
        faults = [f"the dataset cannot be used: {error}"]
    if faults:
        listed = "\n".join(f"- {fault}" for fault in faults)
        raise ConformanceError(f"The dataset {dataset.name!r} does not conform:\n{listed}")


def _named(dataset: NoteDataset) -> Iterator[str]:
    from timbreclip_core.plugins import plugin_manager

    from .entries import DatasetEntry

    found = [
        r.entry for r in plugin_manager().entries(DatasetEntry) if r.entry.name == dataset.name
    ]
    if not found:
        yield f"no DatasetEntry is called {dataset.name!r}: register one in tclip_datasets()"
    for entry in found:
        if not entry.licence.strip():
            yield "the entry has no licence"
        if type(entry.load(Path(dataset.root))) is not type(dataset):
            yield "the entry's load() opens something else"


def _reproducible(dataset: NoteDataset) -> Iterator[str]:
    first, second = list(dataset.scan()), list(dataset.scan())
    if first != second:
        yield "scan() gives other notes, or another order, the second time"
    copy = pickle.loads(pickle.dumps(dataset))
    if copy.notes != dataset.notes:
        yield "a pickled copy, as worker processes get it, has other notes"


def _grouped(dataset: NoteDataset) -> Iterator[str]:
    if len(dataset) != len(dataset.notes) or dataset[0] != next(iter(dataset)):
        yield "len(), [] and iteration do not agree with notes"
    if sum(len(notes) for notes in dataset.patches.values()) != len(dataset):
        yield "patches do not hold every note once"
    for patch, notes in dataset.patches.items():
        if len({note.split for note in notes}) > 1:
            yield f"the patch {patch} is in several splits"
    if not any(note.text for note in dataset.notes):
        yield "no note has any text"
    counted = dataset.stats(seconds=True)
    if counted.notes != len(dataset) or not counted.seconds:
        yield "stats() does not count the notes"


def _audible(dataset: NoteDataset) -> Iterator[str]:
    for note in dataset.notes[:READ_AT_MOST]:
        yield from (f"{note.id}: {fault}" for fault in _read_faults(dataset, note))


def _read_faults(dataset: NoteDataset, note: Note) -> Iterator[str]:
    import numpy as np

    samples, rate = dataset.read(note)
    again: Any = dataset.read(note)[0]
    if samples.dtype != np.float32 or samples.ndim != 2:
        yield f"read() gives {samples.dtype} {samples.shape}, not float32 (channels, samples)"
        return
    if samples.shape[0] > samples.shape[1]:
        yield f"read() gives {samples.shape}: more channels than samples"
    if not np.isfinite(samples).all() or not samples.any():
        yield "it is silent, or holds NaN or infinity"
    if not np.array_equal(samples, again):
        yield "read() gives other samples the second time"
    if note.sample_rate not in (None, rate) or not isinstance(rate, int):
        yield f"read() gives the rate {rate!r}, the note says {note.sample_rate}"


_CHECKS = (_named, _reproducible, _grouped, _audible)
