"""Cutting audio of any length into the fixed windows that an encoder hears."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from .errors import UsageError


@dataclass(frozen=True)
class Windowing:
    """How an encoder hears long and short audio.

    Args:
        length: Samples in a window, at the encoder's rate.
        hop: Samples from one window's start to the next, at most ``length``.
        fill: True pads every window with silence to ``length``; False lets audio shorter than a
            window through at its own length, padded to ``minimum`` only.
        minimum: Fewest samples that the encoder can take, at most ``length``.

    Raises:
        UsageError: A number out of its range.
    """

    length: int
    hop: int
    fill: bool = True
    minimum: int = 1

    def __post_init__(self) -> None:
        if not (1 <= self.hop <= self.length and 1 <= self.minimum <= self.length):
            raise UsageError(f"hop and minimum must be from 1 to length, not as in {self}.")

    def count(self, samples: int) -> int:
        """Windows for ``samples`` samples: every sample lies in one, none starts beyond need."""
        return 1 + max(0, -(-(samples - self.length) // self.hop))

    def cut(self, mono: Tensor) -> Tensor:
        """``(batch, samples)`` to ``(batch, windows, window samples)``; the tail is padded."""
        samples = mono.shape[-1]
        count = self.count(samples)
        if count == 1:
            width = self.length if self.fill else max(samples, self.minimum)
            return (pad(mono, (0, width - samples)) if width > samples else mono)[:, None]
        needed = (count - 1) * self.hop + self.length
        return pad(mono, (0, needed - samples)).unfold(-1, self.length, self.hop)

    def stream(self, blocks: Iterable[Tensor]) -> Iterator[Tensor]:
        """The same windows, each ``(samples,)``, from blocks ``(samples,)`` of one sound.

        Holds one block and one window at a time.
        """
        held, first = torch.zeros(0), True
        for block in blocks:
            held = torch.cat([held, block])
            while len(held) > self.length:
                yield held[: self.length]
                held, first = held[self.hop :], False
        width = self.length if self.fill or not first else max(len(held), self.minimum)
        yield pad(held, (0, width - len(held)))
