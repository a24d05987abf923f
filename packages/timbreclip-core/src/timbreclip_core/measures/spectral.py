"""Descriptors of a power spectrogram, differentiable in it."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

from .analysis import decibels, gate, gated_mean

LOWEST_HZ = 20.0
SHARE_FLOOR_DB = -80.0
SLOPE_RANGE_DB = 60.0
CUTOFF_DB = -60.0
SHARES_HZ = {
    "sub_share_db": (LOWEST_HZ, 80.0),
    "low_share_db": (LOWEST_HZ, 300.0),
    "low_mid_share_db": (200.0, 500.0),
    "mid_share_db": (500.0, 2_000.0),
    "presence_share_db": (2_000.0, 5_000.0),
    "high_share_db": (2_500.0, math.inf),
    "air_share_db": (8_000.0, math.inf),
}
"""Bands whose share of the energy is a descriptor, Hz."""


def spectral_from_power(power: Tensor, freqs_hz: Tensor) -> dict[str, Tensor]:
    """Everything that one power spectrogram says about the spectrum.

    Args:
        power: Shape (batch, bins, frames), not negative; any scale.
        freqs_hz: Shape (bins,), rising evenly. Bins below 20 Hz are not used.
    Returns:
        Descriptor name to shape (batch,): ``centroid_hz``, ``centroid_octaves``, ``spread_hz``,
        ``rolloff_hz``, the shares of :data:`SHARES_HZ`, ``flatness_db``,
        ``slope_db_per_octave`` and ``cutoff_hz``. All but the last have gradients with respect
        to ``power``. Silence gives finite values without meaning; see ``descriptors.DESCRIPTORS``
        for what :func:`~timbreclip_core.descriptors.describe` puts in their place.
    Source: see the definitions in :data:`timbreclip_core.descriptors.DESCRIPTORS`.
    """
    heard = freqs_hz >= LOWEST_HZ
    power, freqs = power[:, heard], freqs_hz[heard].to(power.dtype)
    peak = power.detach().amax(dim=(1, 2), keepdim=True).clamp(min=1e-30)
    power = power / peak
    energy = power.sum(1)
    weights = gate(energy.detach())
    mean_power = gated_mean(power, weights[:, None])
    found = _moments(power, freqs, weights)
    found["rolloff_hz"] = _rolloff(power, freqs, weights)
    for name, (low, high) in SHARES_HZ.items():
        found[name] = _share(mean_power, freqs, low, high)
    found["flatness_db"] = _flatness(power, freqs, weights)
    levels, centres = _third_octaves(mean_power, freqs)
    found["slope_db_per_octave"] = _slope(levels, centres)
    found["cutoff_hz"] = _cutoff(levels.detach(), centres)
    return found


def band_share_db(power: Tensor, freqs_hz: Tensor, low_hz: float, high_hz: float) -> Tensor:
    """Energy between two frequencies over all energy from 20 Hz up, in the frames that count.

    Args:
        power: Shape (batch, bins, frames).
        freqs_hz: Shape (bins,).
        low_hz: Lower edge, included.
        high_hz: Upper edge, not included; infinity for no edge.
    Returns:
        Shape (batch,), dB, between -80 and 0.
    """
    heard = freqs_hz >= LOWEST_HZ
    power = power[:, heard]
    weights = gate(power.detach().sum(1))
    return _share(gated_mean(power, weights[:, None]), freqs_hz[heard], low_hz, high_hz)


def frame_centroids(power: Tensor, freqs_hz: Tensor) -> Tensor:
    """Amplitude-weighted mean frequency of every frame, Hz, shape (batch, frames)."""
    amplitude = _amplitude(power)
    return (amplitude * freqs_hz[:, None]).sum(1) / amplitude.sum(1).clamp(min=1e-12)


def _amplitude(power: Tensor) -> Tensor:
    # A root has no gradient at zero; -140 dB below the loudest bin changes no figure.
    return (power + 1e-14).sqrt()


def _moments(power: Tensor, freqs: Tensor, weights: Tensor) -> dict[str, Tensor]:
    amplitude = _amplitude(power)
    khz = freqs / 1000.0
    basis = torch.stack([torch.ones_like(khz), khz, khz.square()])
    total, first, second = (basis @ amplitude).unbind(1)
    total = total.clamp(min=1e-12)
    centre = first / total
    variance = (second / total - centre.square()).clamp(min=1e-8)
    return {
        "centroid_hz": 1000.0 * gated_mean(centre, weights),
        "centroid_octaves": gated_mean(centre.clamp(min=1e-3).log2(), weights),
        "spread_hz": 1000.0 * gated_mean(variance.sqrt(), weights),
    }


def _rolloff(power: Tensor, freqs: Tensor, weights: Tensor, share: float = 0.85) -> Tensor:
    """Linear interpolation within the bin in which the share is reached keeps the gradient."""
    total = power.sum(1, keepdim=True).clamp(min=1e-20)
    cumulated = power.cumsum(1) / total
    last = power.shape[1] - 1
    index = (cumulated.detach() < share).sum(1, keepdim=True).clamp(max=last)
    above = cumulated.gather(1, index)
    below = cumulated.gather(1, (index - 1).clamp(min=0)) * (index > 0)
    inside = ((share - below) / (above - below).clamp(min=1e-9)).clamp(0.0, 1.0)
    width = freqs[1] - freqs[0]
    reached = freqs[index[:, 0]] + (inside[:, 0] - 0.5) * width
    return gated_mean(reached, weights)


def _share(mean_power: Tensor, freqs: Tensor, low_hz: float, high_hz: float) -> Tensor:
    inside = ((freqs >= low_hz) & (freqs < high_hz)).to(mean_power.dtype)
    total = mean_power.sum(1).clamp(min=1e-20)
    return decibels((mean_power * inside).sum(1) / total, SHARE_FLOOR_DB)


@lru_cache(maxsize=32)
@torch.inference_mode(False)
def _overlaps(bins: int, first_hz: float, width_hz: float, edges_hz: tuple[float, ...]) -> Tensor:
    """Share of each bin that lies in each band, shape (bands, bins)."""
    centre = first_hz + width_hz * torch.arange(bins, dtype=torch.float64)
    low, high = centre - width_hz / 2, centre + width_hz / 2
    edges = torch.tensor(edges_hz, dtype=torch.float64)
    overlap = torch.minimum(high, edges[1:, None]) - torch.maximum(low, edges[:-1, None])
    return (overlap.clamp(min=0.0) / width_hz).float()


def _bands(freqs: Tensor, edges_hz: tuple[float, ...], like: Tensor) -> Tensor:
    first, width = float(freqs[0]), float(freqs[1] - freqs[0])
    return _overlaps(len(freqs), round(first, 6), round(width, 6), edges_hz).to(like)


def _edges(low_hz: float, top_hz: float, per_octave: int) -> tuple[float, ...]:
    count = int(per_octave * math.log2(top_hz / low_hz) + 1e-6)
    return tuple(low_hz * 2 ** (step / per_octave) for step in range(count + 1))


def _third_octaves(mean_power: Tensor, freqs: Tensor) -> tuple[Tensor, Tensor]:
    """Levels in dB re the strongest band, shape (batch, bands), and centres in octaves re 1 kHz."""
    edges = _edges(39.4, float(freqs[-1]) * 1.001, 3)
    power = mean_power @ _bands(freqs, edges, mean_power).T
    strongest = power.detach().amax(1, keepdim=True).clamp(min=1e-20)
    centres = torch.tensor([math.log2(edge / 1000.0) + 1 / 6 for edge in edges[:-1]])
    return decibels(power / strongest, -100.0), centres.to(mean_power)


def _slope(levels_db: Tensor, centres: Tensor) -> Tensor:
    """Weighted least squares of level on octaves; bands 60 dB down and lower have no say."""
    # Bands of constant relative width gain 3 dB per octave on the power density.
    density = levels_db - 10 * math.log10(2.0) * centres
    weights = (levels_db + SLOPE_RANGE_DB).clamp(min=0.0)
    total = weights.sum(1, keepdim=True).clamp(min=1e-6)
    x_mean = (weights * centres).sum(1, keepdim=True) / total
    y_mean = (weights * density).sum(1, keepdim=True) / total
    x, y = centres - x_mean, density - y_mean
    spread = (weights * x.square()).sum(1)
    # One lonely band has no slope: a prior of zero worth a twentieth of an octave squared.
    return (weights * x * y).sum(1) / (spread + 0.05 * total[:, 0])


def _cutoff(levels_db: Tensor, centres: Tensor) -> Tensor:
    """Where the third-octave spectrum last falls through -60 dB, interpolated between centres."""
    above = levels_db > CUTOFF_DB
    position = torch.arange(len(centres), device=levels_db.device)
    last = (above * position).amax(1)
    following = (last + 1).clamp(max=len(centres) - 1)
    here = levels_db.gather(1, last[:, None])[:, 0]
    there = levels_db.gather(1, following[:, None])[:, 0]
    part = ((here - CUTOFF_DB) / (here - there).clamp(min=1e-3)).clamp(0.0, 1.0)
    reach = torch.where(following > last, part / 3, torch.full_like(part, 1 / 6))
    return 1000.0 * 2.0 ** (centres[last] + reach)


def _flatness(power: Tensor, freqs: Tensor, weights: Tensor) -> Tensor:
    """Geometric over arithmetic mean in bands that hold enough bins, weighted by amplitude."""
    if float(freqs[-1]) < 1000.0:
        return power.new_zeros(power.shape[0])
    edges = (100.0, *_edges(500.0, float(freqs[-1]) * 1.001, 2))
    bands = _bands(freqs, edges, power)
    bands = bands / bands.sum(1, keepdim=True).clamp(min=1e-9)
    floor = power.detach().amax(1, keepdim=True) * 1e-9 + 1e-20
    arithmetic = bands @ (power + floor)
    geometric = bands @ (power + floor).log()
    flat_db = (10 / math.log(10)) * (geometric - arithmetic.log())
    amount = arithmetic.detach().sqrt() * bands.gt(0).sum(1).sqrt()[:, None]
    flat = (flat_db * amount).sum(1) / amount.sum(1).clamp(min=1e-20)
    return gated_mean(flat, weights)
