"""Does a sound keep its vector when it has been through a lower sample rate?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from tqdm import tqdm

from timbreclip_core import audio as au
from timbreclip_core.errors import TimbreClipError
from timbreclip_core.model import Model

from ..datasets.base import Note, NoteDataset
from ..datasets.reading import read_clips
from .hearing import HeardNotes, cores, threads

NOTES_AT_ONCE = 24


def copy_cosines(
    heard: HeardNotes,
    dataset: NoteDataset,
    model: Model,
    *,
    copy_rate: int = 16_000,
    count: int = 1000,
    jobs: int | None = None,
) -> np.ndarray:
    """Cosine of each note's ``"text"`` vector with that of its copy, ``(notes,)``.

    Args:
        heard: Notes with their vectors.
        dataset: Theirs.
        model: What heard them.
        copy_rate: The copy is resampled to so many Hz, which is all that it gives to the model.
        count: Notes evenly spread over those heard.
        jobs: Threads; all cores if None.
    """
    notes = heard.notes
    places = np.unique(np.linspace(0, len(notes) - 1, min(count, len(notes))).round().astype(int))
    row = {notes[i].id: int(i) for i in places}
    parts = [places[i : i + NOTES_AT_ONCE] for i in range(0, len(places), NOTES_AT_ONCE)]

    def compare(part: np.ndarray) -> list[float]:
        copies = _copies(dataset, [notes[i] for i in part], model, copy_rate)
        return [float(heard.vectors["text"][row[note]] @ vector) for note, vector in copies]

    found: list[float] = []
    bar = tqdm(total=len(places), unit="note", disable=None, desc="copies")
    with bar, threads(jobs or cores()) as pool:
        for cosines in pool.map(compare, parts):
            found += cosines
            bar.update(len(cosines))
    return np.array(found)


def _copies(
    dataset: NoteDataset, notes: Sequence[Note], model: Model, rate_hz: int
) -> list[tuple[str, np.ndarray]]:
    """Vectors of copies by note; a note whose copy is silent has none."""
    found = []
    for note, clip in read_clips(dataset, notes):
        if isinstance(clip, TimbreClipError):
            raise clip
        samples, rate = clip
        mono = torch.from_numpy(np.ascontiguousarray(samples.mean(0)))
        copy = au.resample(mono, rate, min(rate, rate_hz))
        try:
            vector = model.embed_audio(copy, sample_rate=min(rate, rate_hz))
        except TimbreClipError:
            continue
        found.append((note.id, vector.plain().cpu().numpy()[0]))
    return found
