"""Which facts hold for which sound."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

from .. import text as wording
from ..datasets.base import Note
from .vocabulary import attribute_names, kinds, measured_concepts, vocabulary

LABELS = ("category", "tags", "family", "source", "title")


def facts_of(note: Note) -> tuple[str, ...]:
    """Facts that a note's texts state, the plainest first; measured ones are left to measuring.

    The category comes first, then what tags, family and source say, then what the title tells.
    """
    return _facts_of_text(tuple((kind, note.text.get(kind, ())) for kind in LABELS))


@cache
def _facts_of_text(told: tuple[tuple[str, tuple[str, ...]], ...]) -> tuple[str, ...]:
    of_tag = vocabulary().of_tag
    found: list[str] = []
    for kind, values in told:
        for value in values:
            label = None if kind == "title" else of_tag.get(value) or wording.canonical(value)
            found += [label] if label else wording.tags_of(value)
    return tuple(name for name in dict.fromkeys(found) if name not in measured_concepts())


def kind_of(note: Note) -> str:
    """What kind of sound a note is by its texts, the plainest; empty if they do not tell."""
    return next((fact for fact in facts_of(note) if fact in kinds()), "")


def category_of(note: Note) -> str | None:
    """The concept that a note's category is, None without one."""
    return next((c for v in note.text.get("category", ()) if (c := wording.canonical(v))), None)


def drum_of(note: Note) -> str | None:
    """The drum that a note is of, as a concept that is a category too: kick, snare, cymbal ..."""
    drums = _drums()
    return next((fact for fact in facts_of(note) if fact in drums), None)


@cache
def _drums() -> frozenset[str]:
    return frozenset(wording.concept_names("percussion")) & {*wording.concept_names("category")}


def title_of(note: Note) -> str:
    """A note's title as training may say it; empty without one, or with held-out words in it."""
    title = note.text.get("title", ("",))[0]
    return "" if wording.mentions_held_out(title) else title


def note_facts(notes: Sequence[Note]) -> Tensor:
    """Which fact holds for which note by its texts, bool ``(notes, facts)``."""
    index = vocabulary().index
    table = torch.zeros(len(notes), len(index), dtype=torch.bool)
    for row, note in enumerate(notes):
        table[row, [index[fact] for fact in facts_of(note)]] = True
    return table


def measured_facts(degree: Tensor) -> tuple[Tensor, Tensor]:
    """Which attribute a sound has, and of which that cannot be said.

    Args:
        degree: Of ``Judge.degrees``, ``(batch, attributes)``; NaN for unknown.
    Returns:
        Two bool tensors ``(batch, facts)``: has, and unclear; False for all other facts.
    """
    known = vocabulary()
    has = torch.zeros(len(degree), len(known), dtype=torch.bool)
    unclear = has.clone()
    columns = [known.index[name] for name in attribute_names()]
    has[:, columns] = degree >= 0
    unclear[:, columns] = ~(degree >= 0) & ~(degree <= -1)
    return has, unclear
