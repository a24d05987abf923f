"""The bundled model's folder: network, words, reference sounds, card."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from timbreclip_core.checkpoints import open_checkpoint
from timbreclip_core.encoders.base import TEXT
from timbreclip_core.encoders.mel import MelEncoder, relative_db
from timbreclip_core.encoders.small import WEIGHTS as AUDIO
from timbreclip_core.encoders.small import SmallEncoder
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
from .small_networks import SmallNetworks, space_ids

LARGEST_HALF = 65_504.0


def model_parts(
    config: TrainConfig,
    networks: SmallNetworks,
    sounds: Spectra,
    steps: int,
    figures: dict[str, float],
    measured: Collection[str] = (),
) -> ModelParts:
    """What the model folder consists of.

    Args:
        config: All settings.
        networks: Frozen.
        sounds: That were learnt from, for the reference sounds and the card.
        steps: Trained.
        figures: Of the last validation.
        measured: Ids of the notes that were measured by ``tclip data describe``.
    """
    encoder, _ = networks.whole()
    tensors = {
        SENTENCES: quantise(load_minilm().state_dict()),
        REFERENCE: {TEXT: reference_vectors(encoder, sounds).half()},
    }
    for n, (network, projection) in enumerate(networks.each(), 1):
        layers = projection.state_dict()
        tensors[numbered(AUDIO, n)] = packed(network.state_dict())
        tensors[numbered(PROJECTION, n)] = {name: value.half() for name, value in layers.items()}
    return ModelParts(
        config=model_config(config, networks, steps, figures),
        tensors=tensors,
        card=model_card(networks, steps, figures, sounds.notes, _per_patch(sounds, measured)),
        files={TOKENIZER: minilm_folder() / TOKENIZER, **_word_vectors(config)},
    )


def numbered(file: str, n: int) -> str:
    """Name of the file of the n-th network, counted from 1.

    >>> numbered("audio.safetensors", 1), numbered("audio.safetensors", 2)
    ('audio.safetensors', 'audio-2.safetensors')
    """
    path = Path(file)
    return file if n == 1 else f"{path.stem}-{n}{path.suffix}"


def _per_patch(sounds: Spectra, measured: Collection[str]) -> int:
    """How many notes of a patch were measured; 0 for all, or if none was."""
    known = Counter(note.patch for note in sounds.notes if note.id in measured)
    return 0 if known.total() in (0, len(sounds.notes)) else max(known.values())


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
    each, has_words = networks.each(), config.texts.word_vectors
    shapes = [asdict(network.shape) for network, _ in each]
    spaces = space_ids(config.network)
    training = training_record(config, steps, figures)
    if len(networks.trainings) > 1:
        training["seeds"] = [each.run.seed for each in networks.trainings]
    if len({each.augment for each in networks.trainings}) > 1:
        training["augment_of_each"] = [asdict(each.augment) for each in networks.trainings]
    if networks.with_start:
        training["with_start"] = True
    if networks.origin:
        training["start"] = _record(networks.origin)
    if networks.beside:
        training["beside"] = [_record(model.origin) for model in networks.beside]
    return {
        "name": "small",
        "licence": "Apache-2.0",
        "encoder": {
            "name": "small",
            "networks": [
                {"file": numbered(AUDIO, n), "shape": shape} for n, shape in enumerate(shapes, 1)
            ],
            "spaces": spaces,
            "temperature": networks.temperature_of_all(),
        },
        "space": {
            "name": "small",
            "file": SENTENCES,
            "projection": [numbered(PROJECTION, n) for n in range(1, len(each) + 1)],
            "tokenizer": TOKENIZER,
            "space_id": spaces[TEXT],
            "dim": sum(shape["dim"] for shape in shapes),
            "shape": asdict(load_minilm().shape),
            "near_singular": True,
            **({"words": WORD_VECTORS, "vocabulary": VOCABULARY} if has_words else {}),
        },
        "training": training,
    }


def _record(origin: dict[str, Any]) -> dict[str, Any]:
    """What is told of another model without its card, which stands in the card of this one."""
    return {key: origin[key] for key in ("model", "training")}


def reference_vectors(encoder: MelEncoder, sounds: Spectra) -> Tensor:
    """``"text"`` vectors of varied training sounds, ``(sounds, dim)``: at most one note a patch."""
    chosen = np.array(spread(sounds.notes))
    with torch.no_grad():
        return encoder.vectors(relative_db(sounds.mel_power(chosen)))[TEXT]
