"""What an effect is: one knob from 0, where it does nothing, to 1."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from torch import Tensor

from ..audio import as_batch
from ..errors import UnknownNameError, UsageError
from .words import EffectWords


class Effect(ABC):
    """A change to audio with one knob.

    Subclasses are frozen dataclasses whose fields are the physical parameters (Hz, seconds, cents)
    and implement ``_process`` for one sound; ``apply`` does the checking. What the level does is
    said in the docstring of each. Effects are deterministic, keep the length (tails are cut off)
    and may exceed full scale; nothing is clamped. No gradient flows.
    """

    words: ClassVar[EffectWords]

    def apply(self, audio: Tensor | np.ndarray, sample_rate: int, level: float | Tensor) -> Tensor:
        """The audio with the effect.

        Each sound is processed by itself, so its result does not depend on the rest of the batch.

        Args:
            audio: ``(batch, channels, samples)``, ``(channels, samples)`` or ``(samples,)``,
                floating point, full scale 1.0.
            sample_rate: Hz.
            level: From 0 (the very same samples) to 1; one for all, or ``(batch,)``.

        Returns:
            A new tensor of the same shape; float64 stays, all else becomes float32.

        Raises:
            InputError, EmptyAudioError: As ``audio.as_batch``.
            UsageError: A level outside 0 to 1, or as many levels as there are no sounds.
        """
        batch = as_batch(audio, sample_rate).detach()
        out = batch.clone()
        largest = torch.finfo(batch.dtype).max
        for index, amount in enumerate(_levels(level, len(batch))):
            if amount > 0 and bool(batch[index].any()):
                wet = self._process(batch[index].double(), int(sample_rate), amount)
                out[index] = wet.clamp(-largest, largest).to(batch.dtype)
        return out.reshape(audio.shape)

    @abstractmethod
    def _process(self, audio: Tensor, sample_rate: int, level: float) -> Tensor:
        """One sound, ``(channels, samples)``, float64 and not silent; ``level`` is above 0."""


def _levels(level: float | Tensor, batch: int) -> list[float]:
    levels = torch.as_tensor(level, dtype=torch.float64).detach()
    if levels.ndim > 1 or (levels.ndim == 1 and len(levels) != batch):
        raise UsageError(
            f"Give one level, or one for each of the {batch} sounds, not {tuple(levels.shape)}."
        )
    if not bool(((levels >= 0) & (levels <= 1)).all()):
        raise UsageError(f"A level is from 0 to 1, not {level}.")
    return levels.expand(batch).tolist()


E = TypeVar("E", bound=Effect)


def make_effect(kind: type[E], options: Mapping[str, Any] | None = None) -> E:
    """An effect with some of its parameters changed.

    Args:
        kind: A dataclass whose fields are positive numbers.
        options: Values by field; strings are read as numbers.

    Raises:
        UnknownNameError: It has no such parameter.
        UsageError: A value that is not a positive number.
    """
    known = [f.name for f in dataclasses.fields(kind)]  # type: ignore[arg-type]
    values = {}
    for key, value in (options or {}).items():
        if key not in known:
            raise UnknownNameError(f"option of {kind.__name__}", key, known)
        try:
            values[key] = float(value)
        except (TypeError, ValueError):
            raise UsageError(f"The option {key} must be a number, not {value!r}.") from None
        if not 0 < values[key] < float("inf"):
            raise UsageError(f"The option {key} must be above 0, not {value!r}.")
    return kind(**values)


def geometric(start: float, end: float, level: float) -> float:
    """``start`` at level 0, ``end`` at level 1, equal ratios between.

    >>> geometric(20.0, 2_000.0, 0.5)
    200.0
    """
    return float(start * (end / start) ** level)
