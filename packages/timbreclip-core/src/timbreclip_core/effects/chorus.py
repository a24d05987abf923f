"""Chorus: the sound with slowly wandering copies of itself."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .base import Effect
from .late import read_late
from .words import WORDS

SLOWER = 0.77  # of the second voice, so that the two seldom agree


@dataclass(frozen=True, kw_only=True)
class Chorus(Effect):
    """Two voices whose delays swing sinusoidally, mixed with the sound.

    The share of the voices is ``level / 2``: half dry, half wet at 1. The voices lie at
    ``delay_s`` and 1.4 times it, each swings by ``swing_s`` both ways, the second at 0.77 times
    ``rate_hz``; 3 ms at 0.8 Hz detune by 26 cents. In each further channel the swings are a
    quarter of a cycle ahead, which makes stereo wide.

    Args:
        delay_s: Mean delay of the first voice, seconds.
        swing_s: Largest deviation from the mean delays, seconds; at most ``delay_s``.
        rate_hz: Swings of the first voice per second.

    Source: J. Dattorro, Effect design, part 2: delay-line modulation and chorus, J. Audio Eng. Soc.
    45(10), 1997.
    """

    words = WORDS["chorus"]

    delay_s: float = 0.015
    swing_s: float = 0.003
    rate_hz: float = 0.8

    def _process(self, audio: Tensor, sample_rate: int, level: float) -> Tensor:
        swing_s = min(self.swing_s, self.delay_s)
        time_s = torch.arange(audio.shape[-1], dtype=torch.float64) / sample_rate
        ahead = torch.arange(len(audio), dtype=torch.float64)[:, None] * (math.pi / 2)
        wet = torch.zeros_like(audio)
        for times, rate_hz in ((1.0, self.rate_hz), (1.4, SLOWER * self.rate_hz)):
            swing = torch.sin(2 * math.pi * rate_hz * time_s + ahead)
            delay_s = times * self.delay_s + swing_s * swing
            wet += read_late(audio, (delay_s * sample_rate).to(audio.device))
        share = level / 2
        # Two voices that seldom agree add in power.
        return (1 - share) * audio + share * wet / math.sqrt(2)
