"""Reading the tab-separated data files of this package."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files


def read_table(name: str, columns: int) -> Iterator[list[str]]:
    """Rows of ``data/<name>``, each padded with empty cells to ``columns``.

    Lines that start with ``#`` and empty lines are skipped.

    Raises:
        ValueError: If a row has more cells than ``columns``.
    """
    text = files(__package__).joinpath("data", name).read_text(encoding="utf-8")
    for number, line in enumerate(text.splitlines(), start=1):
        if not line or line.startswith("#"):
            continue
        cells = line.split("\t")
        if len(cells) > columns:
            raise ValueError(f"{name}, line {number}: {len(cells)} cells, expected {columns}")
        yield cells + [""] * (columns - len(cells))
