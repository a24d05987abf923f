"""A drawing as pixels, through matplotlib's anti-aliased renderer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .drawing import Drawing, Shape

if TYPE_CHECKING:
    from matplotlib.backends.backend_agg import RendererAgg
    from PIL.Image import Image


def rasterise(drawing: Drawing, size: int) -> Image:
    """An opaque RGB picture of ``size`` x ``size`` pixels."""
    from matplotlib.backends.backend_agg import RendererAgg
    from matplotlib.path import Path
    from matplotlib.transforms import Affine2D
    from PIL import Image

    renderer = RendererAgg(size, size, 72)
    canvas = np.asarray(renderer.buffer_rgba())
    canvas[...] = _background(drawing, size)
    page = Affine2D().translate(*drawing.centre).translate(1, 1).scale(size / 2)
    paths = [Path(np.vstack([o, o[:1]]), closed=True) for o in drawing.outlines]
    for shape in drawing.shapes:
        place = Affine2D().scale(shape.scale).rotate(shape.turn) + page
        renderer.draw_path(_pen(renderer, shape, size), paths[shape.outline], place, shape.fill)
    circle = Path.unit_circle()
    whole = Affine2D().translate(1, 1).scale(size / 2)
    for dot in drawing.dots:
        pen = renderer.new_gc()
        pen.set_linewidth(0)
        pen.set_alpha(dot.alpha)
        place = Affine2D().scale(dot.radius).translate(dot.x, dot.y) + whole
        renderer.draw_path(pen, circle, place, dot.fill)
    return Image.fromarray(np.asarray(renderer.buffer_rgba())[..., :3].copy())


def _pen(renderer: RendererAgg, shape: Shape, size: int) -> object:
    pen = renderer.new_gc()
    pen.set_antialiased(True)
    pen.set_alpha(shape.alpha)
    pen.set_joinstyle("round")
    pen.set_snap(False)
    pen.set_linewidth(shape.width * size / 2 if shape.stroke else 0)
    pen.set_foreground(shape.stroke or (0, 0, 0))
    return pen


def _background(drawing: Drawing, size: int) -> np.ndarray:
    """From the middle's colour to the corners', as the SVG's radial gradient has it."""
    axis = (np.arange(size) + 0.5) / size * 2 - 1
    away = np.clip(np.hypot(axis[:, None], axis[None]) / 2**0.5, 0, 1)[..., None]
    mixed = np.array(drawing.background) * (1 - away) + np.array(drawing.edge) * away
    noise = np.random.default_rng(0).random((size, size, 1)) - 0.5  # against banding
    levels = np.clip(np.round(255 * mixed + noise), 0, 255)
    return np.concatenate([levels, np.full((size, size, 1), 255.0)], -1).astype(np.uint8)
