"""Descriptors of resolved partials: noise between them, roughness, inharmonicity, odd and even."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .analysis import ANALYSIS_RATE, gate, squared

FRAME = 8192
HOP = 4096
BIN_HZ = ANALYSIS_RATE / FRAME
FRAME_S = FRAME / ANALYSIS_RATE
HOP_S = HOP / ANALYSIS_RATE
BLOCK_BINS = 32
RANK = 11
"""Which of a block's 32 sorted bins stands for the noise: partials fill the upper ones."""
RANK_MEAN = sum(1.0 / (BLOCK_BINS - step) for step in range(RANK))
"""Mean of that order statistic for exponentially distributed power of mean 1."""
MOST_PEAKS = 30
PEAK_RANGE_DB = 50.0
NOISE_FLOOR_DB = -60.0
ODD_EVEN_LIMIT_DB = 40.0
HARMONICS = 20
CLUSTER_CENTS = 50.0


def long_spectra(audio: Tensor, start_s: Tensor) -> Tensor:
    """Power spectra of 256-ms frames from each item's onset on.

    Args:
        audio: Shape (batch, samples) at the analysis rate.
        start_s: Onset, seconds, shape (batch,). Starting there keeps the step of the onset out
            of the spectra: the window rises from zero.
    Returns:
        Shape (batch, bins, frames), 3.9 Hz a bin, three-term window of Nuttall (1981).
    """
    start = (start_s * ANALYSIS_RATE).long()[:, None]
    place = torch.arange(audio.shape[1], device=audio.device)[None] + start
    inside = place < audio.shape[1]
    shifted = audio.gather(1, place.clamp(max=audio.shape[1] - 1)) * inside
    shifted = torch.nn.functional.pad(shifted, (0, max(FRAME - shifted.shape[1], 0)))
    angle = 2 * math.pi * torch.arange(FRAME, device=audio.device) / FRAME
    window = 0.40897 - 0.5 * angle.cos() + 0.09103 * (2 * angle).cos()
    window = window / window.square().sum().sqrt()
    power = squared(torch.fft.rfft(shifted.unfold(1, FRAME, HOP) * window)).transpose(1, 2)
    power[:, : int(16 / BIN_HZ)] = 0.0
    return power


def settled(power: Tensor, start_s: Tensor, hold_s: Tensor) -> Tensor:
    """1.0 for frames within 40 dB of the loudest that note-off does not cut, else 0.0.

    Args:
        power: From :func:`long_spectra`.
        start_s: Onset the frames are counted from, shape (batch,).
        hold_s: Time of note-off, shape (batch,).
    Returns:
        Shape (batch, frames); at least one frame counts where there is sound.
    """
    weights = gate(power.sum(1))
    begin = start_s[:, None] + torch.arange(power.shape[2], device=power.device) * HOP_S
    off = hold_s[:, None]
    whole = weights * ~((begin < off) & (begin + FRAME_S > off))
    return torch.where(whole.sum(1, keepdim=True) > 0, whole, weights)


def noise_floor(power: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Energy of the noise between the partials, below and above 8 kHz.

    Args:
        power: From :func:`long_spectra`.
        weights: From :func:`settled`.
    Returns:
        Noise energy, shape (batch, 2), and all energy of those frames, same shape.
    """
    used = power[:, : power.shape[1] // BLOCK_BINS * BLOCK_BINS].transpose(1, 2)
    blocks = used.unflatten(2, (-1, BLOCK_BINS))
    floor = blocks.kthvalue(RANK, dim=-1).values * (BLOCK_BINS / RANK_MEAN)
    total = blocks.sum(-1)
    noise = (torch.minimum(floor, total) * weights[..., None]).sum(1)
    everything = (total * weights[..., None]).sum(1)
    split = round(8_000.0 / (BIN_HZ * BLOCK_BINS))
    halves = [(part[:, :split].sum(1), part[:, split:].sum(1)) for part in (noise, everything)]
    return torch.stack(halves[0], 1), torch.stack(halves[1], 1)


def mean_spectrum(power: Tensor, weights: Tensor) -> Tensor:
    """Energy spectrum of the frames that count, shape (batch, bins)."""
    return (power * weights[:, None]).sum(2)


def spectral_peaks(spectrum: Tensor) -> tuple[Tensor, Tensor]:
    """The strongest peaks within 50 dB of the strongest.

    Args:
        spectrum: Shape (batch, bins).
    Returns:
        Frequencies in Hz and amplitudes relative to the strongest, shape (batch, 30), amplitude
        0 where there are fewer; places refined by a parabola through the levels.
    """
    level = spectrum.clamp(min=1e-30).log()
    middle = level[:, 1:-1]
    peak = (middle >= level[:, :-2]) & (middle > level[:, 2:])
    threshold = level.amax(1, keepdim=True) - PEAK_RANGE_DB * math.log(10) / 10
    height = torch.where(peak & (middle > threshold), middle, torch.full_like(middle, -80.0))
    _, index = height.topk(min(MOST_PEAKS, height.shape[1]), dim=1)
    is_peak = height.gather(1, index) > -79.0
    left, centre, right = (level.gather(1, index + step) for step in (0, 1, 2))
    bend = (left - 2 * centre + right).clamp(max=-1e-6)
    offset = (0.5 * (left - right) / bend).clamp(-0.5, 0.5)
    refined = centre - 0.25 * (left - right) * offset
    strongest = refined.amax(1, keepdim=True)
    amplitude = ((refined - strongest) / 2).exp() * is_peak
    return (index + 1 + offset) * BIN_HZ, amplitude


def roughness(freqs_hz: Tensor, amplitudes: Tensor) -> Tensor:
    """Sum of the sensory dissonance of all pairs of peaks over the sum of squared amplitudes.

    The curve of Plomp and Levelt in the form of Sethares (1993), the pair weighted by the
    product of its amplitudes, which a level change of the whole leaves alone once divided.

    Args:
        freqs_hz: Shape (batch, peaks).
        amplitudes: Shape (batch, peaks).
    Returns:
        Shape (batch,).
    """
    low = torch.minimum(freqs_hz[:, :, None], freqs_hz[:, None, :])
    apart = (freqs_hz[:, :, None] - freqs_hz[:, None, :]).abs()
    scaled = 0.24 / (0.0207 * low + 18.96) * apart
    curve = (-3.5 * scaled).exp() - (-5.75 * scaled).exp()
    pairs = amplitudes[:, :, None] * amplitudes[:, None, :] * curve
    return 0.5 * pairs.sum((1, 2)) / amplitudes.square().sum(1).clamp(min=1e-12)


def inharmonicity(freqs_hz: Tensor, amplitudes: Tensor, f0_hz: Tensor) -> Tensor:
    """Twice the energy-weighted mean distance of the peaks from the nearest harmonic, in f_0.

    Peaks within a quarter tone are one partial at their common centre: neither unison voices nor
    vibrato make a sound inharmonic. The fundamental is refined within 40 cents for the best fit,
    so that a patch out of tune is not inharmonic either.

    Args:
        freqs_hz: Shape (batch, peaks).
        amplitudes: Shape (batch, peaks).
        f0_hz: Shape (batch,).
    Returns:
        Shape (batch,), 0 to 1.
    """
    cents = torch.arange(-40.0, 41.0, 2.0, device=freqs_hz.device)
    tried = f0_hz[:, None] * 2 ** (cents / 1200)
    energy = amplitudes.square()
    octaves = freqs_hz.clamp(min=1.0).log2()
    same = (octaves[:, :, None] - octaves[:, None, :]).abs() < CLUSTER_CENTS / 1200
    shared = same * energy[:, None, :]
    centre = (shared * freqs_hz[:, None, :]).sum(2) / shared.sum(2).clamp(min=1e-12)
    order = centre[:, None, :] / tried[:, :, None]
    distance = (order - order.round().clamp(min=1.0)).abs().clamp(max=0.5)
    weights = energy[:, None]
    mean = (distance * weights).sum(2) / weights.sum(2).clamp(min=1e-12)
    return 2 * mean.amin(1)


def odd_even_db(spectrum: Tensor, f0_hz: Tensor) -> Tensor:
    """Energy of the harmonics 3, 5, 7 ... 19 over that of 2, 4, 6 ... 20, dB within +-40.

    The fundamental is left out: with it any low-passed sound would count as odd. Both sums have
    -50 dB of the fundamental and harmonics together added, so that a sine reads 0 dB.

    Args:
        spectrum: Shape (batch, bins).
        f0_hz: Shape (batch,).
    """
    order = torch.arange(1, HARMONICS + 1, device=spectrum.device)
    centre = f0_hz[:, None] * order
    half = torch.minimum(0.25 * f0_hz[:, None], 12.0 + 0.015 * centre)
    total = torch.nn.functional.pad(spectrum.double().cumsum(1), (1, 0))
    low = ((centre - half) / BIN_HZ).round().long().clamp(0, spectrum.shape[1])
    high = ((centre + half) / BIN_HZ).round().long().clamp(0, spectrum.shape[1])
    energy = (total.gather(1, high) - total.gather(1, low)).float()
    floor = 1e-5 * energy.sum(1) + 1e-20
    odd = energy[:, 2::2].sum(1) + floor
    even = energy[:, 1::2].sum(1) + floor
    ratio = 10 * torch.log10(odd / even)
    return ratio.clamp(-ODD_EVEN_LIMIT_DB, ODD_EVEN_LIMIT_DB)
