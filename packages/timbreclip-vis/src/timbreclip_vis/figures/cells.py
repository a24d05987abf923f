"""The pictures that a figure is made of, each a file of its own, so that a figure resumes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from timbreclip_core.errors import InputError, UsageError

from ..job import Subject, draw_subject

if TYPE_CHECKING:
    from ..painter import Painter

FIGURE_SUFFIXES = (".png", ".pdf", ".svg")


def cell_folder(out: Path) -> Path:
    """Where the pictures of the figure ``out`` are kept.

    >>> cell_folder(Path("effects.png")).name
    'effects.cells'
    """
    return out.with_suffix(".cells")


def check_figure_path(out: Path, suffixes: Sequence[str] = FIGURE_SUFFIXES) -> None:
    """Find out before the work, not after it, that a figure cannot be written.

    Raises:
        UsageError: A suffix that no figure has.
        InputError: No such folder.
    """
    if out.suffix.lower() not in suffixes:
        raise UsageError(f"{out} must end in {' or '.join(suffixes)}.")
    if not out.parent.is_dir():
        raise InputError(f"The folder {str(out.parent)!r} does not exist. Make it first.")


def draw_cells(
    painter: Painter, subjects: Iterable[tuple[str, Subject]], folder: Path, *, seed: int = 0
) -> Iterator[dict[str, Any]]:
    """Write the picture of each subject; those that are there already are kept.

    Args:
        painter: Draws.
        subjects: With the name of each; names keep their letters and digits, and a number in
            front tells those of one name apart.
        folder: Where the pictures go; made if it is not there.
        seed: The same for all of them.

    Yields:
        As ``draw_subject``, with ``name``.
    """
    folder.mkdir(exist_ok=True)
    for number, (name, subject) in enumerate(subjects):
        plain = re.sub(r"[^\w.-]+", "-", name).strip("-")
        path = folder / f"{number:03d}-{plain}.png"
        yield {"name": name, **draw_subject(painter, subject, path, seed=seed)}
