"""Zero-shot classification: the class whose words are closest to the sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from timbreclip_core.files import atomic_path

from .ranking import Estimate


@dataclass(frozen=True)
class ZeroShot:
    """The outcome of a classification.

    Args:
        classes: Names, in the order of the matrix.
        confusion: Counts ``(true class, guessed class)``.
    """

    classes: tuple[str, ...]
    confusion: np.ndarray

    @property
    def accuracy(self) -> float:
        """Share of items that are right."""
        return float(np.trace(self.confusion) / self.confusion.sum())

    @property
    def balanced_accuracy(self) -> float:
        """Mean over the classes that occur of the share of their items that are right."""
        counts = self.confusion.sum(1)
        present = counts > 0
        return float((np.diag(self.confusion)[present] / counts[present]).mean())

    def intervals(self, *, resamples: int = 1000, seed: int = 0) -> dict[str, Estimate]:
        """``accuracy`` and ``balanced_accuracy`` with 95 % bootstrap intervals over the items."""
        rng = np.random.default_rng(seed)
        items, shape = int(self.confusion.sum()), self.confusion.shape
        # To draw items anew is to draw cells of the matrix by their shares.
        drawn = rng.multinomial(items, self.confusion.ravel() / items, size=resamples)
        tables = [ZeroShot(self.classes, counts.reshape(shape)) for counts in drawn]
        found = {}
        for name in ("accuracy", "balanced_accuracy"):
            low, high = np.percentile([getattr(t, name) for t in tables], [2.5, 97.5])
            found[name] = Estimate(getattr(self, name), float(low), float(high))
        return found


def classify(
    vectors: np.ndarray, class_vectors: np.ndarray, truth: np.ndarray, classes: Sequence[str]
) -> ZeroShot:
    """Give every item the class with the closest vector.

    Args:
        vectors: Unit vectors of the items, ``(items, dim)``.
        class_vectors: Unit vectors of the classes, ``(classes, dim)``: prompt ensembles, as of
            ``timbreclip_core.scores.embed_words``.
        truth: Index of the true class, ``(items,)``.
        classes: Names.
    """
    return classify_scores(vectors @ class_vectors.T, truth, classes)


def classify_scores(scores: np.ndarray, truth: np.ndarray, classes: Sequence[str]) -> ZeroShot:
    """Give every item the class with the highest score, ``scores`` being ``(items, classes)``."""
    guess = scores.argmax(1)
    confusion = np.zeros((len(classes), len(classes)), int)
    np.add.at(confusion, (truth, guess), 1)
    return ZeroShot(tuple(classes), confusion)


def patch_vectors(vectors: np.ndarray, patch_of_note: np.ndarray) -> np.ndarray:
    """Mean direction of the notes of every patch, ``(patches, dim)``, for a label per patch."""
    sums = np.zeros((int(patch_of_note.max()) + 1, vectors.shape[1]))
    np.add.at(sums, patch_of_note, vectors)
    return sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)


def draw_confusion(result: ZeroShot, path: Path, title: str) -> None:
    """Draw the confusion matrix, rows scaled to their share, counts written in."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    counts = result.confusion
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    side = 2.5 + 0.42 * len(result.classes)
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="magma", vmin=0, vmax=1)
    axes.set_xticks(range(len(result.classes)), result.classes, rotation=60, ha="right")
    axes.set_yticks(range(len(result.classes)), result.classes)
    for (row, column), count in np.ndenumerate(counts):
        if count:
            colour = "black" if shares[row, column] > 0.6 else "white"
            axes.text(column, row, count, ha="center", va="center", color=colour, fontsize=7)
    axes.set(xlabel="guessed", ylabel="true")
    axes.set_title(
        f"{title}\naccuracy {result.accuracy:.1%}, balanced {result.balanced_accuracy:.1%}"
    )
    figure.colorbar(image, ax=axes, label="share of the true class", shrink=0.7)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=130)
