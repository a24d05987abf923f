"""Reverb: the sound in a hall."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from ..audio import resample
from ..dsp.filters import apply_fir
from .base import Effect
from .words import WORDS

ROOM_RATE = 48_000
LOWEST_BAND_HZ, BANDS = 31.25, 10


@dataclass(frozen=True, kw_only=True)
class Reverb(Effect):
    """Convolution with decaying noise, mixed with the sound.

    The share of the reverb is ``wettest * level``. The room's response is fixed noise (another for
    each channel) of unit energy in ten octave bands. Each band decays by 60 dB in
    ``decay_s / (1 + f / damping_hz)``: the lows in ``decay_s``, 6 kHz in half of it. It is made at
    48 kHz and resampled, so that files of any rate stand in the same room. What would sound on
    after the end of the file is cut off: add silence at the end to keep it.

    Args:
        decay_s: Reverberation time (60 dB) of the lows, seconds.
        damping_hz: Where the reverberation time is half of that.
        predelay_s: Before the first reflection, seconds.
        wettest: Share of reverb at level 1; at most 1.

    Source: J. A. Moorer, About this reverberation business, Computer Music Journal 3(2), 1979.
    """

    words = WORDS["reverb"]

    decay_s: float = 1.8
    damping_hz: float = 6_000.0
    predelay_s: float = 0.012
    wettest: float = 0.7

    def _process(self, audio: Tensor, sample_rate: int, level: float) -> Tensor:
        share = min(self.wettest, 1.0) * level
        wet = torch.stack(
            [
                apply_fir(row, _room(self, channel, sample_rate).to(row.device))
                for channel, row in enumerate(audio)
            ]
        )
        return (1 - share) * audio + share * wet


@lru_cache(maxsize=16)
def _room(reverb: Reverb, channel: int, sample_rate: int) -> Tensor:
    """Impulse response of the room in one channel, ``(taps,)``, float64."""
    samples = int(reverb.decay_s * ROOM_RATE)
    generator = torch.Generator().manual_seed(1979 + channel)
    noise = torch.randn(samples, generator=generator, dtype=torch.float64)
    time_s = torch.arange(samples, dtype=torch.float64) / ROOM_RATE
    spectrum = torch.fft.rfft(noise)
    freqs = torch.fft.rfftfreq(samples, 1 / ROOM_RATE, dtype=torch.float64)
    place = (freqs.clamp(min=1e-3) / LOWEST_BAND_HZ).log2().clamp(0, BANDS - 1)
    response = torch.zeros_like(noise)
    for band in range(BANDS):
        # Neighbouring triangles on an axis of octaves add up to 1 everywhere.
        weight = (1 - (place - band).abs()).clamp(min=0)
        decay_s = reverb.decay_s / (1 + LOWEST_BAND_HZ * 2**band / reverb.damping_hz)
        response += torch.fft.irfft(spectrum * weight, samples) * 10 ** (-3 * time_s / decay_s)
    response = response / response.square().sum().sqrt()
    late = torch.nn.functional.pad(response, (round(reverb.predelay_s * ROOM_RATE), 0))
    return resample(late, ROOM_RATE, sample_rate) * (ROOM_RATE / sample_rate)
