"""The band limited as if the sound came from a lower sample rate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from timbreclip_core.audio import resample
from timbreclip_core.lexicon import Direction

from .base import Augmentation, NoteFacts, TextChange
from .opposites import opposed_spectrally

DULL_BELOW_HZ = 6_000


@dataclass(frozen=True)
class Limit:
    """Where the sound ends, Hz."""

    limit_hz: int


@dataclass(frozen=True, kw_only=True)
class BandLimit(Augmentation):
    """Resampled down to twice a limit and back; at the limit or below it, nothing changes.

    At 4 kHz a sound is "band-limited" and "muffled"; at 8 kHz it is only no longer "airy".

    Args:
        limits_hz: Limits, each as likely as the others, Hz.
    """

    name = "band-limit"

    limits_hz: tuple[int, ...] = (8_000, 4_000)

    def draw(self, rng: np.random.Generator, facts: NoteFacts) -> Limit:
        return Limit(int(rng.choice(self.limits_hz)))

    def apply(self, audio: Tensor, params: Limit, sample_rate: int) -> Tensor:
        if 2 * params.limit_hz >= sample_rate:
            return audio.clone()
        low = resample(audio, sample_rate, 2 * params.limit_hz)
        back = resample(low, 2 * params.limit_hz, sample_rate)[..., : audio.shape[-1]]
        return torch.nn.functional.pad(back, (0, audio.shape[-1] - back.shape[-1]))

    def claims(self, params: Limit) -> TextChange:
        air = Direction("air_share_db", -1)
        if params.limit_hz >= DULL_BELOW_HZ:
            return TextChange((), opposed_spectrally((air,)))
        ways = (air, Direction("high_share_db", -1), Direction("centroid_octaves", -1))
        return TextChange(("band-limited", "muffled"), opposed_spectrally(ways))
