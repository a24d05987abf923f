"""Coloured noise with a spectrum that may move, written frame by frame."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from .synth_control import SIXTY_DB, Array, Array64, Note, cutoff_curve, filter_gain
from .synth_patch import Filter, Noise, Patch

FRAME_S = 0.032


def shaped_noise(
    magnitude: Callable[[Array64, Array64], Array64],
    samples: int,
    sample_rate: int,
    rng: np.random.Generator,
) -> Array:
    """Gaussian noise of a given, possibly moving, magnitude spectrum.

    Independent spectra are drawn per frame and added up under sine windows, whose squares sum
    to one, so that the power is steady.

    Args:
        magnitude: From (bins,) Hz and (frames,) seconds to gains of shape (frames or 1, bins).
        samples: Length wanted.
        sample_rate: Hz.
        rng: Source of randomness.
    Returns:
        Shape (samples,).
    """
    size = 1 << int(np.ceil(np.log2(FRAME_S * sample_rate)))
    hop = size // 2
    frames = -(-samples // hop) + 1
    freqs = np.arange(hop + 1) * sample_rate / size
    gains = np.asarray(magnitude(freqs, np.arange(frames) * hop / sample_rate), np.float32)
    drawn = rng.standard_normal((frames, hop + 1, 2), dtype=np.float32)
    drawn *= gains[:, :, None]
    pieces = torch.fft.irfft(torch.view_as_complex(torch.from_numpy(drawn)), n=size).numpy()
    pieces *= np.sin(np.pi * (np.arange(size, dtype=np.float32) + 0.5) / size)
    out = np.zeros((frames + 1, hop), np.float32)
    out[:-1] += pieces[:, :hop]
    out[1:] += pieces[:, hop:]
    return out.ravel()[hop : hop + samples]


def noise_gain(noise: Noise, freqs_hz: Array64) -> Array64:
    """Magnitude of the noise's own colour and band, shape (bins,); slopes of 24 dB per octave."""
    safe = np.maximum(freqs_hz, 10.0)
    gain = 10 ** (noise.tilt_db_per_octave * np.log2(safe / 1000.0) / 20)
    gain = gain / np.sqrt(1 + (noise.low_hz / safe) ** 8)
    return gain / np.sqrt(1 + (safe / noise.high_hz) ** 8)


def _magnitude(patch: Patch, note: Note) -> Callable[[Array64, Array64], Array64]:
    def magnitude(freqs_hz: Array64, times_s: Array64) -> Array64:
        gain = noise_gain(patch.noise, freqs_hz)[None]
        gain = gain * (freqs_hz < note.noise_top_hz)
        if patch.noise.filtered and patch.filter.kind != "none":
            gain = gain * _filter_at(patch.filter, freqs_hz, times_s, note, patch)
        elif patch.velocity_octaves:
            tilt = 3 * patch.velocity_octaves * note.loudness()
            gain = gain * 10 ** (tilt * np.log2(np.maximum(freqs_hz, 50.0) / 1000.0) / 20)
        return gain

    return magnitude


def _filter_at(
    filter_: Filter, freqs_hz: Array64, times_s: Array64, note: Note, patch: Patch
) -> Array64:
    cutoff = cutoff_curve(filter_, times_s, note, patch.velocity_octaves)
    return filter_gain(filter_, freqs_hz, cutoff)


def _own_envelope(noise: Noise, time: Array) -> Array:
    fall = np.float32(-SIXTY_DB / noise.decay_s)
    level = np.exp(time * fall)
    for burst in range(1, noise.bursts):
        since = time - np.float32(0.011 * burst)
        # All but the last clap die quickly, the last one rings.
        quick = fall if burst == noise.bursts - 1 else np.float32(-SIXTY_DB / 0.03)
        level = np.where(since >= 0, np.exp(np.maximum(since, 0) * quick), level)
    return level


def noise_part(patch: Patch, note: Note) -> Array:
    """The patch's noise with its own decay, unscaled.

    Returns:
        Shape (2, samples) for wide noise, else (1, samples).
    """
    noise = patch.noise
    rows = []
    for channel in range(2 if noise.wide else 1):
        rows.append(
            shaped_noise(
                _magnitude(patch, note), note.samples, note.sample_rate, note.rng(10 + channel)
            )
        )
    out = np.stack(rows)
    if noise.decay_s > 0:
        out *= _own_envelope(noise, note.times_s())
    return out
