"""Tremolo: the loudness swings."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .base import Effect
from .words import WORDS


@dataclass(frozen=True, kw_only=True)
class Tremolo(Effect):
    """Amplitude that swings sinusoidally between 1 and ``1 - level``, starting at 1.

    At level 0.5 it swings by 6 dB, at 1 down to silence. All channels swing together.

    Args:
        rate_hz: Swings per second.

    Source: U. Zölzer (ed.), DAFX: Digital Audio Effects, 2nd ed. (2011), section 3.2.
    """

    words = WORDS["tremolo"]

    rate_hz: float = 5.0

    def _process(self, audio: Tensor, sample_rate: int, level: float) -> Tensor:
        place = torch.arange(audio.shape[-1], dtype=torch.float64, device=audio.device)
        swing = torch.cos(2 * math.pi * self.rate_hz / sample_rate * place)
        return audio * (1 - level * (1 - swing) / 2)
