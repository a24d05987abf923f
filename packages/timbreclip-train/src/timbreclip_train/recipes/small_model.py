"""The bundled model's folder: network, words, reference sounds, card."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from timbreclip_core.checkpoints import open_checkpoint
from timbreclip_core.encoders.base import TEXT, unit
from timbreclip_core.encoders.small import WEIGHTS as AUDIO
from timbreclip_core.encoders.small import SmallEncoder, relative_db
from timbreclip_core.errors import CheckpointError
from timbreclip_core.model import REFERENCE
from timbreclip_core.spaces.small import (
    PROJECTION,
    SENTENCES,
    TOKENIZER,
    VOCABULARY,
    WORD_VECTORS,
)
from timbreclip_core.text_encoder import quantise

from ..card import model_card
from ..config import TrainConfig
from ..minilm import load_minilm, minilm_folder
from ..spectra import Spectra
from .base import ModelParts, installed, spread, training_record
from .small_networks import SmallNetworks

LARGEST_HALF = 65_504.0


def model_parts(
    config: TrainConfig,
    networks: SmallNetworks,
    sounds: Spectra,
    steps: int,
    figures: dict[str, float],
) -> ModelParts:
    """What the model folder consists of.

    Args:
        config: All settings.
        networks: Frozen.
        sounds: That were learnt from, for the reference sounds and the card.
        steps: Trained.
        figures: Of the last validation.
    """
    projection = networks.projection.state_dict()
    reference = reference_vectors(networks.encoder, sounds)
    return ModelParts(
        config=model_config(config, networks, steps, figures),
        tensors={
            AUDIO: packed(networks.encoder.state_dict()),
            SENTENCES: quantise(load_minilm().state_dict()),
            PROJECTION: {name: value.half() for name, value in projection.items()},
            REFERENCE: {TEXT: reference.half()},
        },
        card=model_card(networks, steps, figures, sounds.notes),
        files={TOKENIZER: minilm_folder() / TOKENIZER, **_word_vectors(config)},
    )


def _word_vectors(config: TrainConfig) -> dict[str, Path]:
    """Files of the word vectors, where the model has some."""
    if not config.texts.word_vectors:
        return {}
    bundled = open_checkpoint(installed(SmallEncoder.name))
    return {name: bundled.file(name) for name in (VOCABULARY, WORD_VECTORS)}


def packed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Matrices and filters in float16, the rest (norms, counters) as it is.

    Raises:
        CheckpointError: A weight that float16 cannot hold.
    """
    for name, value in state.items():
        if value.is_floating_point() and not bool((value.abs() < LARGEST_HALF).all()):
            raise CheckpointError(f"The weight {name} is not finite or too large for float16.")
    return {k: v.half() if v.ndim > 1 else v for k, v in state.items()}


def model_config(
    config: TrainConfig, networks: SmallNetworks, steps: int, figures: dict[str, float]
) -> dict[str, Any]:
    """What ``config.json`` of the model says beside its files."""
    encoder, has_words = networks.encoder, config.texts.word_vectors
    training = training_record(config, steps, figures)
    if len(networks.trainings) > 1:
        training["seeds"] = [each.run.seed for each in networks.trainings]
    if len({each.augment for each in networks.trainings}) > 1:
        training["augment_of_each"] = [asdict(each.augment) for each in networks.trainings]
    if networks.with_start:
        training["with_start"] = True
    if networks.origin:
        training["start"] = {key: networks.origin[key] for key in ("model", "training")}
    return {
        "name": "small",
        "licence": "Apache-2.0",
        "encoder": {
            "name": "small",
            "file": AUDIO,
            "spaces": encoder.spaces,
            "shape": asdict(encoder.shape),
            "temperature": networks.temperature.value(),
        },
        "space": {
            "name": "small",
            "file": SENTENCES,
            "projection": PROJECTION,
            "tokenizer": TOKENIZER,
            "space_id": encoder.spaces[TEXT],
            "dim": config.network.dim,
            "hidden": networks.projection.hidden,
            "shape": asdict(load_minilm().shape),
            "near_singular": True,
            **({"words": WORD_VECTORS, "vocabulary": VOCABULARY} if has_words else {}),
        },
        "training": training,
    }


def reference_vectors(encoder: SmallEncoder, sounds: Spectra) -> Tensor:
    """``"text"`` vectors of varied training sounds, ``(sounds, dim)``: at most one note a patch."""
    chosen = np.array(spread(sounds.notes))
    with torch.no_grad():
        hidden = encoder.hidden(relative_db(sounds.mel_power(chosen)))
        return unit(encoder.to_text(hidden))
