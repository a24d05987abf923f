"""Descriptors of level over time: attack, decay, sustain, release, duration."""

from __future__ import annotations

import torch
from torch import Tensor

from .analysis import ANALYSIS_RATE, decibels

BLOCK = 32
"""Samples per block of the energy envelope: 1 ms."""
BLOCK_S = BLOCK / ANALYSIS_RATE
SHORTEST_WINDOW_S = 0.010
LONGEST_WINDOW_S = 0.060
LEVEL_FLOOR_DB = -80.0
SHORTEST_ATTACK_S = 0.002
LONGEST_DECAY_S = 60.0
DECAY_RANGE_DB = 30.0
EFFORT = 3.0
SOUNDING_DB = 20.0
THRESHOLDS = tuple(step / 10 for step in range(1, 10))
SURE_STEPS = 5
ATTACK_ROUNDS = 3
FEWEST_BLOCKS = 30


def energy_blocks(audio: Tensor) -> Tensor:
    """Mean square in 1 ms blocks of (batch, samples), shape (batch, blocks)."""
    blocks = -(-audio.shape[1] // BLOCK)
    padded = torch.nn.functional.pad(audio, (0, blocks * BLOCK - audio.shape[1]))
    return padded.square().unflatten(1, (blocks, BLOCK)).mean(2)


def smoothed(energy: Tensor, window_s: Tensor) -> Tensor:
    """Centred moving mean with a window per item; same shape (batch, blocks)."""
    blocks = energy.shape[1]
    total = torch.nn.functional.pad(energy.double().cumsum(1), (1, 0))
    half = (window_s / BLOCK_S / 2).round().clamp(min=1)[:, None].long()
    place = torch.arange(blocks, device=energy.device)[None]
    low, high = (place - half).clamp(min=0), (place + half).clamp(max=blocks)
    return ((total.gather(1, high) - total.gather(1, low)) / (2 * half)).float().clamp(min=0.0)


def window_for(period_s: Tensor) -> Tensor:
    """Averaging time per item: a period, so that its ripple is gone, within 10 to 60 ms."""
    return period_s.clamp(SHORTEST_WINDOW_S, LONGEST_WINDOW_S)


def temporal(energy: Tensor, period_s: Tensor, hold_s: Tensor) -> dict[str, Tensor]:
    """All descriptors of the envelope.

    Args:
        energy: From :func:`energy_blocks`, shape (batch, blocks).
        period_s: Fundamental period or 0, seconds, shape (batch,).
        hold_s: Time of note-off, seconds, shape (batch,).
    Returns:
        Descriptor name to shape (batch,); see ``descriptors.DESCRIPTORS``.
    """
    window_s = window_for(period_s)
    level = smoothed(energy, window_s)
    loudest = level.amax(1, keepdim=True).clamp(min=1e-20)
    amplitude = (level / loudest).sqrt()
    calm = smoothed(energy, window_s.clamp(min=0.05))
    start, attack_s = _attack(level, calm, window_s)
    level_db = decibels(calm / calm.amax(1, keepdim=True).clamp(min=1e-20), LEVEL_FLOOR_DB)
    return {
        "log_attack_time": attack_s.log10(),
        "temporal_centroid_s": _centroid(level, start),
        "effective_duration_s": (amplitude > 0.4).float().sum(1) * BLOCK_S,
        "decay_time_s": _decay(level_db, hold_s),
        "sustain_level_db": _level_between(level_db, 0.7 * hold_s, 0.95 * hold_s),
        "release_level_db": _level_between(level_db, hold_s + 0.2, hold_s + 0.6),
    }


def _first(condition: Tensor) -> Tensor:
    """Index of the first true value in the last dimension; 0 if there is none."""
    return condition.to(torch.uint8).argmax(-1)


def _attack(level: Tensor, calm: Tensor, window_s: Tensor) -> tuple[Tensor, Tensor]:
    """Start of the attack, seconds, and its length, seconds.

    Thresholds are shares of the RMS of the sounding part after the attack, rather than of the
    peak, which beating and noise put anywhere. The attack is needed to know that part, hence
    three rounds, the first over the whole sound.
    """
    sounding = calm >= 10 ** (-SOUNDING_DB / 10) * calm.amax(1, keepdim=True)
    time = torch.arange(level.shape[1], device=level.device) * BLOCK_S
    counted = sounding
    for _ in range(ATTACK_ROUNDS):
        reference = (level * counted).sum(1) / counted.sum(1).clamp(min=1)
        start, length, reach = _rise((level / reference.clamp(min=1e-20)[:, None]).sqrt(), window_s)
        after = sounding & (time >= (start + reach)[:, None])
        counted = torch.where(after.sum(1, keepdim=True) > FEWEST_BLOCKS, after, sounding)
    return start, length.clamp(SHORTEST_ATTACK_S, 30.0)


def _rise(amplitude: Tensor, window_s: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Start, extrapolated length and measured length of the rise through the thresholds.

    From 60 % on, a step of more than three times the usual one ends the attack (the
    weakest-effort idea of Peeters 2004): a swell after the attack is not part of it.
    """
    reached = torch.stack([_first(amplitude >= share) for share in THRESHOLDS], 1) * BLOCK_S
    effort = reached.diff(dim=1)
    # An eighth of the window is what each step of even a sudden start takes.
    usual = effort[:, :SURE_STEPS].mean(1, keepdim=True) + window_s[:, None] / 8
    late = (effort[:, SURE_STEPS:] <= EFFORT * usual).long().cumprod(1).sum(1)
    last = SURE_STEPS + late
    measured = reached.gather(1, last[:, None])[:, 0] - reached[:, 0]
    share = 0.1 * last.float()
    blur = window_s * ((share + 0.1).square() - 0.01)
    length = (measured.square() - blur.square()).clamp(min=0.0).sqrt() / share
    return reached[:, 0], length, measured


def _centroid(level: Tensor, start_s: Tensor) -> Tensor:
    time = torch.arange(level.shape[1], device=level.device) * BLOCK_S
    weights = level * (level > 1e-3 * level.amax(1, keepdim=True))
    centre = (weights * time).sum(1) / weights.sum(1).clamp(min=1e-20)
    return (centre - start_s).clamp(min=0.0)


def _decay(level_db: Tensor, hold_s: Tensor) -> Tensor:
    """60-dB decay time from a regression between the loudest moment and 30 dB below it."""
    blocks = level_db.shape[1]
    place = torch.arange(blocks, device=level_db.device)[None]
    top = level_db.argmax(1, keepdim=True)
    fallen = (level_db < -DECAY_RANGE_DB) & (place > top)
    end = torch.where(fallen.any(1), _first(fallen), torch.full_like(top[:, 0], blocks))
    # The 50 ms mean that the level is taken from must not reach over note-off.
    off = ((hold_s - 0.05) / BLOCK_S).long()
    end = torch.where(off > top[:, 0] + 50, torch.minimum(end, off), end)
    used = ((place >= top) & (place < end[:, None])).float()
    count = used.sum(1).clamp(min=1.0)
    time = place * BLOCK_S
    time = time - ((used * time).sum(1) / count)[:, None]
    level = level_db - ((used * level_db).sum(1) / count)[:, None]
    slope = (used * time * level).sum(1) / (used * time.square()).sum(1).clamp(min=1e-9)
    return (-60.0 / slope.clamp(max=-60.0 / LONGEST_DECAY_S)).clamp(min=0.01)


def _level_between(level_db: Tensor, start_s: Tensor, end_s: Tensor) -> Tensor:
    """Mean level between two times; the floor where the sound is over before the first."""
    time = torch.arange(level_db.shape[1], device=level_db.device)[None] * BLOCK_S
    inside = ((time >= start_s[:, None]) & (time < end_s[:, None])).float()
    count = inside.sum(1)
    mean = (level_db * inside).sum(1) / count.clamp(min=1.0)
    return torch.where(count > 0, mean, torch.full_like(mean, LEVEL_FLOOR_DB))


def crest_db(audio: Tensor, energy: Tensor) -> Tensor:
    """Peak over RMS of the part within 40 dB of the loudest 50 ms, dB, shape (batch,)."""
    calm = smoothed(energy, torch.full((len(energy),), 0.05, device=energy.device))
    counted = (calm > 1e-4 * calm.amax(1, keepdim=True)).float()
    mean = (energy * counted).sum(1) / counted.sum(1).clamp(min=1.0)
    peak = audio.abs().amax(1).square()
    return 10 * torch.log10((peak / mean.clamp(min=1e-20)).clamp(min=1.0))


def onset_s(energy: Tensor) -> Tensor:
    """When the level first comes within 30 dB of the loudest 10 ms, seconds, shape (batch,)."""
    quick = smoothed(energy, torch.full((len(energy),), SHORTEST_WINDOW_S, device=energy.device))
    return _first(quick >= 1e-3 * quick.amax(1, keepdim=True)).float() * BLOCK_S
