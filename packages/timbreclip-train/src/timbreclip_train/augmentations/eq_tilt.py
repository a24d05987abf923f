"""The whole spectrum tilted, and said to be so."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from timbreclip_core.dsp.filters import apply_fir
from timbreclip_core.dsp.fir import fir_for
from timbreclip_core.errors import UsageError

from .base import Augmentation, NoteFacts, TextChange
from .spectral_words import spectral_changes

SLIGHT, CLEAR = 1.0, 2.0  # dB per octave
LOWEST_HZ, HIGHEST_HZ = 40.0, 16_000.0
FILTER_S = 0.15


@dataclass(frozen=True)
class Tilt:
    """Slope, dB per octave; above 0 for more highs."""

    db_per_octave: float


@dataclass(frozen=True, kw_only=True)
class EqTilt(Augmentation):
    """A straight line in dB over octaves through 0 dB at 1 kHz, level below 40 Hz and above 16 kHz.

    Made by a minimum-phase filter. From 1 dB per octave on the text says so, from 2 on with
    adjectives ("bright", "thin"; "dark", "warm").

    Args:
        steepest: Largest slope either way, dB per octave; slopes are uniform.
    """

    name = "eq-tilt"

    steepest: float = 4.0

    def __post_init__(self) -> None:
        if not 0 < self.steepest <= 12:
            raise UsageError(f"The steepest tilt is up to 12 dB per octave, not {self.steepest}.")

    def draw(self, rng: np.random.Generator, facts: NoteFacts) -> Tilt:
        return Tilt(float(rng.uniform(-self.steepest, self.steepest)))

    def apply(self, audio: Tensor, params: Tilt, sample_rate: int) -> Tensor:
        pivot_hz = spectral_changes()["tilt"].frequency_hz

        def response(freqs_hz: Tensor) -> Tensor:
            octaves = torch.log2(freqs_hz.clamp(LOWEST_HZ, HIGHEST_HZ) / pivot_hz)
            return 10 ** (params.db_per_octave * octaves / 20)

        return apply_fir(audio, fir_for(response, sample_rate, FILTER_S))

    def claims(self, params: Tilt) -> TextChange:
        row = spectral_changes()["tilt"]
        return row.claims(params.db_per_octave, slight=SLIGHT, clear=CLEAR)
