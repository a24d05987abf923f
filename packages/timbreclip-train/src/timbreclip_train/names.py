"""Texts that a dataset has for its notes: which a batch says, and of which sounds they are true.

Source: TimbreCLIP trains on the union of the text attributes of a batch's sounds, and on
"synthetic attributes" made by combining them, whose recipe it does not give; here two attributes
of different kinds, in the order in which one says them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .datasets.base import Note
from .text import mentions_held_out
from .text_vectors import text_key

# As in "bright warm acoustic guitar" and in the paper's own queries, "Blue smile Keys".
SAID_IN_ORDER = ("qualities", "tags", "source", "title", "family", "category")


@dataclass(frozen=True)
class Name:
    """A text.

    Args:
        text: As it is encoded.
        parts: The attributes that a sound must have for it to be true.
    """

    text: str
    parts: frozenset[str]


@dataclass(frozen=True)
class Names:
    """Texts by note.

    Args:
        attributes: All that each note is called.
        said: What a batch says when the note is in it: its attributes, and combinations of them.
    """

    attributes: tuple[frozenset[str], ...]
    said: tuple[tuple[Name, ...], ...]

    def everything(self) -> list[str]:
        """Every text, once, in a fixed order."""
        return list(dict.fromkeys(name.text for own in self.said for name in own))

    def of(self, chosen: Sequence[int]) -> tuple[list[str], Tensor]:
        """The union of the texts of some notes, and of which of them each is true.

        Args:
            chosen: Places of the notes.

        Returns:
            Texts, and bool ``(notes, texts)``.
        """
        texts = {name.text: name for i in chosen for name in self.said[i]}
        parts = sorted({part for name in texts.values() for part in name.parts})
        place = {part: number for number, part in enumerate(parts)}
        has = np.zeros((len(chosen), len(place)), np.float32)
        for row, i in enumerate(chosen):
            has[row, [place[part] for part in self.attributes[i] if part in place]] = 1
        needs = np.zeros((len(texts), len(place)), np.float32)
        for row, name in enumerate(texts.values()):
            needs[row, [place[part] for part in name.parts]] = 1
        return list(texts), torch.from_numpy(has @ needs.T == needs.sum(1))


def names_of(notes: Sequence[Note], combinations: int, seed: int, withhold: bool) -> Names:
    """Texts of notes; those of a note depend on its own texts and on ``seed`` alone.

    Args:
        notes: With text or without.
        combinations: Texts of two attributes for a note.
        seed: Of the choice of combinations.
        withhold: Leave out texts with words that measure generalisation.
    """
    told = _remembered(lambda text: not (withhold and mentions_held_out(text)))
    attributes, said = [], []
    for note in notes:
        own = {k: [v for v in values if told(v)] for k, values in note.text.items()}
        flat = list(dict.fromkeys(text_key(v) for values in own.values() for v in values))
        attributes.append(frozenset(flat))
        both = _combined(own, combinations, random.Random(f"{seed} {note.patch}"))
        both = [name for name in both if told(name.text)]
        said.append((*(Name(text, frozenset((text,))) for text in flat), *both))
    return Names(tuple(attributes), tuple(said))


def _combined(own: dict[str, list[str]], count: int, rng: random.Random) -> list[Name]:
    kinds = [kind for kind in SAID_IN_ORDER if own.get(kind)]
    pairs = [
        (text_key(a), text_key(b))
        for n, first in enumerate(kinds)
        for second in kinds[n + 1 :]
        for a in own[first]
        for b in own[second]
        if text_key(a) != text_key(b)
    ]
    chosen = rng.sample(pairs, min(count, len(pairs)))
    return [Name(f"{a} {b}", frozenset((a, b))) for a, b in chosen]


def _remembered(judge: Callable[[str], bool]) -> Callable[[str], bool]:
    known: dict[str, bool] = {}

    def remembered(text: str) -> bool:
        if text not in known:
            known[text] = judge(text)
        return known[text]

    return remembered
