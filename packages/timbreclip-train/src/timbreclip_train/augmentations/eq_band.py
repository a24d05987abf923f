"""A region of the spectrum boosted or cut, and said to be so."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from timbreclip_core.dsp import biquad
from timbreclip_core.dsp.filters import apply_sections
from timbreclip_core.errors import UsageError

from .base import Augmentation, NoteFacts, TextChange
from .spectral_words import SpectralChange, spectral_changes

SLIGHT_DB, CLEAR_DB = 4.0, 8.0
HIGHEST_SHARE = 0.4  # of the sample rate: where a filter still has its shape
JITTER_OCTAVES = 0.3
_SHAPES = {
    "low_shelf": biquad.low_shelf,
    "peaking": biquad.peaking,
    "high_shelf": biquad.high_shelf,
}


@dataclass(frozen=True)
class Band:
    """A boost or a cut.

    Args:
        region: Name of a row of ``data/spectral.tsv``; empty for none that this rate could hold.
        gain_db: Above 0 for a boost.
        frequency_hz: Corner or centre, Hz.
    """

    region: str
    gain_db: float
    frequency_hz: float


@dataclass(frozen=True, kw_only=True)
class EqBand(Augmentation):
    """One region (sub bass, lows, low mids, mids, presence, highs or air) boosted or cut.

    The region is drawn first, then up or down, then the size, uniform in dB; the frequency varies
    by up to 0.3 octaves. From 4 dB on the text says so ("with boosted highs"), from 8 dB on with
    adjectives ("boomy", "thin", "muffled", "scooped"), and words of the lexicon that say the
    opposite go. Regions that reach 0.4 of the sample rate are not drawn.

    Args:
        least_db: Smallest size.
        most_db: Largest size.
    """

    name = "eq-band"

    least_db: float = 3.0
    most_db: float = 15.0

    def __post_init__(self) -> None:
        if not 0 < self.least_db <= self.most_db <= 40:
            raise UsageError(f"Sizes are from 0 to 40 dB, not {self.least_db} to {self.most_db}.")

    def draw(self, rng: np.random.Generator, facts: NoteFacts) -> Band:
        highest_hz = HIGHEST_SHARE * facts.sample_rate / 2**JITTER_OCTAVES
        fit = [r for r in _regions() if r.frequency_hz <= highest_hz]
        if not fit:
            return Band("", 0.0, 0.0)
        region = fit[int(rng.integers(len(fit)))]
        gain_db = rng.uniform(self.least_db, self.most_db) * (1 if rng.random() < 0.5 else -1)
        frequency_hz = region.frequency_hz * 2 ** rng.uniform(-JITTER_OCTAVES, JITTER_OCTAVES)
        return Band(region.name, float(gain_db), float(frequency_hz))

    def apply(self, audio: Tensor, params: Band, sample_rate: int) -> Tensor:
        if not params.region:
            return audio.clone()
        region = spectral_changes()[params.region]
        gain, frequency, q = (
            torch.tensor(v, dtype=torch.float64)
            for v in (params.gain_db, params.frequency_hz, region.q)
        )
        section = _SHAPES[region.shape](gain, frequency, q, sample_rate)
        return apply_sections(audio, section[None])

    def claims(self, params: Band) -> TextChange:
        if not params.region:
            return TextChange()
        region = spectral_changes()[params.region]
        return region.claims(params.gain_db, slight=SLIGHT_DB, clear=CLEAR_DB)


def _regions() -> list[SpectralChange]:
    return [row for row in spectral_changes().values() if row.shape in _SHAPES]
