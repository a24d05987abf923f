"""Vibrato: the pitch swings."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .base import Effect
from .late import read_late
from .words import WORDS


@dataclass(frozen=True, kw_only=True)
class Vibrato(Effect):
    """A delay that swings sinusoidally, and with it the pitch.

    The pitch swings by ``deepest_cents * level`` both ways (half of the distance between highest
    and lowest). It starts at the sound's own pitch and time and falls first; the delay reaches
    3.3 ms with the default values.

    Args:
        deepest_cents: Swing at level 1, cents, both ways; at most 1200.
        rate_hz: Swings per second.

    Source: U. Zölzer (ed.), DAFX: Digital Audio Effects, 2nd ed. (2011), section 2.6.1.
    """

    words = WORDS["vibrato"]

    deepest_cents: float = 100.0
    rate_hz: float = 5.5

    def _process(self, audio: Tensor, sample_rate: int, level: float) -> Tensor:
        octaves = min(self.deepest_cents, 1200.0) * level / 1200
        # The read position moves at 1 -+ speed; this speed puts its extremes 2 * octaves apart.
        speed = math.tanh(octaves * math.log(2))
        angle = (
            2
            * math.pi
            * self.rate_hz
            / sample_rate
            * torch.arange(audio.shape[-1], dtype=torch.float64, device=audio.device)
        )
        reach_s = speed / (2 * math.pi * self.rate_hz)
        delay = reach_s * sample_rate * (1 - torch.cos(angle))
        return read_late(audio, delay[None])
