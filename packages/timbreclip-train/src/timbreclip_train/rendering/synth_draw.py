"""Random draws with the distributions that synthesiser parameters need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from .synth_patch import Modulation

T = TypeVar("T")


class Draw:
    """Draws plain Python numbers from one generator.

    Args:
        rng: Where randomness comes from; its state moves with every draw.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def uniform(self, low: float, high: float) -> float:
        """Evenly between two bounds."""
        return float(self._rng.uniform(low, high))

    def log_uniform(self, low: float, high: float) -> float:
        """Evenly in the logarithm: for times and frequencies."""
        return float(np.exp(self._rng.uniform(np.log(low), np.log(high))))

    def normal(self, mean: float, deviation: float, low: float, high: float) -> float:
        """Gaussian, clipped to bounds."""
        return float(np.clip(self._rng.normal(mean, deviation), low, high))

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return bool(self._rng.random() < probability)

    def choice(self, options: Sequence[T], weights: Sequence[float] | None = None) -> T:
        """One of the options, evenly or by weight."""
        share = None if weights is None else np.asarray(weights) / np.sum(weights)
        return options[int(self._rng.choice(len(options), p=share))]

    def vibrato(self, probability: float, deepest_cents: float = 70.0) -> Modulation:
        """Vibrato and, a third as often, tremolo; neither where the chance fails."""
        cents = self.log_uniform(4.0, deepest_cents) if self.chance(probability) else 0.0
        tremolo = self.uniform(1.5, 14.0) if self.chance(probability / 3) else 0.0
        return Modulation(
            vibrato_cents=cents,
            vibrato_hz=self.normal(5.5, 0.9, 3.5, 8.0),
            vibrato_delay_s=self.choice((0.0, 0.0, 0.3, 0.7)),
            tremolo_db=tremolo,
            tremolo_hz=self.log_uniform(3.0, 9.0),
        )
