"""The networks of the bundled model."""

from __future__ import annotations

import copy
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from timbreclip_core.checkpoints import Checkpoint
from timbreclip_core.descriptors import DESCRIPTORS
from timbreclip_core.encoders.base import TEXT, TIMBRE
from timbreclip_core.encoders.small import SmallEncoder, SmallEnsemble, SmallShape, open_networks
from timbreclip_core.errors import CheckpointError, UsageError
from timbreclip_core.spaces.small import Projection, Projections, open_projections

from ..config import NetworkConfig, TrainConfig
from ..loss import Temperature
from ..networks import Average, Networks, ParameterGroup, by_shape
from .small_beside import Neighbour, origin_of


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
        trainings: Settings of those that it comes from: one, or what ``together`` joined.
        with_start: Whether it joined the text layers of the model that they started from, too.
        beside: Models whose vectors stand beside those of these networks.
    """

    encoder: SmallEncoder
    averaged = ("encoder", "projection")

    def __init__(self, config: TrainConfig, text_width: int, teacher_width: int = 0) -> None:
        torch.manual_seed(config.run.seed)
        self.config = config
        self.text_width = text_width
        self.origin: dict[str, Any] = {}
        self.trainings: tuple[TrainConfig, ...] = (config,)
        self.with_start = False
        self.beside: tuple[Neighbour, ...] = ()
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

    def each(self) -> list[tuple[SmallEncoder, Projection]]:
        """Its audio network and layers after the sentence encoder, then those beside it."""
        found = [(self.encoder, self.projection)]
        for model in self.beside:
            found += zip(model.encoders, model.projections, strict=True)
        return found

    def whole(self) -> tuple[SmallEncoder | SmallEnsemble, Projection | Projections]:
        """What hears and what speaks, with the models beside it."""
        if not self.beside:
            return self.encoder, self.projection
        encoders, projections = zip(*self.each(), strict=True)
        ensemble = SmallEnsemble(encoders, space_ids(self.config.network))
        ensemble.freeze()
        return ensemble, Projections(projections).eval()

    def temperature_of_all(self) -> float:
        """That cosines are divided by: the geometric mean over the models."""
        every = [self.temperature.value(), *(model.temperature for model in self.beside)]
        return statistics.geometric_mean(every)

    def start_from(self, model: Checkpoint) -> None:
        """Take the weights of an earlier model of the same sizes: those of its first network.

        Raises:
            UsageError: It is another kind of model, or its sizes are others.
        """
        try:
            self.encoder.load_state_dict(open_networks(model)[0].state_dict())
            self._start_projection(open_projections(model)[0].state_dict())
            start = torch.tensor(model.config["encoder"]["temperature"])
            self.origin = origin_of(model)
        except (CheckpointError, RuntimeError, LookupError, TypeError, OSError) as error:
            raise UsageError(f"Training cannot start from {model.root}: {error}") from error
        with torch.no_grad():
            self.temperature.log_factor.copy_(-start.log())

    def _start_projection(self, theirs: dict[str, Tensor]) -> None:
        """Take the layers after the sentence encoder, or ``network.start_share`` of them.

        What is not taken is fresh, of the same length: weights that were trained for long learn
        new words badly (Ash and Adams 2020, shrink and perturb). So are the columns for vectors of
        words where the start has none.
        """
        ours, share = self.projection.state_dict(), self.config.network.start_share
        known = theirs["weight"].shape[1]
        for name, old in theirs.items():
            new = share * old.float()
            if name in ("weight", "up.weight"):
                fresh = ours[name] * (old.float().norm() / ours[name][:, :known].norm())
                fresh[:, :known] *= 1 - share
                fresh[:, :known] += new
                new = fresh
            theirs[name] = new
        self.projection.load_state_dict(theirs)

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


def together(several: Sequence[SmallNetworks], start: Projection | None = None) -> SmallNetworks:
    """One model of frozen networks whose trainings differ in their seed, or in ``augment``.

    The weights of the audio networks are averaged (Wortsman et al. 2022, model soups), which such
    trainings from one start allow; the layers after the sentence encoder, whose units need not
    correspond, stand side by side, so that what they say is the mean of what each said.

    Args:
        several: Frozen.
        start: Of the model that they started from, if its layers are to speak as well: they know
            wordings better that training did not use.
    """
    new = copy.copy(several[0])
    states = [networks.encoder.state_dict() for networks in several]
    new.encoder = make_encoder(new.config.network)
    new.encoder.load_state_dict({name: _mean([s[name] for s in states]) for name in states[0]})
    new.encoder.freeze()
    layers = [networks.projection for networks in several]
    layers += [widened(start, new.text_width)] if start else []
    new.projection, new.with_start = side_by_side(layers), start is not None
    new.temperature = copy.deepcopy(new.temperature)
    with torch.no_grad():
        factors = [networks.temperature.log_factor for networks in several]
        new.temperature.log_factor.copy_(_mean(factors))
    new.trainings = tuple(each for networks in several for each in networks.trainings)
    return new


def widened(layers: Projection, width: int) -> Projection:
    """The same layers for vectors with those of words beside them, which they take no notice of.

    Where a sentence's half of a vector had length 1, it now has the root of a half.
    """
    known = layers.weight.shape[1]
    if known == width:
        return layers
    state = {name: value.clone() for name, value in layers.state_dict().items()}
    state["weight"] *= 2**0.5
    if layers.hidden:
        state["up.weight"] *= (2 * known / width) ** 0.5
    for name in {"weight", "up.weight"} & state.keys():
        state[name] = nn.functional.pad(state[name], (0, width - known))
    wide = Projection(width, layers.dim, layers.hidden)
    wide.load_state_dict(state)
    return wide


def _mean(tensors: Sequence[Tensor]) -> Tensor:
    stacked = torch.stack(list(tensors))
    return stacked.mean(0) if stacked.is_floating_point() else stacked[0]


def side_by_side(several: Sequence[Projection]) -> Projection:
    """Layers whose output is the mean of the outputs of several, frozen."""
    first, count = several[0], len(several)
    joined = Projection(first.weight.shape[1], first.dim, sum(p.hidden for p in several))
    parts = [p.state_dict() for p in several]
    state = {"weight": _mean([part["weight"] for part in parts])}
    if first.hidden:
        state["up.weight"], state["up.bias"] = (
            torch.cat([part[name] for part in parts]) for name in ("up.weight", "up.bias")
        )
        state["down.weight"] = torch.cat([part["down.weight"] for part in parts], 1) / count
    joined.load_state_dict(state)
    return joined.eval().requires_grad_(False)
