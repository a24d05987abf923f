"""Which facts hold for which sound."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..measures import MEASURES
from ..notes import Note
from .vocabulary import attribute_names, vocabulary


def facts_of(note: Note) -> tuple[str, ...]:
    """Facts that follow from a note's parameters; what cannot be heard in it is left out."""
    known = vocabulary()
    found = list(known.of_family[note.family])
    found += [known.of_tag[tag] for tag in note.tags if tag in known.of_tag and _heard(tag, note)]
    return tuple(dict.fromkeys(found))


def _heard(tag: str, note: Note) -> bool:
    if tag == "long release":
        return note.hold_s < 3.0
    if tag in ("vibrato", "tremolo", "opening filter", "slowly moving filter", "wobbling filter"):
        return note.hold_s > 0.7
    return True


def note_facts(notes: Sequence[Note]) -> Tensor:
    """Which fact holds for which note by its parameters, bool ``(notes, facts)``."""
    index = vocabulary().index
    table = torch.zeros(len(notes), len(index), dtype=torch.bool)
    for row, note in enumerate(notes):
        table[row, [index[fact] for fact in facts_of(note)]] = True
    return table


def degrees(deviation: Tensor) -> Tensor:
    """How far a sound has each attribute: above 0 it has it, by the condition that is least met.

    Args:
        deviation: Of ``measures.Ordinary``, ``(batch, measures)``.
    Returns:
        ``(batch, attributes)``, standard deviations.
    """
    columns = []
    for attribute in vocabulary().attributes:
        met = [
            (deviation[:, MEASURES.index(name)] - edge) * (1 if edge > 0 else -1)
            for name, edge in attribute.when.items()
        ]
        columns.append(torch.stack(met).amin(0))
    return torch.stack(columns, 1)


def measured_facts(degree: Tensor) -> tuple[Tensor, Tensor]:
    """Which attribute a sound has, and of which that cannot be said.

    Args:
        degree: Of ``degrees``.
    Returns:
        Two bool tensors ``(batch, facts)``: has, and unclear; False for all other facts.
    """
    known = vocabulary()
    has = torch.zeros(len(degree), len(known), dtype=torch.bool)
    unclear = has.clone()
    columns = [known.index[name] for name in attribute_names()]
    has[:, columns] = degree > 0
    unclear[:, columns] = (degree <= 0) & (degree > -known.margin)
    return has, unclear
