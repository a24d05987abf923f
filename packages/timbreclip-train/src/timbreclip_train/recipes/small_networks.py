"""The networks of the bundled model."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from timbreclip_core.checkpoints import Checkpoint
from timbreclip_core.descriptors import DESCRIPTORS
from timbreclip_core.encoders.base import TEXT, TIMBRE
from timbreclip_core.encoders.small import SmallEncoder, SmallShape
from timbreclip_core.errors import UsageError
from timbreclip_core.spaces.small import Projection, projection_weights

from ..card import CARD
from ..config import NetworkConfig, TrainConfig
from ..loss import Temperature
from ..networks import Average, Networks, ParameterGroup, by_shape


def make_encoder(config: NetworkConfig) -> SmallEncoder:
    """The audio network with fresh weights."""
    shape = SmallShape(
        widths=config.widths, hidden=config.hidden, dim=config.dim, dropout=config.dropout
    )
    return SmallEncoder(shape, space_ids(config))


def make_projection(config: NetworkConfig, text_width: int) -> Projection:
    """The layers after the sentence encoder with fresh weights."""
    return Projection(text_width, config.dim, config.text_hidden, config.text_dropout)


def space_ids(config: NetworkConfig) -> dict[str, str]:
    """Space ids by kind of vector."""
    return {kind: f"timbreclip-small-{config.version}/{kind}" for kind in (TEXT, TIMBRE)}


class SmallNetworks(Networks):
    """Audio network, layers after the sentence encoder, and what only training needs.

    Args:
        config: All settings.
        text_width: Numbers in a vector of the text encoder.
        teacher_width: Numbers in a vector of the teacher, 0 for no teacher.

    Attributes:
        origin: Of the model that it started from: ``model`` (name and digest), ``training`` (its
            record) and ``card``; empty for fresh weights.
    """

    encoder: SmallEncoder
    averaged = ("encoder", "projection")

    def __init__(self, config: TrainConfig, text_width: int, teacher_width: int = 0) -> None:
        torch.manual_seed(config.run.seed)
        self.config = config
        self.text_width = text_width
        self.origin: dict[str, Any] = {}
        self.encoder = make_encoder(config.network)
        self.encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._trunk.requires_grad_(config.optimiser.trunk_share > 0)
        self.projection = make_projection(config.network, text_width)
        self.temperature = Temperature(config.loss.temperature, config.loss.largest_factor)
        self.to_teacher = nn.Linear(config.network.hidden, max(1, teacher_width))
        self.to_descriptors = nn.Linear(config.network.hidden, len(DESCRIPTORS))

    def modules(self) -> dict[str, nn.Module]:
        return {
            "encoder": self.encoder,
            "projection": self.projection,
            "temperature": self.temperature,
            "to_teacher": self.to_teacher,
            "to_descriptors": self.to_descriptors,
        }

    @property
    def _trunk(self) -> nn.ModuleList:
        """The convolutions."""
        return nn.ModuleList([self.encoder.stem, self.encoder.stages])

    @property
    def _heads(self) -> nn.ModuleList:
        """What follows them."""
        return nn.ModuleList([self.encoder.to_timbre, self.encoder.to_text])

    def start_from(self, model: Checkpoint) -> None:
        """Take the weights of an earlier model of the same sizes.

        Raises:
            UsageError: It is another kind of model, or its sizes are others.
        """
        try:
            encoder = model.config["encoder"]
            self.encoder.load_state_dict(model.tensors(encoder["file"]))
            self.projection.load_state_dict(projection_weights(model))
            start = torch.tensor(encoder["temperature"])
            self.origin = {
                "model": f"{model.name}@{model.digest}",
                "training": model.config["training"],
                "card": (model.root / CARD).read_text("utf-8"),
            }
        except (RuntimeError, LookupError, TypeError, OSError) as error:
            raise UsageError(f"Training cannot start from {model.root}: {error}") from error
        with torch.no_grad():
            self.temperature.log_factor.copy_(-start.log())

    def state(self) -> dict[str, Any]:
        return {**super().state(), "origin": self.origin}

    def load(self, state: Mapping[str, Any]) -> None:
        super().load(state)
        self.origin = state.get("origin", {})

    def train(self) -> None:
        super().train()
        if self.config.optimiser.trunk_share == 0:
            self._trunk.eval()

    def groups(self) -> list[ParameterGroup]:
        config = self.config.optimiser
        modules = (self.temperature, self.to_teacher, self.to_descriptors)
        others = [p for module in modules for p in module.parameters()]
        projected: list[Tensor] = list(self.projection.parameters())
        found: list[ParameterGroup] = [
            *by_shape(self._heads, config.weight_decay, others),
            {"params": projected, "weight_decay": 0.0, "share": config.projection_share},
        ]
        if config.trunk_share > 0:
            found += by_shape(self._trunk, config.weight_decay, share=config.trunk_share)
        return found

    def frozen(self, weights: Average) -> SmallNetworks:
        new = copy.copy(self)
        new.encoder = make_encoder(self.config.network)
        new.encoder.load_state_dict(weights["encoder"])
        new.projection = make_projection(self.config.network, self.text_width)
        new.projection.load_state_dict(weights["projection"])
        new.encoder.freeze()
        new.projection.eval().requires_grad_(False)
        return new
