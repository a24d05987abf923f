"""aisfx (Ma and Lerch 2022), an encoder that learned from professional sound-effect libraries.

A. B. Ma and A. Lerch, "Representation Learning for the Automatic Indexing of Sound Effects
Libraries", ISMIR 2022. The weights are theirs, CC BY 4.0; the network and its front end are
written anew here.

Theirs hears sounds at the level that they have. Here every sound is brought to a peak of -6 dB
first, so that level never matters.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from timbreclip_core.checkpoints import open_checkpoint, write_checkpoint
from timbreclip_core.encoders.base import TEXT, TIMBRE, Encoder, unit
from timbreclip_core.errors import CheckpointError
from timbreclip_core.files import sha256
from timbreclip_core.windows import Windowing

from .aisfx_weights import WIDTHS, checked, folded, read_published

WEIGHTS = "audio.safetensors"
LICENCE = "CC-BY-4.0"
SAMPLE_RATE, WINDOW_SECONDS = 44_100, 10
FFT, HOP, BANDS = 2_048, 1_024, 96
PEAK = 10 ** (-6 / 20)
QUIETEST = 1e-20
LOUDEST_LOG = 9.457798957824707
"""The largest log10(10000 p + 1) in the training data, by which the authors divide."""
BLOCK_FRAMES = 100
BLOCKS_AT_ONCE = 8  # their activations fit into a core's cache
SPACE = "aisfx"


class Network(nn.Module):
    """Four blocks of two 3 x 3 convolutions; ``(batch, frames, bands)`` to ``(batch, 512)``."""

    def __init__(self) -> None:
        super().__init__()
        widths = [w for width in WIDTHS for w in (width, width)]
        pairs = zip([1, *widths[:-1]], widths, strict=True)
        self.convolutions = nn.ModuleList(nn.Conv2d(i, o, 3, padding=1) for i, o in pairs)

    def forward(self, blocks: Tensor) -> Tensor:
        x = blocks[:, None].contiguous(memory_format=torch.channels_last)
        last = len(self.convolutions) - 1
        for i, convolution in enumerate(self.convolutions):
            x = F.relu(convolution(x), inplace=True)
            if i % 2 and i != last:
                x = F.max_pool2d(x, 2)
        return x.float().mean(3).amax(2)


class Aisfx(Encoder):
    """Mono audio at 44.1 kHz to 512 numbers that compare sounds with sounds.

    There are no words for its space: vectors of both kinds are the same. Audio up to 10 s is heard
    in one piece, in blocks of 2.3 s that lie evenly; longer audio in windows of 10 s.
    """

    window: Tensor
    mel: Tensor

    name = "aisfx"
    sample_rate = SAMPLE_RATE
    windowing = Windowing(
        length=WINDOW_SECONDS * SAMPLE_RATE, hop=WINDOW_SECONDS * SAMPLE_RATE, fill=False
    )

    def __init__(self) -> None:
        super().__init__()
        self.spaces = {TEXT: SPACE, TIMBRE: SPACE}
        self.network = Network()
        hann = torch.hann_window(FFT, periodic=False)
        self.register_buffer("window", hann, persistent=False)
        self.register_buffer("mel", mel_filters(), persistent=False)

    def forward(self, mono: Tensor) -> dict[str, Tensor]:
        # In bfloat16 the mel bands lose what the logarithm then shows.
        with torch.autocast(mono.device.type, enabled=False):
            blocks = in_blocks(self.log_mel(mono))
        flat = blocks.flatten(0, 1)
        vectors = torch.cat([self.network(some) for some in flat.split(BLOCKS_AT_ONCE)])
        vectors = unit(vectors.unflatten(0, blocks.shape[:2]).mean(1))
        return {TEXT: vectors, TIMBRE: vectors}

    def log_mel(self, mono: Tensor) -> Tensor:
        """``(batch, samples)`` at any level to ``(batch, frames, bands)``, 0 to about 1."""
        mono = mono.float()
        peak = mono.abs().amax(1, keepdim=True).clamp(min=QUIETEST)
        bins = torch.stft(
            mono * (PEAK / peak),
            FFT,
            HOP,
            window=self.window,
            pad_mode="constant",
            return_complex=True,
        )
        power = bins.real.square() + bins.imag.square()
        return torch.log10(1e4 * (power.mT @ self.mel.mT) + 1) / LOUDEST_LOG


def in_blocks(frames: Tensor) -> Tensor:
    """``(batch, frames, bands)`` to the fewest blocks that hold every frame, evenly placed.

    Returns:
        ``(batch, blocks, 100, bands)``; what is shorter than a block is filled with silence.
    """
    count = frames.shape[1]
    if count <= BLOCK_FRAMES:
        return F.pad(frames, (0, 0, 0, BLOCK_FRAMES - count))[:, None]
    blocks = math.ceil(count / BLOCK_FRAMES)
    starts = [round(i * (count - BLOCK_FRAMES) / (blocks - 1)) for i in range(blocks)]
    return torch.stack([frames[:, s : s + BLOCK_FRAMES] for s in starts], 1)


def mel_filters() -> Tensor:
    """Filters of sum 1 that are triangles over mel, not over Hz, ``(bands, FFT bins)``.

    Source: O'Shaughnessy (1987), mel = 2595 log10(1 + f / 700), from 0 Hz to half the sample rate.
    """
    bins = 2_595 * torch.log10(
        1 + torch.linspace(0, SAMPLE_RATE / 2, FFT // 2 + 1, dtype=torch.float64) / 700
    )
    edges = torch.linspace(0, float(bins[-1]), BANDS + 2, dtype=torch.float64)
    left, centre, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (bins - left) / (centre - left), (right - bins) / (right - centre)
    filters = torch.minimum(rising, falling).clamp(min=0)
    return (filters / filters.sum(1, keepdim=True)).float()


def load(path: Path, device: str = "cpu") -> Aisfx:
    """Read a model folder, or the wheel of aisfx; frozen, in float32.

    Raises:
        CheckpointError: Neither of the two, damaged, or of another shape.
    """
    if path.is_dir():
        checkpoint = open_checkpoint(path)
        options = checkpoint.config["encoder"] or {}
        if options.get("name") != Aisfx.name:
            raise CheckpointError(f"{path} holds the encoder {options.get('name')!r}, no aisfx.")
        state = checked(checkpoint.tensors(options.get("file", WEIGHTS)), path)
    else:
        state = read_published(path)
    encoder = Aisfx()
    for convolution, (kernel, bias) in zip(
        encoder.network.convolutions, folded(state), strict=True
    ):
        convolution.load_state_dict({"weight": kernel, "bias": bias})
    encoder.to(torch.device(device))
    encoder.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    encoder.freeze()
    return encoder


def install(source: Path, folder: Path) -> None:
    """Turn the wheel of aisfx into a model folder, with the SHA-256 of the wheel in its config.

    Raises:
        CheckpointError: As ``load``; nothing is written then.
    """
    state = read_published(source)
    config = {
        "name": Aisfx.name,
        "licence": LICENCE,
        "authors": "A. B. Ma and A. Lerch",
        "encoder": {"name": Aisfx.name, "file": WEIGHTS},
        "space": None,
        "source": {"file": source.name, "sha256": sha256(source)},
    }
    write_checkpoint(folder, config, {WEIGHTS: state})
