"""Several augmentations, one after the other, each with a probability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from timbreclip_core.errors import UsageError

from .base import Augmentation, NoteFacts, TextChange
from .heard import can_be_heard


@dataclass(frozen=True)
class Step:
    """An augmentation and how often it happens.

    Args:
        augmentation: What happens.
        probability: From 0 to 1.

    Raises:
        UsageError: A probability outside 0 to 1.
    """

    augmentation: Augmentation
    probability: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise UsageError(f"A probability is from 0 to 1, not {self.probability}.")


@dataclass(frozen=True)
class Augmented:
    """A changed sound.

    Args:
        audio: ``(channels, samples)``.
        change: What becomes of its texts.
    """

    audio: Tensor
    change: TextChange


class Chain:
    """Augmentations in a row.

    Args:
        steps: Steps, or augmentations that always happen.

    >>> from timbreclip_train.augmentations.gain import RandomGain
    >>> chain = Chain([Step(RandomGain(), 0.5)])
    >>> len(chain.draw(np.random.default_rng(0), NoteFacts(sample_rate=16_000)))
    1
    """

    def __init__(self, steps: Sequence[Step | Augmentation]) -> None:
        self.steps = tuple(s if isinstance(s, Step) else Step(s) for s in steps)

    def draw(self, rng: np.random.Generator, facts: NoteFacts) -> tuple[Any, ...]:
        """Values for each step; None for a step that does not happen.

        The chances of a step do not depend on whether those before it happened.
        """
        drawn = []
        for step, own in zip(self.steps, rng.spawn(len(self.steps)), strict=True):
            happens = own.random() < step.probability
            params = step.augmentation.draw(own, facts)
            drawn.append(params if happens else None)
        return tuple(drawn)

    def apply(self, audio: Tensor, params: Sequence[Any], sample_rate: int) -> Augmented:
        """The sound after all steps, and the texts' change by those that can be heard.

        Args:
            audio: ``(channels, samples)``.
            params: From ``draw``.
            sample_rate: Hz.
        """
        change = TextChange()
        for step, values in zip(self.steps, params, strict=True):
            if values is None:
                continue
            before, audio = audio, step.augmentation.apply(audio, values, sample_rate)
            told = step.augmentation.words(values)
            if told and can_be_heard(before, audio, sample_rate):
                change = change.then(told)
        return Augmented(audio, change)
