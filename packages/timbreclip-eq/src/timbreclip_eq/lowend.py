"""The low end of a filtered sound's spectrogram, as the filter itself gives it.

Two or three bins of a spectrogram hold an octave there, a band of an EQ rings for longer than a
frame, and where a high sound starts nothing but the click of its start is in them: |H|^2 times
their power is not what a filter makes of them, and an encoder that hears 60 dB deep notices. Below
``TOP_HZ`` a sound has few samples, so that filtering it truly costs next to nothing.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from timbreclip_core.dsp.fir import minimum_phase
from timbreclip_core.encoders.base import SpectralEncoder

TOP_HZ = 300.0
LEAST_RATE = 6 * TOP_HZ  # leaves out nothing that leaks below the top
SECONDS = 0.25  # of the filter


class LowEnd:
    """Filters what lies below ``TOP_HZ`` at a low sample rate, with minimum phase.

    Args:
        frame: Samples in a frame of the encoder's spectrogram.
        hop: Samples from one frame to the next.
        sample_rate: Of the encoder, Hz.
        length: Samples in a window.
        factor: By which the sample rate is lowered; divides the three of them.
    """

    def __init__(self, frame: int, hop: int, sample_rate: int, length: int, factor: int) -> None:
        self.frame, self.hop = frame // factor, hop // factor
        self.rate, self.length, self.factor = sample_rate / factor, length // factor, factor
        self.bins = int(TOP_HZ * frame / sample_rate) + 1
        self.taps = 1 << math.ceil(math.log2(SECONDS * self.rate))
        # Room for what the filter rings on, and for what the low-pass rings ahead of the start.
        self.size = 1 << (self.length + self.taps).bit_length()
        self.numbers = self.size + 3  # kept of a window
        self.freqs_hz = torch.linspace(0, self.rate / 2, 4 * self.taps + 1, dtype=torch.float64)

    @classmethod
    def of(cls, encoder: SpectralEncoder) -> LowEnd | None:
        """For an encoder whose frames and windows can be thinned out evenly; else None."""
        if encoder.hann_frames is None or not encoder.windowing.fill:
            return None
        frame, hop = encoder.hann_frames
        rate, length = encoder.sample_rate, encoder.windowing.length
        most = math.gcd(math.gcd(frame, hop), math.gcd(rate, length))
        factor = next(
            (d for d in range(most, 1, -1) if most % d == 0 and rate >= d * LEAST_RATE), 1
        )
        return cls(frame, hop, rate, length, factor) if factor > 1 else None

    def listen(self, windows: Tensor) -> Tensor:
        """What is kept of windows ``(windows, samples)``: ``(windows, numbers)``."""
        spectrum = torch.fft.rfft(windows, self.size * self.factor)[:, : self.size // 2 + 1]
        spectrum = spectrum / self.factor
        sounding = windows.flip(-1).abs().cummax(-1).values.flip(-1) > 0
        end = (sounding.sum(-1, keepdim=True) / self.factor).to(windows.dtype)
        return torch.cat([torch.view_as_real(spectrum).flatten(1), end], 1)

    def power(self, kept: Tensor, magnitude: Tensor, frames: int) -> Tensor:
        """The lowest bins of the filtered spectrogram, ``(windows, self.bins, frames)``.

        Args:
            kept: From ``listen``.
            magnitude: Of the filter at ``freqs_hz``, ``(windows, freqs)``.
            frames: Of the spectrogram.
        """
        spectrum = torch.view_as_complex(kept[:, :-1].unflatten(1, (-1, 2)).contiguous())
        taps = minimum_phase(magnitude, self.taps).to(kept.dtype)
        whole = torch.fft.irfft(spectrum * torch.fft.rfft(taps, self.size), self.size)
        # A render is as long as its source: what rings after its end is cut off.
        ended = torch.arange(self.length, device=kept.device) >= kept[:, -1:]
        wave = whole[:, : self.length].masked_fill(ended, 0.0)
        # The low-pass rings ahead of what starts at once; the transform has that at its end.
        half = self.frame // 2
        after = wave.new_zeros(len(wave), half + self.hop)
        padded = torch.cat([whole[:, -half:], wave, after], 1)
        window = torch.hann_window(self.frame, device=kept.device) * self.factor
        bins = torch.fft.rfft(padded.unfold(-1, self.frame, self.hop)[:, :frames] * window)
        bins = bins[..., : self.bins]
        return (bins.real.square() + bins.imag.square()).mT
