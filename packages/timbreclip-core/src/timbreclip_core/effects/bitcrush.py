"""Bitcrush: fewer bits and fewer samples, as of an early sampler."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .base import Effect, geometric
from .words import WORDS


@dataclass(frozen=True, kw_only=True)
class Bitcrush(Effect):
    """Rounding to steps of the sound's own peak, and sample-and-hold without filters.

    Bits fall from ``most_bits`` to ``fewest_bits`` in a straight line (16 at level 0+, 9.5 at
    0.5, 3 at 1; fractions are fractions of a step): a sine at the peak has a signal-to-noise ratio
    of 6.02 bits + 1.76 dB. The hold rate falls from ``highest_hold_hz`` to ``lowest_hold_hz`` in
    equal ratios (48 kHz, 17 kHz, 6 kHz) and folds all above half of it; rates above the file's own
    do nothing.

    Args:
        most_bits: Just above level 0.
        fewest_bits: At level 1.
        highest_hold_hz: Hold rate just above level 0.
        lowest_hold_hz: Hold rate at level 1.

    Source: B. Widrow and I. Kollár, Quantization Noise (2008), chapter 1; Zölzer (ed.), DAFX,
    2nd ed. (2011), section 4.3.
    """

    words = WORDS["bitcrush"]

    most_bits: float = 16.0
    fewest_bits: float = 3.0
    highest_hold_hz: float = 48_000.0
    lowest_hold_hz: float = 6_000.0

    def bits(self, level: float) -> float:
        """Bits at a level."""
        return self.most_bits + (self.fewest_bits - self.most_bits) * level

    def hold_hz(self, level: float) -> float:
        """Rate of the sample-and-hold at a level, Hz."""
        return geometric(self.highest_hold_hz, self.lowest_hold_hz, level)

    def _process(self, audio: Tensor, sample_rate: int, level: float) -> Tensor:
        hold_hz = self.hold_hz(level)
        if hold_hz < sample_rate:
            place = torch.arange(audio.shape[-1], dtype=torch.float64, device=audio.device)
            held = torch.floor(place * (hold_hz / sample_rate))
            # Rounding must not make a held sample come from the future.
            source = torch.ceil(held * (sample_rate / hold_hz) - 1e-6).minimum(place)
            audio = audio[:, source.long()]
        peak = audio.abs().amax().clamp(min=torch.finfo(torch.float64).tiny)
        steps = 2 ** (self.bits(level) - 1)
        return torch.round(audio / peak * steps) / steps * peak
