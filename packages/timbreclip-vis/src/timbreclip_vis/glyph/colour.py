"""Colours by lightness, chroma and hue as people see them."""

from __future__ import annotations

import math

Colour = tuple[float, float, float]
_STEPS = 20  # of the search for the strongest chroma that a screen shows


def oklch(lightness: float, chroma: float, hue_degrees: float) -> Colour:
    """sRGB, 0 to 1 each, of a colour in OKLCH; chroma is lowered until the colour exists.

    Args:
        lightness: From 0, black, to 1, white.
        chroma: From 0, grey, to about 0.3.
        hue_degrees: 30 is red, 90 yellow, 145 green, 260 blue.

    Source: B. Ottosson, A perceptual color space for image processing (2020).

    >>> [round(c, 3) for c in oklch(1.0, 0.0, 0.0)]
    [1.0, 1.0, 1.0]
    """
    lightness = min(max(lightness, 0.0), 1.0)
    low, high = 0.0, chroma
    if _inside(_linear(lightness, chroma, hue_degrees)):
        low = chroma
    else:
        for _ in range(_STEPS):
            middle = (low + high) / 2
            if _inside(_linear(lightness, middle, hue_degrees)):
                low = middle
            else:
                high = middle
    red, green, blue = (_encoded(c) for c in _linear(lightness, low, hue_degrees))
    return red, green, blue


def _linear(lightness: float, chroma: float, hue_degrees: float) -> Colour:
    angle = math.radians(hue_degrees)
    a, b = chroma * math.cos(angle), chroma * math.sin(angle)
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )


def _inside(linear: Colour) -> bool:
    return all(-1e-4 <= c <= 1 + 1e-4 for c in linear)


def _encoded(value: float) -> float:
    value = min(max(value, 0.0), 1.0)
    return 12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055
