"""What the paper does to every note before training: mix to mono, shifted copies, one peak."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from timbreclip_core.audio import resample

from .base import NoteFacts
from .mono_mix import Mix, MonoMix
from .normalise import Peak, PeakNormalise
from .pitch_shift import PitchShift, Shift

PAPER_RATE_HZ = 16_000


@dataclass(frozen=True)
class Prepared:
    """Random values for one copy of a note."""

    mix: Mix
    shift: Shift
    peak: Peak


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """Notes as the paper trains on them.

    Args:
        sample_rate: Of the result, Hz.
        pitch: Range, number of copies and method of the pitch shift.
    """

    sample_rate: int = PAPER_RATE_HZ
    pitch: PitchShift = PitchShift()  # noqa: RUF009  frozen

    def draw(self, rng: np.random.Generator, facts: NoteFacts) -> tuple[Prepared, ...]:
        """Values for the note itself and for its shifted copies, each with its own mix."""
        mix, peak = MonoMix(), PeakNormalise()
        return tuple(
            Prepared(mix.draw(rng, facts), shift, peak.draw(rng, facts))
            for shift in self.pitch.draw_copies(rng, facts)
        )

    def apply(self, audio: Tensor, params: Prepared, sample_rate: int) -> Tensor:
        """One copy, ``(1, samples)`` at the preparation's rate.

        Args:
            audio: ``(channels, samples)``.
            params: One of those that ``draw`` returned.
            sample_rate: Of ``audio``, Hz.
        """
        mono = MonoMix().apply(audio, params.mix, sample_rate)
        low = resample(mono, sample_rate, self.sample_rate)
        shifted = self.pitch.apply(low, params.shift, self.sample_rate)
        return PeakNormalise().apply(shifted, params.peak, self.sample_rate)
