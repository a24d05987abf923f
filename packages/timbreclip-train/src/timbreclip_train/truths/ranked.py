"""Words of the timbre lexicon, by whose descriptors sounds are put in order."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from timbreclip_core import lexicon
from timbreclip_core.lexicon import LexiconWord

from .. import text as wording

VARIANTS = 5
SMALLEST_DIFFERENCE = 0.05
"""In spreads of the descriptor over the batch: less is not heard."""


@dataclass(frozen=True)
class RankedText:
    """A text with a word of the lexicon.

    Args:
        text: What is said.
        word: The word.
    """

    text: str
    word: LexiconWord


@cache
def _said(word: str, variant: int) -> str:
    if variant == 0:
        return word
    text = wording.say((), random.Random(f"{word} {variant}"), qualities=(word,))
    return word if wording.mentions_held_out(text) else text


@cache
def _taught() -> tuple[LexiconWord, ...]:
    """Words of training that no held-out word hides in."""
    return tuple(w for w in lexicon.words(held_out=False) if not wording.mentions_held_out(w.text))


def every_ranked() -> list[str]:
    """Every text that ``draw_ranked`` may give."""
    return [_said(word.text, n) for word in _taught() for n in range(VARIANTS)]


def draw_ranked(count: int, rng: random.Random) -> list[RankedText]:
    """Different words, each said in one way."""
    chosen = rng.sample(_taught(), min(count, len(_taught())))
    return [RankedText(_said(w.text, rng.randrange(VARIANTS)), w) for w in chosen]


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
