"""Random loudness."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from .base import Augmentation, NoteFacts, check_range


@dataclass(frozen=True)
class Gain:
    """Gain, dB."""

    gain_db: float


@dataclass(frozen=True, kw_only=True)
class RandomGain(Augmentation):
    """A gain, uniform in dB. Timbre is what is left when loudness is taken away: no text changes.

    Args:
        low_db: Lowest gain.
        high_db: Highest; above 0 it may exceed full scale.
    """

    name = "gain"

    low_db: float = -18.0
    high_db: float = 0.0

    def __post_init__(self) -> None:
        check_range("The gain", self.low_db, self.high_db)

    def draw(self, rng: np.random.Generator, facts: NoteFacts) -> Gain:
        return Gain(float(rng.uniform(self.low_db, self.high_db)))

    def apply(self, audio: Tensor, params: Gain, sample_rate: int) -> Tensor:
        return audio * 10 ** (params.gain_db / 20)
