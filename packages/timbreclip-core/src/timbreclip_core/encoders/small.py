"""The bundled audio encoder: a small residual network on a mel spectrogram at 32 kHz.

Level never matters: the spectrogram is in decibels relative to its own maximum, and its floor at
-80 dB makes a band that holds nothing and one that holds faint noise nearly the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..checkpoints import open_checkpoint
from ..errors import CheckpointError
from ..windows import Windowing
from .base import TEXT, TIMBRE, Encoder, SpectralEncoder, unit

WEIGHTS = "audio.safetensors"
SAMPLE_RATE, SECONDS = 32_000, 4
FFT, HOP = 2_048, 640
LOW_HZ, HIGH_HZ = 30.0, 16_000.0
FLOOR_DB = -80.0
BAND_GROUPS = 4  # multiplied apart, each with the bins that it needs: a third of the work
FRAMES_AT_ONCE = 100  # their spectra fit into a core's cache
QUIETEST = 1e-20  # squares of samples at -100 dBFS are far above it, squares of denormals below


@dataclass(frozen=True, kw_only=True)
class SmallShape:
    """Sizes of the network.

    Args:
        bands: Mel bands.
        widths: Channels of the four stages.
        rows: Frequency rows that the pooling keeps apart.
        hidden: Numbers in a ``"timbre"`` vector.
        dim: Numbers in a ``"text"`` vector.
        dropout: Share of activations dropped while training.
    """

    bands: int = 96
    widths: tuple[int, ...] = (32, 64, 128, 192)
    rows: int = 6
    hidden: int = 512
    dim: int = 256
    dropout: float = 0.1


class Block(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut (He et al. 2016)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv_1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm_1 = nn.BatchNorm2d(outputs)
        self.conv_2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm_2 = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            narrow = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.shortcut = nn.Sequential(narrow, nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm_2(self.conv_2(F.relu(self.norm_1(self.conv_1(x)))))
        return F.relu(y + self.shortcut(x))


class SmallEncoder(SpectralEncoder):
    """Mono audio at 32 kHz, in windows of 4 s, to 256 numbers for words and 512 for timbre.

    Args:
        shape: Sizes.
        spaces: Space ids of the two kinds of vector.
    """

    window: Tensor
    mel: Tensor
    height: Tensor

    name = "small"
    sample_rate = SAMPLE_RATE
    windowing = Windowing(length=SECONDS * SAMPLE_RATE, hop=SECONDS * SAMPLE_RATE // 2)
    hann_frames = (FFT, HOP)

    def __init__(self, shape: SmallShape, spaces: dict[str, str]) -> None:
        super().__init__()
        self.shape = shape
        self.spaces = dict(spaces)
        first, *widths = shape.widths
        stem = nn.Conv2d(2, first, (7, 15), (4, 8), (3, 7), bias=False)
        self.stem = nn.Sequential(stem, nn.BatchNorm2d(first), nn.ReLU())
        stages, inputs = [Block(first, first, 1)], first
        for outputs, stride in zip(widths, (2, 2, 1), strict=True):
            stages.append(Block(inputs, outputs, stride))
            inputs = outputs
        self.stages = nn.Sequential(*stages)
        self.drop = nn.Dropout(shape.dropout)
        self.to_timbre = nn.Sequential(
            nn.Linear(2 * shape.rows * inputs, shape.hidden), nn.LayerNorm(shape.hidden), nn.GELU()
        )
        self.to_text = nn.Linear(shape.hidden, shape.dim)
        self._constants()

    def _constants(self) -> None:
        """What follows from the sizes and is not saved."""
        hann, mel = torch.hann_window(FFT), mel_filters(self.shape.bands)
        height = torch.linspace(-1, 1, self.shape.bands)[:, None]
        for name, value in {"window": hann, "mel": mel, "height": height}.items():
            self.register_buffer(name, value, persistent=False)
        self.reaches = _reaches(mel)

    @property
    def freqs_hz(self) -> Tensor:
        return torch.linspace(0, SAMPLE_RATE / 2, FFT // 2 + 1, device=self.window.device)

    def spectrogram(self, mono: Tensor) -> Tensor:
        frames = max(1, mono.shape[-1] // HOP)
        bins = torch.stft(
            mono.float(), FFT, HOP, window=self.window, pad_mode="constant", return_complex=True
        )[..., :frames]
        return bins.real.square() + bins.imag.square()

    def features(self, mono: Tensor) -> Tensor:
        """Power in mel bands, ``(batch, bands, frames)``."""
        if mono.requires_grad or mono.device.type != "cpu":
            return self.mel_power(self.spectrogram(mono))
        # A spectrogram that stays in the processor's cache takes a third of the time of a batch.
        with torch.autocast("cpu", enabled=False):
            return torch.stack([self._mel_power_of(row.float()) for row in mono])

    def _mel_power_of(self, mono: Tensor) -> Tensor:
        """``mel_power(spectrogram(mono))`` of one window ``(samples,)``: ``(bands, frames)``."""
        frames = F.pad(mono, (FFT // 2, FFT // 2)).unfold(0, FFT, HOP)[: max(1, len(mono) // HOP)]
        found = mono.new_empty(len(frames), self.shape.bands)
        for start in range(0, len(frames), FRAMES_AT_ONCE):
            bins = torch.fft.rfft(frames[start : start + FRAMES_AT_ONCE] * self.window)
            power = bins.real.square().addcmul_(bins.imag, bins.imag)
            for bands, low, high in self.reaches:
                own = power[:, low:high] @ self.mel[bands, low:high].T
                found[start : start + FRAMES_AT_ONCE, bands] = own
        return found.T

    def from_power(self, power: Tensor) -> dict[str, Tensor]:
        return self.from_features(self.mel_power(power))

    def from_features(self, features: Tensor) -> dict[str, Tensor]:
        with torch.autocast(features.device.type, enabled=False):
            decibels = relative_db(features)
        hidden = self.hidden(decibels)
        return {TEXT: unit(self.to_text(self.drop(hidden))), TIMBRE: unit(hidden)}

    def mel_power(self, power: Tensor) -> Tensor:
        """Power ``(batch, bins, frames)`` to power in mel bands ``(batch, bands, frames)``."""
        with torch.autocast(power.device.type, enabled=False):
            return self.mel @ power.float()

    def hidden(self, decibels: Tensor) -> Tensor:
        """Decibels as of ``relative_db`` to the last hidden layer, ``(batch, hidden)``."""
        x = (decibels - FLOOR_DB / 2) / 25
        x = torch.stack([x, self.height.to(x.dtype).expand_as(x)], 1)
        x = self.stages(self.stem(x.contiguous(memory_format=torch.channels_last))).float()
        pooled = torch.cat([x.mean(3).flatten(1), x.amax(3).flatten(1)], 1)
        return self.to_timbre(self.drop(pooled)).float()


def relative_db(power: Tensor) -> Tensor:
    """Power ``(batch, bands, frames)`` to decibels under the maximum of its item, -80 to 0 dB.

    The floor is soft, so that gradients stay finite; silence is at the floor throughout.
    """
    loudest = power.amax((1, 2), keepdim=True).clamp(min=QUIETEST)
    return 10 * torch.log10(power / loudest + 10 ** (FLOOR_DB / 10))


def mel_filters(bands: int) -> Tensor:
    """Triangular filters of peak 1, evenly spaced in mel, ``(bands, FFT bins)``.

    Source: O'Shaughnessy (1987), mel = 2595 log10(1 + f / 700).
    """
    low, high = (2595 * torch.log10(torch.tensor(1 + f / 700)) for f in (LOW_HZ, HIGH_HZ))
    edges = 700 * (10 ** (torch.linspace(low, high, bands + 2, dtype=torch.float64) / 2595) - 1)
    bins = torch.linspace(0, SAMPLE_RATE / 2, FFT // 2 + 1, dtype=torch.float64)
    left, centre, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (bins - left) / (centre - left), (right - bins) / (right - centre)
    return torch.minimum(rising, falling).clamp(min=0).float()


def _reaches(mel: Tensor) -> list[tuple[slice, int, int]]:
    """Groups of neighbouring bands, and the first and one past the last bin that each hears."""
    found = []
    for bands in torch.arange(len(mel)).chunk(BAND_GROUPS):
        heard = mel[bands].amax(0).nonzero()
        group = slice(int(bands[0]), int(bands[-1]) + 1)
        found.append((group, int(heard[0]), int(heard[-1]) + 1))
    return found


def mel_centres_hz(bands: int) -> Tensor:
    """Centre of every band of ``mel_filters``, ``(bands,)``, Hz."""
    low, high = (2595 * torch.log10(torch.tensor(1 + f / 700)) for f in (LOW_HZ, HIGH_HZ))
    return (700 * (10 ** (torch.linspace(low, high, bands + 2) / 2595) - 1))[1:-1]


def load(path: Path, device: str = "cpu") -> Encoder:
    """Read the audio side of a model folder, frozen, in float32.

    The options in ``config["encoder"]`` are ``file``, ``spaces`` (ids by kind) and ``shape`` (of
    ``SmallShape``).

    Raises:
        CheckpointError: Not the folder of such a model.
    """
    checkpoint = open_checkpoint(path)
    options = checkpoint.config["encoder"]
    try:
        shape = SmallShape(**{**options["shape"], "widths": tuple(options["shape"]["widths"])})
        encoder = SmallEncoder(shape, options["spaces"])
        encoder.load_state_dict(checkpoint.tensors(options["file"]))
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{path} has no audio side for 'small': {error}") from error
    return encoder.to(torch.device(device)).freeze()
