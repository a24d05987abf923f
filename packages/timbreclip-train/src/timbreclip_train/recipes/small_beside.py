"""Finished models whose vectors stand beside those of a training."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from timbreclip_core.checkpoints import Checkpoint
from timbreclip_core.encoders.small import SmallEncoder, open_networks
from timbreclip_core.errors import CheckpointError, UsageError
from timbreclip_core.spaces.small import Projection, open_projections

from ..card import CARD

if TYPE_CHECKING:
    from .small_networks import SmallNetworks


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """A finished model whose networks speak beside those of a training.

    Args:
        origin: As ``SmallNetworks.origin``.
        encoders: Its networks, frozen.
        projections: The layers after the sentence encoder of each.
        temperature: That its cosines are divided by.
    """

    origin: dict[str, Any]
    encoders: tuple[SmallEncoder, ...]
    projections: tuple[Projection, ...]
    temperature: float


def origin_of(model: Checkpoint) -> dict[str, Any]:
    """What a card and a record tell of another model: ``model``, ``training`` and ``card``."""
    return {
        "model": model.id,
        "training": model.config["training"],
        "card": (model.root / CARD).read_text("utf-8"),
    }


def open_neighbour(model: Checkpoint) -> Neighbour:
    """A model folder of the same kind.

    Raises:
        UsageError: It is another kind of model.
    """
    try:
        encoders, projections = open_networks(model), open_projections(model)
        temperature = float(model.config["encoder"]["temperature"])
        origin = origin_of(model)
    except (CheckpointError, LookupError, TypeError, OSError) as error:
        raise UsageError(f"{model.root} cannot stand beside this training: {error}") from error
    for module in (*encoders, *projections):
        module.eval().requires_grad_(False)
    return Neighbour(
        origin=origin,
        encoders=tuple(encoders),
        projections=tuple(projections),
        temperature=temperature,
    )


def beside(networks: SmallNetworks, models: Sequence[Neighbour]) -> SmallNetworks:
    """Frozen networks with finished models whose vectors stand beside theirs.

    Raises:
        UsageError: A model has another front end, or layers for other vectors of texts.
    """
    new = copy.copy(networks)
    for model in models:
        bands = {each.bands for each in model.encoders} - {networks.encoder.bands}
        widths = {p.weight.shape[1] for p in model.projections} - {networks.text_width}
        if bands or widths:
            raise UsageError(
                f"{model.origin['model']} cannot stand beside this training: it has other mel "
                "bands, or other vectors of texts (texts.word_vectors)."
            )
        new.beside += (model,)
    return new
