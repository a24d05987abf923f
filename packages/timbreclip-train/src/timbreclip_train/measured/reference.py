"""What is usual for each descriptor at each pitch, so that "bright" can mean bright for its pitch.

At each pitch of a grid three quantiles (16, 50 and 84 %) are taken over the notes around it. They
follow the pitch only as far as ``by_pitch`` says, and are those of all notes for the rest: see
``attributes.toml`` for each descriptor's share and the reason. A deviation of 1 is then the upper
quantile and of -1 the lower one: a standard deviation where values are normal, and as rare on both
sides where they are not. Sounds without a pitch are compared with sounds without a pitch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timbreclip_core.errors import InputError
from timbreclip_core.files import atomic_path

from .attributes import Attribute, Condition, attributes, by_pitch
from .table import DescriptorTable

REFERENCE = "reference.json"
FORMAT, FORMAT_VERSION = "timbreclip-reference", 1
GRID = tuple(range(24, 109, 6))
REACH_SEMITONES = 9.0
PRIOR_NOTES = 30.0
"""Weight of all notes together beside those around a pitch, in notes."""
FEWEST_UNPITCHED = 30
QUANTILES = (0.1587, 0.5, 0.8413)
SMALLEST_SPREAD = 0.05
"""Of the spread over all notes: a constant descriptor makes no outliers."""
SHOWN_PITCHES = {"C2": 36.0, "C3": 48.0, "C4": 60.0, "C5": 72.0, "C6": 84.0, "unpitched": np.nan}

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Usual:
    """What is usual for one descriptor.

    Args:
        by_pitch: How much it follows the pitch, 0 to 1.
        pitched: The three quantiles at the pitches of the grid, ``(3, grid)``.
        unpitched: The three quantiles of sounds without a pitch.
    """

    by_pitch: float
    pitched: tuple[tuple[float, ...], ...]
    unpitched: tuple[float, ...]

    def at(self, pitches: Floats) -> Floats:
        """The three quantiles at MIDI pitches ``(notes,)``, NaN for none: ``(3, notes)``."""
        apart = np.isnan(pitches)
        places = np.where(apart, GRID[0], pitches)
        tracked = np.stack([np.interp(places, GRID, row) for row in self.pitched])
        return np.where(apart, np.array(self.unpitched)[:, None], tracked)


@dataclass(frozen=True)
class Reference:
    """What is usual in a corpus.

    Args:
        usual: By descriptor.
        notes: How many it was fitted to.
        corpus: What they were.
    """

    usual: dict[str, Usual]
    notes: int
    corpus: str = ""

    @staticmethod
    def fit(table: DescriptorTable, pitches: NDArray[Any], corpus: str = "") -> Reference:
        """Fit to notes: give those of the training split only.

        Args:
            table: ``(notes, descriptors)``.
            pitches: MIDI pitches ``(notes,)``, NaN for unpitched sounds.
            corpus: What they are, to be recorded.

        Raises:
            InputError: There are no notes.
        """
        if len(table) == 0:
            raise InputError("What is usual cannot be said of no notes: none is for training.")
        given = np.asarray(pitches, np.float64)
        shares = by_pitch()
        usual = {
            name: _fit_one(table.column(name).astype(np.float64), given, shares.get(name, 0.0))
            for name in table.names
        }
        return Reference(usual, len(table), corpus)

    def deviations(self, name: str, values: NDArray[Any], pitches: NDArray[Any]) -> Floats:
        """How far values of a descriptor are from usual; 1 is the upper quantile, ``(notes,)``."""
        low, centre, high = self.usual[name].at(np.asarray(pitches, np.float64))
        away = np.asarray(values, np.float64) - centre
        return np.where(away >= 0, away / (high - centre), away / (centre - low))

    def value_at(self, name: str, deviation: float, pitch: float) -> float:
        """The value of a descriptor that is so far from usual at a pitch (NaN for none)."""
        low, centre, high = self.usual[name].at(np.array([pitch]))[:, 0]
        return float(centre + deviation * (high - centre if deviation >= 0 else centre - low))

    def save(self, path: Path) -> None:
        """Write it as JSON, with the threshold of every attribute in the descriptors' units."""
        content = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "corpus": self.corpus,
            "notes": self.notes,
            "pitches": list(GRID),
            "quantiles": list(QUANTILES),
            "usual": {name: asdict(usual) for name, usual in self.usual.items()},
            "thresholds": {a.name: self.thresholds(a) for a in attributes()},
        }
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(content, indent=1) + "\n", "utf-8")

    @staticmethod
    def load(path: str | Path) -> Reference:
        """Read what ``save`` wrote.

        Raises:
            InputError: Missing, damaged, or of a newer version.
        """
        try:
            content = json.loads(Path(path).read_text("utf-8"))
            version = content["format_version"] if content["format"] == FORMAT else 0
            usual = {name: _read_usual(row) for name, row in content["usual"].items()}
            found = Reference(usual, int(content["notes"]), str(content["corpus"]))
            same = content["pitches"] == list(GRID) and version == FORMAT_VERSION
        except OSError as error:
            raise InputError(f"{path} cannot be read. Run: tclip data describe") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{path} is no reference. Run tclip data describe again.") from error
        if not same:
            raise InputError(f"{path} is of another version. Run tclip data describe again.")
        return found

    def thresholds(self, attribute: Attribute) -> list[dict[str, Any]]:
        """What each condition of an attribute means, in the descriptor's unit at a few pitches."""
        return [self._threshold(condition) for condition in attribute.conditions]

    def _threshold(self, condition: Condition) -> dict[str, Any]:
        side = "above" if condition.rising else "below"
        row = {**asdict(condition), "side": side}
        if not condition.relative:
            return {**row, "at": {"any pitch": condition.edge}}
        places = SHOWN_PITCHES.items()
        name, edge = condition.descriptor, condition.edge
        return {**row, "at": {n: round(self.value_at(name, edge, p), 4) for n, p in places}}


def _fit_one(values: Floats, pitches: Floats, share: float) -> Usual:
    pitched = values[~np.isnan(pitches)]
    keys = pitches[~np.isnan(pitches)]
    unpitched = values[np.isnan(pitches)]
    overall = _quantiles(pitched if len(pitched) else values, None)
    smallest = SMALLEST_SPREAD * max(overall[2] - overall[0], 1e-3) / 2
    curve = np.tile(overall, (len(GRID), 1))
    if len(pitched):
        curve = share * np.stack([_around(pitched, keys, p) for p in GRID]) + (1 - share) * curve
    apart = _quantiles(unpitched, None) if len(unpitched) >= FEWEST_UNPITCHED else overall
    rows = _apart(curve.T, smallest)
    return Usual(
        share,
        tuple(tuple(row) for row in rows.round(6).tolist()),
        tuple(_apart(apart[:, None], smallest)[:, 0].round(6).tolist()),
    )


def _around(values: Floats, keys: Floats, pitch: float) -> Floats:
    near = np.clip(1 - np.abs(keys - pitch) / REACH_SEMITONES, 0, None)
    return _quantiles(values, near + PRIOR_NOTES / len(values))


def _quantiles(values: Floats, weights: Floats | None) -> Floats:
    order = np.argsort(values, kind="stable")
    weight = np.ones(len(values)) if weights is None else weights[order]
    place = (np.cumsum(weight) - weight / 2) / weight.sum()
    return np.interp(QUANTILES, place, values[order])


def _apart(rows: Floats, smallest: float) -> Floats:
    """Quantiles ``(3, n)`` that are at least so far from each other."""
    low, centre, high = rows
    return np.stack(
        [np.minimum(low, centre - smallest), centre, np.maximum(high, centre + smallest)]
    )


def _read_usual(row: Mapping[str, Any]) -> Usual:
    pitched = tuple(tuple(map(float, quantile)) for quantile in row["pitched"])
    unpitched = tuple(map(float, row["unpitched"]))
    if [len(r) for r in pitched] != [len(GRID)] * len(QUANTILES) or len(unpitched) != 3:
        raise ValueError("quantiles are missing")
    return Usual(float(row["by_pitch"]), pitched, unpitched)
