"""From notes of a dataset to vectors: read ahead in threads, embedded in batches, kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from timbreclip_core import audio as au
from timbreclip_core.errors import InputError, TimbreClipError
from timbreclip_core.model import Model

from ..datasets.base import Note, NoteDataset
from .store import VectorStore, model_source

NOTES_AT_ONCE = 64
READERS = 2


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


def hear(
    dataset: NoteDataset,
    notes: Sequence[Note],
    model: Model,
    *,
    store: VectorStore | None = None,
    progress: bool = True,
) -> HeardNotes:
    """Vectors of all kinds of some notes; what the store knows is not computed again.

    Args:
        dataset: Where the notes are.
        notes: Which.
        model: What hears them.
        store: Where vectors are kept; the default one if None.
        progress: Show progress on stderr.

    Raises:
        InputError: Not one note can be embedded.
    """
    store = store or VectorStore(model_source(model))
    kinds = list(model.encoder.spaces)
    keys = store.keys(dataset, notes)
    known, failures = store.load(keys, kinds[0])
    missing = {k: n for k, n in zip(keys, notes, strict=True) if k not in known | failures}
    bar = tqdm(total=len(missing), unit="note", disable=None if progress else True, desc="embed")
    with bar:
        for batch in _in_batches(list(missing.items())):
            store.save(*_hear_batch(dataset, batch, model))
            bar.update(len(batch))
    loaded = {kind: store.load(keys, kind) for kind in kinds}
    failures = loaded[kinds[0]][1]
    good = [i for i, key in enumerate(keys) if key not in failures]
    if not good:
        raise InputError(f"None of the {len(notes)} notes can be embedded.")
    vectors = {kind: np.stack([loaded[kind][0][keys[i]] for i in good]) for kind in kinds}
    failed = tuple((n, failures[k]) for k, n in zip(keys, notes, strict=True) if k in failures)
    return HeardNotes(tuple(notes[i] for i in good), vectors, failed)


def _in_batches(items: list) -> Iterator[list]:
    for start in range(0, len(items), NOTES_AT_ONCE):
        yield items[start : start + NOTES_AT_ONCE]


def _hear_batch(
    dataset: NoteDataset, batch: Sequence[tuple[str, Note]], model: Model
) -> tuple[dict[str, dict[str, np.ndarray]], dict[str, str]]:
    """Vectors by key and kind, and reasons by key, of one batch."""
    failures: dict[str, str] = {}
    by_length: dict[int, list[tuple[str, Tensor]]] = {}
    with ThreadPoolExecutor(READERS) as readers:
        heard = readers.map(lambda item: _read(dataset, item[1], model), batch)
        for (key, _), result in zip(batch, heard, strict=True):
            if isinstance(result, str):
                failures[key] = result
            else:
                by_length.setdefault(len(result), []).append((key, result))
    vectors: dict[str, dict[str, np.ndarray]] = {key: {} for key, _ in batch if key not in failures}
    for group in by_length.values():
        stacked = torch.stack([mono for _, mono in group])[:, None]
        found = model.embed_audio_kinds(stacked, sample_rate=model.encoder.sample_rate)
        for kind, rows in found.items():
            for (key, _), row in zip(group, rows.plain().cpu().numpy(), strict=True):
                vectors[key][kind] = row
    return vectors, failures


def _read(dataset: NoteDataset, note: Note, model: Model) -> Tensor | str:
    """Mono samples at the model's rate, as ``Model.embed_audio`` makes them, or what is wrong."""
    try:
        samples, rate = dataset.read(note)
        mono = au.to_mono(au.as_batch(samples, rate))
        mono = au.resample(mono, rate, model.encoder.sample_rate).float()
        au.check_audible(mono, note.id)
    except TimbreClipError as error:
        return str(error)
    return mono[0]
