"""Options of our own EQs; apart from them, so that listing needs no torch."""

from __future__ import annotations

from dataclasses import dataclass

from timbreclip_core.errors import UsageError

GRAPHIC_BANDS = (10, 15, 31)
PHASES = ("minimum", "linear")


@dataclass(frozen=True, kw_only=True)
class GraphicOptions:
    """Of ``graphic``.

    Args:
        bands: 10 (octaves), 15 (two thirds of an octave) or 31 (thirds).
        max_gain_db: Range of a fader, both ways, dB.
    """

    bands: int = 10
    max_gain_db: float = 12.0

    def __post_init__(self) -> None:
        if self.bands not in GRAPHIC_BANDS:
            known = ", ".join(map(str, GRAPHIC_BANDS))
            raise UsageError(f"A graphic EQ has {known} bands, not {self.bands}.")
        check_gain(self.max_gain_db)


@dataclass(frozen=True, kw_only=True)
class ParametricOptions:
    """Of ``parametric``.

    Args:
        peaks: Peaking bands between the two shelves.
        max_gain_db: Range of a band's gain, both ways, dB.
    """

    peaks: int = 4
    max_gain_db: float = 12.0

    def __post_init__(self) -> None:
        if not 0 <= self.peaks <= 20:
            raise UsageError(f"peaks must be from 0 to 20, not {self.peaks}.")
        check_gain(self.max_gain_db)


@dataclass(frozen=True, kw_only=True)
class CurveOptions:
    """Of ``curve``.

    Args:
        points: That pull the curve, equally far apart from 30 Hz to 16 kHz.
        max_gain_db: Range of a point, both ways, dB.
        phase: ``minimum`` or ``linear``, of the filter.
    """

    points: int = 16
    max_gain_db: float = 12.0
    phase: str = "minimum"

    def __post_init__(self) -> None:
        if not 2 <= self.points <= 64:
            raise UsageError(f"points must be from 2 to 64, not {self.points}.")
        if self.phase not in PHASES:
            raise UsageError(f"phase must be {' or '.join(PHASES)}, not {self.phase!r}.")
        check_gain(self.max_gain_db)


def check_gain(max_gain_db: float) -> None:
    """Raise ``UsageError`` unless it is a range that an equaliser can have."""
    if not 0 < max_gain_db <= 24:
        raise UsageError(f"max_gain_db must be above 0 and at most 24, not {max_gain_db}.")
