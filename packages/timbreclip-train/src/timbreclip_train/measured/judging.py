"""Which notes and which patches have which attribute."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .attributes import Attribute, attributes
from .reference import Reference
from .table import DescriptorTable

Bools = NDArray[np.bool_]


def degrees_of(
    reference: Reference, table: DescriptorTable, pitches: NDArray[Any]
) -> NDArray[np.float64]:
    """How far notes have each attribute, by the condition that is least met.

    Args:
        reference: What is usual.
        table: ``(notes, descriptors)``.
        pitches: MIDI pitches ``(notes,)``, NaN for unpitched sounds.

    Returns:
        ``(notes, attributes)``: 0 and more where a note has it, -1 and less where it has not, NaN
        where it cannot be said of such a note at all: of drums, say, or since the table lacks
        a descriptor or its value is NaN.
    """
    keys = np.asarray(pitches, np.float64)
    return np.stack([_degree(a, reference, table, keys) for a in attributes()], 1)


def _degree(
    attribute: Attribute,
    reference: Reference,
    table: DescriptorTable,
    pitches: NDArray[np.float64],
) -> NDArray[np.float64]:
    met = []
    for c in attribute.conditions:
        if c.descriptor not in table.names or c.descriptor not in reference.usual:
            return np.full(len(table), np.nan)
        values = table.column(c.descriptor).astype(np.float64)
        if c.relative:
            values = reference.deviations(c.descriptor, values, pitches)
        met.append((values - c.edge) / (c.edge - c.none))
    degree = np.min(met, axis=0)
    low, high = attribute.pitches
    outside = (pitches < low) | (pitches > high)
    if attribute.pitched:
        outside |= np.isnan(pitches)
    return np.where(outside, np.nan, degree)


def attributes_of(
    reference: Reference, table: DescriptorTable, pitches: NDArray[Any]
) -> tuple[Bools, Bools]:
    """Which note has which attribute, and of which that cannot be said.

    Args:
        reference, table, pitches: As for ``degrees_of``.

    Returns:
        Two bool arrays ``(notes, attributes)`` in the order of ``attribute_names()``: has, and
        unclear. A note has not what is in neither.
    """
    return has_and_unclear(degrees_of(reference, table, pitches))


def has_and_unclear(degrees: NDArray[np.float64]) -> tuple[Bools, Bools]:
    """What degrees ``(notes, attributes)`` say: who has it, and of whom that cannot be said."""
    has = degrees >= 0
    return has, ~has & ~(degrees <= -1)


def patch_degrees(
    degrees: NDArray[np.float64], patches: Sequence[str]
) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Degrees of patches: what more than half of the notes reach of which it can be said.

    Args:
        degrees: Of notes, ``(notes, attributes)``.
        patches: Patch of each note, ``(notes,)``.

    Returns:
        The patches in the order of their first notes, and ``(patches, attributes)``; NaN where it
        can be said of no note.
    """
    rows: dict[str, list[int]] = {}
    for row, patch in enumerate(patches):
        rows.setdefault(patch, []).append(row)
    found = np.empty((len(rows), degrees.shape[1]))
    for place, members in enumerate(rows.values()):
        ordered = np.sort(degrees[members], axis=0)  # NaN last
        middle = np.maximum(((~np.isnan(ordered)).sum(0) - 1) // 2, 0)
        found[place] = np.take_along_axis(ordered, middle[None], 0)[0]
    return tuple(rows), found
