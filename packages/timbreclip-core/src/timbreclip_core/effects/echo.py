"""Echo: the sound again and again, ever quieter."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .base import Effect
from .words import WORDS

FAINTEST = 1e-4  # -80 dB: what comes after is not added


@dataclass(frozen=True, kw_only=True)
class Echo(Effect):
    """Repeats after every ``delay_s``, each ``feedback`` times the one before.

    The first has ``loudest * level`` times the amplitude of the sound. Repeats that would come
    after the end of the file are cut off: add silence at the end to keep them.

    Args:
        delay_s: Time between repeats, seconds; rounded to whole samples.
        loudest: First repeat at level 1, against the sound.
        feedback: Each repeat against the one before; below 1.

    Source: U. Zölzer (ed.), DAFX: Digital Audio Effects, 2nd ed. (2011), section 2.2.
    """

    words = WORDS["echo"]

    delay_s: float = 0.25
    loudest: float = 0.7
    feedback: float = 0.5

    def _process(self, audio: Tensor, sample_rate: int, level: float) -> Tensor:
        delay = max(1, round(self.delay_s * sample_rate))
        samples, gain, late = audio.shape[-1], self.loudest * level, delay
        out = audio.clone()
        while late < samples and gain > FAINTEST:
            out[:, late:] += gain * audio[:, : samples - late]
            gain *= min(self.feedback, 0.99)
            late += delay
        return out
