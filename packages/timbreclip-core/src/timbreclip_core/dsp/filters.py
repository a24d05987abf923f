"""Running filters over audio, in float64 and block by block."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torchaudio.functional import lfilter

from ..audio import BLOCK_FRAMES


@dataclass
class SectionState:
    """What a cascade remembers between blocks: the last two inputs and outputs of each section.

    Attributes:
        inputs: ``(n, rows, 2)``, float64, oldest first.
        outputs: ``(n, rows, 2)``, float64, oldest first.
    """

    inputs: Tensor
    outputs: Tensor


def sosfilt(
    audio: Tensor, sections: Tensor, state: SectionState | None = None
) -> tuple[Tensor, SectionState]:
    """Run ``(..., samples)`` through sections ``(n, 6)``, one after the other.

    Args:
        audio: Floating point, any number of leading dimensions.
        sections: ``b0 b1 b2 a0 a1 a2`` with ``a0 = 1``.
        state: What the block before returned; None starts from silence.

    Returns:
        Float64 audio of the same shape, and the state for the next block. Blocks give the same
        as the whole, to rounding. Nothing is clamped.
    """
    sections = sections.detach().to(torch.float64)
    x = audio.to(torch.float64).reshape(-1, audio.shape[-1])
    if state is None:
        zeros = x.new_zeros(len(sections), len(x), 2)
        state = SectionState(zeros, zeros)
    inputs, outputs = [], []
    for row, past_in, past_out in zip(sections, state.inputs, state.outputs, strict=True):
        extended = torch.cat([past_in, x], dim=-1)
        y = _all_pole(_numerator(extended, row[:3]), row[3:], past_out)
        inputs.append(extended[:, -2:])
        outputs.append(torch.cat([past_out, y], dim=-1)[:, -2:])
        x = y
    return x.reshape(audio.shape), SectionState(torch.stack(inputs), torch.stack(outputs))


def apply_sections(audio: Tensor, sections: Tensor) -> Tensor:
    """Filter ``(..., samples)`` with sections ``(n, 6)``; same shape and dtype.

    The work is done in float64 on one block at a time, so that a long file needs little more
    memory than itself.
    """
    if len(sections) == 0:
        return audio.clone()
    out, state = torch.empty_like(audio), None
    for start in range(0, audio.shape[-1], BLOCK_FRAMES):
        block = audio[..., start : start + BLOCK_FRAMES]
        filtered, state = sosfilt(block, sections, state)
        out[..., start : start + BLOCK_FRAMES] = filtered
    return out


def apply_fir(audio: Tensor, taps: Tensor) -> Tensor:
    """Convolve ``(..., samples)`` with taps ``(n,)``; same shape and dtype, the tail is cut off.

    Overlap-add in float64.
    """
    taps = taps.detach().to(torch.float64)
    length = max(BLOCK_FRAMES, 2 * len(taps))
    size = 1 << (min(length, audio.shape[-1]) + len(taps) - 2).bit_length()
    spectrum = torch.fft.rfft(taps, size)
    out = torch.empty_like(audio)
    tail = audio.new_zeros(*audio.shape[:-1], len(taps) - 1, dtype=torch.float64)
    for start in range(0, audio.shape[-1], length):
        block = audio[..., start : start + length].to(torch.float64)
        width = block.shape[-1]
        full = torch.fft.irfft(torch.fft.rfft(block, size) * spectrum, size)
        full[..., : len(taps) - 1] += tail
        out[..., start : start + width] = full[..., :width]
        tail = full[..., width : width + len(taps) - 1]
    return out


def _numerator(extended: Tensor, b: Tensor) -> Tensor:
    return b[0] * extended[:, 2:] + b[1] * extended[:, 1:-1] + b[2] * extended[:, :-2]


def _all_pole(x: Tensor, a: Tensor, past: Tensor) -> Tensor:
    """``1 / a`` on ``(rows, samples)``; the outputs before, ``(rows, 2)``, enter as inputs."""
    x = x.clone()
    x[:, 0] -= a[1] * past[:, 1] + a[2] * past[:, 0]
    if x.shape[-1] > 1:
        x[:, 1] -= a[2] * past[:, 1]
    unity = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64, device=x.device)
    return lfilter(x, a, unity, clamp=False)
