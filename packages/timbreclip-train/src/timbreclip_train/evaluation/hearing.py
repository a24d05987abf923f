"""From notes of a dataset to vectors: files decoded once, heard in batches by threads, kept."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from timbreclip_core import audio as au
from timbreclip_core.errors import InputError, TimbreClipError
from timbreclip_core.model import Model

from ..datasets.base import Note, NoteDataset
from ..datasets.reading import Clip, read_clips
from .store import VectorStore, model_source

NOTES_AT_ONCE = 96  # eight files of twelve notes, or three full batches
BATCH = 32
NOTES_KEPT_AT_ONCE = 256  # a killed run loses no more than these


@dataclass(frozen=True)
class HeardNotes:
    """Notes that have vectors, and those that have none.

    Args:
        notes: In the order given.
        vectors: Unit vectors by kind, ``(notes, dim)``.
        failed: Notes that cannot be embedded (silent, unreadable) with the reason. They are left
            out as queries and as documents; a patch without any note left stays a document that
            is ranked last.
    """

    notes: tuple[Note, ...]
    vectors: dict[str, np.ndarray]
    failed: tuple[tuple[Note, str], ...]

    def where(self, keep: Callable[[Note], bool]) -> HeardNotes:
        """Those notes for which ``keep`` is true, of both sorts."""
        rows = [i for i, note in enumerate(self.notes) if keep(note)]
        vectors = {kind: table[rows] for kind, table in self.vectors.items()}
        failed = tuple(item for item in self.failed if keep(item[0]))
        return HeardNotes(tuple(self.notes[i] for i in rows), vectors, failed)


@dataclass
class Heard:
    """What became of some notes.

    Args:
        vectors: By key and kind, ``(dim,)``.
        failures: Reasons by key.
    """

    vectors: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.vectors) + len(self.failures)

    def take(self, other: Heard) -> None:
        """Add what another holds."""
        self.vectors.update(other.vectors)
        self.failures.update(other.failures)


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def hear(
    dataset: NoteDataset,
    notes: Sequence[Note],
    model: Model,
    *,
    store: VectorStore | None = None,
    jobs: int | None = None,
    progress: bool = True,
) -> HeardNotes:
    """Vectors of all kinds of some notes; what the store knows is not computed again.

    Args:
        dataset: Where the notes are.
        notes: Which.
        model: What hears them.
        store: Where vectors are kept; the default one if None.
        jobs: Threads that decode and hear, a core each; all cores if None. The batches are the
            same, whatever their number.
        progress: Show progress on stderr.

    Raises:
        InputError: Not one note can be embedded.
    """
    store = store or VectorStore(model_source(model))
    kinds = list(model.encoder.spaces)
    jobs = jobs or cores()
    keys = store.keys(dataset, notes, jobs=jobs)
    known, failures = store.load(keys, kinds[0])
    missing = {k: n for k, n in zip(keys, notes, strict=True) if k not in known | failures}
    bar = tqdm(total=len(missing), unit="note", disable=None if progress else True, desc="embed")
    with bar:
        for heard in _hear_missing(dataset, missing, model, jobs):
            store.save(heard.vectors, heard.failures)
            bar.update(len(heard))
    loaded = {kind: store.load(keys, kind) for kind in kinds}
    failures = loaded[kinds[0]][1]
    good = [i for i, key in enumerate(keys) if key not in failures]
    if not good:
        raise InputError(f"None of the {len(notes)} notes can be embedded.")
    vectors = {kind: np.stack([loaded[kind][0][keys[i]] for i in good]) for kind in kinds}
    failed = tuple((n, failures[k]) for k, n in zip(keys, notes, strict=True) if k in failures)
    return HeardNotes(tuple(notes[i] for i in good), vectors, failed)


def _hear_missing(
    dataset: NoteDataset, missing: Mapping[str, Note], model: Model, jobs: int
) -> Iterator[Heard]:
    """What becomes of notes by key, some at a time, in any order."""
    waiting = iter(in_groups(missing))
    held = Heard()
    running: set[Future[Heard]] = set()
    with threads(jobs) as pool:
        while True:
            for group in islice(waiting, jobs + 1 - len(running)):
                running.add(pool.submit(hear_group, dataset, group, model))
            if not running:
                break
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                held.take(future.result())
            if len(held) >= NOTES_KEPT_AT_ONCE:
                yield held
                held = Heard()
    if len(held):
        yield held


@contextmanager
def threads(jobs: int) -> Iterator[ThreadPoolExecutor]:
    """Threads in each of which torch uses one core."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(jobs, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield pool
    finally:
        torch.set_num_threads(before)


def in_groups(missing: Mapping[str, Note]) -> Iterator[list[tuple[str, Note]]]:
    """Notes with their keys in groups that part no file, unless it holds very many."""
    files: dict[str | None, list[tuple[str, Note]]] = {}
    for key, note in missing.items():
        files.setdefault(note.audio, []).append((key, note))
    group: list[tuple[str, Note]] = []
    for members in files.values():
        members.sort(key=lambda item: item[1].start)
        for start in range(0, len(members), NOTES_AT_ONCE):
            group += members[start : start + NOTES_AT_ONCE]
            if len(group) >= NOTES_AT_ONCE:
                yield group
                group = []
    if group:
        yield group


def hear_group(dataset: NoteDataset, group: Sequence[tuple[str, Note]], model: Model) -> Heard:
    """Decode and hear some notes, given with their keys, those of one length together."""
    found = Heard()
    keys = {note.id: key for key, note in group}
    stacks: dict[int, _Stack] = {}
    for note, clip in read_clips(dataset, [note for _, note in group]):
        mono = _mono(clip, note, model)
        if isinstance(mono, str):
            found.failures[keys[note.id]] = mono
            continue
        if len(mono) not in stacks:
            stacks[len(mono)] = _Stack(len(mono))
        stack = stacks[len(mono)]
        stack.add(keys[note.id], mono)
        if len(stack.keys) == BATCH:
            found.vectors.update(stack.heard(model))
    for stack in stacks.values():
        if stack.keys:
            found.vectors.update(stack.heard(model))
    return found


class _Stack:
    """Sounds of one length, up to a batch, in memory that every batch uses again.

    Args:
        length: Samples.
    """

    def __init__(self, length: int) -> None:
        self.keys: list[str] = []
        self._rows = torch.empty(BATCH, 1, length)

    def add(self, key: str, mono: Tensor) -> None:
        """One more, ``(samples,)``."""
        self._rows[len(self.keys), 0] = mono
        self.keys.append(key)

    def heard(self, model: Model) -> dict[str, dict[str, np.ndarray]]:
        """Vectors by key and kind; the stack is empty then."""
        rows = self._rows[: len(self.keys)]
        vectors = model.embed_audio_kinds(rows, sample_rate=model.encoder.sample_rate)
        tables = {kind: table.plain().cpu().numpy() for kind, table in vectors.items()}
        keys, self.keys = self.keys, []
        return {key: {k: t[row] for k, t in tables.items()} for row, key in enumerate(keys)}


def _mono(clip: Clip, note: Note, model: Model) -> Tensor | str:
    """Mono samples at the model's rate, as ``Model.embed_audio`` makes them, or what is wrong."""
    if isinstance(clip, TimbreClipError):
        return str(clip)
    samples, rate = clip
    try:
        au.check_rate(rate)
        # Interleaved in memory, where a mean over the first dimension takes five times as long.
        mixed = (samples[0] + samples[1]) / 2 if len(samples) == 2 else samples.mean(0)
        mono = au.resample(torch.from_numpy(mixed)[None], rate, model.encoder.sample_rate).float()
        au.check_audible(mono, note.id)
    except TimbreClipError as error:
        return str(error)
    return mono[0]
