"""What an audio encoder is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ..windows import Windowing

TEXT, TIMBRE = "text", "timbre"


@dataclass(frozen=True)
class Published:
    """Files as their authors published them, which bring the words of their space along.

    Args:
        digest: Names these very weights, 16 hexadecimal digits.
        words: What the space's entry loads its words from.
    """

    digest: str
    words: Path


class Encoder(nn.Module, ABC):
    """Turns mono audio at one sample rate into vectors of one or more kinds.

    An encoder is deterministic, treats every item of a batch alone, is differentiable in its
    input, and is frozen once loaded: ``eval()`` mode, no parameter with a gradient.

    Attributes:
        name: Name of its entry.
        sample_rate: Rate that ``forward`` expects, Hz.
        windowing: How longer and shorter audio reaches ``forward``.
        spaces: Space id by kind of vector. ``"text"`` vectors are compared with texts;
            ``"timbre"`` vectors compare sounds with sounds.
        seconds_at_once: Of audio in one pass on a processor, for whose caches large batches are no
            better than small ones.
        published: For weights in the very files of their authors, where more than one file makes
            the model: their digest, and the folder that the space can be loaded from. None for
            a model folder or a single file.
    """

    name: str
    sample_rate: int
    windowing: Windowing
    spaces: dict[str, str]
    seconds_at_once: float = 128
    published: Published | None = None

    @abstractmethod
    def forward(self, mono: Tensor) -> dict[str, Tensor]:
        """Windows ``(batch, samples)`` to unit vectors ``(batch, dim)`` by kind."""

    def features(self, mono: Tensor) -> Tensor:
        """What the network proper is given of windows ``(batch, samples)``: ``(batch, ...)``.

        With ``from_features`` it makes up ``forward``, for programs other than torch that run
        networks well and spectrograms badly. An encoder overrides both or neither.
        """
        return mono

    def from_features(self, features: Tensor) -> dict[str, Tensor]:
        """``features`` to unit vectors ``(batch, dim)`` by kind."""
        return self(features)

    def freeze(self) -> Encoder:
        """Ready for inference: evaluation mode, no gradients for the parameters."""
        self.eval()
        self.requires_grad_(False)
        return self


class SpectralEncoder(Encoder):
    """An encoder whose first step is a power spectrogram.

    Work that filters a sound many times (text-driven EQ) multiplies the spectrogram by |H|^2
    instead of filtering the waveform.

    Attributes:
        hann_frames: Samples in a frame of the spectrogram, and from one frame to the next, if the
            frames are periodic Hann windows around multiples of the second, with silence before
            the start; None if they are anything else.
    """

    hann_frames: tuple[int, int] | None = None

    @property
    @abstractmethod
    def freqs_hz(self) -> Tensor:
        """Centre of every bin of the spectrogram, ``(bins,)``, Hz."""

    @abstractmethod
    def spectrogram(self, mono: Tensor) -> Tensor:
        """``(batch, samples)`` to power ``(batch, bins, frames)``."""

    @abstractmethod
    def from_power(self, power: Tensor) -> dict[str, Tensor]:
        """Power ``(batch, bins, frames)`` to unit vectors ``(batch, dim)`` by kind."""

    def forward(self, mono: Tensor) -> dict[str, Tensor]:
        return self.from_features(self.features(mono))

    def features(self, mono: Tensor) -> Tensor:
        return self.spectrogram(mono)

    def from_features(self, features: Tensor) -> dict[str, Tensor]:
        return self.from_power(features)


def unit(vectors: Tensor) -> Tensor:
    """Scale ``(..., dim)`` to length 1; zero stays zero."""
    # Windows count by their energy, 1e-16 for a faint click: torch's own limit, 1e-12, is too high.
    return torch.nn.functional.normalize(vectors.float(), dim=-1, eps=1e-18)
