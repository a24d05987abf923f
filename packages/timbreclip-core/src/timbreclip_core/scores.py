"""Scores that mean something: cosines set against other words and other sounds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from .embedding import Embedding
from .encoders.base import unit
from .errors import UsageError
from .model import Model
from .templates import fill

TEMPERATURE = 0.07  # of CLIP's and Wav2CLIP's loss at its start; for models that record none


def embed_words(model: Model, words: Sequence[str], templates: Sequence[str]) -> Embedding:
    """One unit vector a word: the mean over the templates (prompt ensemble, Radford et al. 2021).

    Returns:
        ``(words, dim)``.
    """
    sentences = [fill(template, word) for word in words for template in templates]
    vectors = model.embed_text(sentences).plain().reshape(len(words), len(templates), -1)
    return Embedding.of(unit(vectors.mean(1)), model.encoder.spaces["text"])


def score_words(
    model: Model, vector: Embedding, words: Sequence[str], templates: Sequence[str]
) -> list[dict[str, Any]]:
    """How well words fit one sound, best first.

    Args:
        vector: ``(1, dim)``, of kind ``"text"``.

    Returns:
        Per word: ``cosine``; ``share``, the softmax over the given words at the model's
        temperature; ``fits_percent``, the percentage of the model's reference sounds that fit the
        word less well, or None if the model has none.
    """
    words = list(dict.fromkeys(words))
    if not all(word.strip() for word in words):
        raise UsageError("A word must not be empty.")
    texts = embed_words(model, words, templates)
    cosines = model.similarity(vector, texts)[0]
    shares = torch.softmax(cosines / temperature(model), dim=0)
    reference = model.reference
    rows = []
    for i in cosines.argsort(descending=True, stable=True).tolist():
        fits = None
        if reference is not None:
            others = model.similarity(reference, texts[i : i + 1])[:, 0]
            fits = 100 * float((others < cosines[i]).float().mean())
        row = {"word": words[i], "cosine": float(cosines[i]), "share": float(shares[i])}
        rows.append({**row, "fits_percent": fits})
    return rows


def temperature(model: Model) -> float:
    """The softmax temperature that the model was trained to, if it records one."""
    options = model.checkpoint.config["encoder"] if model.checkpoint else {}
    return float(options.get("temperature", TEMPERATURE))
