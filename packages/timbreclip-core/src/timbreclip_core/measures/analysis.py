"""Audio made ready for measuring: one rate, one level, frames and the frames that count."""

from __future__ import annotations

import math

import torch
from torch import Tensor

ANALYSIS_RATE = 32_000
"""Everything is measured at this rate, so that the rate of the file makes no difference."""
LONGEST_S = 30.0
SHORTEST_S = 0.1
SILENCE = 1e-6
GATE_DB = 40.0
FRAME_S = 0.04
HOP_S = 0.01


def prepare(audio: Tensor, sample_rate: int) -> tuple[Tensor, Tensor]:
    """Resample to :data:`ANALYSIS_RATE`, remove the mean, scale to a peak of 1.

    Args:
        audio: Shape (batch, samples), float; NaN and infinities count as zero. What lies beyond
            the first 30 s is left out.
        sample_rate: Hz.
    Returns:
        Shape (batch, samples), float32, at least 0.1 s long, and a mask (batch,) of the items
        that are not silent (peak above -120 dBFS once the mean is removed).
    """
    audio = torch.nan_to_num(audio.float(), nan=0.0, posinf=0.0, neginf=0.0)
    audio = audio[:, : int(LONGEST_S * sample_rate)]
    if audio.shape[1] > 0:
        audio = audio - audio.mean(dim=1, keepdim=True)
    audio = resample(audio, sample_rate)
    short = int(SHORTEST_S * ANALYSIS_RATE) - audio.shape[1]
    audio = torch.nn.functional.pad(audio, (0, max(short, 0)))
    peak = audio.abs().amax(dim=1, keepdim=True)
    return audio / peak.clamp(min=SILENCE), peak[:, 0] > SILENCE


def resample(audio: Tensor, sample_rate: int) -> Tensor:
    """Band-limited resampling of (batch, samples) by one transform of the whole signal.

    The last kilohertz below the lower Nyquist frequency is faded out, which keeps the ringing
    of the cut short.
    """
    if sample_rate == ANALYSIS_RATE or audio.shape[1] == 0:
        return audio
    shared = math.gcd(sample_rate, ANALYSIS_RATE)
    step_in, step_out = sample_rate // shared, ANALYSIS_RATE // shared
    steps = -(-audio.shape[1] // step_in) + 1
    spectrum = torch.fft.rfft(audio, n=steps * step_in)
    freqs = torch.arange(spectrum.shape[1], device=audio.device) * (sample_rate / (steps * step_in))
    nyquist = min(sample_rate, ANALYSIS_RATE) / 2
    fade = 0.5 + 0.5 * torch.cos(math.pi * ((freqs - nyquist + 1000.0) / 1000.0).clamp(0.0, 1.0))
    bins = steps * step_out // 2 + 1
    spectrum = (spectrum * fade)[:, :bins]
    spectrum = torch.nn.functional.pad(spectrum, (0, bins - spectrum.shape[1]))
    out = torch.fft.irfft(spectrum, n=steps * step_out) * (step_out / step_in)
    return out[:, : round(audio.shape[1] * step_out / step_in)]


def power_frames(
    audio: Tensor, frame: int, hop: int, n_fft: int | None = None, bins: int | None = None
) -> Tensor:
    """Power spectrogram with a Hann window, the first frame centred on the first sample.

    Args:
        audio: Shape (batch, samples).
        frame: Window length, samples.
        hop: Samples between frames.
        n_fft: Transform length, at least ``frame``.
        bins: How many of the lowest bins are wanted, all if not given.
    Returns:
        Shape (batch, bins, frames), scaled so that white noise of unit variance has a
        mean of 1 in each bin.
    """
    padded = torch.nn.functional.pad(audio, (frame // 2, frame - frame // 2))
    window = torch.hann_window(frame, device=audio.device)
    pieces = padded.unfold(1, frame, hop) * (window / window.square().sum().sqrt())
    return squared(torch.fft.rfft(pieces, n=n_fft or frame)[..., :bins]).transpose(1, 2)


def squared(spectrum: Tensor) -> Tensor:
    """Squared magnitude of a complex tensor, same shape."""
    return spectrum.real.square() + spectrum.imag.square()


def gate(energy: Tensor, below_db: float = GATE_DB) -> Tensor:
    """1.0 for frames within ``below_db`` of the loudest one, else 0.0; same shape (..., frames)."""
    loudest = energy.amax(dim=-1, keepdim=True)
    return ((energy >= loudest * 10 ** (-below_db / 10)) & (loudest > 0)).to(energy.dtype)


def gated_mean(values: Tensor, weights: Tensor) -> Tensor:
    """Mean over the last dimension with weights; 0 where all weights are 0."""
    return (values * weights).sum(-1) / weights.sum(-1).clamp(min=1e-12)


def decibels(power: Tensor, floor_db: float = -120.0) -> Tensor:
    """10 log10, limited below."""
    return 10 * torch.log10(power.clamp(min=10 ** (floor_db / 10)))
