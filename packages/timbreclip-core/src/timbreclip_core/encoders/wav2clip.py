"""Wav2CLIP (Wu et al. 2022), the encoder that TimbreCLIP starts from: ResNet-18 into CLIP's space.

The published model normalises the spectrograms of a whole batch together; here every clip is
normalised alone, which is the same for a batch of one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..checkpoints import open_checkpoint, read_state, write_checkpoint
from ..errors import CheckpointError
from ..files import sha256
from ..windows import Windowing
from .base import TEXT, TIMBRE, SpectralEncoder, unit

WEIGHTS = "audio.safetensors"
SAMPLE_RATE = 16_000
FFT, HOP = 512, 353
POWER_FLOOR = 1e-7
WIDTH = 512
SPACES = {TEXT: "clip-vit-b-32", TIMBRE: "wav2clip/pooled"}
# Constants of the published file, and the towers that only its training needs.
WINDOW_KEY = "audio_encoder.spectrogram.window"
TOWERS = ("audio_encoder.", "audio_transform.")


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut (He et al. 2016)."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample: nn.Module | None = None
        if stride != 1 or inputs != outputs:
            narrow = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.downsample = nn.Sequential(narrow, nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return F.relu(self.bn2(self.conv2(y)) + shortcut, inplace=True)


class ResNet18(nn.Module):
    """ResNet-18 for one channel, without its classifier: ``(batch, 1, bins, frames)`` to 512."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = nn.Sequential(BasicBlock(64, 64), BasicBlock(64, 64))
        self.layer2 = nn.Sequential(BasicBlock(64, 128, 2), BasicBlock(128, 128))
        self.layer3 = nn.Sequential(BasicBlock(128, 256, 2), BasicBlock(256, 256))
        self.layer4 = nn.Sequential(BasicBlock(256, WIDTH, 2), BasicBlock(WIDTH, WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = F.max_pool2d(x, 3, 2, 1)
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        return x.mean((2, 3))


class Transform(nn.Module):
    """The layers 512-512-512 from ResNet to CLIP."""

    def __init__(self, dropout: float = 0.1) -> None:
        super().__init__()
        first, last = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.sequential = nn.Sequential(first, nn.ReLU(), nn.Dropout(dropout), last)

    def forward(self, x: Tensor) -> Tensor:
        return self.sequential(x)


class Wav2Clip(SpectralEncoder):
    """Mono audio at 16 kHz to 512 numbers for words (CLIP ViT-B/32) and 512 for timbre.

    Its parameters have the names of the published checkpoint. Audio up to 10 s is heard in one
    piece, as by the published model; longer audio in windows of 10 s.

    Args:
        spaces: Space ids of the two kinds of vector, for weights trained further.
    """

    window: Tensor
    name = "wav2clip"
    sample_rate = SAMPLE_RATE
    seconds_at_once = 32
    # 257 samples are the fewest that reflection at the ends of the first frame can take.
    windowing = Windowing(
        length=10 * SAMPLE_RATE, hop=5 * SAMPLE_RATE, fill=False, minimum=FFT // 2 + 1
    )

    def __init__(self, spaces: Mapping[str, str] = SPACES) -> None:
        super().__init__()
        self.spaces = dict(spaces)
        self.audio_encoder = ResNet18()
        self.audio_transform = Transform()
        self.register_buffer("window", torch.hann_window(FFT), persistent=False)

    @property
    def freqs_hz(self) -> Tensor:
        return torch.linspace(0, SAMPLE_RATE / 2, FFT // 2 + 1, device=self.window.device)

    def spectrogram(self, mono: Tensor) -> Tensor:
        bins = torch.stft(mono.float(), FFT, HOP, window=self.window, return_complex=True)
        return bins.real.square() + bins.imag.square()

    def from_power(self, power: Tensor) -> dict[str, Tensor]:
        pooled = self.audio_encoder(standardised_log(power.float())[:, None]).float()
        return {TEXT: unit(self.audio_transform(pooled)), TIMBRE: unit(pooled)}


def standardised_log(power: Tensor) -> Tensor:
    """Power ``(batch, bins, frames)`` to log(power + 1e-7) of mean 0 and deviation 1 per item.

    Silence becomes zeros, with finite gradients.
    """
    # Less the constant log(1e-7), which the mean takes away anyway: silence is exactly 0.
    level = torch.log1p(power / POWER_FLOOR)
    centred = level - level.mean((1, 2), keepdim=True)
    variance = level.var((1, 2), keepdim=True)
    return centred / (variance.clamp(min=1e-24).sqrt() + 1e-9)


def load(path: Path, device: str = "cpu") -> Wav2Clip:
    """Read a model folder, or ``Wav2CLIP.pt`` as published; frozen, in float32.

    Raises:
        CheckpointError: Neither of the two, damaged, or with missing or unknown tensors.
    """
    if not path.is_dir():
        encoder = Wav2Clip()
        encoder.load_state_dict(_checked(read_state(path), path))
    else:
        checkpoint = open_checkpoint(path)
        options = checkpoint.config["encoder"] or {}
        if options.get("name") != Wav2Clip.name:
            raise CheckpointError(f"{path} holds the encoder {options.get('name')!r}, no wav2clip.")
        encoder = Wav2Clip(options.get("spaces", SPACES))
        state = checkpoint.tensors(options.get("file", WEIGHTS))
        encoder.load_state_dict(_checked(state, path))
    encoder.to(torch.device(device)).freeze()
    return encoder


def install(source: Path, folder: Path) -> None:
    """Turn ``Wav2CLIP.pt`` into a model folder, with the SHA-256 of the file in its config.

    Raises:
        CheckpointError: As ``load``; nothing is written then.
    """
    state = _checked(read_state(source), source)
    config = {
        "name": Wav2Clip.name,
        "licence": "MIT",
        "encoder": {"name": Wav2Clip.name, "file": WEIGHTS, "spaces": SPACES},
        "space": {"name": SPACES[TEXT]},
        "source": {"file": source.name, "sha256": sha256(source)},
    }
    write_checkpoint(folder, config, {WEIGHTS: state})


def _checked(state: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """The tensors of the two audio towers, if they are all there and no other."""
    towers = {k: v for k, v in state.items() if k.startswith(TOWERS)}
    window = towers.pop(WINDOW_KEY, None)
    if window is not None and not _is_hann(window):
        raise CheckpointError(f"{path} was trained with another window than Hann's of {FFT}.")
    with torch.device("meta"):
        expected = {k: v.shape for k, v in Wav2Clip().state_dict().items()}
    faults = {
        "lacks": sorted(expected.keys() - towers.keys()),
        "has besides": sorted(towers.keys() - expected.keys()),
        "has in another shape": sorted(
            k for k in expected.keys() & towers.keys() if towers[k].shape != expected[k]
        ),
    }
    said = [f"it {what} {_listed(keys)}" for what, keys in faults.items() if keys]
    if said:
        raise CheckpointError(f"{path} is no Wav2CLIP checkpoint: {'; '.join(said)}.")
    return towers


def _is_hann(window: Tensor) -> bool:
    return window.shape == (FFT,) and torch.allclose(window.float(), torch.hann_window(FFT))


def _listed(keys: list[str]) -> str:
    rest = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
    return ", ".join(keys[:3]) + rest
