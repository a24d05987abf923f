"""A teacher's vectors of many notes: in parallel, resumable, one bad note never stops it."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timbreclip_core.errors import InputError, TimbreClipError
from timbreclip_core.model import Model, load_model

from ..datasets.base import Note, NoteDataset
from ..evaluation.store import model_source
from ..measured.describing import note_keys, pick_notes
from ..measured.measuring import start_worker
from ..measured.table import digest
from .taught import FILE, Taught, read_file, write_file

PARTS = "parts"
PART_NOTES = 128
BATCH = 16
NOTE_ERRORS = (TimbreClipError, OSError, ValueError)
"""What a single bad note can raise."""

Vectors = dict[str, NDArray[np.float32]]
Reasons = dict[str, str]


class TeachError(TimbreClipError):
    """A teacher's vectors could not be computed; the message says what to do."""


@dataclass(frozen=True)
class Teacher:
    """A model of core by name, so that every process can load it.

    Args:
        name: As ``load_model`` takes it.
        precision: As ``load_model`` takes it.
    """

    name: str
    precision: str = "auto"

    def load(self) -> Model:
        return load_model(self.name, precision=self.precision)


@dataclass(frozen=True)
class TeachStep:
    """How far it is.

    Args:
        done: Notes that have a vector or were given up, those of earlier runs too.
        total: Notes that were asked for.
        failed: Reason by id of the notes that were given up in this step.
    """

    done: int
    total: int
    failed: Reasons


def notes_to_teach(dataset: NoteDataset, split: str, per_patch: int) -> list[Note]:
    """Notes of one split, at most so many a patch, spread over its pitches; always the same.

    Args:
        dataset: Any.
        split: Of ``datasets.base.SPLITS``.
        per_patch: How many; 0 for all.

    Raises:
        InputError: There are none, or the number is below 0.
    """
    notes = [note for note in pick_notes(dataset, per_patch) if note.split == split]
    if not notes:
        raise InputError(f"There are no notes in the split {split!r} of {dataset.root}.")
    return notes


def teach(
    dataset: NoteDataset, notes: Sequence[Note], folder: Path, teacher: Teacher, jobs: int = 1
) -> Iterator[TeachStep]:
    """Compute the vectors that are not in the folder yet, and then ``taught.safetensors``.

    Killed at any time and run again, it goes on where it was. Vectors of other notes of the
    dataset stay; those of notes whose audio changed are computed again, or dropped.

    Args:
        dataset: Where the notes are from.
        notes: Which.
        folder: Made if absent.
        teacher: What hears them; the vectors are those that compare sounds with sounds.
        jobs: Processes.

    Raises:
        InputError: The folder holds vectors of another teacher, or no note can be heard.
        TeachError: A process died.
    """
    model = teacher.load()
    info = _info(model, dataset)
    (folder / PARTS).mkdir(parents=True, exist_ok=True)
    for stale in [*folder.glob(".*-*"), *(folder / PARTS).glob(".*-*")]:
        stale.unlink()
    keys = note_keys(dataset)
    known = _known(folder, keys, info)
    missing = [note for note in notes if note.id not in known]
    done, failures = len(notes) - len(missing), dict[str, str]()
    yield TeachStep(done, len(notes), {})
    for vectors, failed in _heard(dataset, list(_parts(missing)), model, teacher, jobs):
        _write_part(folder, vectors, keys, info)
        known.update(vectors)
        failures.update(failed)
        done += len(vectors) + len(failed)
        yield TeachStep(done, len(notes), failed)
    if not known:
        note, reason = next(iter(failures.items()))
        raise InputError(f"None of the notes can be heard; the first, {note}: {reason}")
    ordered = {note.id: known[note.id] for note in dataset.notes if note.id in known}
    write_file(folder / FILE, _taught(ordered, keys, info | {"failed": failures}))
    for path in (folder / PARTS).glob("*.safetensors"):
        path.unlink()
    (folder / PARTS).rmdir()


def _info(model: Model, dataset: NoteDataset) -> dict[str, Any]:
    kind = model.kind_for_sounds()
    licence = model.checkpoint.config.get("licence", "") if model.checkpoint else ""
    return {
        "teacher": model.encoder.name,
        "model": model.id,
        "source": model_source(model),
        "kind": kind,
        "space": model.encoder.spaces[kind],
        "precision": model.precision,
        "licence": licence,
        "dataset": dataset.name,
    }


def _known(folder: Path, keys: dict[str, str], info: dict[str, Any]) -> Vectors:
    """Vectors of earlier runs that still hold; files that are damaged count as not there."""
    known: Vectors = {}
    for path in [folder / FILE, *sorted((folder / PARTS).glob("*.safetensors"))]:
        try:
            taught = read_file(path)
        except InputError:
            continue
        if any(taught.info.get(name) != info[name] for name in ("source", "kind")):
            raise InputError(
                f"{folder} holds vectors of {taught.info.get('source')}, not of {info['source']}. "
                "Name another folder."
            )
        rows = zip(taught.ids, taught.keys, taught.vectors, strict=True)
        known.update((note, row) for note, key, row in rows if keys.get(note) == key)
    return known


def _parts(notes: Sequence[Note]) -> Iterator[list[Note]]:
    for start in range(0, len(notes), PART_NOTES):
        yield list(notes[start : start + PART_NOTES])


def _heard(
    dataset: NoteDataset, parts: list[list[Note]], model: Model, teacher: Teacher, jobs: int
) -> Iterator[tuple[Vectors, Reasons]]:
    """Results of every part, as they come."""
    if jobs == 1 or len(parts) < 2:
        yield from (hear_notes(dataset, part, model) for part in parts)
        return
    context = multiprocessing.get_context("spawn")
    bare = type(dataset)(dataset.root)  # without what it has scanned, which the others do not need
    pool = ProcessPoolExecutor(jobs, context, _start, (teacher, bare))
    try:
        for future in as_completed([pool.submit(_hear_part, part) for part in parts]):
            yield future.result()
    except BrokenProcessPool as error:
        raise TeachError(
            "A process that computed vectors died, perhaps for want of memory. What was computed "
            "is kept: run the same command again, with fewer --jobs."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


_worker: tuple[NoteDataset, Model] | None = None


def _start(teacher: Teacher, dataset: NoteDataset) -> None:
    global _worker
    start_worker()
    _worker = dataset, teacher.load()


def _hear_part(notes: list[Note]) -> tuple[Vectors, Reasons]:
    if _worker is None:
        raise TeachError("This process was not started by teach().")
    return hear_notes(_worker[0], notes, _worker[1])


def hear_notes(
    dataset: NoteDataset, notes: Sequence[Note], model: Model
) -> tuple[Vectors, Reasons]:
    """Unit vectors ``(dim,)`` by id, and the reason for each note that has none."""
    vectors: Vectors = {}
    failed: Reasons = {}
    alike: dict[tuple[int, ...], list[tuple[Note, NDArray[np.float32]]]] = {}
    for note in notes:
        try:
            samples, rate = dataset.read(note)
        except NOTE_ERRORS as error:
            failed[note.id] = _reason(error)
            continue
        alike.setdefault((*samples.shape, rate), []).append((note, samples))
    for (*_, rate), members in alike.items():
        for start in range(0, len(members), BATCH):
            _hear_batch(members[start : start + BATCH], rate, model, vectors, failed)
    root = f"{dataset.root}/"
    return vectors, {note: reason.replace(root, "") for note, reason in failed.items()}


def _hear_batch(
    members: list[tuple[Note, NDArray[np.float32]]],
    rate: int,
    model: Model,
    vectors: Vectors,
    failed: Reasons,
) -> None:
    """Vectors of notes of one shape; where one of them is bad, of each alone."""
    kind = model.kind_for_sounds()
    try:
        found = model.embed_audio(np.stack([s for _, s in members]), sample_rate=rate, kind=kind)
    except NOTE_ERRORS as error:
        if len(members) == 1:
            failed[members[0][0].id] = _reason(error)
            return
        for member in members:
            _hear_batch([member], rate, model, vectors, failed)
        return
    rows = found.plain().float().cpu().numpy()
    vectors.update((note.id, row) for (note, _), row in zip(members, rows, strict=True))


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def _write_part(folder: Path, vectors: Vectors, keys: dict[str, str], info: dict[str, Any]) -> None:
    if vectors:
        taught = _taught(vectors, keys, info)
        write_file(folder / PARTS / f"{digest(taught.ids)}.safetensors", taught)


def _taught(vectors: Vectors, keys: dict[str, str], info: dict[str, Any]) -> Taught:
    ids = list(vectors)
    return Taught(ids, [keys[note] for note in ids], np.stack(list(vectors.values())), info)
