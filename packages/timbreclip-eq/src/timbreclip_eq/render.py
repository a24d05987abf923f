"""Applying an EQ to a sound: never above full scale, at its loudness if asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from timbreclip_core.errors import UsageError

from .base import EQ, Values
from .measure import loudness_lufs, peak, true_peak

MIN_AMOUNT, MAX_AMOUNT = -1.0, 2.0
MATCHED_LU = 0.1


@dataclass(frozen=True)
class Rendered:
    """A filtered sound, and what was done beside the EQ.

    Attributes:
        audio: ``(channels, samples)``, of the source's dtype, nothing above full scale.
        preamp_db: Gain that keeps it below full scale, at most 0 dB.
        match_db: Gain that gives it the loudness of the source.
        lufs_before: Loudness of the source; None for silence.
        lufs_after: Loudness of ``audio``; None for silence.
        warnings: Sentences.
    """

    audio: Tensor
    preamp_db: float
    match_db: float
    lufs_before: float | None
    lufs_after: float | None
    warnings: tuple[str, ...] = ()


def check_amount(amount: float) -> None:
    """Raise ``UsageError`` unless the amount lies from -1 to 2."""
    if not MIN_AMOUNT <= amount <= MAX_AMOUNT:
        raise UsageError(
            f"The amount must lie from {MIN_AMOUNT:g} to {MAX_AMOUNT:g}, not {amount}."
        )


def render(
    eq: EQ,
    values: Values,
    audio: Tensor,
    sample_rate: int,
    *,
    amount: float = 1.0,
    match_loudness: bool = False,
) -> Rendered:
    """Filter a sound at its own rate.

    The preamp follows from the output itself: its true peak stays at or below full scale, or that
    of the source where the source is above it already, and no sample is above full scale.

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
    filtered = eq.filter(audio, values, sample_rate, amount)
    before = loudness_lufs(audio, sample_rate)
    after = loudness_lufs(filtered, sample_rate)
    match_db, warnings = 0.0, []
    if match_loudness and before is not None and after is not None:
        match_db = before - after
        filtered = filtered * 10 ** (match_db / 20)
    gain = _peak_gain(filtered, audio, sample_rate)
    preamp_db = 20 * math.log10(gain)
    out = (filtered * gain).clamp(-1, 1)
    if after is not None:
        after += match_db + preamp_db
    if match_loudness and before is not None and after is not None:
        warnings += _loudness_warnings(before, after)
    return Rendered(out, preamp_db, match_db, before, after, tuple(warnings))


def _peak_gain(filtered: Tensor, source: Tensor, sample_rate: int) -> float:
    """At most 1: what brings the peaks of ``filtered`` down to where they may be."""
    highest = peak(filtered)
    if highest == 0:
        return 1.0
    gain = min(1.0, 1 / highest)
    # Interpolation between samples more than doubles hardly any signal.
    if highest * 2 > 1:
        allowed = max(1.0, true_peak(source, sample_rate))
        gain = min(gain, allowed / true_peak(filtered, sample_rate))
    return gain


def _loudness_warnings(before: float, after: float) -> list[str]:
    if abs(after - before) <= MATCHED_LU:
        return []
    return [
        f"The loudness is {before - after:.1f} LU below the source's: more would clip. Lower the "
        "source, or use a smaller --amount."
    ]
