"""What a glyph is made of: outlines used many times, and dots."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .colour import Colour


@dataclass(frozen=True, kw_only=True)
class Shape:
    """An outline, scaled and turned around the middle of the glyph.

    Args:
        outline: Which of the drawing's outlines.
        scale: Factor.
        turn: Radians, anticlockwise.
        fill: Colour inside, None for nothing.
        stroke: Colour of the line, None for no line.
        width: Of the line, where the drawing is 2 wide.
        alpha: Opacity of both.
    """

    outline: int
    scale: float = 1.0
    turn: float = 0.0
    fill: Colour | None = None
    stroke: Colour | None = None
    width: float = 0.0
    alpha: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Dot:
    """A filled circle."""

    x: float
    y: float
    radius: float
    fill: Colour
    alpha: float


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """Coordinates from -1 to 1, y upwards; shapes in the order of painting, dots over them.

    Args:
        background: Colour in the middle of the background.
        edge: Colour at its corners.
        centre: Of all shapes.
        outlines: ``(points, 2)`` each, closed, around the origin.
        shapes: See ``Shape``.
        dots: See ``Dot``.
    """

    background: Colour
    edge: Colour
    centre: tuple[float, float]
    outlines: tuple[np.ndarray, ...]
    shapes: tuple[Shape, ...]
    dots: tuple[Dot, ...]
