"""Core's audio effects, each with its words at its level."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from torch import Tensor

from timbreclip_core.effects import load_effect
from timbreclip_core.effects.base import Effect
from timbreclip_core.errors import UnknownNameError
from timbreclip_core.plugins import EffectEntry, plugin_manager

from .base import Augmentation, NoteFacts, TextChange, check_range
from .opposites import merged, opposed_to


@dataclass(frozen=True)
class Applied:
    """An effect, by name, and its level from 0 to 1."""

    effect: str
    level: float


@dataclass(frozen=True, kw_only=True)
class RandomEffect(Augmentation):
    """One effect of the hook ``tclip_effects``, at a uniform level.

    Args:
        effects: Names to draw from; empty for all that are installed.
        low: Lowest level.
        high: Highest level, at most 1.

    Raises:
        UnknownNameError: No plugin has an effect of that name.
        UsageError: Levels that are no range from 0 to 1.
    """

    name = "effects"

    effects: tuple[str, ...] = ()
    low: float = 0.1
    high: float = 1.0

    def __post_init__(self) -> None:
        check_range("The level", max(self.low, 0.0), min(self.high, 1.0))
        known = _installed()
        for name in self.effects:
            if name not in known:
                raise UnknownNameError("effect", name, known)

    def draw(self, rng: np.random.Generator, facts: NoteFacts) -> Applied:
        names = self.effects or _installed()
        level = rng.uniform(max(self.low, 0.0), min(self.high, 1.0))
        return Applied(names[int(rng.integers(len(names)))], float(level))

    def apply(self, audio: Tensor, params: Applied, sample_rate: int) -> Tensor:
        return _loaded(params.effect).apply(audio, sample_rate, params.level)

    def claims(self, params: Applied) -> TextChange:
        words = _loaded(params.effect).words
        add = words.at(params.level)
        if not add:
            return TextChange()
        return TextChange(add, merged(words.no_longer(params.level), opposed_to(words.more)))


def _installed() -> tuple[str, ...]:
    return tuple(found.entry.name for found in plugin_manager().entries(EffectEntry))


@lru_cache(maxsize=64)
def _loaded(name: str) -> Effect:
    return load_effect(name)
