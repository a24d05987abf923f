"""The rows of the suite's table, and the table; bars are data, ``bars.toml``."""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from ..datasets.base import Note
from .drums import in_kit
from .run import Selection


@dataclass(frozen=True)
class Figure:
    """One measured figure.

    Args:
        value: Shares from 0 to 1.
        low, high: 95 % bootstrap interval; None where there is none.
        random: What chance gives; None where that means nothing.
        note: What to know about it: counts, what is left out.
    """

    value: float
    low: float | None = None
    high: float | None = None
    random: float | None = None
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One row: see ``bars.toml``."""

    task: str
    figure: str
    measure: str
    command: str
    bar: float | None = None
    direction: str = "up"
    unit: str = "number"

    def shown(self, value: float | None) -> str:
        """A value in the row's unit."""
        if value is None:
            return "–"
        percent = {"percent": f"{100 * value:.1f}", "rank": f"{value:.1f}"}
        return percent.get(self.unit, f"{value:.3f}")

    def met(self, value: float) -> bool | None:
        """Whether a value reaches the bar; None without one."""
        if self.bar is None:
            return None
        scaled = 100 * value if self.unit == "percent" else value
        return scaled >= self.bar if self.direction == "up" else scaled <= self.bar


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Notes that a task is about.

    Args:
        sources, collections: As in ``Selection``.
        kits: Only notes of drum kits (True), only others (False), or both.
        category: Only notes that have one.
    """

    sources: tuple[str, ...] = ()
    collections: tuple[str, ...] = ()
    kits: bool | None = None
    category: bool = False

    def fits(self, note: Note) -> bool:
        """Whether a note counts."""
        return (
            Selection(sources=self.sources, collections=self.collections).fits(note)
            and self.kits in (None, in_kit(note))
            and (not self.category or bool(note.text.get("category")))
        )


@functools.cache
def _content() -> dict[str, Any]:
    return tomllib.loads(files(__package__).joinpath("bars.toml").read_text("utf-8"))


@functools.cache
def bars() -> tuple[Bar, ...]:
    """The rows, in the order of the table."""
    return tuple(Bar(**row) for row in _content()["row"])


@functools.cache
def selections() -> dict[str, Chosen]:
    """Selections of notes by name."""
    return {name: _chosen(table) for name, table in _content()["selection"].items()}


def _chosen(table: dict[str, Any]) -> Chosen:
    patterns = {name: tuple(table.get(name, ())) for name in ("sources", "collections")}
    return Chosen(**patterns, kits=table.get("kits"), category=table.get("category", False))


def rows_of(found: dict[str, dict[str, Figure] | str]) -> list[dict[str, Any]]:
    """Every bar with what was found, for JSON.

    Args:
        found: By task its figures, or why there are none.
    """
    rows = []
    for bar in bars():
        result = found.get(bar.task, "it was not asked for")
        figure = result.get(bar.figure) if isinstance(result, dict) else None
        row: dict[str, Any] = {**vars(bar), "value": None, "met": None}
        if figure is not None:
            row |= vars(figure)
            row["met"] = bar.met(figure.value)
        else:
            row["reason"] = result if isinstance(result, str) else "the data do not give it"
        rows.append(row)
    return rows


def markdown(record: dict[str, Any]) -> str:
    """The table of a suite, with what each row says and by which command it is had alone."""
    lines = [
        f"# {record['model']} on {record['dataset']}, split {record['split']}",
        "",
        f"{record['notes']} notes of {record['patches']} patches. {record['lexicon']['note']}",
        "",
        "| Measure | Random | Model | 95 % interval | Bar | Met | Note |",
        "|---|---:|---:|---:|---:|---|---|",
    ]
    for row in record["rows"]:
        bar = Bar(**{name: row[name] for name in Bar.__dataclass_fields__})
        limit = "report" if bar.bar is None else f"{bar.bar:g}"
        cells = [bar.measure, bar.shown(row.get("random")), bar.shown(row["value"])]
        has_interval = row.get("low") is not None
        interval = f"{bar.shown(row['low'])} to {bar.shown(row['high'])}" if has_interval else "–"
        met = {None: "–", True: "yes", False: "no"}[row["met"]]
        note = row.get("note") or (f"absent: {row['reason']}" if "reason" in row else "")
        lines.append("| " + " | ".join([*cells, interval, limit, met, note]) + " |")
    times = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in record["seconds"].items())
    return "\n".join([*lines, "", f"Times: {times}.", ""])
