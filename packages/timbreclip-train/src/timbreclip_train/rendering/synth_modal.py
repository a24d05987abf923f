"""Struck and plucked bodies as sums of exponentially decaying sines."""

from __future__ import annotations

import numpy as np

from .synth_control import SIXTY_DB, Array, Array64, Note
from .synth_patch import Modal, Patch

BLOCK = 256
MOST_PARTIALS = 240


def decaying_sines(
    freqs_hz: Array64, amplitudes: Array64, t60_s: Array64, phases: Array64, note: Note
) -> Array:
    """Sum of decaying sines, shape (samples,).

    A sine is a geometric series of a complex number, so the samples of a block are one matrix
    product of block starts and offsets within a block: hundreds of partials cost little.

    Args:
        freqs_hz: Shape (partials,); those above ``note.top_hz`` are left out.
        amplitudes: Shape (partials,).
        t60_s: Time in which each falls by 60 dB, seconds.
        phases: At the start, radians.
        note: Length and rate.
    """
    fits = freqs_hz < note.top_hz
    if not fits.any():
        return np.zeros(note.samples, np.float32)
    turn = 2 * np.pi * freqs_hz[fits] / note.sample_rate
    fall = SIXTY_DB / (t60_s[fits] * note.sample_rate)
    blocks = -(-note.samples // BLOCK)
    starts = np.arange(blocks)[:, None] * BLOCK
    inside = np.arange(BLOCK)[:, None]
    angle, offset = starts * turn + phases[fits], inside * turn
    outer = amplitudes[fits] * np.exp(-starts * fall)
    inner = np.exp(-inside * fall)
    left = np.concatenate([outer * np.sin(angle), outer * np.cos(angle)], axis=1)
    right = np.concatenate([inner * np.cos(offset), inner * np.sin(offset)], axis=1)
    product = left.astype(np.float32) @ right.astype(np.float32).T
    return product.ravel()[: note.samples]


def partial_ratios(voice: Modal, frequency_hz: float, top_hz: float) -> Array64:
    """Frequencies of the partials over the note's, shape (partials,)."""
    if voice.ratios:
        return np.asarray(voice.ratios, np.float64)
    count = int(np.clip(top_hz / frequency_hz, 1, MOST_PARTIALS))
    harmonic = np.arange(1, count + 1, dtype=np.float64)
    return harmonic * np.sqrt((1 + voice.stiffness * harmonic**2) / (1 + voice.stiffness))


def _levels(voice: Modal, ratios: Array64, brightness_db: float, rng: np.random.Generator):
    octaves = np.log2(np.maximum(ratios, 0.25))
    level = 10 ** ((voice.tilt_db_per_octave + brightness_db) * octaves / 20)
    if voice.position > 0:
        level = level * np.abs(np.sin(np.pi * ratios * voice.position))
    if voice.roughness > 0:
        level = level * 10 ** (voice.roughness * rng.standard_normal(len(ratios)) / 20)
    return level


def modal_tone(patch: Patch, note: Note) -> Array:
    """The tone of a :class:`Modal` voice before its envelope, shape (1, samples), unscaled."""
    voice = patch.voice
    assert isinstance(voice, Modal)  # noqa: S101 -- narrows the type for the checker
    rng = note.rng(0)
    ratios = partial_ratios(voice, note.frequency_hz, note.top_hz)
    level = _levels(voice, ratios, 3 * patch.velocity_octaves * note.loudness(), rng)
    # Instruments ring shorter up the keyboard: about half per octave and a half.
    longest = voice.decay_s * 2.0 ** (-0.6 * note.octaves)
    t60 = np.maximum(longest * np.maximum(ratios, 0.25) ** -voice.damping, 0.01)
    total = np.zeros(note.samples, np.float32)
    for place in np.linspace(-1, 1, voice.strings) if voice.strings > 1 else (0.0,):
        freqs = note.frequency_hz * ratios * 2 ** (place * voice.detune_cents / 1200)
        phases = rng.uniform(0, 2 * np.pi, len(ratios))
        total += decaying_sines(freqs, level, t60, phases, note)
    return total[None]
