"""Words for timbre, by whose descriptors sounds are put in order."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from timbreclip_core import lexicon
from timbreclip_core.lexicon import Direction

from .. import text as wording
from .vocabulary import rows

VARIANTS = 5
LEXICON_PART = 3
SMALLEST_DIFFERENCE = 0.05
"""In spreads of the descriptor over the batch: less is not heard."""


@dataclass(frozen=True)
class TimbreWord:
    """A word for timbre.

    Args:
        text: The word.
        form: ``adjective``, ``noun`` or ``tail`` (stands after what it describes).
        principal: The descriptor that it is about.
        eq: The one by which an equaliser makes it more true; None if none does.
    """

    text: str
    form: str
    principal: Direction
    eq: Direction | None


@dataclass(frozen=True)
class RankedText:
    """A text with a word for timbre.

    Args:
        text: What is said.
        word: The word.
    """

    text: str
    word: TimbreWord


@cache
def _said(word: TimbreWord, variant: int) -> str:
    if variant == 0:
        return word.text
    behind = word.form == "noun" and not word.text.startswith("with")
    quality = f"with {word.text}" if behind else word.text
    text = wording.say((), random.Random(f"{word.text} {variant}"), qualities=(quality,))
    return word.text if wording.mentions_held_out(text) else text


@cache
def _of_lexicon() -> tuple[TimbreWord, ...]:
    """The lexicon's words of training."""
    words = lexicon.words(held_out=False)
    return _allowed(TimbreWord(w.text, w.form, w.principal, w.eq) for w in words)


@cache
def _further() -> tuple[TimbreWord, ...]:
    """This package's own words."""
    found = []
    for direction, form, text in rows("timbre_words.tsv", 3):
        principal = Direction(direction[1:], 1 if direction[0] == "+" else -1)
        filtered = principal.descriptor.endswith("_share_db")
        eq = principal if filtered or principal.descriptor == "centroid_octaves" else None
        found.append(TimbreWord(text, form, principal, eq))
    return _allowed(found)


def _allowed(words: Iterable[TimbreWord]) -> tuple[TimbreWord, ...]:
    """Those in which no held-out word hides."""
    return tuple(word for word in words if not wording.mentions_held_out(word.text))


def every_ranked() -> list[str]:
    """Every text that ``draw_ranked`` may give."""
    return [_said(word, n) for word in (*_of_lexicon(), *_further()) for n in range(VARIANTS)]


def draw_ranked(count: int, rng: random.Random) -> list[RankedText]:
    """Different words, each said in one way: a third the lexicon's, which people ask for most."""
    known, further = _of_lexicon(), _further()
    chosen = rng.sample(known, min(count // LEXICON_PART, len(known)))
    chosen += rng.sample(further, min(count - len(chosen), len(further)))
    return [RankedText(_said(w, rng.randrange(VARIANTS)), w) for w in chosen]


def wanted_order(said: Sequence[RankedText], ranks: Tensor, names: Sequence[str]) -> Tensor:
    """Where each sound should be by each text, ``(sounds, texts)``; NaN for unknown.

    Args:
        said: Texts.
        ranks: Of every descriptor, ``(sounds, descriptors)``.
        names: Of the descriptors.
    """
    directions = [text.word.principal for text in said]
    columns = [names.index(direction.descriptor) for direction in directions]
    return ranks[:, columns] * torch.tensor([float(d.sign) for d in directions])


def wanted_changes(
    said: Sequence[RankedText],
    first: NDArray[np.float32],
    second: NDArray[np.float32],
    names: Sequence[str],
) -> Tensor:
    """How much more of what a text says one version of each sound has, ``(pairs, texts)``.

    -1 to 1, in spreads of the descriptor over all sounds given; 0 where nothing is to be said.

    Args:
        said: Texts.
        first: Descriptors of one version of each sound, ``(pairs, descriptors)``.
        second: Of the other, which differs in its equaliser alone.
        names: Of the descriptors.
    """
    found = np.zeros((len(first), len(said)), np.float32)
    for column, eq in enumerate(text.word.eq for text in said):
        if eq is not None and len(first):
            one, other = (table[:, names.index(eq.descriptor)] for table in (first, second))
            spread = float(np.concatenate([one, other]).std()) + 1e-6
            found[:, column] = eq.sign * (one - other) / spread
    found[np.abs(found) < SMALLEST_DIFFERENCE] = 0.0
    return torch.from_numpy(found.clip(-1, 1))
