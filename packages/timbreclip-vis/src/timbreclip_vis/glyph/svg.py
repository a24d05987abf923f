"""A drawing as an SVG document: the same geometry that the pixels are painted from."""

from __future__ import annotations

import math

import numpy as np

from .colour import Colour
from .drawing import Drawing, Shape

SIDE = 512  # user units; a glyph scales to any size
EVERY = 3  # of an outline's points: half a pixel apart at this size


def to_svg(drawing: Drawing) -> str:
    """An SVG document, ``SIDE`` x ``SIDE`` user units."""
    x, y = _place(*drawing.centre)
    paths = (f'<path id="o{i}" d="{_path(o)}"/>' for i, o in enumerate(drawing.outlines))
    dots = (
        f'<circle cx="{_place(d.x, d.y)[0]}" cy="{_place(d.x, d.y)[1]}" '
        f'r="{_number(d.radius * SIDE / 2)}" fill="{_hex(d.fill)}" opacity="{_number(d.alpha)}"/>'
        for d in drawing.dots
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIDE} {SIDE}" '
            f'width="{SIDE}" height="{SIDE}">',
            f'<defs><radialGradient id="paper" r="{_number(math.sqrt(0.5))}">'
            f'<stop offset="0" stop-color="{_hex(drawing.background)}"/>'
            f'<stop offset="1" stop-color="{_hex(drawing.edge)}"/></radialGradient>',
            *paths,
            "</defs>",
            f'<rect width="{SIDE}" height="{SIDE}" fill="url(#paper)"/>',
            f'<g transform="translate({x} {y})" stroke-linejoin="round">',
            *(_use(shape) for shape in drawing.shapes),
            "</g>",
            *dots,
            "</svg>",
            "",
        ]
    )


def _path(outline: np.ndarray) -> str:
    points = outline[::EVERY] * (SIDE / 2)
    return "M" + "L".join(f"{_number(x)} {_number(-y)}" for x, y in points) + "Z"


def _use(shape: Shape) -> str:
    # Lines keep their width while the outline is scaled.
    line = "none"
    if shape.stroke is not None:
        width = _number(shape.width * SIDE / 2 / shape.scale)
        line = f'{_hex(shape.stroke)}" stroke-width="{width}'
    fill = _hex(shape.fill) if shape.fill is not None else "none"
    turn = f" rotate({_number(-math.degrees(shape.turn))})" if shape.turn else ""
    return (
        f'<use href="#o{shape.outline}" transform="scale({shape.scale:.4f}){turn}" '
        f'fill="{fill}" stroke="{line}" opacity="{_number(shape.alpha)}"/>'
    )


def _place(x: float, y: float) -> tuple[str, str]:
    return _number((1 + x) * SIDE / 2), _number((1 - y) * SIDE / 2)


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") or "0"


def _hex(colour: Colour) -> str:
    return "#" + "".join(f"{round(255 * c):02x}" for c in colour)
