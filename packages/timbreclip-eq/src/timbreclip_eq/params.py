"""What an EQ can turn: ranges with units, mapped from and to 0..1."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

SCALES = ("linear", "log")


@dataclass(frozen=True)
class Param:
    """One parameter, or one for each of several bands.

    Args:
        name: Key in the ``values`` of an EQ.
        low: Lower end of the range.
        high: Upper end.
        unit: For people, such as ``"dB"``.
        scale: ``"log"`` spreads the search evenly over ratios; the range must be positive.
        bands: None for one number, n for n of them.
        neutral: Where the search starts; by default 0 if the range holds it, else the middle of
            the scale. One number, or one a band.

    >>> Param("slope", -6.0, 6.0, unit="dB/octave").neutral_values()
    (0.0,)
    """

    name: str
    low: float
    high: float
    unit: str = ""
    scale: str = "linear"
    bands: int | None = None
    neutral: float | tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"{self.name}: the range {self.low} to {self.high} is empty.")
        if self.scale not in SCALES or (self.scale == "log" and self.low <= 0):
            raise ValueError(f"{self.name}: the scale {self.scale!r} does not fit the range.")
        if len(self.neutral_values()) != self.size:
            raise ValueError(f"{self.name}: as many neutral values as bands are needed.")
        if not all(self.low <= v <= self.high for v in self.neutral_values()):
            raise ValueError(f"{self.name}: a neutral value lies outside the range.")

    @property
    def size(self) -> int:
        """How many numbers it is."""
        return 1 if self.bands is None else self.bands

    def neutral_values(self) -> tuple[float, ...]:
        """Where the search starts, one value a band."""
        if isinstance(self.neutral, tuple):
            return self.neutral
        if self.neutral is not None:
            return (float(self.neutral),) * self.size
        if self.low <= 0 <= self.high:
            return (0.0,) * self.size
        middle = math.sqrt(self.low * self.high) if self.scale == "log" else None
        return (middle or (self.low + self.high) / 2,) * self.size

    def to_value(self, unit: Tensor) -> Tensor:
        """0..1 to the range, any shape."""
        if self.scale == "log":
            return self.low * (self.high / self.low) ** unit
        return self.low + (self.high - self.low) * unit

    def to_unit(self, value: Any) -> Any:
        """The range to 0..1: a tensor of any shape, or a number."""
        if self.scale == "log":
            ratio = math.log(self.high / self.low)
            logarithm = math.log(value) if isinstance(value, float | int) else value.log()
            return (logarithm - math.log(self.low)) / ratio
        return (value - self.low) / (self.high - self.low)
