"""From descriptors to words: a reference, and the qualities of every patch of a dataset."""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from timbreclip_core.files import atomic_path

from ..datasets.base import Note, NoteDataset
from .attributes import attributes
from .judging import Bools, degrees_of, has_and_unclear, patch_degrees
from .reference import REFERENCE, Reference
from .table import DescriptorTable, read_table

QUALITIES = "qualities.json"


@dataclass(frozen=True)
class Described:
    """A dataset with its descriptors, what is usual, and who has which attribute.

    Args:
        notes: Those that are in the table, in its order.
        table: Their descriptors.
        reference: What is usual.
        degrees: Of ``degrees_of``, ``(notes, attributes)``.
        patches: Their patches.
        has: Which patch has which attribute, ``(patches, attributes)``.
        unclear: Of which that cannot be said.
    """

    notes: tuple[Note, ...]
    table: DescriptorTable
    reference: Reference
    degrees: NDArray[np.float64]
    patches: tuple[str, ...]
    has: Bools
    unclear: Bools

    @property
    def shares(self) -> dict[str, float]:
        """By attribute, the share of patches that have it."""
        means = self.has.mean(0).tolist()
        return {a.name: share for a, share in zip(attributes(), means, strict=True)}


def pitches_of(notes: Sequence[Note]) -> NDArray[np.float64]:
    """MIDI pitches ``(notes,)``, NaN for none."""
    return np.array([np.nan if note.pitch is None else note.pitch for note in notes], np.float64)


def put_into_words(
    dataset: NoteDataset, folder: Path, reference: Reference | None = None
) -> Described:
    """Write ``reference.json`` and ``qualities.json`` beside the descriptors in a folder.

    Args:
        dataset: Whose notes they are.
        folder: Holds the table of ``describe_notes``.
        reference: What is usual; fitted to the dataset's training notes if None.

    Raises:
        InputError: There is no table, or no note for training in it.
    """
    table = read_table(folder)
    by_id = {note.id: note for note in dataset.notes}
    table = table.select(note for note in table.ids if note in by_id)
    notes = tuple(by_id[note] for note in table.ids)
    if reference is None:
        train = [note for note in notes if note.split == "train"]
        chosen = table.select(note.id for note in train)
        reference = Reference.fit(chosen, pitches_of(train), f"{dataset.name}, split train")
    reference.save(folder / REFERENCE)
    degrees = degrees_of(reference, table, pitches_of(notes))
    patches, of_patches = patch_degrees(degrees, [note.patch for note in notes])
    has, unclear = has_and_unclear(of_patches)
    described = Described(notes, table, reference, degrees, patches, has, unclear)
    _write_qualities(folder / QUALITIES, described)
    return described


def _write_qualities(path: Path, described: Described) -> None:
    labels = np.array([a.label for a in attributes()])
    each = zip(described.patches, described.has, strict=True)
    rows = {patch: labels[has].tolist() for patch, has in each}
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(rows, ensure_ascii=False, indent=0) + "\n", "utf-8")


def numbered_patches(notes: Sequence[Note]) -> NDArray[np.int64]:
    """A number for the patch of every note, from 0 in the order of first notes, ``(notes,)``."""
    return numbered([note.patch for note in notes])


def numbered(values: Sequence[Hashable]) -> NDArray[np.int64]:
    """Equal values to equal numbers, from 0 in the order of their first appearance."""
    number = {value: i for i, value in enumerate(dict.fromkeys(values))}
    return np.array([number[value] for value in values], np.int64)
