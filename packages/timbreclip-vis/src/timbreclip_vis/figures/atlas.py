"""Pictures laid out so that sounds alike lie near each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .page import CELL_IN, SMALL, clear, label, put_picture, save_figure, subtitle

ROOM = 1.7  # places a sound: more leave gaps where sounds are few


def flat_map(vectors: Tensor) -> np.ndarray:
    """Places ``(sounds, 2)`` of vectors ``(sounds, dim)``: the two directions of most difference.

    The signs are chosen so that the largest entry of either direction is positive.

    Source: principal components; K. Pearson, On lines and planes of closest fit to systems of
    points in space, Philosophical Magazine 2, 559-572 (1901).
    """
    centred = (vectors - vectors.mean(0)).double()
    _, _, directions = torch.linalg.svd(centred, full_matrices=False)
    two = torch.zeros(2, centred.shape[1], dtype=torch.float64)
    two[: min(2, len(directions))] = directions[:2]
    signs = two.gather(1, two.abs().argmax(1, keepdim=True)).sign()
    return (centred @ (two * signs).mT).numpy()


def without_overlap(places: np.ndarray) -> np.ndarray:
    """Whole-numbered places ``(sounds, 2)`` on a square grid, none twice, near those given.

    The crowded middle is spread out by taking ranks; then each sound, the outermost first, takes
    the free place that is nearest.
    """
    count = len(places)
    side = max(1, math.ceil(math.sqrt(ROOM * count)))
    ranks = places.argsort(0).argsort(0) / max(1, count - 1)
    wanted = 0.7 * ranks + 0.3 * _scaled(places)
    wanted = wanted * (side - 1)
    free = np.array([(x, y) for x in range(side) for y in range(side)], dtype=float)
    found = np.zeros((count, 2), dtype=int)
    for index in np.argsort(-np.abs(wanted - (side - 1) / 2).max(1), kind="stable"):
        nearest = int(((free - wanted[index]) ** 2).sum(1).argmin())
        found[index] = free[nearest]
        free = np.delete(free, nearest, axis=0)
    return found


def _scaled(places: np.ndarray) -> np.ndarray:
    low, high = places.min(0), places.max(0)
    return (places - low) / np.where(high > low, high - low, 1.0)


def save_atlas(path: Path, records: Sequence[dict[str, Any]], vectors: Tensor) -> None:
    """Pictures of sounds on a map (after the paper's figure 4).

    Args:
        path: Where to write.
        records: Of ``draw_cells``, one a sound.
        vectors: ``(sounds, dim)``, of the kind that compares sounds with sounds.
    """
    from matplotlib.figure import Figure

    places = without_overlap(flat_map(vectors))
    places = places - places.min(0)
    columns, rows = places.max(0) + 1
    figure = Figure(figsize=(0.8 * CELL_IN * columns, (0.8 * CELL_IN + 0.2) * rows + 0.3))
    width, height = 1 / columns, 0.98 / rows
    for record, (x, y) in zip(records, places, strict=True):
        axis = figure.add_axes((x * width, y * height, 0.94 * width, 0.84 * height))
        clear(axis)
        put_picture(axis, record["picture"])
        axis.set_title(label(record["name"], 22), fontsize=SMALL, pad=3)
    figure.text(
        0.5, 0.995, subtitle(records[0]), fontsize=SMALL, color="0.4", ha="center", va="top"
    )
    save_figure(path, figure)
