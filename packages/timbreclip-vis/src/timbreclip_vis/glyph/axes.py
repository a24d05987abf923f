"""The axes of words behind what a glyph looks like."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, kw_only=True)
class Axis:
    """Two groups of words and what lies between them in the picture.

    Args:
        name: A field of ``Look``.
        more: Words whose nearness makes the number larger.
        less: Words whose nearness makes it smaller.
        drawn: What the number turns.
        sources: Studies of such correspondences, or "ours" with the reason.
    """

    name: str
    more: tuple[str, ...]
    less: tuple[str, ...]
    drawn: str
    sources: tuple[str, ...]


@cache
def axes() -> tuple[Axis, ...]:
    """All axes, in the order of ``Look``'s fields."""
    table = tomllib.loads(
        files(__package__).joinpath("../data/glyph_axes.toml").read_text(encoding="utf-8")
    )
    return tuple(
        Axis(
            name=name,
            more=tuple(row["more"]),
            less=tuple(row["less"]),
            drawn=row["drawn"],
            sources=tuple(row["sources"]),
        )
        for name, row in table.items()
    )


def axis_words() -> tuple[str, ...]:
    """Every word of every axis, once: the keywords that glyphs are mixed from by default."""
    return tuple(dict.fromkeys(word for axis in axes() for word in (*axis.more, *axis.less)))
