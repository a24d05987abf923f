"""Fundamental period, harmonicity and the course of pitch, from the short-time autocorrelation.

The autocorrelation of a windowed frame is the transform of its power spectrum; divided by the
autocorrelation of the window it is 1 at the period of a periodic sound (Boersma 1993). A change
of pitch moves all partials together and so the peak; voices that beat against each other do not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from .analysis import ANALYSIS_RATE, gate, gated_mean, power_frames

FRAME = 2560
N_FFT = 4096
HOP = 480
HOP_S = HOP / ANALYSIS_RATE
TOP_BIN = 1024
"""Bins up to 8 kHz say enough about periods."""
BIN_HZ = ANALYSIS_RATE / N_FFT
LAGS = 8192
LAG_S = 1.0 / (LAGS * BIN_HZ)
LOWEST_HZ, HIGHEST_HZ = 26.0, 4_500.0
TRACK_CENTS = 180.0
TRACK_STEP_CENTS = 5.0
LONGEST_TRACK_LAG_S = 0.022
MOST_PERIODS = 4
GATE_DB = 30.0
OCTAVE_PREFERENCE = 0.9


@dataclass(frozen=True)
class PitchTrack:
    """What the autocorrelation tells of a batch of notes.

    Attributes:
        f0_hz: Fundamental of the whole note, shape (batch,).
        strength: Normalised autocorrelation at the best lag of each frame, about 0 for noise and
            1 for a periodic sound, shape (batch, frames).
        cents: Deviation of each frame from ``f0_hz``, shape (batch, frames).
        energy: Frame energies up to 8 kHz, shape (batch, frames).
    """

    f0_hz: Tensor
    strength: Tensor
    cents: Tensor
    energy: Tensor

    def weights(self) -> Tensor:
        """How much each frame counts: loud enough and periodic; shape (batch, frames)."""
        return gate(self.energy, GATE_DB) * self.strength.clamp(0.0, 1.0).square()


@lru_cache(maxsize=4)
@torch.inference_mode(False)
def _window_autocorrelation(device: torch.device) -> Tensor:
    """Autocorrelation of the analysis window at all lags of the fine grid, shape (LAGS / 2,)."""
    fine = int(FRAME * LAGS * BIN_HZ / ANALYSIS_RATE)
    window = torch.hann_window(fine, dtype=torch.float64)
    spectrum = torch.fft.rfft(window, n=2 * fine).abs().square()
    correlation = torch.fft.irfft(spectrum)[: LAGS // 2]
    return (correlation / correlation[0]).float().to(device)


def _window_at(lag_s: Tensor) -> Tensor:
    table = _window_autocorrelation(lag_s.device)
    place = (lag_s / LAG_S).clamp(max=len(table) - 1.001)
    low = place.long()
    return table[low] + (place - low) * (table[low + 1] - table[low])


def _average_correlation(power: Tensor, weights: Tensor) -> Tensor:
    """Normalised autocorrelation averaged over frames of equal say, shape (batch, LAGS / 2)."""
    share = power / power.sum(1, keepdim=True).clamp(min=1e-20)
    mean = gated_mean(share, weights[:, None])
    correlation = torch.fft.irfft(mean, n=LAGS)[:, : LAGS // 2]
    correlation = correlation / correlation[:, :1].clamp(min=1e-12)
    return correlation / _window_autocorrelation(power.device).clamp(min=0.02)


def _local_peaks(correlation: Tensor) -> Tensor:
    middle = correlation[:, 1:-1]
    peak = (middle >= correlation[:, :-2]) & (middle > correlation[:, 2:])
    values = torch.where(peak, middle, torch.full_like(middle, -1.0))
    return torch.nn.functional.pad(values, (1, 1), value=-1.0)


def _free_lag(peaks: Tensor) -> Tensor:
    """The shortest lag whose peak is nearly as high as the highest, grid steps, shape (batch,)."""
    low, high = int(1 / HIGHEST_HZ / LAG_S), int(1 / LOWEST_HZ / LAG_S)
    inside = peaks[:, low:high]
    best = inside.amax(1, keepdim=True)
    good = inside >= OCTAVE_PREFERENCE * best.clamp(min=0.0)
    return good.to(torch.uint8).argmax(1) + low


def _lag_near(correlation: Tensor, pitch: Tensor) -> Tensor:
    """The best of the nominal period, half, twice and four times it, within 80 cents of each."""
    nominal = 440.0 * 2 ** ((pitch - 69.0) / 12)
    cents = torch.arange(-80.0, 81.0, 4.0, device=pitch.device)
    found, height = [], []
    for octave in (1.0, 0.0, -1.0, -2.0):
        hertz = nominal[:, None] * 2 ** (octave + cents / 1200)
        place = (1 / hertz / LAG_S).clamp(2, correlation.shape[1] - 3)
        low = place.long()
        here = correlation.gather(1, low)
        value = here + (place - low) * (correlation.gather(1, low + 1) - here)
        # A period beyond the frame cannot be seen.
        value = torch.where(hertz >= LOWEST_HZ, value, torch.full_like(value, -1.0))
        top, index = value.max(1)
        height.append(top)
        found.append(place.gather(1, index[:, None])[:, 0])
    heights = torch.stack(height, 1)
    good = heights >= OCTAVE_PREFERENCE * heights.amax(1, keepdim=True).clamp(min=0.0)
    choice = good.to(torch.uint8).argmax(1, keepdim=True)
    chosen = torch.stack(found, 1).gather(1, choice)[:, 0]
    return torch.where(good.any(1), chosen, 1 / nominal.clamp(min=1.0) / LAG_S)


def _correlation_at(power: Tensor, lag_s: Tensor) -> Tensor:
    """Normalised autocorrelation of every frame at lags per item.

    Args:
        power: Shape (batch, bins, frames).
        lag_s: Shape (batch, lags), seconds.
    Returns:
        Shape (batch, frames, lags).
    """
    hertz = torch.arange(power.shape[1], device=power.device) * BIN_HZ
    basis = torch.cos(2 * math.pi * hertz[:, None] * lag_s[:, None, :])
    total = power.sum(1).clamp(min=1e-20)
    value = torch.bmm(power.transpose(1, 2), basis) / total[..., None]
    return value / _window_at(lag_s).clamp(min=0.02)[:, None, :]


def _peak_cents(correlation: Tensor, cents: Tensor) -> tuple[Tensor, Tensor]:
    """Height and place of the highest value along the last dimension, by a parabola."""
    height, index = correlation.max(-1)
    inner = index.clamp(1, correlation.shape[-1] - 2)[..., None]
    left, middle, right = (correlation.gather(-1, inner + step)[..., 0] for step in (-1, 0, 1))
    bend = (left - 2 * middle + right).clamp(max=-1e-9)
    offset = (0.5 * (left - right) / bend).clamp(-1.0, 1.0)
    return height, cents[inner[..., 0]] + offset * (cents[1] - cents[0])


def track_pitch(audio: Tensor, pitch: Tensor | None) -> PitchTrack:
    """Fundamental and its course.

    Args:
        audio: Shape (batch, samples) at the analysis rate.
        pitch: MIDI note, shape (batch,); the fundamental is then looked for near it, an
            octave above and one or two below (a sub-oscillator). Without it the range is 26 Hz to
            4.5 kHz.
    """
    power = power_frames(audio, FRAME, HOP, N_FFT, TOP_BIN + 1)
    power[:, :2] = 0.0
    energy = power.sum(1)
    correlation = _average_correlation(power, gate(energy, GATE_DB))
    if pitch is None:
        lag_s = _free_lag(_local_peaks(correlation)).float() * LAG_S
    else:
        lag_s = _lag_near(correlation, pitch.float()) * LAG_S
    # Shorter or longer periods than a frame shows cannot be tracked.
    lag_s = lag_s.clamp(1 / 9_000.0, 1 / LOWEST_HZ)
    periods = (LONGEST_TRACK_LAG_S / lag_s).floor().clamp(1, MOST_PERIODS)
    cents = torch.arange(-TRACK_CENTS, TRACK_CENTS + 1, TRACK_STEP_CENTS, device=audio.device)
    ratio = 2 ** (-cents / 1200)
    near = _correlation_at(power, lag_s[:, None] * ratio[::4])
    far = _correlation_at(power, (periods * lag_s)[:, None] * ratio)
    _, course = _peak_cents(far, cents)
    return PitchTrack(1 / lag_s, near.amax(-1), course, energy)


@lru_cache(maxsize=2)
@torch.inference_mode(False)
def _smearing() -> Tensor:
    """How much of a pitch modulation the frame's length leaves, per 0.1 Hz, shape (200,)."""
    window = torch.hann_window(FRAME, dtype=torch.float64).square()
    window = window / window.sum()
    time = (torch.arange(FRAME) - FRAME / 2) / ANALYSIS_RATE
    rates = torch.arange(200) / 10
    return torch.cos(2 * math.pi * rates[:, None] * time).double() @ window


def kept_at(rate_hz: Tensor) -> Tensor:
    """Share of a modulation's depth that the track shows at a given rate, shape as given."""
    index = (rate_hz * 10).round().long().clamp(0, 199)
    return _smearing().to(rate_hz)[index].clamp(min=0.2)
