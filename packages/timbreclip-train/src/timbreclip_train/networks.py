"""What a training changes: its networks, and how fast each part of them learns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

import torch
from torch import Tensor, nn

Average = Mapping[str, dict[str, Tensor]]


class ParameterGroup(TypedDict):
    """Parameters that learn alike.

    ``weight_decay`` is of AdamW, ``share`` the learning rate relative to the training's.
    """

    params: list[Tensor]
    weight_decay: float
    share: float


def by_shape(
    network: nn.Module,
    weight_decay: float,
    others: Iterable[Tensor] = (),
    share: float = 1.0,
) -> list[ParameterGroup]:
    """A group of a network's matrices and filters, which decay, and one of all else.

    Args:
        network: Whose parameters are parted.
        weight_decay: Of the first group.
        others: Join the second group.
        share: Learning rate of both relative to the training's.
    """
    own = list(network.parameters())
    small: list[Tensor] = [p for p in own if p.ndim <= 1]
    return [
        {"params": [p for p in own if p.ndim > 1], "weight_decay": weight_decay, "share": share},
        {"params": [*small, *others], "weight_decay": 0.0, "share": share},
    ]


class Networks(ABC):
    """The networks of one training.

    Attributes:
        encoder: Turns sounds into vectors. Several processes encode a share of a batch each, so
            their gradients of it add up; all else they see whole.
        averaged: Names of the modules whose weights have a running mean.
        which: Of an exported training: ``"best"`` by validation, or ``"last"``.
    """

    encoder: nn.Module
    averaged: tuple[str, ...] = ("encoder",)
    which = "best"

    @abstractmethod
    def modules(self) -> dict[str, nn.Module]:
        """All of them, by the names that a checkpoint has for them."""

    @abstractmethod
    def groups(self) -> list[ParameterGroup]:
        """All that is trained."""

    @abstractmethod
    def frozen(self, weights: Average) -> Networks:
        """Networks for inference, on the CPU, with other weights for the averaged modules."""

    def train(self) -> None:
        """Make them ready for a step of training."""
        self.encoder.train()

    def to(self, device: torch.device) -> None:
        """Move all of them."""
        for module in self.modules().values():
            module.to(device)

    def state(self) -> dict[str, Any]:
        """Weights by module."""
        return {name: module.state_dict() for name, module in self.modules().items()}

    def load(self, state: Mapping[str, Any]) -> None:
        """Take weights as ``state`` gives them."""
        for name, module in self.modules().items():
            module.load_state_dict(state[name])
