"""The front end of the bundled encoder: mel bands in decibels, at 32 kHz.

Level never matters: the spectrogram is in decibels relative to its own maximum, and its floor at
-80 dB makes a band that holds nothing and one that holds faint noise nearly the same.
"""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor
from torch.nn import functional as F

from ..windows import Windowing
from .base import SpectralEncoder

SAMPLE_RATE, SECONDS = 32_000, 4
FFT, HOP = 2_048, 640
LOW_HZ, HIGH_HZ = 30.0, 16_000.0
FLOOR_DB = -80.0
BAND_GROUPS = 4  # multiplied apart, each with the bins that it needs: a third of the work
FRAMES_AT_ONCE = 100  # their spectra fit into a core's cache
QUIETEST = 1e-20  # squares of samples at -100 dBFS are far above it, squares of denormals below


class MelEncoder(SpectralEncoder):
    """An encoder of mono audio at 32 kHz, in windows of 4 s, that hears decibels in mel bands.

    Args:
        bands: Mel bands.
        spaces: Space id by kind of vector.
    """

    window: Tensor
    mel: Tensor

    sample_rate = SAMPLE_RATE
    windowing = Windowing(length=SECONDS * SAMPLE_RATE, hop=SECONDS * SAMPLE_RATE // 2)
    hann_frames = (FFT, HOP)

    def __init__(self, bands: int, spaces: dict[str, str]) -> None:
        super().__init__()
        self.bands = bands
        self.spaces = dict(spaces)
        for name, value in {"window": torch.hann_window(FFT), "mel": mel_filters(bands)}.items():
            self.register_buffer(name, value, persistent=False)
        self.reaches = _reaches(self.mel)

    @abstractmethod
    def vectors(self, decibels: Tensor) -> dict[str, Tensor]:
        """``relative_db`` of mel power ``(batch, bands, frames)`` to unit vectors by kind."""

    @property
    def freqs_hz(self) -> Tensor:
        return torch.linspace(0, SAMPLE_RATE / 2, FFT // 2 + 1, device=self.window.device)

    def spectrogram(self, mono: Tensor) -> Tensor:
        frames = max(1, mono.shape[-1] // HOP)
        bins = torch.stft(
            mono.float(), FFT, HOP, window=self.window, pad_mode="constant", return_complex=True
        )[..., :frames]
        return bins.real.square() + bins.imag.square()

    def features(self, mono: Tensor) -> Tensor:
        """Power in mel bands, ``(batch, bands, frames)``."""
        if mono.requires_grad or mono.device.type != "cpu":
            return self.mel_power(self.spectrogram(mono))
        # A spectrogram that stays in the processor's cache takes a third of the time of a batch.
        with torch.autocast("cpu", enabled=False):
            return torch.stack([self._mel_power_of(row.float()) for row in mono])

    def _mel_power_of(self, mono: Tensor) -> Tensor:
        """``mel_power(spectrogram(mono))`` of one window ``(samples,)``: ``(bands, frames)``."""
        frames = F.pad(mono, (FFT // 2, FFT // 2)).unfold(0, FFT, HOP)[: max(1, len(mono) // HOP)]
        found = mono.new_empty(len(frames), self.bands)
        for start in range(0, len(frames), FRAMES_AT_ONCE):
            bins = torch.fft.rfft(frames[start : start + FRAMES_AT_ONCE] * self.window)
            power = bins.real.square().addcmul_(bins.imag, bins.imag)
            for bands, low, high in self.reaches:
                own = power[:, low:high] @ self.mel[bands, low:high].T
                found[start : start + FRAMES_AT_ONCE, bands] = own
        return found.T

    def from_power(self, power: Tensor) -> dict[str, Tensor]:
        return self.from_features(self.mel_power(power))

    def from_features(self, features: Tensor) -> dict[str, Tensor]:
        with torch.autocast(features.device.type, enabled=False):
            decibels = relative_db(features)
        return self.vectors(decibels)

    def mel_power(self, power: Tensor) -> Tensor:
        """Power ``(batch, bins, frames)`` to power in mel bands ``(batch, bands, frames)``."""
        with torch.autocast(power.device.type, enabled=False):
            return self.mel @ power.float()


def relative_db(power: Tensor) -> Tensor:
    """Power ``(batch, bands, frames)`` to decibels under the maximum of its item, -80 to 0 dB.

    The floor is soft, so that gradients stay finite; silence is at the floor throughout.
    """
    loudest = power.amax((1, 2), keepdim=True).clamp(min=QUIETEST)
    return 10 * torch.log10(power / loudest + 10 ** (FLOOR_DB / 10))


def mel_filters(bands: int) -> Tensor:
    """Triangular filters of peak 1, evenly spaced in mel, ``(bands, FFT bins)``.

    Source: O'Shaughnessy (1987), mel = 2595 log10(1 + f / 700).
    """
    low, high = (2595 * torch.log10(torch.tensor(1 + f / 700)) for f in (LOW_HZ, HIGH_HZ))
    edges = 700 * (10 ** (torch.linspace(low, high, bands + 2, dtype=torch.float64) / 2595) - 1)
    bins = torch.linspace(0, SAMPLE_RATE / 2, FFT // 2 + 1, dtype=torch.float64)
    left, centre, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (bins - left) / (centre - left), (right - bins) / (right - centre)
    return torch.minimum(rising, falling).clamp(min=0).float()


def _reaches(mel: Tensor) -> list[tuple[slice, int, int]]:
    """Groups of neighbouring bands, and the first and one past the last bin that each hears."""
    found = []
    for bands in torch.arange(len(mel)).chunk(BAND_GROUPS):
        heard = mel[bands].amax(0).nonzero()
        group = slice(int(bands[0]), int(bands[-1]) + 1)
        found.append((group, int(heard[0]), int(heard[-1]) + 1))
    return found


def mel_centres_hz(bands: int) -> Tensor:
    """Centre of every band of ``mel_filters``, ``(bands,)``, Hz."""
    low, high = (2595 * torch.log10(torch.tensor(1 + f / 700)) for f in (LOW_HZ, HIGH_HZ))
    return (700 * (10 ** (torch.linspace(low, high, bands + 2) / 2595) - 1))[1:-1]
