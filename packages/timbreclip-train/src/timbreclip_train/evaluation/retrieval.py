"""Cross-modal retrieval: text to patch, and audio to text.

Source: Jonason & Sturm, TimbreCLIP, "Evaluating TimbreCLIP with Cross-Modal Retrieval"; the true
R@K instead of the printed R@(K + 1).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .ranking import Rankings, at_random, perfect, rank

POOLINGS = ("min", "mean", "centroid")
Scorer = Callable[[Sequence[str]], np.ndarray]


@dataclass(frozen=True)
class Collection:
    """Patches, their notes, and what is written about them.

    Args:
        patches: A name each.
        patch_of_note: Index of the patch of every note, ``(notes,)``.
        texts: Per patch its texts of the query kind asked for; empty: the patch is a document of
            text to patch all the same, but nobody asks for it.
    """

    patches: tuple[str, ...]
    patch_of_note: np.ndarray
    texts: tuple[tuple[str, ...], ...]

    def queries(self) -> list[str]:
        """The unique texts, sorted."""
        return sorted({text for texts in self.texts for text in texts})

    def relevance(self) -> np.ndarray:
        """``(queries, patches)``, true where a patch bears the text."""
        row = {text: i for i, text in enumerate(self.queries())}
        mask = np.zeros((len(row), len(self.patches)), bool)
        for patch, texts in enumerate(self.texts):
            for text in texts:
                mask[row[text], patch] = True
        return mask


def query_texts(attributes: Sequence[Mapping[str, Sequence[str]]], kind: str) -> tuple:
    """Texts of a query kind for every patch.

    Args:
        attributes: Per patch its texts by kind of attribute.
        kind: A kind of attribute, or several joined by ``+``: their first texts joined by a
            space, for patches that have them all.
    """
    parts = kind.split("+")
    if len(parts) == 1:
        return tuple(tuple(a.get(kind, ())) for a in attributes)
    joined = []
    for a in attributes:
        firsts = [a[part][0] for part in parts if a.get(part)]
        joined.append((" ".join(firsts),) if len(firsts) == len(parts) else ())
    return tuple(joined)


def pool_notes(note_scores: np.ndarray, collection: Collection, pooling: str) -> np.ndarray:
    """Scores of notes to scores of patches: ``(texts, notes)`` to ``(texts, patches)``.

    Args:
        note_scores: Closeness, higher is closer.
        collection: Which note is whose.
        pooling: ``"min"``: of the distances, the paper's; ``"mean"``.
    """
    reduce = {"min": np.maximum, "mean": np.add}[pooling]
    start = -np.inf if pooling == "min" else 0.0
    pooled = np.full((len(note_scores), len(collection.patches)), start)
    reduce.at(pooled.T, collection.patch_of_note, note_scores.T)
    if pooling == "mean":
        counts = np.bincount(collection.patch_of_note, minlength=len(collection.patches))
        pooled = np.where(counts > 0, pooled / np.maximum(counts, 1), -np.inf)
    return pooled


def centroids(vectors: np.ndarray, collection: Collection) -> np.ndarray:
    """Mean direction of every patch's notes, ``(patches, dim)``; zero for a patch without."""
    sums = np.zeros((len(collection.patches), vectors.shape[1]))
    np.add.at(sums, collection.patch_of_note, vectors)
    return sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)


def text_to_patch(
    vectors: np.ndarray,
    text_vectors: np.ndarray,
    collection: Collection,
    *,
    pooling: str = "min",
    seed: int = 0,
) -> Rankings:
    """Every unique text ranks all patches.

    Args:
        vectors: Unit vectors of the notes, ``(notes, dim)``.
        text_vectors: Unit vectors of ``collection.queries()``.
        collection: What belongs together.
        pooling: ``"min"`` (the paper), ``"mean"`` or ``"centroid"``.
        seed: Of the order among equals.
    """
    if pooling == "centroid":
        scores = text_vectors @ centroids(vectors, collection).T
    else:
        scores = pool_notes(text_vectors @ vectors.T, collection, pooling)
    return rank(scores, collection.relevance(), collection.queries(), seed=seed)


def audio_to_text(
    vectors: np.ndarray,
    text_vectors: np.ndarray,
    collection: Collection,
    *,
    per_patch: bool = False,
    seed: int = 0,
) -> Rankings:
    """Every note, or every patch, ranks the unique texts.

    Args:
        vectors, text_vectors, collection, seed: As in ``text_to_patch``.
        per_patch: A text's score is its highest over the patch's notes, one query a patch; the
            paper asks per note.
    """
    relevance = collection.relevance().T
    scores = vectors @ text_vectors.T
    if per_patch:
        heard = np.unique(collection.patch_of_note)
        pooled = pool_notes(scores.T, collection, "min").T
        names = [collection.patches[i] for i in heard]
        return rank(pooled[heard], relevance[heard], names, seed=seed)
    names = [collection.patches[i] for i in collection.patch_of_note]
    return rank(scores, relevance[collection.patch_of_note], names, seed=seed)


def bounds(relevance: np.ndarray, *, runs: int = 100) -> tuple[Rankings, list[Rankings]]:
    """What ``perfect`` and ``runs`` seeded random models reach on ``(queries, documents)``."""
    counts = [int(n) for n in relevance.sum(1) if n]
    documents = relevance.shape[1]
    random = [at_random(counts, documents, seed=seed) for seed in range(runs)]
    return perfect(counts, documents), random
