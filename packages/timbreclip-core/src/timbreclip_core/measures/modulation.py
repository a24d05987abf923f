"""Vibrato and tremolo: how much of a curve is one sinusoid of a musical rate."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 2.5, 10.0
SEARCH_HZ = (1.5, 14.0)
RATE_STEP_HZ = 0.1
FEWEST_CYCLES = 2.5
SHORTEST_S = 0.5
TREND_ORDER = 3
CHANCE_SHARE = 0.25


@dataclass(frozen=True)
class Modulation:
    """Amplitude of the sinusoid (half of crest to trough) and its rate, both (batch,)."""

    amplitude: Tensor
    rate_hz: Tensor


def _detrended(curves: Tensor, weights: Tensor) -> Tensor:
    """Minus the weighted best polynomial over time, per curve (batch, curves, frames)."""
    time = torch.linspace(-1.0, 1.0, curves.shape[-1], dtype=torch.float64, device=curves.device)
    basis = torch.stack([time**order for order in range(TREND_ORDER + 1)], dim=1)
    weights = weights.double()
    weighted = basis[None] * weights[..., None]
    normal = weighted.transpose(1, 2) @ basis
    normal = normal + 1e-6 * torch.eye(TREND_ORDER + 1, device=curves.device)
    right = torch.einsum("btp,bct->bcp", weighted, curves.double())
    fitted = torch.linalg.solve(normal, right.transpose(1, 2))
    return (curves - (basis @ fitted).transpose(1, 2)).to(curves.dtype)


def _tapered(weights: Tensor) -> Tensor:
    """Weights times a Hann window stretched over the part that counts."""
    total = weights.sum(1, keepdim=True).clamp(min=1e-9)
    place = (weights.cumsum(1) - weights / 2) / total
    return weights * torch.sin(math.pi * place).square()


def strongest_modulation(
    curves: Tensor, weights: Tensor, frame_s: float, shares: Tensor | None = None
) -> Modulation:
    """The sinusoid that the curves have in common.

    Each curve's spectrum is taken after removing its trend. Of several curves the median along
    the direction of their mean counts: tremolo moves all bands alike, beating between detuned
    voices moves each in its own way.

    Args:
        curves: Shape (batch, curves, frames); any unit.
        weights: How much each frame counts, shape (batch, frames).
        frame_s: Time between frames, seconds.
        shares: How much each curve counts, shape (batch, curves), summing to 1; evenly if not
            given.
    Returns:
        Amplitude in the curves' unit and rate; both 0 where less than half a second or two and a
        half cycles count, or where the sinusoid is no more than chance.
    """
    taper = _tapered(weights)
    total = taper.sum(1).clamp(min=1e-9)
    curves = _detrended(curves, weights)
    rates = torch.arange(*SEARCH_HZ, RATE_STEP_HZ, device=curves.device)
    time = torch.arange(curves.shape[-1], device=curves.device) * frame_s
    turn = 2 * math.pi * time[:, None] * rates
    kernel = torch.complex(turn.cos(), -turn.sin())
    spectra = 2 * ((curves * taper[:, None]).to(kernel.dtype) @ kernel) / total[:, None, None]
    if shares is None:
        shares = torch.full(spectra.shape[:2], 1.0 / spectra.shape[1], device=curves.device)
    power = _common_power(spectra, shares)
    counted_s = weights.sum(1) * frame_s
    return _peak(power, rates, counted_s)


def _common_power(spectra: Tensor, shares: Tensor) -> Tensor:
    """Power that more than half of the curves, by share, have in phase; shape (batch, rates)."""
    mean = (shares[..., None] * spectra).sum(1, keepdim=True)
    direction = mean / mean.abs().clamp(min=1e-12)
    along = (spectra * direction.conj()).real
    ordered, index = along.sort(dim=1)
    passed = shares[..., None].expand_as(along).gather(1, index).cumsum(1)
    middle = (passed < 0.5).sum(1, keepdim=True).clamp(max=along.shape[1] - 1)
    return ordered.gather(1, middle)[:, 0].clamp(min=0.0).square()


def _peak(power: Tensor, rates: Tensor, counted_s: Tensor) -> Modulation:
    musical = (rates >= LOWEST_RATE_HZ) & (rates <= HIGHEST_RATE_HZ)
    height, index = (power * musical).max(1)
    rate = rates[index]
    # A Hann window's main lobe reaches two cycles per duration to each side.
    lobe = (2.0 / counted_s.clamp(min=0.1))[:, None]
    near = ((rates - rate[:, None]).abs() <= lobe).float()
    share = (power * near).sum(1) / power.sum(1).clamp(min=1e-20)
    covered = near.mean(1)
    expected = covered + (1 - covered) * CHANCE_SHARE
    certain = ((share - expected) / (1 - expected).clamp(min=0.05)).clamp(0.0, 1.0)
    enough = (counted_s >= SHORTEST_S) & (rate * counted_s >= FEWEST_CYCLES) & (certain > 0)
    amplitude = height.clamp(min=0.0).sqrt() * certain.sqrt() * enough
    return Modulation(amplitude, rate * enough)
