"""High-pass: takes the lows away."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..dsp.biquad import high_pass
from ..dsp.filters import apply_sections
from .base import Effect, geometric
from .low_pass import BUTTERWORTH_Q, WIDEST
from .words import WORDS


@dataclass(frozen=True, kw_only=True)
class HighPass(Effect):
    """Fourth-order Butterworth high-pass, 24 dB per octave, -3 dB at the cut-off.

    The cut-off rises from ``lowest_hz`` to ``highest_hz`` in equal ratios: 20 Hz at level 0+,
    70 Hz at 0.25, 245 Hz at 0.5, 860 Hz at 0.75, 3 kHz at 1. A cut-off never lies above 0.495 of
    the sample rate. Any level above 0 removes DC.

    Args:
        lowest_hz: Cut-off just above level 0.
        highest_hz: Cut-off at level 1.

    Source: as ``LowPass``.
    """

    words = WORDS["high-pass"]

    lowest_hz: float = 20.0
    highest_hz: float = 3_000.0

    def cutoff_hz(self, level: float) -> float:
        """-3 dB point at a level, Hz."""
        return geometric(self.lowest_hz, self.highest_hz, level)

    def _process(self, audio: Tensor, sample_rate: int, level: float) -> Tensor:
        cutoff = min(self.cutoff_hz(level), WIDEST * sample_rate)
        q = torch.tensor(BUTTERWORTH_Q, dtype=torch.float64)
        return apply_sections(audio, high_pass(torch.full_like(q, cutoff), q, sample_rate))
