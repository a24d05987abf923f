"""Singular against plural of every tag and category."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from timbreclip_core.model import Model

from ..text import concept, concept_names, plural, singular

KINDS = ("category", "tag")


@dataclass(frozen=True)
class NumberPair:
    """One word in both numbers, and the cosine of the two texts."""

    singular: str
    plural: str
    cosine: float


def compare_numbers(model: Model) -> list[NumberPair]:
    """Every tag and category that is a noun with two numbers, the least alike first."""
    known = dict.fromkeys(name for kind in KINDS for name in concept_names(kind))
    names = [name for name in known if concept(name).said[0].form == "noun"]
    pairs = dict.fromkeys((singular(name), plural(singular(name))) for name in names)
    kept = [pair for pair in pairs if pair[0] != pair[1]]
    vectors = model.embed_text([text for pair in kept for text in pair]).plain().numpy()
    cosines = (vectors[::2] * vectors[1::2]).sum(1).tolist()
    found = [NumberPair(*pair, cosine) for pair, cosine in zip(kept, cosines, strict=True)]
    return sorted(found, key=lambda pair: pair.cosine)


def record_of(pairs: list[NumberPair]) -> dict[str, Any]:
    """Worst and mean cosine, and all pairs."""
    cosines = [pair.cosine for pair in pairs]
    listed = [vars(pair) for pair in pairs]
    return {"worst": min(cosines), "mean": float(np.mean(cosines)), "pairs": listed}
