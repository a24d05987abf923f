"""The note being played and the slow curves that move over it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .synth_patch import Envelope, Filter, Modulation

Array = NDArray[np.float32]
Array64 = NDArray[np.float64]

SIXTY_DB = math.log(1000.0)
REFERENCE_VELOCITY = 95
HIGHEST_SHARE = 0.47


@dataclass(frozen=True, kw_only=True)
class Note:
    """One note: what is played, for how long, at which rate.

    Args:
        frequency_hz: Fundamental, transposition included.
        octaves: Distance of the key from MIDI 60, octaves.
        velocity: 1 to 127.
        hold_s: Time to note-off, seconds.
        samples: Length of the whole note.
        sample_rate: Hz; the internal one where a patch is oversampled.
        top_hz: Highest frequency any oscillator may write.
        noise_top_hz: Highest frequency noise may hold.
        seed: Seeds noise and free-running phases.
    """

    frequency_hz: float
    octaves: float
    velocity: int
    hold_s: float
    samples: int
    sample_rate: int
    top_hz: float
    noise_top_hz: float
    seed: int

    def times_s(self) -> Array:
        """Time of every sample, seconds."""
        return np.arange(self.samples, dtype=np.float32) / np.float32(self.sample_rate)

    def rng(self, purpose: int) -> np.random.Generator:
        """A generator of its own for each purpose, so that parts do not disturb each other."""
        return np.random.Generator(np.random.SFC64([self.seed, purpose]))

    def loudness(self) -> float:
        """Velocity relative to the reference, about -0.74 to 0.25."""
        return (self.velocity - REFERENCE_VELOCITY) / 127.0


def amplitude(envelope: Envelope, note: Note) -> Array:
    """Level of every sample, 0 to 1, shape (samples,)."""
    time = note.times_s()
    attack = max(envelope.attack_s, 1e-3)
    fall = np.exp(np.maximum(time - attack, 0) * np.float32(-SIXTY_DB / envelope.decay_s))
    level = envelope.sustain + (1 - envelope.sustain) * fall
    level *= np.minimum(time * np.float32(1 / attack), 1)
    if envelope.gated:
        late = np.maximum(time - np.float32(note.hold_s), 0)
        level *= np.exp(late * np.float32(-SIXTY_DB / max(envelope.release_s, 5e-3)))
    return level.astype(np.float32)


def phase_cycles(modulation: Modulation, note: Note) -> Array64:
    """Phase of the fundamental in cycles, vibrato and pitch envelope included.

    Returns:
        Shape (samples,), unwrapped, float64.
    """
    step = note.frequency_hz / note.sample_rate
    moving = modulation.vibrato_cents > 0 or modulation.pitch_semitones != 0
    if not moving:
        return np.arange(note.samples, dtype=np.float64) * step
    time = note.times_s()
    octaves = np.zeros(note.samples, np.float32)
    if modulation.vibrato_cents > 0:
        depth = np.float32(modulation.vibrato_cents / 1200)
        grown = np.minimum(time / np.float32(max(modulation.vibrato_delay_s, 0.02)), 1)
        octaves += depth * grown * np.sin(np.float32(2 * np.pi * modulation.vibrato_hz) * time)
    if modulation.pitch_semitones:
        start = np.float32(modulation.pitch_semitones / 12)
        octaves += start * np.exp(time * np.float32(-1 / modulation.pitch_s))
    phase = np.cumsum(np.exp2(octaves), dtype=np.float64)
    phase *= step
    return phase


def wrap(cycles: Array64) -> Array:
    """Fractional part of a phase in cycles, 0 to 1."""
    return (cycles - np.floor(cycles)).astype(np.float32)


def highest_pitch_factor(modulation: Modulation) -> float:
    """The largest ratio by which pitch modulation raises the fundamental."""
    raised = modulation.vibrato_cents / 1200 + max(modulation.pitch_semitones, 0) / 12
    return float(2.0**raised)


def cutoff_curve(filter_: Filter, times_s: Array64, note: Note, velocity_octaves: float) -> Array64:
    """Cut-off in Hz at the given times.

    The envelope moves the cut-off linearly in octaves and falls back after note-off.
    """
    time = np.asarray(times_s, np.float64)
    opened = np.minimum(time / max(filter_.attack_s, 1e-3), 1.0)
    held = np.minimum(time, note.hold_s)
    fall = np.exp(-SIXTY_DB * np.maximum(held - filter_.attack_s, 0) / filter_.decay_s)
    envelope = opened * (filter_.sustain + (1 - filter_.sustain) * fall)
    octaves = filter_.envelope_octaves * envelope
    octaves += filter_.key_track * note.octaves + velocity_octaves * note.loudness()
    if filter_.lfo_octaves:
        octaves += filter_.lfo_octaves * np.sin(2 * np.pi * filter_.lfo_hz * time - np.pi / 2)
    return np.clip(filter_.cutoff_hz * 2.0**octaves, 25.0, 20_000.0)


def filter_gain(filter_: Filter, freqs_hz: Array64, cutoff_hz: Array64) -> Array64:
    """Magnitude response of the filter.

    Args:
        filter_: Kind, resonance and poles.
        freqs_hz: Shape (bins,).
        cutoff_hz: Shape (times,).
    Returns:
        Shape (times, bins). Two poles are the analogue second-order section; four poles add
        a Butterworth section of the same cut-off.
    """
    ratio = freqs_hz[None, :] / cutoff_hz[:, None]
    square = ratio * ratio
    numerator = {"low": 1.0, "band": ratio / filter_.resonance_q, "high": square}[filter_.kind]
    gain = numerator / np.sqrt((1 - square) ** 2 + square / filter_.resonance_q**2)
    if filter_.poles == 4 and filter_.kind != "band":
        second = 1.0 if filter_.kind == "low" else square
        gain = gain * second / np.sqrt((1 - square) ** 2 + 2 * square)
    return gain


def control_times(filter_: Filter, note: Note) -> Array64:
    """Times at which a moving filter is evaluated, dense where it moves fast."""
    total = note.samples / note.sample_rate
    if filter_.lfo_octaves:
        return np.linspace(0.0, total, 1 + math.ceil(total * max(8 * filter_.lfo_hz, 8.0)))
    rise = np.linspace(0.0, max(filter_.attack_s, 1e-3), 6)
    start = rise[-1]
    fall = start + np.geomspace(2e-3, max(note.hold_s - start, 0.01), 22)
    times = np.concatenate([rise, fall, [total]])
    return np.unique(np.clip(times, 0.0, total))
