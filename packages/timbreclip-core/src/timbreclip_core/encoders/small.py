"""The bundled audio encoder: small residual networks on a mel spectrogram at 32 kHz."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..checkpoints import Checkpoint, open_checkpoint
from ..errors import CheckpointError
from .base import TEXT, TIMBRE, Encoder, unit
from .mel import FLOOR_DB, MelEncoder

WEIGHTS = "audio.safetensors"


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


class SmallEncoder(MelEncoder):
    """One network: mono audio to ``dim`` numbers for words and ``hidden`` for timbre.

    Args:
        shape: Sizes.
        spaces: Space ids of the two kinds of vector.
    """

    height: Tensor

    name = "small"

    def __init__(self, shape: SmallShape, spaces: dict[str, str]) -> None:
        super().__init__(shape.bands, spaces)
        self.shape = shape
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
        height = torch.linspace(-1, 1, shape.bands)[:, None]
        self.register_buffer("height", height, persistent=False)

    def vectors(self, decibels: Tensor) -> dict[str, Tensor]:
        hidden = self.hidden(decibels)
        return {TEXT: unit(self.to_text(self.drop(hidden))), TIMBRE: unit(hidden)}

    def hidden(self, decibels: Tensor) -> Tensor:
        """Decibels as of ``relative_db`` to the last hidden layer, ``(batch, hidden)``."""
        x = (decibels - FLOOR_DB / 2) / 25
        x = torch.stack([x, self.height.to(x.dtype).expand_as(x)], 1)
        x = self.stages(self.stem(x.contiguous(memory_format=torch.channels_last))).float()
        pooled = torch.cat([x.mean(3).flatten(1), x.amax(3).flatten(1)], 1)
        return self.to_timbre(self.drop(pooled)).float()


class SmallEnsemble(MelEncoder):
    """Several networks that were trained apart; their vectors stand one after another.

    A cosine is then the mean of the networks' own: what one alone takes for alike counts less
    (deep ensembles, Lakshminarayanan et al. 2017).

    Args:
        networks: With one front end.
        spaces: Space ids of the two kinds of vector.
    """

    name = SmallEncoder.name

    def __init__(self, networks: Sequence[SmallEncoder], spaces: dict[str, str]) -> None:
        super().__init__(networks[0].bands, spaces)
        self.networks = nn.ModuleList(networks)

    def vectors(self, decibels: Tensor) -> dict[str, Tensor]:
        networks = (cast(SmallEncoder, network) for network in self.networks)
        heard = [network.vectors(decibels) for network in networks]
        share = len(heard) ** -0.5
        return {kind: torch.cat([share * each[kind] for each in heard], 1) for kind in heard[0]}


def open_networks(checkpoint: Checkpoint) -> list[SmallEncoder]:
    """Each network of a model folder, in float32.

    Raises:
        CheckpointError: Not the folder of such a model.
    """
    options = checkpoint.config["encoder"]
    found = []
    try:
        for each in options.get("networks", [options]):
            shape = SmallShape(**{**each["shape"], "widths": tuple(each["shape"]["widths"])})
            found.append(SmallEncoder(shape, options["spaces"]))
            found[-1].load_state_dict(checkpoint.tensors(each["file"]))
        if len({network.bands for network in found}) != 1:
            raise ValueError("its networks have not one front end")
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"{checkpoint.root} has no audio side for 'small': {error}"
        ) from error
    return found


def load(path: Path, device: str = "cpu") -> Encoder:
    """Read the audio side of a model folder, frozen, in float32.

    The options in ``config["encoder"]`` are ``spaces`` (ids by kind), and ``file`` and ``shape``
    (of ``SmallShape``), or ``networks``, a list of several such.

    Raises:
        CheckpointError: Not the folder of such a model.
    """
    first, *others = open_networks(open_checkpoint(path))
    encoder = SmallEnsemble([first, *others], first.spaces) if others else first
    return encoder.to(torch.device(device)).freeze()
