"""Low-pass: takes the highs away."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..dsp.biquad import low_pass
from ..dsp.filters import apply_sections
from .base import Effect, geometric
from .words import WORDS

BUTTERWORTH_Q = (0.541196100146197, 1.306562964876376)
"""Quality factors of the two halves of a fourth-order Butterworth filter: 1 / (2 cos(pi/8)), ..."""

WIDEST = 0.495  # of the sample rate: what is cut above it, no one hears


@dataclass(frozen=True, kw_only=True)
class LowPass(Effect):
    """Fourth-order Butterworth low-pass, 24 dB per octave, -3 dB at the cut-off.

    The cut-off falls from ``highest_hz`` to ``lowest_hz`` in equal ratios: 20 kHz at level 0+,
    6.7 kHz at 0.25, 2.2 kHz at 0.5, 750 Hz at 0.75, 250 Hz at 1. Levels whose cut-off lies above
    half the sample rate change nothing.

    Args:
        highest_hz: Cut-off just above level 0.
        lowest_hz: Cut-off at level 1.

    Source: S. Butterworth, On the theory of filter amplifiers (1930); sections as in
    ``dsp.biquad``.
    """

    words = WORDS["low-pass"]

    highest_hz: float = 20_000.0
    lowest_hz: float = 250.0

    def cutoff_hz(self, level: float) -> float:
        """-3 dB point at a level, Hz."""
        return geometric(self.highest_hz, self.lowest_hz, level)

    def _process(self, audio: Tensor, sample_rate: int, level: float) -> Tensor:
        cutoff = self.cutoff_hz(level)
        if cutoff >= WIDEST * sample_rate:
            return audio
        q = torch.tensor(BUTTERWORTH_Q, dtype=torch.float64)
        return apply_sections(audio, low_pass(torch.full_like(q, cutoff), q, sample_rate))
