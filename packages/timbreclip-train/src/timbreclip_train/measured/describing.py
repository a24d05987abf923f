"""Measuring many notes: in parallel, resumable, one bad note never stops it."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from timbreclip_core.errors import InputError
from timbreclip_core.files import atomic_path

from ..datasets.base import Note, NoteDataset
from .measuring import MEASURE, NAMES, Measured, hold_s, measure, start_worker
from .table import PARTS, TABLE, DescriptorTable, Records, digest, read_records, write_records

FOLDER = "descriptors"
Row = NDArray[np.float32]
INDEX = "index.json"
PART_NOTES = 128
_MD5_IN_FLAC = slice(26, 42)


@dataclass(frozen=True)
class DescribeStep:
    """How far it is.

    Args:
        done: Notes that are measured or given up, those of earlier runs too.
        total: Notes that were asked for.
        failed: Id and reason for each note that was given up in this step.
    """

    done: int
    total: int
    failed: tuple[tuple[str, str], ...] = ()


def pick_notes(dataset: NoteDataset, per_patch: int) -> list[Note]:
    """At most so many notes of each patch, spread over its pitches, and over its velocities.

    A patch's notes are cut by pitch into equal groups. Each gives the note in its middle, of the
    loudest velocity in the first group, the next in the second, and so on; always the same ones.

    Args:
        dataset: Any.
        per_patch: How many; 0 for all.
    """
    if per_patch < 0:
        raise InputError(f"The notes of a patch are 0 (all) or more, not {per_patch}.")
    if per_patch == 0:
        return list(dataset.notes)
    chosen = {n.id for notes in dataset.patches.values() for n in _spread(notes, per_patch)}
    return [note for note in dataset.notes if note.id in chosen]


def _spread(notes: Sequence[Note], count: int) -> list[Note]:
    if len(notes) <= count:
        return list(notes)
    ordered = sorted(notes, key=lambda n: (_or_zero(n.pitch), _or_zero(n.velocity), n.id))
    levels = sorted({_or_zero(n.velocity) for n in notes}, reverse=True)
    edges = [round(i * len(ordered) / count) for i in range(count + 1)]
    picked = []
    for turn in range(count):
        group = ordered[edges[turn] : edges[turn + 1]]
        level = levels[turn % len(levels)]
        fitting = [n for n in group if _or_zero(n.velocity) == level] or group
        picked.append(fitting[len(fitting) // 2])
    return picked


def _or_zero(value: int | None) -> int:
    return value or 0


def describe_notes(
    dataset: NoteDataset, notes: Sequence[Note], folder: Path, jobs: int = 1
) -> Iterator[DescribeStep]:
    """Measure notes into ``folder/descriptors.npz``, but those that are in it already.

    Killed at any time and run again, it goes on where it was. Rows of other notes of the dataset
    stay; rows of notes whose audio changed are measured again, or dropped if not asked for.

    Args:
        dataset: Where the notes are from.
        notes: Which.
        folder: Made if absent.
        jobs: Processes.

    Raises:
        InputError: There are no notes, or not one of them could be measured.
    """
    if not notes:
        raise InputError("There are no notes to measure.")
    (folder / PARTS).mkdir(parents=True, exist_ok=True)
    for stale in [*folder.glob(".*-*"), *(folder / PARTS).glob(".*-*")]:
        stale.unlink()
    keys = note_keys(dataset)
    known = _known(folder, keys)
    missing = [note for note in notes if note.id not in known]
    done = len(notes) - len(missing)
    failed: dict[str, str] = {}
    yield DescribeStep(done, len(notes))
    for found in _measure_all(dataset, _parts(missing), jobs):
        _write_part(folder, found, keys)
        known.update(found.rows)
        failed.update(found.failed)
        done += len(found.rows) + len(found.failed)
        yield DescribeStep(done, len(notes), tuple(found.failed.items()))
    if not known:
        raise InputError(f"Not one note could be measured; the first: {next(iter(failed.items()))}")
    _finish(dataset, folder, known, keys, failed)


def note_keys(dataset: NoteDataset) -> dict[str, str]:
    """By note, what changes with its audio: a digest of its file and of where it lies in it.

    A FLAC file counts with the MD5 of its samples, which is in its header; others with size and
    time of change.
    """
    files: dict[str, object] = {}
    keys = {}
    for note in dataset.notes:
        audio = note.audio or ""
        if audio and audio not in files:
            files[audio] = _file_identity(dataset.path(note))
        place = [files.get(audio), note.start, note.frames, note.pitch, hold_s(note)]
        keys[note.id] = digest(place)
    return keys


def _file_identity(path: Path) -> object:
    try:
        with path.open("rb") as stream:
            head = stream.read(_MD5_IN_FLAC.stop)
        md5 = head[_MD5_IN_FLAC]
        if head[:4] == b"fLaC" and any(md5):
            return md5.hex()
        about = path.stat()
    except OSError:
        return None
    return [about.st_size, about.st_mtime_ns]


def _known(folder: Path, keys: dict[str, str]) -> dict[str, Row]:
    """Rows of earlier runs that still hold; files that are damaged count as not there."""
    known: dict[str, Row] = {}
    for path in [folder / TABLE, *sorted((folder / PARTS).glob("*.npz"))]:
        try:
            records = read_records(path)
        except InputError:
            continue
        if records.measure != MEASURE or records.table.names != NAMES:
            continue
        rows = zip(records.table.ids, records.keys, records.table.values, strict=True)
        known.update((note, row) for note, key, row in rows if keys.get(note) == key)
    return known


def _parts(notes: Sequence[Note]) -> Iterator[list[Note]]:
    """Notes in groups of whole files, so that what is measured together never changes."""
    by_file: dict[str, list[Note]] = {}
    for note in notes:
        by_file.setdefault(note.audio or note.id, []).append(note)
    part: list[Note] = []
    for members in by_file.values():
        part += members
        if len(part) >= PART_NOTES:
            yield part
            part = []
    if part:
        yield part


def _measure_all(
    dataset: NoteDataset, parts: Iterable[list[Note]], jobs: int
) -> Iterator[Measured]:
    """Results as they come. Where a process dies, its notes are tried again, one at a time."""
    waiting = iter(parts)
    bare = type(dataset)(dataset.root)  # without what it has scanned, which the others do not need
    while first := next(waiting, None):
        waiting = chain([first], waiting)
        suspects: list[list[Note]] = []
        with _pool(jobs) as pool:
            running: dict[Future[Measured], list[Note]] = {}
            while not suspects:
                for part in islice(waiting, 2 * jobs - len(running)):
                    try:
                        running[pool.submit(measure, bare, part)] = part
                    except BrokenProcessPool:
                        suspects.append(part)
                if not running:
                    break
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    part = running.pop(future)
                    try:
                        yield future.result()
                    except BrokenProcessPool:
                        suspects.append(part)
            suspects += running.values()
        for note in chain.from_iterable(suspects):
            yield _measure_alone(bare, note)


def _measure_alone(dataset: NoteDataset, note: Note) -> Measured:
    with _pool(1) as pool:
        try:
            return pool.submit(measure, dataset, [note]).result()
        except BrokenProcessPool:
            return Measured(failed={note.id: "the process that measured it died"})


def _pool(jobs: int) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(jobs, mp_context=context, initializer=start_worker)


def _write_part(folder: Path, found: Measured, keys: dict[str, str]) -> None:
    if found.rows:
        records = _records(found.rows, keys)
        name = digest(records.table.ids)
        write_records(folder / PARTS / f"{name}.npz", records)


def _records(rows: dict[str, Row], keys: dict[str, str]) -> Records:
    table = DescriptorTable(tuple(rows), NAMES, np.stack(list(rows.values())))
    return Records(table, tuple(keys[note] for note in rows), MEASURE)


def _finish(
    dataset: NoteDataset,
    folder: Path,
    known: dict[str, Row],
    keys: dict[str, str],
    failed: dict[str, str],
) -> None:
    """Make one table of it, in the dataset's order, and an index that says what it is."""
    ordered = {note.id: known[note.id] for note in dataset.notes if note.id in known}
    write_records(folder / TABLE, _records(ordered, keys))
    for path in (folder / PARTS).glob("*.npz"):
        path.unlink()
    (folder / PARTS).rmdir()
    index = {
        "dataset": dataset.name,
        "measure": MEASURE,
        "notes": len(ordered),
        "descriptors": list(NAMES),
        "failed": failed,
    }
    with atomic_path(folder / INDEX) as temporary:
        temporary.write_text(json.dumps(index, indent=1, ensure_ascii=False) + "\n", "utf-8")
