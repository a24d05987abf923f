"""Loudness, peak and brightness of a sound, with every case defined.

Audio is ``(channels, samples)``, full scale 1.0.
"""

from __future__ import annotations

import math

import numpy as np
import soxr
import torch
from torch import Tensor

from timbreclip_core.audio import BLOCK_FRAMES
from timbreclip_core.measures.analysis import FRAME_S, gate, gated_mean
from timbreclip_core.measures.spectral import frame_centroids

SHORTEST_S = 0.4  # a gating block of BS.1770
SLOWEST_HZ = 8_000  # below it the K weighting's shelf reaches Nyquist
MOST_CHANNELS = 5  # that BS.1770 gives weights to
HEARD_HZ = 20_000.0
_FRAMES_AT_ONCE = 2_048
_EDGE = 64  # samples beside a block that the interpolation looks at


def loudness_lufs(audio: Tensor, sample_rate: int) -> float | None:
    """Integrated loudness, LUFS (ITU-R BS.1770-4, by pyloudnorm); None for silence.

    Silence is whatever stays below the standard's gate of -70 LUFS. A sound shorter than 0.4 s is
    repeated until it is that long. Of more than five channels, the energies are averaged.
    """
    import pyloudnorm

    samples = audio.detach().to("cpu", torch.float64).numpy().T
    short = math.ceil(SHORTEST_S * sample_rate) + 1 - len(samples)
    if short > 0:
        samples = np.resize(samples, (len(samples) + short, samples.shape[1]))
    if sample_rate < SLOWEST_HZ:
        samples = soxr.resample(samples, sample_rate, 2 * SLOWEST_HZ)
        sample_rate = 2 * SLOWEST_HZ
    meter = pyloudnorm.Meter(sample_rate)
    if samples.shape[1] <= MOST_CHANNELS:
        return _finite(meter.integrated_loudness(samples))
    each = [meter.integrated_loudness(channel) for channel in samples.T]
    power = np.mean([10 ** (level / 10) for level in each])
    return _finite(10 * math.log10(power) if power > 0 else -math.inf)


def peak(audio: Tensor) -> float:
    """Largest absolute sample."""
    return float(audio.detach().abs().amax())


def true_peak(audio: Tensor, sample_rate: int) -> float:
    """Largest absolute value between the samples too, at least ``peak``.

    Oversampled to 192 kHz or more, as BS.1770-4 annex 2 asks for; only blocks loud enough to
    matter are looked at.
    """
    factor = 4 if sample_rate < 96_000 else 2 if sample_rate < 192_000 else 1
    samples = audio.detach().cpu().numpy()
    found = peak(audio)
    if factor == 1 or found == 0:
        return found
    length = samples.shape[1]
    for start in range(0, length, BLOCK_FRAMES):
        block = samples[:, max(0, start - _EDGE) : start + BLOCK_FRAMES + _EDGE]
        for channel in block:
            # Between two samples a band-limited signal rises by a few dB, hardly ever by 6.
            if 2 * np.abs(channel).max() > found:
                padded = np.pad(channel, _EDGE)
                finer = soxr.resample(padded, 1, factor, quality="HQ")
                found = max(found, float(np.abs(finer).max()))
    return found


def centroid_hz(audio: Tensor, sample_rate: int) -> float | None:
    """Spectral centroid of the channel mean, Hz; None for silence.

    Core's descriptor of that name, at the sound's own rate but of what people hear, up to 20 kHz:
    the mean frequency of a frame, weighted by amplitude, averaged over the frames within 40 dB of
    the loudest.
    """
    mono = audio.detach().to("cpu", torch.float64).mean(0)
    size = 1 << round(math.log2(max(32.0, FRAME_S * sample_rate)))
    mono = torch.nn.functional.pad(mono, (0, max(0, size - len(mono))))
    window = torch.hann_window(size, dtype=torch.float64)
    freqs_hz = torch.linspace(0, sample_rate / 2, size // 2 + 1, dtype=torch.float64)
    heard = freqs_hz <= HEARD_HZ
    highest = float(mono.abs().max())
    if highest == 0:
        return None
    energies, centres = [], []
    for frames in (mono / highest).unfold(0, size, size // 4).split(_FRAMES_AT_ONCE):
        power = torch.fft.rfft(frames * window)[:, heard].abs().square().mT[None] / size
        energies.append(power.sum((0, 1)))
        centres.append(frame_centroids(power, freqs_hz[heard])[0])
    return float(gated_mean(torch.cat(centres), gate(torch.cat(energies))))


def _finite(level: float) -> float | None:
    return float(level) if math.isfinite(level) else None
