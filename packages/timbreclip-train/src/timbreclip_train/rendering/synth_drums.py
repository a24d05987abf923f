"""Percussion: a falling sine, metallic partials and a click; noise comes from its own part."""

from __future__ import annotations

import numpy as np

from .synth_control import SIXTY_DB, Array, Note, wrap
from .synth_modal import decaying_sines
from .synth_patch import Drum, Patch


def _body(drum: Drum, scale: float, note: Note) -> Array:
    """Sine whose frequency falls exponentially towards its resting place."""
    time = note.times_s()
    sweep = drum.sweep_octaves * np.exp(time * np.float32(-1 / drum.sweep_s))
    freq = np.minimum(drum.body_hz * scale * np.exp2(sweep), note.top_hz)
    cycles = np.cumsum(freq, dtype=np.float64) / note.sample_rate
    body = np.sin(wrap(cycles) * np.float32(2 * np.pi))
    if drum.second_ratio > 0 and drum.body_hz * scale * drum.second_ratio < note.top_hz / 2:
        second = np.sin(wrap(cycles * drum.second_ratio) * np.float32(2 * np.pi))
        body += 0.6 * second * np.exp(time * np.float32(-0.8 * SIXTY_DB / drum.body_decay_s))
    return body * np.exp(time * np.float32(-SIXTY_DB / drum.body_decay_s))


def _metal(drum: Drum, scale: float, note: Note, seed: int) -> Array:
    """Partials of free metal plates: irregular, denser with frequency, drawn by the patch."""
    rng = np.random.default_rng([seed, 7])
    steps = rng.uniform(0.18, 1.0, drum.metal_partials)
    ratios = np.cumsum(steps) - steps[0] + 1.0
    # Octave errors of the same plate at other keys would change the instrument: one seed.
    freqs = drum.metal_hz * scale * ratios
    levels = rng.uniform(0.4, 1.0, drum.metal_partials)
    t60 = drum.metal_decay_s * rng.uniform(0.6, 1.2, drum.metal_partials)
    phases = rng.uniform(0, 2 * np.pi, drum.metal_partials)
    tilt = 10 ** (3 * note.loudness() * np.log2(ratios) / 20)
    return decaying_sines(freqs, levels * tilt, t60, phases, note)


def _click(drum: Drum, note: Note) -> Array:
    length = min(int(0.002 * note.sample_rate), note.samples)
    out = np.zeros(note.samples, np.float32)
    ramp = np.linspace(0, 1, length, dtype=np.float32)
    out[:length] = np.sin(np.pi * ramp) * np.sin(6 * np.pi * ramp)
    return out * np.float32(drum.click_level)


def _unit_peak(signal: Array) -> Array:
    return signal / (np.abs(signal).max() + np.float32(1e-9))


def drum_tone(patch: Patch, note: Note) -> Array:
    """The tonal part of a :class:`Drum`, shape (1, samples), peak about 1."""
    drum = patch.voice
    assert isinstance(drum, Drum)  # noqa: S101 -- narrows the type for the checker
    scale = 2.0 ** (drum.key_track * note.octaves)
    total = np.zeros(note.samples, np.float32)
    if drum.body_hz > 0:
        total += _body(drum, scale, note)
    if drum.metal_level > 0:
        metal = _unit_peak(_metal(drum, scale, note, patch.seed))
        total += np.float32(drum.metal_level) * metal
    if drum.click_level > 0:
        total += _click(drum, note)
    return total[None]
