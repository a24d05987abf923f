"""Peak normalisation, as the paper prepares its notes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from .base import Augmentation, NoteFacts


@dataclass(frozen=True)
class Peak:
    """Peak to reach, dBFS."""

    peak_dbfs: float


@dataclass(frozen=True, kw_only=True)
class PeakNormalise(Augmentation):
    """One gain for all channels that brings the largest sample to a fixed level.

    Nothing is random. Silence stays as it is.

    Args:
        peak_dbfs: That level; 0 is full scale.
    """

    name = "peak-normalise"

    peak_dbfs: float = 0.0

    def draw(self, rng: np.random.Generator, facts: NoteFacts) -> Peak:
        return Peak(self.peak_dbfs)

    def apply(self, audio: Tensor, params: Peak, sample_rate: int) -> Tensor:
        peak = float(audio.abs().amax())
        if peak == 0.0:
            return audio.clone()
        return (audio.double() / peak * 10 ** (params.peak_dbfs / 20)).to(audio.dtype)
