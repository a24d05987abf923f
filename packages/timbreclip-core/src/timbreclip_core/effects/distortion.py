"""Distortion: drives the sound into a soft limit."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..audio import resample
from .base import Effect
from .words import WORDS

OVERSAMPLING = 8
SMALLEST_DRIVE = 1e-6  # a straight line in float64; 0 / 0 lies below


@dataclass(frozen=True, kw_only=True)
class Distortion(Effect):
    """Hyperbolic tangent of the driven sound, at the loudness (RMS) of the original.

    Drive is a factor on the sound scaled to a peak of 1, so that a quiet file is distorted as a
    loud one: ``largest_drive * level^2``. A full-scale sine gets 0.5 % of third harmonic at level
    0.1 (drive 0.4), 5 % at 0.2, 20 % at 0.4 and 33 %, a square wave's, at 1.

    The curve runs at 8 times the sample rate, and only what it adds to the straight line comes back
    through the resampler: what is not distorted stays sample for sample.

    Args:
        largest_drive: Drive at level 1.

    Source: U. Zölzer (ed.), DAFX: Digital Audio Effects, 2nd ed. (2011), section 4.3.
    """

    words = WORDS["distortion"]

    largest_drive: float = 40.0

    def drive(self, level: float) -> float:
        """Factor in front of the curve at a level."""
        return max(self.largest_drive * level**2, SMALLEST_DRIVE)

    def _process(self, audio: Tensor, sample_rate: int, level: float) -> Tensor:
        drive = self.drive(level)
        scaled = audio / audio.abs().amax()
        fine = resample(scaled, 1, OVERSAMPLING)
        added = torch.tanh(drive * fine) / math.tanh(drive) - fine
        shaped = scaled + _fit(resample(added, OVERSAMPLING, 1), audio.shape[-1])
        return shaped * (_rms(audio) / _rms(shaped))


def _fit(audio: Tensor, samples: int) -> Tensor:
    return torch.nn.functional.pad(audio, (0, samples - audio.shape[-1]))


def _rms(audio: Tensor) -> Tensor:
    peak = audio.abs().amax()
    return peak * (audio / peak).square().mean().sqrt()
