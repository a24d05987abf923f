"""Laying pictures and their captions out on a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from timbreclip_core.files import atomic_path

from ..record import caption

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CELL_IN = 2.2
LINE_IN = 0.16
DPI = 150
SMALL = 7  # points


def new_page(rows: int, columns: int, *, lines: int = 3) -> tuple[Figure, Any]:
    """A figure of square cells with room for captions, and its axes ``(rows, columns)``.

    Args:
        rows: Of cells.
        columns: Of cells.
        lines: Of a caption.
    """
    from matplotlib.figure import Figure

    figure = Figure(
        figsize=(CELL_IN * columns + 0.3, (CELL_IN + LINE_IN * (lines + 1)) * rows + 0.4),
        layout="constrained",
    )
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        clear(axis)
    return figure, axes


def clear(axis: Axes) -> None:
    """No ticks and no frame."""
    axis.set(xticks=[], yticks=[])
    for side in axis.spines.values():
        side.set_visible(False)


def put_picture(axis: Axes, path: str | Path) -> None:
    """A picture into a cell."""
    from PIL import Image

    with Image.open(path) as image:
        axis.imshow(image.convert("RGB"), interpolation="lanczos")


def put_caption(axis: Axes, record: dict[str, Any], count: int = 3) -> None:
    """The heaviest keywords below a cell, one a line."""
    axis.set_xlabel(caption(record, count).replace(", ", "\n"), fontsize=SMALL)


def label(text: str, width: int = 28) -> str:
    """A name short enough for a cell."""
    return shorten(text, width, placeholder="...") if " " in text else text[:width]


def save_figure(path: Path, figure: Figure) -> None:
    """Write a figure, in the format of the suffix."""
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=DPI)


def subtitle(record: dict[str, Any]) -> str:
    """What all pictures of a figure share, in a line."""
    parts = [record["model"], record["backend"], f'"{record["template"]}"']
    parts += [f"{len(record['keywords'])} keywords", record["weighting"], f"seed {record['seed']}"]
    return " · ".join(parts)


def save_sheet(path: Path, records: Sequence[dict[str, Any]], columns: int) -> None:
    """Pictures in rows, each with its name and heaviest keywords (after the paper's figure 4)."""
    rows = -(-len(records) // columns)
    columns = -(-len(records) // rows)  # the last row is nearly as long as the others
    figure, axes = new_page(rows, columns)
    for axis, record in zip(axes.flat, records, strict=False):
        put_picture(axis, record["picture"])
        put_caption(axis, record)
        axis.set_title(label(record["name"]), fontsize=9)
    figure.suptitle(subtitle(records[0]), fontsize=SMALL, color="0.4")
    save_figure(path, figure)
