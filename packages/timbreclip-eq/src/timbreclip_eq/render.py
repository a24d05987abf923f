"""Applying an EQ to a sound: never above full scale, at its loudness if asked for.

Twice through the sound: once to measure, once to write. Only a block of it is held.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from timbreclip_core.errors import UsageError

from .base import EQ, Values
from .measure import LoudnessMeter, PeakMeter
from .streaming import Blocks, Kernel, Source, slices

MIN_AMOUNT, MAX_AMOUNT = -1.0, 2.0
MATCHED_LU = 0.1
MATCHING_STEPS = 4


@dataclass(frozen=True, kw_only=True)
class Levels:
    """What is done to a filtered sound beside the EQ, and why.

    Attributes:
        preamp_db: Gain that keeps it below full scale, at most 0 dB.
        match_db: Gain that gives it the loudness of the source.
        lufs_before: Loudness of the source; None for silence.
        lufs_after: Loudness of the result; None for silence.
        highest_db: Most gain, dB, that source and filtered sound could take without clipping.
        mono_peaks: Largest sample of the channel mean of the source, and of the result.
        frames: Samples in a channel.
        warnings: Sentences.
    """

    preamp_db: float
    match_db: float
    lufs_before: float | None
    lufs_after: float | None
    highest_db: tuple[float, float] = (0.0, 0.0)
    mono_peaks: tuple[float, float] = (0.0, 0.0)
    frames: int = 0
    warnings: tuple[str, ...] = ()

    @property
    def gain_db(self) -> float:
        """Of the filtered sound in all."""
        return self.match_db + self.preamp_db

    def pair_db(self) -> tuple[float, float]:
        """Gains of the source and of the filtered sound that make them equally loud, unclipped.

        No louder than the source is; silence has no loudness and keeps to the peaks alone.
        """
        room = tuple(min(0.0, highest) for highest in self.highest_db)
        if self.lufs_before is None or self.lufs_after is None:
            return room[0], room[1]
        filtered = self.lufs_after - self.gain_db
        common = min(self.lufs_before + room[0], filtered + self.highest_db[1])
        return common - self.lufs_before, common - filtered


@dataclass(frozen=True, kw_only=True)
class Rendered(Levels):
    """A filtered sound, and what was done beside the EQ.

    Attributes:
        audio: ``(channels, samples)``, of the source's dtype, nothing above full scale.
    """

    audio: Tensor


def check_amount(amount: float) -> None:
    """Raise ``UsageError`` unless the amount lies from -1 to 2."""
    if not MIN_AMOUNT <= amount <= MAX_AMOUNT:
        raise UsageError(
            f"The amount must lie from {MIN_AMOUNT:g} to {MAX_AMOUNT:g}, not {amount}."
        )


def measure_levels(
    kernel: Kernel, source: Source, sample_rate: int, *, match_loudness: bool = False
) -> Levels:
    """Go through a sound once and find the gain that its filtered version takes.

    The preamp follows from the output itself: its true peak stays at or below full scale, or that
    of the source where the source is above it already, and no sample is above full scale.

    Args:
        kernel: The filter.
        source: The sound, at least one sample.
        sample_rate: Hz.
        match_loudness: Give it the loudness of the source (BS.1770), as far as the peaks allow.
    """
    # The gain of the filtered sound is not known yet: any true peak of it may matter.
    before, after = _Meters(sample_rate, floor=1.0), _Meters(sample_rate, floor=0.0)
    for block in kernel.run(before.through(source())):
        after.add(block)
    lufs_before = before.lufs()
    match_db = _match_db(after, lufs_before) if match_loudness else 0.0
    allowed = max(1.0, before.peaks.true_peak())
    preamp_db = _preamp_db(after.peaks, match_db, allowed)
    lufs_after = after.lufs(match_db + preamp_db)
    warnings: list[str] = []
    if match_loudness and lufs_before is not None and lufs_after is not None:
        warnings += _loudness_warnings(lufs_before, lufs_after)
    factor = 10 ** ((match_db + preamp_db) / 20)
    return Levels(
        preamp_db=preamp_db,
        match_db=match_db,
        lufs_before=lufs_before,
        lufs_after=lufs_after,
        highest_db=(_room_db(before.peaks, allowed), _room_db(after.peaks, allowed)),
        mono_peaks=(before.peaks.mono_peak, min(1.0, factor * after.peaks.mono_peak)),
        frames=before.peaks.frames,
        warnings=tuple(warnings),
    )


def filtered_blocks(kernel: Kernel, blocks: Blocks, gain_db: float) -> Iterator[Tensor]:
    """Filtered blocks at a gain, none of them above full scale."""
    gain = 10 ** (gain_db / 20)
    for block in kernel.run(blocks):
        yield (block * gain).clamp(-1, 1)


def render(
    eq: EQ,
    values: Values,
    audio: Tensor,
    sample_rate: int,
    *,
    amount: float = 1.0,
    match_loudness: bool = False,
) -> Rendered:
    """Filter a sound at its own rate; see ``measure_levels``.

    Args:
        eq: The parametrisation.
        values: Of a batch of one.
        audio: ``(channels, samples)``, floating point, full scale 1.0.
        sample_rate: Hz.
        amount: Factor of the curve in dB, from -1 (the opposite) to 2.
        match_loudness: Give it the loudness of the source (BS.1770), as far as the peaks allow.

    Raises:
        UsageError: An ``amount`` out of range.
    """
    check_amount(amount)
    kernel = eq.kernel(values, sample_rate, amount)
    levels = measure_levels(
        kernel, lambda: slices(audio), sample_rate, match_loudness=match_loudness
    )
    out, start = torch.empty_like(audio), 0
    for block in filtered_blocks(kernel, slices(audio), levels.gain_db):
        out[:, start : start + block.shape[-1]] = block
        start += block.shape[-1]
    return Rendered(**vars(levels), audio=out)


class _Meters:
    """Loudness and peaks of blocks whose channels are known with the first of them."""

    def __init__(self, sample_rate: int, floor: float) -> None:
        self.sample_rate = sample_rate
        self.peaks = PeakMeter(sample_rate, floor)
        self.loudness: LoudnessMeter | None = None

    def add(self, block: Tensor) -> None:
        if self.loudness is None:
            self.loudness = LoudnessMeter(len(block), self.sample_rate)
        self.loudness.add(block)
        self.peaks.add(block)

    def through(self, blocks: Blocks) -> Iterator[Tensor]:
        for block in blocks:
            self.add(block)
            yield block

    def lufs(self, gain_db: float = 0.0) -> float | None:
        return None if self.loudness is None else self.loudness.lufs(gain_db)


def _preamp_db(peaks: PeakMeter, match_db: float, allowed: float) -> float:
    """At most 0: what brings the peaks, after the match, down to where they may be."""
    factor = 10 ** (match_db / 20)
    highest = factor * peaks.peak
    if highest == 0:
        return 0.0
    gain = min(1.0, 1 / highest)
    # Interpolation between samples more than doubles hardly any signal.
    if highest * 2 > 1:
        gain = min(gain, allowed / (factor * peaks.true_peak()))
    return 20 * math.log10(gain)


def _room_db(peaks: PeakMeter, allowed: float) -> float:
    """Gain that would bring the peaks up, or down, to where they may be."""
    if peaks.peak == 0:
        return 0.0
    return -20 * math.log10(max(peaks.peak, peaks.true_peak() / allowed))


def _match_db(meters: _Meters, wanted: float | None) -> float:
    """Gain that gives a sound the loudness wanted; 0 where it or the sound has none.

    A gain moves blocks across the gate of the standard, so that one step may not do.
    """
    found, reached = 0.0, meters.lufs()
    if wanted is None:
        return found
    for _ in range(MATCHING_STEPS):
        if reached is None or abs(wanted - reached) < MATCHED_LU / 10:
            break
        found += wanted - reached
        reached = meters.lufs(found)
    return found


def _loudness_warnings(before: float, after: float) -> list[str]:
    if abs(after - before) <= MATCHED_LU:
        return []
    return [
        f"The loudness is {before - after:.1f} LU below the source's: more would clip. Lower the "
        "source, or use a smaller --amount."
    ]
