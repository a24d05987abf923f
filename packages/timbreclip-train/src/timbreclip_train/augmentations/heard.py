"""Whether a change to a sound can be heard: texts must not tell of one that cannot.

Boosting the highs of a sound without highs, or limiting the band of a deep sine, changes nothing.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

WINDOW_S = 0.046
BANDS, LOWEST_HZ = 30, 40.0
DEPTH_DB = 55.0  # bands further below the loudest are masked by it, or are noise
SPECTRAL_DB = 1.0  # about the smallest difference in a broad band that listeners notice
CHANGE_DB = -26.0


def can_be_heard(before: Tensor, after: Tensor, sample_rate: int) -> bool:
    """Whether two versions of a sound differ by more than loudness and phase.

    Args:
        before: ``(channels, samples)``.
        after: Of the same shape; otherwise the answer is yes.
        sample_rate: Hz.
    """
    if before.shape != after.shape:
        return True
    first, second = (_magnitudes(x, sample_rate) for x in (before, after))
    if not bool(first.any()) or not bool(second.any()):
        return bool(first.any() != second.any())
    return (
        _spectral_db(first, second, sample_rate) >= SPECTRAL_DB
        or _change_db(first, second) >= CHANGE_DB
    )


def spectral_change_db(before: Tensor, after: Tensor, sample_rate: int) -> float:
    """Root mean square difference in dB of the two mean spectra, loudness apart.

    Over those of 30 bands, of equal width on an axis of octaves, that one of the sounds has within
    55 dB of its loudest band.
    """
    first, second = (_magnitudes(x, sample_rate) for x in (before, after))
    return _spectral_db(first, second, sample_rate)


def _magnitudes(audio: Tensor, sample_rate: int) -> Tensor:
    size = 1 << max(4, round(math.log2(WINDOW_S * sample_rate)))
    mono = audio.detach().float().mean(0)
    mono = torch.nn.functional.pad(mono, (size // 2, size))
    window = torch.hann_window(size)
    return torch.stft(mono, size, size // 2, window=window, center=False, return_complex=True).abs()


def _spectral_db(first: Tensor, second: Tensor, sample_rate: int) -> float:
    freqs_hz = torch.linspace(0, sample_rate / 2, len(first))
    octaves = math.log2(sample_rate / 2 / LOWEST_HZ)
    band = (freqs_hz.clamp(min=1.0) / LOWEST_HZ).log2() / octaves * BANDS
    band = band.floor().clamp(0, BANDS - 1).long()
    sums = [torch.zeros(BANDS).index_add(0, band, x.square().sum(1)) for x in (first, second)]
    levels = [10 * torch.log10(s / s.max() + 1e-12) for s in sums]
    counts = (levels[0] > -DEPTH_DB) | (levels[1] > -DEPTH_DB)
    # Far below, the exact level does not matter.
    off = levels[1].clamp(min=-DEPTH_DB) - levels[0].clamp(min=-DEPTH_DB)
    off = off[counts]
    return float((off - off.median()).square().mean().sqrt())


def _change_db(first: Tensor, second: Tensor) -> float:
    gain = (first * second).sum() / first.square().sum()
    share = (second - gain * first).square().sum() / (gain * first).square().sum().clamp(min=1e-20)
    return 10 * math.log10(float(share) + 1e-12)
