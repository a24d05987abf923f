"""How close a sound is to each of some keywords: the weights that mix pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from timbreclip_core.errors import UsageError
from timbreclip_core.scores import embed_words
from timbreclip_core.templates import templates

if TYPE_CHECKING:
    from timbreclip_core import Embedding, Model

WEIGHTINGS = ("softmax", "similarity", "raw")


def keyword_weights(
    model: Model,
    vectors: Embedding,
    keywords: Sequence[str],
    *,
    weighting: str = "softmax",
    temperature: float = 0.05,
    top_k: int | None = None,
    sentences: str = "none",
) -> Tensor:
    """Weights ``(batch, keywords)`` from the closeness of sounds to keywords.

    Args:
        model: Embeds the keywords.
        vectors: ``(batch, dim)``, of kind ``"text"``.
        keywords: Words, none twice.
        weighting: As ``weigh``.
        temperature: As ``weigh``.
        top_k: As ``weigh``.
        sentences: The set of core's sentences that the keywords stand in when they are compared
            with a sound (``timbreclip_core.templates``).

    Raises:
        UsageError: No keywords, one twice, or as ``weigh``.

    Source: Jonason & Sturm, TimbreCLIP, "Timbre to Image Generation".
    """
    check_keywords(keywords)
    check_weighting(weighting, temperature, top_k)
    plain = sentences == "none"
    texts = list(keywords) if plain else embed_words(model, keywords, templates(sentences))
    return weigh(
        model.similarity(vectors, texts),
        weighting=weighting,
        temperature=temperature,
        top_k=top_k,
    )


def weigh(
    closeness: Tensor,
    *,
    weighting: str = "softmax",
    temperature: float = 0.05,
    top_k: int | None = None,
) -> Tensor:
    """Weights ``(batch, keywords)`` from closeness of the same shape.

    Args:
        closeness: Cosines, or for changes of a sound products with the change.
        weighting: ``"softmax"`` over the closeness at ``temperature``; ``"similarity"``: clipped
            at 0, scaled to sum 1; ``"raw"``: the closeness itself, as the paper's formula with
            closeness for distance (as printed it would favour the least similar keyword).
        temperature: Of the softmax, > 0.
        top_k: Only the closest so many keywords of a sound take part; None for all.

    Raises:
        UsageError: An unknown weighting, a temperature of 0 or less, fewer than one keyword, or
            ``"similarity"`` where no keyword is closer than 0.
    """
    check_weighting(weighting, temperature, top_k)
    if top_k is not None and top_k < closeness.shape[-1]:
        kept = torch.zeros_like(closeness, dtype=torch.bool)
        kept.scatter_(-1, closeness.topk(top_k, dim=-1).indices, True)
    else:
        kept = torch.ones_like(closeness, dtype=torch.bool)
    if weighting == "softmax":
        return torch.softmax((closeness / temperature).masked_fill(~kept, -torch.inf), dim=-1)
    held = closeness.masked_fill(~kept, 0)
    if weighting == "raw":
        return held
    clipped = held.clamp(min=0)
    total = clipped.sum(-1, keepdim=True)
    if bool((total == 0).any()):
        raise UsageError("No keyword is close to the sound. Use other keywords or softmax.")
    return clipped / total


def check_keywords(keywords: Sequence[str]) -> None:
    """Raise ``UsageError`` unless there are keywords, none empty and none twice."""
    if not keywords:
        raise UsageError("Keywords must be given: -k WORD, repeated, or --keywords SET.")
    if not all(word.strip() for word in keywords):
        raise UsageError("A keyword must not be empty.")
    seen: set[str] = set()
    for word in keywords:
        key = " ".join(word.lower().split())
        if key in seen:
            raise UsageError(f"The keyword {word!r} is given twice. Leave one out.")
        seen.add(key)


def check_weighting(weighting: str, temperature: float, top_k: int | None) -> None:
    """Raise ``UsageError`` unless weights can be made so."""
    if weighting not in WEIGHTINGS:
        raise UsageError(f"weighting must be one of {', '.join(WEIGHTINGS)}, not {weighting!r}.")
    if not (temperature > 0 and math.isfinite(temperature)):
        raise UsageError(f"temperature must be above 0 and finite, not {temperature}.")
    if top_k is not None and top_k < 1:
        raise UsageError(f"top_k must be 1 or more, not {top_k}.")
