"""Measuring one group of notes: what a worker process does."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from timbreclip_core.descriptors import DESCRIPTORS, describe, stereo_width_db
from timbreclip_core.errors import TimbreClipError

from ..datasets.base import Note, NoteDataset
from .table import FORMAT_VERSION, digest

NAMES: tuple[str, ...] = (*(entry.name for entry in DESCRIPTORS), "stereo_width_db")
MEASURE = digest([FORMAT_VERSION, [asdict(entry) for entry in DESCRIPTORS], "stereo_width_db"])
"""Changes with what is measured: older rows are measured again."""
MONO_DB = -60.0
SILENCE = 10 ** (-100 / 20)
BATCH = 4
NOTE_ERRORS = (TimbreClipError, OSError, ValueError, RuntimeError, MemoryError)
"""What a single bad note can raise; anything else is a fault of this program."""


@dataclass
class Measured:
    """Rows of a group of notes.

    Args:
        rows: Values ``(descriptors,)`` by id.
        failed: Reason by id.
    """

    rows: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def start_worker() -> None:
    """Use one processor, and end when the process that started this one ends, however it does."""
    torch.set_num_threads(1)
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def measure(dataset: NoteDataset, notes: Sequence[Note]) -> Measured:
    """Measure notes, those of equal length and rate together."""
    found = Measured()
    batches: dict[tuple[int, int, bool], list[tuple[Note, NDArray[np.float32]]]] = {}
    for note in notes:
        try:
            samples, rate = dataset.read(note)
            if np.abs(samples).max(initial=0.0) < SILENCE:
                raise ValueError("It is silent: silence has no timbre.")
        except NOTE_ERRORS as error:
            found.failed[note.id] = _reason(error, dataset)
            continue
        kind = (samples.shape[1], rate, note.pitch is None)
        batches.setdefault(kind, []).append((note, samples))
    for (_, rate, _), members in batches.items():
        for start in range(0, len(members), BATCH):
            _measure_batch(found, dataset, members[start : start + BATCH], rate)
    return found


def _measure_batch(
    found: Measured,
    dataset: NoteDataset,
    members: list[tuple[Note, NDArray[np.float32]]],
    rate: int,
) -> None:
    try:
        values = _values([n for n, _ in members], [s for _, s in members], rate)
    except NOTE_ERRORS as error:
        for note, samples in members:
            if len(members) > 1:
                _measure_batch(found, dataset, [(note, samples)], rate)
            else:
                found.failed[note.id] = _reason(error, dataset)
        return
    found.rows.update((note.id, row) for (note, _), row in zip(members, values, strict=True))


def _values(
    notes: Sequence[Note], samples: Sequence[NDArray[np.float32]], rate: int
) -> NDArray[np.float32]:
    """``(notes, descriptors)`` of notes of one length, all with a pitch or all without."""
    mono = torch.from_numpy(np.stack([s.mean(0) for s in samples]))
    length_s = mono.shape[1] / rate
    hold = torch.tensor([hold_s(note) or 0.75 * length_s for note in notes])
    pitches = [note.pitch for note in notes if note.pitch is not None]
    pitch = torch.tensor(pitches, dtype=torch.float32) if pitches else None
    columns = list(describe(mono, rate, pitch=pitch, hold_s=hold).values())
    columns.append(torch.tensor([_width_db(s) for s in samples]))
    return torch.stack(columns, 1).numpy().astype(np.float32)


def _width_db(samples: NDArray[np.float32]) -> float:
    if samples.shape[0] < 2:
        return MONO_DB
    return float(stereo_width_db(torch.from_numpy(samples[None, :2]))[0])


def hold_s(note: Note) -> float | None:
    """Seconds to note-off, where the dataset says it."""
    try:
        return float(note.info["hold_s"])
    except (KeyError, ValueError):
        return None


def _reason(error: BaseException, dataset: NoteDataset) -> str:
    return (str(error) or type(error).__name__).replace(f"{dataset.root}/", "")
