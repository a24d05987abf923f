"""What decides how a sound becomes weights of prompts."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from timbreclip_core.errors import UnknownNameError, UsageError
from timbreclip_core.templates import template_names

from .wordsets import SLOT, fill_template


@dataclass(frozen=True, kw_only=True)
class Scheme:
    """Keywords, and how they mix.

    Args:
        keywords: Words, none twice.
        template: The prompt of a keyword, with ``{keyword}`` where it goes.
        weighting: ``softmax``, ``similarity`` or ``raw``, as ``keywords.weigh``.
        temperature: Of the softmax, > 0.
        top_k: Only the closest so many keywords take part; None for all.
        mixing: ``linear`` or ``slerp``, as ``mixing.mix``.
        sentences: The set of core's sentences that the keywords stand in when they are compared
            with a sound; ``none`` for the keywords as they are, as in the paper.

    Raises:
        UsageError: One of them cannot be used.
    """

    keywords: tuple[str, ...]
    template: str
    weighting: str = "softmax"
    temperature: float = 0.05
    top_k: int | None = None
    mixing: str = "linear"
    sentences: str = "sound"

    def __post_init__(self) -> None:
        from .keywords import check_keywords, check_weighting
        from .mixing import MIXINGS

        check_keywords(self.keywords)
        check_weighting(self.weighting, self.temperature, self.top_k)
        if SLOT not in self.template:
            raise UsageError(f"The template {self.template!r} needs {SLOT} in it.")
        if self.mixing not in MIXINGS:
            known = ", ".join(MIXINGS)
            raise UsageError(f"mixing must be one of {known}, not {self.mixing!r}.")
        if self.mixing == "slerp" and self.weighting == "raw":
            raise UsageError("slerp needs weights of 0 or more: use softmax or similarity.")
        if self.sentences not in template_names():
            raise UnknownNameError("set of sentences", self.sentences, template_names())

    def prompts(self) -> list[str]:
        """One a keyword."""
        return [fill_template(self.template, word) for word in self.keywords]

    def weighing(self) -> dict[str, Any]:
        """What ``keywords.keyword_weights`` takes."""
        names = ("weighting", "temperature", "top_k", "sentences")
        return {name: getattr(self, name) for name in names}

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**dataclasses.asdict(self), "keywords": list(self.keywords)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Scheme:
        """What ``as_dict`` gave."""
        return cls(**{**values, "keywords": tuple(values["keywords"])})
