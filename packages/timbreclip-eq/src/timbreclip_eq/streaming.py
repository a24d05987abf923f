"""Filtering block by block: the same samples as in one piece, to rounding, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from timbreclip_core.dsp.filters import apply_fir, sosfilt

FRAMES = 1 << 17  # of a block

Blocks = Iterable[Tensor]
# Blocks of one sound, ``(channels, samples)`` each, from its start whenever it is called.
Source = Callable[[], Blocks]
Step = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Kernel:
    """A filter ready to run at one sample rate.

    Args:
        sections: Biquads ``(n, 6)``, run one after the other.
        taps: FIR ``(n,)``, if there are no sections. Neither: a filter that does nothing.
        delay: Samples by which the FIR is late; they are taken out again.
    """

    sections: Tensor | None = None
    taps: Tensor | None = None
    delay: int = 0

    def run(self, blocks: Blocks) -> Iterator[Tensor]:
        """Filtered blocks of the same dtype, together as long as those given."""
        step, late, last = self._step(), self.delay, None
        for block in blocks:
            out, last = step(block), block
            if late:
                cut = min(late, out.shape[-1])
                out, late = out[..., cut:], late - cut
            if out.shape[-1]:
                yield out
        if self.delay and last is not None:
            yield step(last.new_zeros(*last.shape[:-1], self.delay))[..., late:]

    def apply(self, audio: Tensor) -> Tensor:
        """Filter ``(..., samples)`` at once; same shape and dtype."""
        out, start = torch.empty_like(audio), 0
        for block in self.run(slices(audio)):
            out[..., start : start + block.shape[-1]] = block
            start += block.shape[-1]
        return out

    def _step(self) -> Step:
        if self.sections is not None and len(self.sections):
            return _biquads(self.sections)
        return torch.clone if self.taps is None else _fir(self.taps)


def slices(audio: Tensor) -> Iterator[Tensor]:
    """Blocks of ``(..., samples)``, views of it."""
    for start in range(0, audio.shape[-1], FRAMES):
        yield audio[..., start : start + FRAMES]


def _biquads(sections: Tensor) -> Step:
    state = None

    def step(block: Tensor) -> Tensor:
        nonlocal state
        out, state = sosfilt(block, sections, state)
        return out.to(block.dtype)

    return step


def _fir(taps: Tensor) -> Step:
    """Overlap-save: each block is filtered together with the inputs that still ring in it."""
    kept = len(taps) - 1
    past: Tensor | None = None

    def step(block: Tensor) -> Tensor:
        nonlocal past
        before = block[..., :0] if past is None else past
        extended = torch.cat([before, block], -1)
        past = extended[..., max(0, extended.shape[-1] - kept) :].clone()
        return apply_fir(extended, taps)[..., before.shape[-1] :]

    return step
