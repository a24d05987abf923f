"""What an encoder hears of a filtered sound, without filtering the sound again and again.

A ``SpectralEncoder`` starts from a power spectrogram: multiplying that by |H|^2 stands for
filtering the waveform, as far as the filter's ringing is short against the frame; the low end,
where it is not, is filtered truly where the encoder's frames allow it (``lowend``).
``FilteredHearing`` hears the filter itself. Any other encoder gets the waveform, filtered with zero
phase in the frequency domain.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from pathlib import Path

import torch
from torch import Tensor

from timbreclip_core import audio as au
from timbreclip_core.dsp.fir import minimum_phase
from timbreclip_core.encoders.base import Encoder, SpectralEncoder
from timbreclip_core.model import Model
from timbreclip_core.precision import PRECISIONS

from .lowend import LowEnd

RINGING_S = 0.25  # of the filter, at least: bells below 100 Hz ring longest
LOUD_ENOUGH = 1e-2  # of the energy of the loudest window: 20 dB below it


class Hearing(ABC):
    """One model's hearing, for one kind of vector.

    Args:
        model: The model.
        kind: Kind of vector.
    """

    def __init__(self, model: Model, kind: str) -> None:
        self.model = model
        self.kind = kind
        self.device = torch.device(model.device)

    @property
    @abstractmethod
    def heard_hz(self) -> float:
        """Highest frequency that the encoder hears, Hz."""

    @abstractmethod
    def prepare(self, windows: Tensor) -> Tensor:
        """Windows ``(windows, samples)`` to what is kept of them, ``(windows, ...)``."""

    @abstractmethod
    def freqs_hz(self, data: Tensor) -> Tensor:
        """Frequencies at which ``filtered`` wants the magnitude, ``(freqs,)``, float64."""

    @abstractmethod
    def filtered(self, data: Tensor, magnitude: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors ``(windows, dim)`` and energies ``(windows,)`` after a filter.

        Args:
            data: ``(windows, ...)``, from ``prepare``.
            magnitude: ``(windows, freqs)``.
        """

    def listen(self, audio: Tensor, sample_rate: int, max_windows: int) -> Tensor:
        """``windows`` of a sound, prepared."""
        with torch.no_grad():
            return self.prepare(self.windows(audio, sample_rate, max_windows))

    def windows(self, audio: Tensor, sample_rate: int, max_windows: int) -> Tensor:
        """What the encoder is given of a sound ``(channels, samples)``: ``(windows, samples)``.

        Of a long sound, up to ``max_windows`` are kept, evenly spread over those within 20 dB of
        the loudest.

        Raises:
            SilentAudioError: There is nothing to hear.
        """
        mono = au.to_mono(audio[None].float())
        au.check_audible(mono, "The mean of the channels" if len(audio) > 1 else "The audio")
        mono = au.resample(mono, sample_rate, self.model.encoder.sample_rate).float()
        au.check_audible(mono)
        windows = self.model.encoder.windowing.cut(mono)[0]
        chosen = _choose(windows.square().mean(-1), max_windows)
        return windows[chosen].to(self.device)

    def windows_of_file(self, path: str | Path, max_windows: int) -> Tensor:
        """``windows`` of a file of any length; it is read twice, and never held as a whole.

        Raises:
            InputError: Unreadable, empty, silent, NaN or infinite.
        """
        energies = [window.square().mean() for window in self.model.windows_of_file(path)]
        chosen = set(_choose(torch.stack(energies), max_windows).tolist())
        windows = enumerate(self.model.windows_of_file(path))
        kept = [window.clone() for i, window in windows if i in chosen]
        return torch.stack(kept).to(self.device)

    def mix(self, data: Tensor, magnitude: Tensor) -> Tensor:
        """Unit vector ``(dim,)`` of one sound after a filter ``(freqs,)``: windows by energy."""
        vectors, energy = self.filtered(data, magnitude.expand(len(data), -1))
        return torch.nn.functional.normalize((vectors * energy[:, None]).sum(0), dim=0)

    def _precision(self) -> AbstractContextManager:
        dtype = PRECISIONS[self.model.precision]
        return torch.autocast(self.device.type, dtype, enabled=dtype is not None)


class SpectralHearing(Hearing):
    """Through the encoder's own power spectrogram."""

    encoder: SpectralEncoder

    def __init__(self, model: Model, kind: str) -> None:
        super().__init__(model, kind)
        if not isinstance(model.encoder, SpectralEncoder):
            raise TypeError(f"{model.encoder.name} has no spectrogram.")
        self.encoder = model.encoder
        self.low = LowEnd.of(model.encoder)

    @property
    def heard_hz(self) -> float:
        return float(self.encoder.freqs_hz.max())

    def prepare(self, windows: Tensor) -> Tensor:
        power = self.encoder.spectrogram(windows)
        if self.low is None:
            return power
        return torch.cat([power.flatten(1), self.low.listen(windows)], 1)

    def freqs_hz(self, data: Tensor) -> Tensor:
        bins = self.encoder.freqs_hz.to("cpu", torch.float64)
        return bins if self.low is None else torch.cat([bins, self.low.freqs_hz])

    def filtered(self, data: Tensor, magnitude: Tensor) -> tuple[Tensor, Tensor]:
        if self.low is None:
            return self._vectors(data * magnitude.square()[..., None])
        count, kept = len(self.encoder.freqs_hz), self.low.numbers
        power = data[:, :-kept].unflatten(1, (count, -1))
        high = power * magnitude[:, :count].square()[..., None]
        low = self.low.power(data[:, -kept:], magnitude[:, count:], power.shape[-1])
        return self._vectors(torch.cat([low, high[:, low.shape[1] :]], 1))

    def _vectors(self, power: Tensor) -> tuple[Tensor, Tensor]:
        with self._precision():
            vectors = self.encoder.from_power(power)[self.kind].float()
        return vectors, power.mean((1, 2))


class FilteredHearing(SpectralHearing):
    """Through the waveform, filtered as it will be rendered, with minimum phase: exact, slower.

    Where a sound starts at once, a filter rings, and in the cells around it there is more than the
    power spectrogram times |H|^2: a sensitive encoder hears that.
    """

    @property
    def taps(self) -> int:
        """Length of the filter."""
        return 1 << math.ceil(math.log2(RINGING_S * self.encoder.sample_rate))

    def prepare(self, windows: Tensor) -> Tensor:
        return windows

    def freqs_hz(self, data: Tensor) -> Tensor:
        return torch.linspace(
            0, self.encoder.sample_rate / 2, 2 * self.taps + 1, dtype=torch.float64
        )

    def filtered(self, data: Tensor, magnitude: Tensor) -> tuple[Tensor, Tensor]:
        return self._vectors(self.power(data, magnitude))

    def power(self, data: Tensor, magnitude: Tensor) -> Tensor:
        """Power ``(windows, bins, frames)`` of windows after filters ``(windows, freqs)``."""
        taps = minimum_phase(magnitude, self.taps).to(data.dtype)
        # A render is as long as its source: what rings after its end is cut off.
        ended = data.flip(-1).abs().cummax(-1).values.flip(-1) == 0
        length = max(1, int((~ended).sum(-1).max()))
        size = _quick_size(length + self.taps - 1)
        spectrum = torch.fft.rfft(data[:, :length], size) * torch.fft.rfft(taps, size)
        wave = torch.fft.irfft(spectrum, size)[:, :length].masked_fill(ended[:, :length], 0.0)
        wave = torch.nn.functional.pad(wave, (0, data.shape[-1] - length))
        return self.encoder.spectrogram(wave)


class WaveformHearing(Hearing):
    """Through the waveform, for encoders without a spectrogram: slower."""

    @property
    def heard_hz(self) -> float:
        return self.model.encoder.sample_rate / 2

    def prepare(self, windows: Tensor) -> Tensor:
        return windows

    def freqs_hz(self, data: Tensor) -> Tensor:
        size = _transform_size(data.shape[-1])
        return torch.linspace(0, self.heard_hz, size // 2 + 1, dtype=torch.float64)

    def filtered(self, data: Tensor, magnitude: Tensor) -> tuple[Tensor, Tensor]:
        size = _transform_size(data.shape[-1])
        wave = torch.fft.irfft(torch.fft.rfft(data, size) * magnitude, size)[:, : data.shape[-1]]
        with self._precision():
            vectors = self.model.encoder(wave)[self.kind].float()
        return vectors, wave.square().mean(-1)


def hearing(model: Model, kind: str) -> Hearing:
    """The quickest way to hear with this model."""
    encoder: Encoder = model.encoder
    spectral = isinstance(encoder, SpectralEncoder)
    return SpectralHearing(model, kind) if spectral else WaveformHearing(model, kind)


def _quick_size(samples: int) -> int:
    """The smallest transform of at least that length with no prime factor above 5."""
    best = 1 << (samples - 1).bit_length()
    for threes in (1, 3, 9, 27):
        for odd in (threes, 5 * threes, 25 * threes):
            best = min(best, odd << max(0, (-(-samples // odd) - 1).bit_length()))
    return best


def _choose(energy: Tensor, most: int) -> Tensor:
    """Numbers of the windows to hear, given the energy of each, ``(windows,)``."""
    loud = (energy >= LOUD_ENOUGH * energy.max()).nonzero().flatten()
    if len(loud) > most:
        loud = loud[torch.linspace(0, len(loud) - 1, most).round().long()]
    return loud


def _transform_size(samples: int) -> int:
    """Half as long again as the window: what rings past its end does not come round."""
    return 2 * _quick_size((samples + samples // 2 + 1) // 2)
