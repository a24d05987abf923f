"""The image backend that needs no picture model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from torch import Tensor

from timbreclip_core.scores import embed_words
from timbreclip_core.templates import templates

from ..base import ImageBackend
from ..mixing import Conditioning
from ..options import GlyphOptions
from .axes import axes
from .look import Look, draw
from .raster import rasterise
from .svg import to_svg

if TYPE_CHECKING:
    from PIL.Image import Image

    from timbreclip_core import Model

NAME = "axes"  # of the one tensor of the conditioning
SHRINKAGE = 0.6  # of the correlations between axes, towards none
FLAT = 1e-7  # a smaller spread of an axis is rounding
SENTENCES = "sound"  # of core's sets, around the words of the axes


class GlyphBackend(ImageBackend):
    """Draws a flower-like shape from ten axes of words.

    The embedding of a prompt is ten numbers: how much nearer it is to one end of each axis than to
    the other, by the text side of the model that hears the sounds. Mixed by the weights of a
    sound, each number becomes the share of typical sounds whose mixture has less of it: so the
    whole range of the drawing is used, whatever the keywords and the model. What the axes are,
    what they turn in the drawing and which studies stand behind them is in
    ``data/glyph_axes.toml``.
    """

    in_model_space: ClassVar[bool] = True

    def __init__(self, options: GlyphOptions) -> None:
        self.size = options.size

    def encode(self, prompts: Sequence[str], model: Model | None) -> Conditioning:
        """``axes``: ``(prompts, 10)``."""
        if model is None:
            raise TypeError("glyph understands prompts by a model: encode(prompts, model).")
        ends = torch.stack([_middle(model, a.more) - _middle(model, a.less) for a in axes()])
        return {NAME: model.embed_text(list(prompts)).plain() @ ends.mT}

    def looks(self, mixed: Conditioning, typical: Conditioning | None) -> list[Look]:
        """What each mixture looks like; without ``typical`` the numbers count as they are."""
        names = [axis.name for axis in axes()]
        values = mixed[NAME].double().cpu().numpy()
        if typical is not None:
            values = standing(values, typical[NAME].double().cpu().numpy())
        values = np.clip(values, 0, 1)
        return [Look(**dict(zip(names, map(float, row), strict=True))) for row in values]

    def render(
        self, mixed: Conditioning, *, seed: int, typical: Conditioning | None = None
    ) -> list[Image]:
        return [rasterise(draw(look, seed), self.size) for look in self.looks(mixed, typical)]

    def render_svg(
        self, mixed: Conditioning, *, seed: int, typical: Conditioning | None = None
    ) -> list[str]:
        return [to_svg(draw(look, seed)) for look in self.looks(mixed, typical)]


def _middle(model: Model, words: Sequence[str]) -> Tensor:
    return embed_words(model, words, templates(SENTENCES)).plain().mean(0)


def standing(values: np.ndarray, typical: np.ndarray) -> np.ndarray:
    """Where values stand among typical ones, axis by axis, once what the axes share is less.

    Args:
        values: ``(pictures, axes)``.
        typical: ``(sounds, axes)``.

    Returns:
        ``(pictures, axes)``, from 0 to 1; 0.5 along an axis on which typical sounds do not differ.
    """
    spread = typical.std(0)
    scale = np.where(spread > FLAT, spread, np.inf)
    centred, others = ((x - typical.mean(0)) / scale for x in (values, typical))
    shared = (1 - SHRINKAGE) * others.T @ others / len(others) + SHRINKAGE * np.eye(len(scale))
    variances, directions = np.linalg.eigh(shared)
    whiten = directions * variances**-0.5 @ directions.T
    columns = zip((centred @ whiten).T, (others @ whiten).T, strict=True)
    ranks = np.stack([_rank(mine, theirs) for mine, theirs in columns], -1)
    return np.where(spread > FLAT, ranks, 0.5)


def _rank(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Share of ``others`` below each value, growing steadily between them."""
    ordered = np.sort(others)
    return np.interp(values, ordered, (np.arange(len(ordered)) + 0.5) / len(ordered))


def load(options: GlyphOptions | None, device: str) -> ImageBackend:
    """``device`` does not matter: there is nothing to compute on one."""
    return GlyphBackend(options or GlyphOptions())
