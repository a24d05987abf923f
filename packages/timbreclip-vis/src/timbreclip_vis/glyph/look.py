"""From ten numbers to a drawing."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .colour import Colour, oklch
from .drawing import Dot, Drawing, Shape

POINTS = 720
LAYERS = (1.0, 0.76, 0.53, 0.32)
SHADES = 14  # fills of a layer, from its rim inwards
FEWEST_PETALS, MOST_PETALS = 5.0, 10.0
COLDEST, WARMEST = 250.0, 400.0  # hues in degrees: blue, violet, red, orange
DOTS = 1200
ECHOES = 5


@dataclass(frozen=True, kw_only=True)
class Look:
    """What a glyph looks like; every number is from 0 to 1, 0.5 is the typical sound.

    The fields are the axes of ``data/glyph_axes.toml``, which says what words and which studies
    stand behind each.
    """

    spikes: float = 0.5
    lightness: float = 0.5
    warmth: float = 0.5
    size: float = 0.5
    richness: float = 0.5
    grain: float = 0.5
    order: float = 0.5
    attack: float = 0.5
    space: float = 0.5
    motion: float = 0.5


def draw(look: Look, seed: int = 0) -> Drawing:
    """The drawing of a look; it changes smoothly with every number.

    Args:
        look: What to draw.
        seed: Of the irregularities and the grain.
    """
    rng = np.random.default_rng(seed)
    outlines = tuple(_outline(look, layer, rng) for layer in range(len(LAYERS)))
    palette = _Palette(look)
    radius = 0.30 + 0.34 * look.size
    centre = (0.0, 0.07 * (0.5 - look.size))
    shapes = [*_echoes(look, radius, palette), *_glow(look, radius, palette)]
    for layer in range(len(LAYERS)):
        shapes += _petals(look, layer, radius, palette)
    return Drawing(
        background=palette.background(0.0),
        edge=palette.background(1.0),
        centre=centre,
        outlines=outlines,
        shapes=tuple(shapes),
        dots=tuple(_grain(look, radius, centre, palette, rng)),
    )


def _outline(look: Look, layer: int, rng: np.random.Generator) -> np.ndarray:
    """Closed curve ``(POINTS, 2)`` of mean radius about 1: petals round a circle."""
    petals = FEWEST_PETALS + (MOST_PETALS - FEWEST_PETALS) * look.richness
    count = math.ceil(petals)
    wild = 0.9 * (1 - look.order) ** 1.5
    lengths = 1 + wild * (rng.random(int(MOST_PETALS) + 1)[:count] - 0.5)
    widths = 1 + 0.8 * wild * (rng.random(int(MOST_PETALS) + 1)[:count] - 0.5)
    # The last petal grows from nothing, so that their number may be any.
    growing = petals - (count - 1)
    lengths[-1] *= growing**1.5
    widths[-1] *= growing
    edges = np.concatenate([[0], np.cumsum(widths)]) / widths.sum()
    turn = np.linspace(0, 1, POINTS, endpoint=False)
    which = np.clip(np.searchsorted(edges, turn, side="right") - 1, 0, count - 1)
    along = 2 * (turn - edges[which]) / (edges[which + 1] - edges[which]) - 1
    s = look.spikes
    depth = 0.08 + 0.80 * s
    round_tip = np.cos(np.pi * along / 2) ** 2
    sharp_tip = (1 - np.abs(along)) ** 1.7
    radius = 1 - 0.45 * depth + depth * lengths[which] * ((1 - s) * round_tip + s * sharp_tip)
    angle = 2 * np.pi * turn + layer * np.pi / petals + 1.0 * look.motion**2 * (radius - 1)
    angle += np.pi / 2
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], -1)


class _Palette:
    """Colours of a look: dark rims and light cores on a paper between them."""

    def __init__(self, look: Look) -> None:
        self.hue = COLDEST + (WARMEST - COLDEST) * look.warmth
        self.chroma = 0.02 + 0.12 * look.richness
        self.level = look.lightness
        self.clash = 70 * (1 - look.order) ** 1.5

    def background(self, away: float) -> Colour:
        lightness = 0.40 + 0.54 * self.level
        return oklch(lightness * (1 - 0.16 * away), 0.014, self.hue + 40)

    def body(self, inwards: float, layer: int = 0) -> Colour:
        """From the rim, 0, to the core, 1; disorder sets every other layer apart in hue."""
        rim, core = 0.20 + 0.34 * self.level, 0.66 + 0.31 * self.level
        hue = self.hue + 70 * (inwards - 0.4) + self.clash * (layer % 2)
        bulge = 0.7 + 0.3 * math.sin(math.pi * min(1.0, 0.2 + 0.8 * inwards))
        return oklch(rim + (core - rim) * inwards, self.chroma * bulge, hue)


def _petals(look: Look, layer: int, radius: float, palette: _Palette) -> list[Shape]:
    outer = LAYERS[layer]
    inner = LAYERS[layer + 1] if layer + 1 < len(LAYERS) else 0.06
    shapes = [
        Shape(outline=layer, scale=radius * outer * size, fill=palette.body(0.0), alpha=0.10)
        for size in (1.09, 1.065, 1.04, 1.015)  # a soft shadow on the layer below
    ]
    for step in range(SHADES):
        part = step / (SHADES - 1)
        scale = outer + (inner * 0.8 - outer) * part
        # An attack puts the light into the core, a sustained sound spreads it.
        whole = (0.85 * layer + 1.1 * part) / (len(LAYERS) - 0.35)
        inwards = min(1.0, whole) ** (0.40 + 1.9 * look.attack)
        shapes.append(Shape(outline=layer, scale=radius * scale, fill=palette.body(inwards, layer)))
    line = palette.body(min(1.0, 0.35 + 0.2 * layer), layer)
    shapes.append(Shape(outline=layer, scale=radius * outer, stroke=line, width=0.006, alpha=0.7))
    return shapes


def _glow(look: Look, radius: float, palette: _Palette) -> list[Shape]:
    soft = (1 - look.attack) ** 1.5
    steps = 16
    return [
        Shape(
            outline=0,
            scale=radius * (1 + 0.55 * soft * (1 - k / steps) ** 1.3),
            fill=palette.body(0.25),
            alpha=0.16 * soft,
        )
        for k in range(steps)
        if soft > 0.02
    ]


def _echoes(look: Look, radius: float, palette: _Palette) -> list[Shape]:
    strength = look.space**2
    return [
        Shape(
            outline=0,
            scale=radius * (1.16 + 0.24 * k),
            fill=palette.body(0.3),
            stroke=palette.body(0.6),
            width=0.012,
            alpha=strength * 0.55 * 0.9**k,
        )
        for k in reversed(range(ECHOES))
        if strength > 0.01
    ]


def _grain(
    look: Look,
    radius: float,
    centre: tuple[float, float],
    palette: _Palette,
    rng: np.random.Generator,
) -> list[Dot]:
    away = 1.3 * rng.random(DOTS) ** 0.7
    angle = 2 * np.pi * rng.random(DOTS)
    first = rng.random(DOTS)
    dark = rng.random(DOTS) < 0.5
    grown = np.clip(1.5 * look.grain**1.7 - first, 0, 1)
    return [
        Dot(
            x=centre[0] + away[i] * math.cos(angle[i]),
            y=centre[1] + away[i] * math.sin(angle[i]),
            radius=0.003 + 0.013 * float(grown[i]),
            fill=palette.body(0.0 if dark[i] else 0.9),
            alpha=min(1.0, 1.2 * float(grown[i])),
        )
        for i in np.flatnonzero(grown > 0.02)
    ]
