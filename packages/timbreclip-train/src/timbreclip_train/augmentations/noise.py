"""Noise under the sound."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .base import Augmentation, NoteFacts, TextChange, check_range
from .opposites import opposed_to

NOISY_DB, HISSING_DB = 30.0, 20.0
LOWEST_HZ = 20.0


@dataclass(frozen=True)
class Noise:
    """Noise to add.

    Args:
        snr_db: Power of the sound over that of the noise, dB, over the whole file.
        db_per_octave: Slope of its spectrum; 0 is white, -3 pink, -6 brown.
        seed: Of its samples.
    """

    snr_db: float
    db_per_octave: float
    seed: int


@dataclass(frozen=True, kw_only=True)
class AddNoise(Augmentation):
    """Steady noise from white to brown, another in each channel.

    Below 30 dB the sound is "with background noise", below 20 dB "noisy", and no longer "clean".

    Args:
        low_db: Lowest ratio of sound to noise, dB.
        high_db: Highest.
    """

    name = "noise"

    low_db: float = 15.0
    high_db: float = 60.0

    def __post_init__(self) -> None:
        check_range("The ratio of sound to noise", self.low_db, self.high_db)

    def draw(self, rng: np.random.Generator, facts: NoteFacts) -> Noise:
        ratio, slope = rng.uniform(self.low_db, self.high_db), rng.uniform(-6.0, 0.0)
        return Noise(float(ratio), float(slope), int(rng.integers(2**31)))

    def apply(self, audio: Tensor, params: Noise, sample_rate: int) -> Tensor:
        samples = audio.shape[-1]
        generator = torch.Generator().manual_seed(params.seed)
        white = torch.randn(audio.shape, generator=generator, dtype=torch.float64)
        freqs_hz = torch.fft.rfftfreq(samples, 1 / sample_rate, dtype=torch.float64)
        octaves = (freqs_hz.clamp(min=LOWEST_HZ) / 1_000).log2()
        gain = 10 ** (params.db_per_octave * octaves / 20)
        noise = torch.fft.irfft(torch.fft.rfft(white) * gain, samples)
        power = noise.square().mean().clamp(min=torch.finfo(torch.float64).tiny)
        wanted = audio.double().square().mean() / 10 ** (params.snr_db / 10)
        return (audio + noise * (wanted / power).sqrt()).to(audio.dtype)

    def claims(self, params: Noise) -> TextChange:
        if params.snr_db >= NOISY_DB:
            return TextChange()
        add = ("with background noise", *(("noisy",) if params.snr_db < HISSING_DB else ()))
        return TextChange(add, opposed_to(("noisy",)))
