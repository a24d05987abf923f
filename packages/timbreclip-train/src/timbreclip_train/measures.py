"""What can be measured of a mel spectrogram, fast enough to be done after every augmentation.

The names are those of ``timbreclip_core.descriptors``; the values stand in for them: a training
text needs only to know on which side of the ordinary a sound lies.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from timbreclip_core.encoders.small import mel_centres_hz

BANDS = 96
SHARES_HZ = {
    "low": (0.0, 250.0),
    "low_mid": (250.0, 600.0),
    "mid": (600.0, 2_000.0),
    "presence": (2_000.0, 6_000.0),
    "air": (7_000.0, 16_000.0),
}
MEASURES = ("centroid", *SHARES_HZ)
FAINTEST_SHARE_DB = -45.0


def measure(power: Tensor) -> Tensor:
    """Brightness and the balance of the bands.

    Args:
        power: Mel power ``(batch, bands, frames)``.
    Returns:
        ``(batch, measures)`` in the order of ``MEASURES``: the amplitude-weighted mean of log2
        frequency, octaves, and the shares of the power in five ranges, dB.
    """
    spectrum = power.sum(2)
    hz = mel_centres_hz(power.shape[1]).to(power)
    amplitude = spectrum.sqrt()
    total = spectrum.sum(1).clamp(min=1e-20)
    columns = [(amplitude * hz.log2()).sum(1) / amplitude.sum(1).clamp(min=1e-10)]
    for low, high in SHARES_HZ.values():
        inside = (hz >= low) & (hz < high)
        share = spectrum[:, inside].sum(1) / total
        columns.append(10 * torch.log10(share + 10 ** (FAINTEST_SHARE_DB / 10)))
    return torch.stack(columns, 1)


@dataclass(frozen=True)
class Ordinary:
    """What is usual at each pitch, so that "bright" can mean bright for its pitch.

    Args:
        slope: Coefficients on 1, octave and its square, ``(3, measures)``.
        mean: Over all pitches, ``(measures,)``.
        spread: Standard deviation about the expected value, ``(measures,)``.
        by_pitch: How much the expected value follows the pitch, 0 to 1; the rest is the mean,
            for a very high note is bright in itself.
    """

    slope: Tensor
    mean: Tensor
    spread: Tensor
    by_pitch: float = 0.6

    @staticmethod
    def of(values: Tensor, pitch: Tensor, by_pitch: float = 0.6) -> Ordinary:
        """Fit to measures ``(notes, measures)`` of notes of MIDI pitch ``(notes,)``.

        A pitch that is NaN (drums) counts as the mean pitch.
        """
        basis = _basis(pitch)
        slope = torch.linalg.lstsq(basis.double(), values.double()).solution.float()
        fitted = Ordinary(slope, values.mean(0), torch.ones(values.shape[1]), by_pitch)
        rest = values - fitted.expected(pitch)
        return Ordinary(slope, fitted.mean, rest.std(0).clamp(min=1e-3), by_pitch)

    def expected(self, pitch: Tensor) -> Tensor:
        """Usual measures ``(notes, measures)`` at MIDI pitches ``(notes,)``."""
        unpitched = torch.isnan(pitch)[:, None]
        tracked = self.by_pitch * (_basis(pitch) @ self.slope) + (1 - self.by_pitch) * self.mean
        return torch.where(unpitched, self.mean, tracked)

    def deviation(self, values: Tensor, pitch: Tensor) -> Tensor:
        """How far from usual, in standard deviations, ``(notes, measures)``."""
        return (values - self.expected(pitch)) / self.spread


def _basis(pitch: Tensor) -> Tensor:
    octave = ((pitch - 60) / 12).nan_to_num(0.0)
    return torch.stack([torch.ones_like(octave), octave, octave.square()], 1)
