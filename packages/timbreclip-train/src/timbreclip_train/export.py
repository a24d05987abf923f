"""From a training to a model folder that core loads."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from timbreclip_core import lexicon
from timbreclip_core.checkpoints import Checkpoint, write_checkpoint
from timbreclip_core.encoders.base import TEXT, unit
from timbreclip_core.encoders.small import WEIGHTS as AUDIO
from timbreclip_core.encoders.small import SmallEncoder, relative_db
from timbreclip_core.errors import CheckpointError
from timbreclip_core.files import atomic_path
from timbreclip_core.model import REFERENCE
from timbreclip_core.spaces.small import PREFIX, TOKENIZER
from timbreclip_core.spaces.small import WEIGHTS as WORDS
from timbreclip_core.text_encoder import quantise

from .card import model_card
from .datasets.base import NoteDataset
from .loop import LOG, load_run, open_split
from .minilm import load_minilm, minilm_folder
from .spectra import Spectra
from .state import TrainState

CARD = "README.md"
REFERENCE_SOUNDS = 512
LARGEST_HALF = 65_504.0


def export(run: Path, folder: Path, dataset: NoteDataset, cache: Path) -> Checkpoint:
    """Write the model folder of a training, with the running mean of the weights.

    Args:
        run: Folder of the training.
        folder: Where to; an existing model folder is replaced.
        dataset: That it learnt from, for the reference sounds and the card.
        cache: Root of the spectrograms.
    """
    state = load_run(run)
    config = state.config
    sounds = open_split(dataset, "train", cache, config.sounds.limit)
    encoder, projection = state.averaged()
    words = {**quantise(load_minilm().state_dict())}
    words |= {f"{PREFIX}{name}": v.half() for name, v in projection.state_dict().items()}
    tensors = {
        AUDIO: packed(encoder.state_dict()),
        WORDS: words,
        REFERENCE: {TEXT: reference_vectors(encoder, sounds).half()},
    }
    figures = last_figures(run)
    with atomic_path(run / CARD) as temporary:
        temporary.write_text(model_card(config, state.step, figures, sounds.notes), "utf-8")
    files = {TOKENIZER: minilm_folder() / TOKENIZER, CARD: run / CARD}
    return write_checkpoint(folder, model_config(state, figures), tensors, files)


def packed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Matrices and filters in float16, the rest (norms, counters) as it is.

    Raises:
        CheckpointError: A weight that float16 cannot hold.
    """
    for name, value in state.items():
        if value.is_floating_point() and not bool((value.abs() < LARGEST_HALF).all()):
            raise CheckpointError(f"The weight {name} is not finite or too large for float16.")
    return {k: v.half() if v.ndim > 1 else v for k, v in state.items()}


def model_config(state: TrainState, figures: dict[str, float]) -> dict[str, Any]:
    """What ``config.json`` of the model says beside its files."""
    encoder, config = state.encoder, state.config
    shape = dataclasses.asdict(encoder.shape)
    temperature = round(1 / float(state.temperature.factor().detach()), 6)
    return {
        "name": "small",
        "licence": "Apache-2.0",
        "encoder": {
            "name": "small",
            "file": AUDIO,
            "spaces": encoder.spaces,
            "shape": shape,
            "temperature": temperature,
        },
        "space": {
            "name": "small",
            "file": WORDS,
            "tokenizer": TOKENIZER,
            "space_id": encoder.spaces[TEXT],
            "dim": config.network.dim,
            "hidden": config.network.text_hidden,
            "shape": dataclasses.asdict(load_minilm().shape),
        },
        "training": {
            "settings": dataclasses.asdict(config),
            "steps": state.step,
            "lexicon": lexicon.freeze_id(),
            "validation": figures,
        },
    }


def reference_vectors(encoder: SmallEncoder, sounds: Spectra) -> Tensor:
    """``"text"`` vectors of varied training sounds, ``(sounds, dim)``: at most one note a patch."""
    rows: dict[str, list[int]] = {}
    for row, note in enumerate(sounds.notes):
        rows.setdefault(note.patch, []).append(row)
    patches = list(rows.values())
    wanted = np.linspace(0, len(patches) - 1, min(REFERENCE_SOUNDS, len(patches))).astype(int)
    chosen = np.array([patches[p][i % len(patches[p])] for i, p in enumerate(wanted)])
    with torch.no_grad():
        hidden = encoder.hidden(relative_db(sounds.mel_power(chosen)))
        return unit(encoder.to_text(hidden))


def last_figures(run: Path) -> dict[str, float]:
    """Figures of the last validation in a run's log."""
    lines = (run / LOG).read_text("utf-8").splitlines() if (run / LOG).is_file() else []
    records = [json.loads(line) for line in lines]
    other = ("step", "loss", "gradient", "factor", "notes_per_s")
    for record in reversed(records):
        if found := {k: v for k, v in record.items() if k not in other}:
            return found
    return {}
