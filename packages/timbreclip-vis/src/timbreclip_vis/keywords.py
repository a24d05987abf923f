"""How close a sound is to each of some keywords: the weights that mix pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from timbreclip_core.errors import UsageError

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
) -> Tensor:
    """Weights ``(batch, keywords)`` from the closeness of sounds to keywords.

    Args:
        model: Embeds the keywords.
        vectors: ``(batch, dim)``, of kind ``"text"``.
        keywords: Words, none twice.
        weighting: ``"softmax"`` over the cosines at ``temperature``; ``"similarity"``: cosines
            clipped at 0, scaled to sum 1; ``"raw"``: the cosines, as the paper's formula with
            closeness for distance (as printed it would favour the least similar keyword).
        temperature: Of the softmax, > 0.

    Raises:
        UsageError: No keywords, one twice, an unknown weighting, a temperature of 0 or less, or
            ``"similarity"`` where no keyword has a positive cosine.

    Source: Jonason & Sturm, TimbreCLIP, "Timbre to Image Generation".
    """
    if not keywords or len(set(keywords)) < len(keywords):
        raise UsageError("Keywords must be given, and none of them twice.")
    if weighting not in WEIGHTINGS:
        raise UsageError(f"weighting must be one of {', '.join(WEIGHTINGS)}, not {weighting!r}.")
    if not temperature > 0:
        raise UsageError(f"temperature must be above 0, not {temperature}.")
    cosines = model.similarity(vectors, list(keywords))
    if weighting == "raw":
        return cosines
    if weighting == "softmax":
        return torch.softmax(cosines / temperature, dim=-1)
    clipped = cosines.clamp(min=0)
    total = clipped.sum(-1, keepdim=True)
    if bool((total == 0).any()):
        raise UsageError("No keyword is close to the sound. Use other keywords or softmax.")
    return clipped / total
