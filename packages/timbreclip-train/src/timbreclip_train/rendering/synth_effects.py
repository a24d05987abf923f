"""Drive, tremolo, chorus, tilt and reverberation."""

from __future__ import annotations

import functools

import numpy as np
import torch

from .synth_control import SIXTY_DB, Array, Array64, Note
from .synth_noise import shaped_noise
from .synth_patch import Effects, Modulation

REVERB_TIMES_S = (0.4, 0.8, 1.5, 2.5, 4.0)
DAMPING_HZ = 5_000.0
BLOCKED_HZ = 15.0


def tremolo(audio: Array, modulation: Modulation, note: Note) -> Array:
    """Level swings by ``tremolo_db`` between crest and trough, sinusoidal in amplitude."""
    if modulation.tremolo_db <= 0:
        return audio
    trough = 10 ** (-modulation.tremolo_db / 20)
    angle = note.times_s() * np.float32(2 * np.pi * modulation.tremolo_hz)
    return audio * np.float32((1 + trough) / 2) + audio * (
        np.float32((1 - trough) / 2) * np.cos(angle)
    )


def _soft_clip_integral(x: Array64) -> Array64:
    size = np.abs(x)
    square = np.minimum(size, 1.0) ** 2
    return 0.75 * square - 0.125 * square**2 + np.maximum(size - 1.0, 0.0)


def soft_clip(audio: Array, drive_db: float) -> Array:
    """Cubic soft clipping, 1.5 x - 0.5 x^3 up to the limit, with little aliasing.

    The mean of the curve between neighbouring samples replaces the curve at the sample
    (antiderivative antialiasing; Parker et al., DAFx 2016).

    Args:
        audio: Shape (channels, samples), peak about 1.
        drive_db: Gain in front of the clipper.
    """
    driven = audio.astype(np.float64) * 10 ** (drive_db / 20)
    before = np.concatenate([np.zeros((len(driven), 1)), driven[:, :-1]], axis=1)
    change = driven - before
    middle = np.clip((driven + before) / 2, -1, 1)
    still = np.abs(change) < 1e-5
    area = _soft_clip_integral(driven) - _soft_clip_integral(before)
    curve = np.where(still, 1.5 * middle - 0.5 * middle**3, area / np.where(still, 1.0, change))
    return curve.astype(np.float32)


def chorus(audio: Array, amount: float, note: Note) -> Array:
    """Two slowly modulated delays, one per side.

    Args:
        audio: Shape (1 or 2, samples).
        amount: Share of the delayed sound, 0 to 1.
        note: Length and rate.
    Returns:
        Shape (2, samples).
    """
    time = note.times_s()
    sample = np.arange(note.samples, dtype=np.float32)
    sides = []
    for side, (centre_s, rate_hz) in enumerate(((0.012, 0.63), (0.016, 0.87))):
        swing = np.sin(time * np.float32(2 * np.pi * rate_hz) + np.float32(np.pi / 2 * side))
        place = sample - np.float32(note.sample_rate) * (
            np.float32(centre_s) + np.float32(0.0035) * swing
        )
        np.maximum(place, 0, out=place)
        index = place.astype(np.intp)
        place -= index
        source = audio[min(side, len(audio) - 1)]
        late = source[index]
        late += place * (source[np.minimum(index + 1, note.samples - 1)] - late)
        sides.append(source + np.float32(amount) * late)
    return np.stack(sides)


@functools.lru_cache(maxsize=24)
def _reverb_spectrum(seconds: float, size: int, sample_rate: int) -> torch.Tensor:
    """Spectra of a left and a right response of unit energy, shape (2, size / 2 + 1)."""
    length = min(int(seconds * sample_rate), size // 2)

    def magnitude(freqs_hz: Array64, times_s: Array64) -> Array64:
        t60 = seconds / (1 + freqs_hz / DAMPING_HZ)
        onset = np.minimum((times_s + 0.01) / 0.03, 1.0)[:, None]
        return onset * np.exp(-SIXTY_DB * times_s[:, None] / t60) * (freqs_hz > 80)

    room = []
    for side in range(2):
        rng = np.random.Generator(np.random.SFC64([int(seconds * 1000), side]))
        response = shaped_noise(magnitude, length, sample_rate, rng)
        room.append(response / np.sqrt((response**2).sum()))
    return torch.fft.rfft(torch.from_numpy(np.stack(room)), n=size)


def _tilt(size: int, sample_rate: int, db_per_octave: float) -> torch.Tensor:
    freqs = torch.arange(size // 2 + 1) * (sample_rate / size)
    octaves = torch.log2(freqs.clamp(50.0, 16_000.0) / 1000.0)
    return 10 ** (db_per_octave * octaves / 20)


def _direct_current_blocker(size: int, sample_rate: int) -> torch.Tensor:
    """Clipping a lopsided wave makes an offset that follows its level; amplifiers block it."""
    freqs = torch.arange(size // 2 + 1) * (sample_rate / size)
    return freqs.square() / (freqs.square() + BLOCKED_HZ**2)


def finish(audio: Array, effects: Effects, note: Note, oversampling: int) -> Array:
    """Tilt, reverberation and the way back from an oversampled rate, in one transform.

    Args:
        audio: Shape (1 or 2, samples * oversampling).
        effects: The patch's.
        note: At the internal rate.
        oversampling: Internal rate over the rate wanted.
    Returns:
        Shape (2, samples).
    """
    wet = effects.reverb_mix > 0
    samples = note.samples // oversampling
    if not wet and effects.tilt_db_per_octave == 0 and oversampling == 1:
        return np.ascontiguousarray(np.broadcast_to(audio, (2, samples)))
    tail = effects.reverb_s if wet else 0.1
    size = _fast_length(samples + int(tail * note.sample_rate / oversampling))
    spectrum = torch.fft.rfft(torch.from_numpy(audio), n=size * oversampling)
    spectrum = spectrum[:, : size // 2 + 1] / oversampling
    rate = note.sample_rate // oversampling
    if effects.drive_db > 0:
        spectrum = spectrum * _direct_current_blocker(size, rate)
    if effects.tilt_db_per_octave:
        spectrum = spectrum * _tilt(size, rate, effects.tilt_db_per_octave)
    if wet:
        # Shares of energy: the response has unit energy, so the mix is one of powers.
        room = _reverb_spectrum(effects.reverb_s, size, rate)
        dry, send = (1 - effects.reverb_mix) ** 0.5, effects.reverb_mix**0.5
        spectrum = dry * spectrum + send * room * spectrum.mean(0, keepdim=True)
    out = torch.fft.irfft(spectrum, n=size)[:, :samples].numpy()
    return np.ascontiguousarray(np.broadcast_to(out, (2, samples)))


def _fast_length(least: int) -> int:
    """The smallest 2^a, 3 * 2^a or 5 * 2^a that is at least ``least``."""
    sizes = (factor << power for factor in (1, 3, 5) for power in range(1, 26))
    return min(size for size in sizes if size >= least)
