"""How many notes, patches and texts there are."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from .base import TEXT_KINDS, Note, NoteDataset
from .reading import read_header


@dataclass(frozen=True, kw_only=True)
class Stats:
    """Counts over a dataset.

    Args:
        notes: Usable notes.
        patches: Patches of them.
        splits: Notes and patches by split.
        pitches: Notes by MIDI note; notes without one are not in it.
        velocities: Notes by velocity, likewise.
        texts: By kind: notes that have it, and different texts.
        problems: Entries left out.
        seconds: Length of all notes; None if it was not asked for.
    """

    notes: int
    patches: int
    splits: dict[str, dict[str, int]]
    pitches: dict[int, int]
    velocities: dict[int, int]
    texts: dict[str, dict[str, int]]
    problems: int
    seconds: float | None = None


def count(dataset: NoteDataset, *, seconds: bool = False) -> Stats:
    """Counts of a dataset; ``seconds`` opens every file.

    Raises:
        InputError: It cannot be used, or a file cannot be opened.
    """
    notes = dataset.notes
    return Stats(
        notes=len(notes),
        patches=len(dataset.patches),
        splits=_splits(notes),
        pitches=_sorted(n.pitch for n in notes),
        velocities=_sorted(n.velocity for n in notes),
        texts=_texts(notes),
        problems=len(dataset.problems),
        seconds=sum(_seconds(dataset, n) for n in notes) if seconds else None,
    )


def _splits(notes: tuple[Note, ...]) -> dict[str, dict[str, int]]:
    patches: dict[str, set[str]] = {}
    counts = Counter(note.split for note in notes)
    for note in notes:
        patches.setdefault(note.split, set()).add(note.patch)
    return {s: {"notes": counts[s], "patches": len(patches[s])} for s in sorted(counts)}


def _sorted(values: object) -> dict[int, int]:
    counts = Counter(v for v in values if v is not None)  # type: ignore[attr-defined]
    return dict(sorted(counts.items()))


def _texts(notes: tuple[Note, ...]) -> dict[str, dict[str, int]]:
    found = {}
    for kind in TEXT_KINDS:
        having = [note.text[kind] for note in notes if kind in note.text]
        if having:
            different = {text for texts in having for text in texts}
            found[kind] = {"notes": len(having), "different": len(different)}
    return found


def _seconds(dataset: NoteDataset, note: Note) -> float:
    if note.audio is None:
        samples, rate = dataset.read(note)
        return samples.shape[-1] / rate
    header = read_header(dataset.path(note))
    frames = header.frames - note.start if note.frames is None else note.frames
    return frames / header.sample_rate
