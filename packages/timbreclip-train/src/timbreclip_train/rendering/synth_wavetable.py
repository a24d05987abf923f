"""Band-limited periodic waves, read from tables that hold exactly the harmonics that fit."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from .synth_control import (
    Array,
    Array64,
    Note,
    control_times,
    cutoff_curve,
    filter_gain,
    highest_pitch_factor,
    phase_cycles,
    wrap,
)
from .synth_patch import Filter, Patch, Wavetable

DRAWBAR_HARMONICS = (1, 3, 2, 4, 6, 8, 10, 12, 16)
"""Harmonics of the sub-octave: 16', 5 1/3', 8', 4', 2 2/3', 2', 1 3/5', 1 1/3', 1'."""


@dataclass(frozen=True)
class _Copy:
    ratio: float
    gain: float
    pan: float
    offset: float


def _wave(voice: Wavetable, order: Array64, fundamental: Array64) -> Array64:
    """Amplitude of each table harmonic; ``order`` counts harmonics of the note itself."""
    whole = np.isclose(order, np.round(order)) & (order > 0.5)
    safe = np.maximum(order, 0.5)
    if voice.waveform == "drawbars":
        amount = np.zeros_like(order)
        for harmonic, level in zip(DRAWBAR_HARMONICS, voice.drawbars, strict=True):
            amount[np.round(fundamental).astype(int) == harmonic] += level
        return amount
    if voice.waveform == "saw":
        amount = 1 / safe
    elif voice.waveform == "square":
        amount = (np.round(order) % 2) / safe
    elif voice.waveform == "pulse":
        # A moving width is made from two saws when the table is read.
        fixed = 2 * np.sin(np.pi * safe * voice.pulse_width)
        amount = (1.0 if voice.width_depth else fixed) / safe
    elif voice.waveform == "triangle":
        amount = (np.round(order) % 2) / safe**2
    else:
        amount = (np.round(order) == 1).astype(np.float64)
    return amount * whole


def _spectrum(voice: Wavetable, note: Note, tilt_db_per_octave: float) -> tuple[Array64, int]:
    """Complex amplitudes of the harmonics in the table, and cycles of the note in it."""
    cycles = 2 if voice.sub_level > 0 or voice.waveform == "drawbars" else 1
    base = note.frequency_hz / cycles
    count = max(int(note.top_hz / base), 0)
    harmonic = np.arange(count + 1, dtype=np.float64)
    amount = _wave(voice, harmonic / cycles, harmonic)
    if voice.sub_level > 0 and count >= 1:
        amount[1] += voice.sub_level
    freqs = harmonic * base
    octaves = np.log2(np.maximum(harmonic / cycles, 0.5))
    amount = amount * 10 ** ((voice.tilt_db_per_octave + tilt_db_per_octave) * octaves / 20)
    for centre, width, gain_db in voice.formants:
        bell = 1 / (1 + ((freqs - centre) / (width / 2)) ** 2)
        amount = amount * 10 ** (gain_db * bell / 20)
    amount[0] = 0.0
    return amount, cycles


def _table_gains(filter_: Filter, freqs: Array64, note: Note, octaves: float) -> tuple:
    """Filter gains per table row and the time of each row; one row where nothing moves."""
    if filter_.kind == "none":
        return np.ones((1, len(freqs))), np.zeros(1)
    moving = filter_.envelope_octaves != 0 or filter_.lfo_octaves != 0
    times = control_times(filter_, note) if moving else np.zeros(1)
    cutoff = cutoff_curve(filter_, times, note, octaves)
    return filter_gain(filter_, freqs, cutoff), times


def _tables(spectrum: Array64, gains: Array64) -> Array:
    """Rows of one table period each, shape (rows, size), size a power of two."""
    count = len(spectrum) - 1
    size = 1 << int(np.clip(np.ceil(np.log2(8 * max(count, 1))), 10, 14))
    half = np.zeros((len(gains), size // 2 + 1), np.complex64)
    # Sines, not cosines: a saw then starts at its zero crossing.
    half[:, : count + 1] = -0.5j * size * (spectrum * gains)
    return torch.fft.irfft(torch.from_numpy(half), n=size).numpy()


class _Reader:
    """Reads a stack of tables with linear interpolation in phase and between rows."""

    def __init__(self, tables: Array, times_s: Array64, note: Note) -> None:
        self._size = tables.shape[1]
        self._flat = tables.ravel()
        self._step = (np.roll(tables, -1, axis=1) - tables).ravel()
        self._row: np.ndarray | None = None
        if len(times_s) > 1:
            place = np.interp(note.times_s(), times_s, np.arange(len(times_s)))
            row = np.minimum(place.astype(np.intp), len(times_s) - 2)
            self._weight = (place - row).astype(np.float32)
            self._row = row * self._size

    def read(self, phase: Array) -> Array:
        position = phase * np.float32(self._size)
        index = position.astype(np.intp)
        position -= index
        index &= self._size - 1
        if self._row is None:
            return self._flat[index] + position * self._step[index]
        index += self._row
        now = self._flat[index] + position * self._step[index]
        index += self._size
        later = self._flat[index] + position * self._step[index]
        later -= now
        later *= self._weight
        return now + later


def _copies(voice: Wavetable, rng: np.random.Generator) -> list[_Copy]:
    places = np.linspace(-1, 1, voice.voices) if voice.voices > 1 else np.zeros(1)
    copies = []
    for layer, (semitones, level) in enumerate(
        ((0.0, 1.0), (voice.second_semitones, voice.second_level))
    ):
        if level <= 0:
            continue
        for place in places:
            uneven = place * (1 + 0.15 * rng.uniform(-1, 1))
            # A second layer at the same pitch would only cancel or add: it is set off a little.
            cents = voice.detune_cents * uneven + 3.0 * layer
            ratio = 2.0 ** (semitones / 12 + cents / 1200)
            pan = place * voice.spread * (-1 if layer else 1)
            copies.append(_Copy(ratio, level, pan, rng.random()))
    return copies


def _top_ratio(copies: list[_Copy]) -> float:
    return max(copy.ratio for copy in copies)


def wavetable_tone(patch: Patch, note: Note) -> Array:
    """The tone of a :class:`Wavetable` voice after its filter, before its envelope.

    Returns:
        Shape (1, samples) where all copies are in the middle, else (2, samples); unscaled.
    """
    voice = patch.voice
    assert isinstance(voice, Wavetable)  # noqa: S101 -- narrows the type for the checker
    copies = _copies(voice, note.rng(0))
    headroom = _top_ratio(copies) * highest_pitch_factor(patch.modulation)
    limited = replace(note, top_hz=note.top_hz / headroom)
    by_velocity = 0.0 if patch.filter.kind in ("low", "band") else 3 * patch.velocity_octaves
    spectrum, cycles = _spectrum(voice, limited, by_velocity * note.loudness())
    freqs = np.arange(len(spectrum)) * note.frequency_hz / cycles
    gains, times = _table_gains(patch.filter, freqs, note, patch.velocity_octaves)
    reader = _Reader(_tables(spectrum, gains), times, note)
    phase = phase_cycles(patch.modulation, note) / cycles
    stereo = any(copy.pan for copy in copies)
    out = np.zeros((2 if stereo else 1, note.samples), np.float32)
    for copy in copies:
        wave = _read_copy(reader, phase, copy, voice, note)
        for channel, side in enumerate((-1, 1) if stereo else (0,)):
            out[channel] += wave * np.float32(copy.gain * np.sqrt((1 + side * copy.pan) / 2))
    return out


def _read_copy(reader: _Reader, phase: Array64, copy: _Copy, voice: Wavetable, note: Note) -> Array:
    cycles = phase * copy.ratio + copy.offset
    wave = reader.read(wrap(cycles))
    if voice.waveform == "pulse" and voice.width_depth:
        slow = np.sin(note.times_s() * np.float32(2 * np.pi * voice.width_hz))
        wave -= reader.read(wrap(cycles + voice.pulse_width + voice.width_depth * slow))
    return wave
