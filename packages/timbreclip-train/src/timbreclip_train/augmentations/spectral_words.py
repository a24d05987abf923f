"""The table of spectral changes (``data/spectral.tsv``): what is changed and how that is said."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from timbreclip_core.lexicon import Direction

from .base import TextChange
from .opposites import merged, opposed_spectrally


@dataclass(frozen=True)
class SpectralChange:
    """A row of the table.

    Args:
        name: Of the region of the spectrum.
        shape: ``low_shelf``, ``peaking``, ``high_shelf`` or ``tilt``.
        frequency_hz: Corner, centre, or pivot of the tilt.
        q: Quality factor; 0 for a tilt.
        directions: What a boost moves.
        tails: What is said of it, when boosted and when cut.
        adjectives: What a large change makes a sound, when boosted and when cut.
    """

    name: str
    shape: str
    frequency_hz: float
    q: float
    directions: tuple[Direction, ...]
    tails: tuple[tuple[str, ...], tuple[str, ...]]
    adjectives: tuple[tuple[str, ...], tuple[str, ...]]

    def claims(self, amount: float, *, slight: float, clear: float) -> TextChange:
        """What a boost (positive) or a cut (negative) of this size does to the words.

        Args:
            amount: dB, or dB per octave.
            slight: From which size it is spoken of.
            clear: From which size the sound gets adjectives.
        """
        if abs(amount) < slight:
            return TextChange()
        way, side = (1, 0) if amount > 0 else (-1, 1)
        adjectives = self.adjectives[side] if abs(amount) >= clear else ()
        moved = tuple(Direction(d.descriptor, way * d.sign) for d in self.directions)
        return TextChange(merged(self.tails[side], adjectives), opposed_spectrally(moved))


@cache
def spectral_changes() -> dict[str, SpectralChange]:
    """Rows of the table by name."""
    text = files(__package__).joinpath("data/spectral.tsv").read_text("utf-8")
    rows = (line.split("\t") for line in text.splitlines() if line and not line.startswith("#"))
    return {row[0]: _parse(row) for row in rows}


def _parse(row: list[str]) -> SpectralChange:
    name, shape, frequency_hz, q, directions, *said = row
    boosted, big_boost, cut, big_cut = (_listed(cell) for cell in said)
    return SpectralChange(
        name=name,
        shape=shape,
        frequency_hz=float(frequency_hz),
        q=float(q),
        directions=tuple(Direction(d[1:], {"+": 1, "-": -1}[d[0]]) for d in directions.split()),
        tails=(boosted, cut),
        adjectives=(big_boost, big_cut),
    )


def _listed(cell: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in cell.split(";") if word.strip())
