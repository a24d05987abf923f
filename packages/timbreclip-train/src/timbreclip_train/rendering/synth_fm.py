"""Frequency modulation after Chowning (1973), written as phase modulation."""

from __future__ import annotations

import math

import numpy as np

from .synth_control import (
    SIXTY_DB,
    Array,
    Array64,
    Note,
    highest_pitch_factor,
    phase_cycles,
    wrap,
)
from .synth_patch import Fm, FmPair, Patch

INDEX_FALL_PER_OCTAVE = 0.8
"""Brightness is kept from running away up the keyboard, as key scaling does in FM synths."""
FAINT = 3e-3


def _turn(cycles: Array64) -> Array:
    return wrap(cycles) * np.float32(2 * np.pi)


def _largest_index(carrier_hz: float, modulator_hz: float, top_hz: float) -> float:
    """The deviation, radians, at which the first sideband above the top is still inaudible.

    Sideband m has the amplitude J_m(index), at most (index / 2)^m / m!.
    """
    order = max(int((top_hz - carrier_hz) / modulator_hz), 0) + 1
    return 2 * math.exp((math.log(FAINT) + math.lgamma(order + 1)) / order)


def _orders(index: float) -> int:
    """Sidebands to each side that are not negligible."""
    order = 1
    while order < 64 and order * math.log(index / 2) - math.lgamma(order + 1) > math.log(FAINT):
        order += 1
    return order


def _pair(pair: FmPair, cycles: Array64, note: Note, brightness: float, top_hz: float) -> Array:
    base = note.frequency_hz
    carrier_hz, modulator_hz = pair.carrier_ratio * base, pair.ratio * base
    if carrier_hz >= top_hz:
        return np.zeros(note.samples, np.float32)
    modulator = _turn(cycles * pair.ratio)
    if pair.second_index > 0:
        second_hz = pair.second_ratio * base
        second = min(
            pair.second_index * brightness, _largest_index(modulator_hz, second_hz, top_hz)
        )
        modulator += np.float32(second) * np.sin(_turn(cycles * pair.second_ratio))
        modulator_hz += _orders(second) * second_hz
    index = min(pair.index * brightness, _largest_index(carrier_hz, modulator_hz, top_hz))
    fall = np.exp(note.times_s() * np.float32(-SIXTY_DB / pair.decay_s))
    depth = np.float32(index) * (pair.sustain + (1 - pair.sustain) * fall)
    carrier = _turn(cycles * pair.carrier_ratio)
    carrier += depth * np.sin(modulator)
    return np.float32(pair.level) * np.sin(carrier)


def fm_tone(patch: Patch, note: Note) -> Array:
    """The tone of an :class:`Fm` voice before its envelope, shape (1, samples), unscaled."""
    voice = patch.voice
    assert isinstance(voice, Fm)  # noqa: S101 -- narrows the type for the checker
    cycles = phase_cycles(patch.modulation, note)
    top_hz = note.top_hz / highest_pitch_factor(patch.modulation)
    brightness = INDEX_FALL_PER_OCTAVE**note.octaves
    brightness *= 2.0 ** (patch.velocity_octaves * note.loudness())
    total = np.zeros(note.samples, np.float32)
    for pair in voice.pairs:
        total += _pair(pair, cycles, note, brightness, top_hz)
    return total[None]
