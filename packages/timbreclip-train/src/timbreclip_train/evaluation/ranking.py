"""Ranks of relevant documents, and the measures that follow from them.

A query is judged by the ranks of its relevant documents alone, so every measure works on those:
one sorted array of one-based ranks a query.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

CUTOFFS = (1, 5, 10, 50)


@dataclass(frozen=True)
class Rankings:
    """The outcome of some queries against one set of documents.

    Args:
        queries: What was asked, a name each.
        ranks: Per query the one-based ranks of its relevant documents, ascending, at least one.
        documents: How many documents were ranked.
    """

    queries: tuple[str, ...]
    ranks: tuple[np.ndarray, ...]
    documents: int

    def first(self) -> np.ndarray:
        """Rank of the first relevant document of every query."""
        return np.array([r[0] for r in self.ranks])


def rank(
    scores: np.ndarray, relevant: np.ndarray, queries: Sequence[str], *, seed: int = 0
) -> Rankings:
    """Rank documents by score, best first; queries without a relevant document are left out.

    Equal scores are ordered at random, by a generator seeded with ``seed``: the order of the
    documents never helps, and a constant model scores as chance does.

    Args:
        scores: ``(queries, documents)``; NaN ranks last.
        relevant: ``(queries, documents)``, true where a document answers a query.
        queries: A name each.
        seed: Of the order among equals.
    """
    rng = np.random.default_rng(seed)
    names, ranks = [], []
    for name, row, mask in zip(queries, scores, relevant, strict=True):
        among_equals = rng.random(len(row))
        if not mask.any():
            continue
        order = np.lexsort((among_equals, -np.nan_to_num(row, nan=-np.inf, posinf=np.inf)))
        names.append(name)
        ranks.append(np.flatnonzero(mask[order]) + 1)
    return Rankings(tuple(names), tuple(ranks), scores.shape[1])


def perfect(relevant_counts: Iterable[int], documents: int) -> Rankings:
    """What a model would reach that ranks all relevant documents first."""
    ranks = tuple(np.arange(1, n + 1) for n in relevant_counts)
    return Rankings(tuple(map(str, range(len(ranks)))), ranks, documents)


def at_random(relevant_counts: Sequence[int], documents: int, *, seed: int) -> Rankings:
    """What a model would reach that orders the documents at random, once."""
    rng = np.random.default_rng(seed)
    ranks = tuple(
        np.sort(rng.choice(documents, n, replace=False, shuffle=False)) + 1 for n in relevant_counts
    )
    return Rankings(tuple(map(str, range(len(ranks)))), ranks, documents)


def per_query(
    rankings: Rankings, cutoffs: Sequence[int] = CUTOFFS, *, paper_compat: bool = False
) -> dict[str, np.ndarray]:
    """Every measure of every query, ``(queries,)`` each.

    ``recall@K`` is the share of a query's relevant documents among the first K; ``hit@K`` is 1 if
    one is there; ``rank`` is that of the first relevant document; ``mrr`` its reciprocal; ``map``
    the average precision; ``ndcg`` the normalised discounted cumulative gain with gains 0 and 1.

    Args:
        rankings: From ``rank``.
        cutoffs: Values of K.
        paper_compat: Count ``recall@K`` among the first K + 1, as table 1 of the TimbreCLIP paper
            does.

    Source: Manning, Raghavan & Schuetze, Introduction to Information Retrieval, chapter 8.
    """
    extra = 1 if paper_compat else 0
    first = rankings.first().astype(float)
    counts = np.array([len(r) for r in rankings.ranks])
    ranks = np.concatenate(rankings.ranks)
    query = np.repeat(np.arange(len(counts)), counts)
    place = 1 + np.arange(len(ranks)) - np.repeat(np.cumsum(counts) - counts, counts)

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(query, values, len(counts))

    found: dict[str, np.ndarray] = {}
    for k in cutoffs:
        found[f"recall@{k}"] = total(ranks <= k + extra) / counts
    for k in cutoffs:
        found[f"hit@{k}"] = (first <= k).astype(float)
    found["rank"] = first
    found["mrr"] = 1 / first
    found["map"] = total(place / ranks) / counts
    found["ndcg"] = total(1 / np.log2(1 + ranks)) / total(1 / np.log2(1 + place))
    return found


@dataclass(frozen=True)
class Estimate:
    """A mean over queries with its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float


def summarise(
    measures: dict[str, np.ndarray], *, resamples: int = 1000, seed: int = 0
) -> dict[str, Estimate]:
    """Means over queries with percentile bootstrap intervals (Efron & Tibshirani 1993).

    Args:
        measures: From ``per_query``.
        resamples: Bootstrap samples of the queries.
        seed: Of the resampling.
    """
    names = list(measures)
    table = np.stack([measures[n] for n in names], axis=1)
    means = resampled_means(table, resamples, seed)
    low, high = np.percentile(means, [2.5, 97.5], axis=0)
    return {
        name: Estimate(float(table[:, i].mean()), float(low[i]), float(high[i]))
        for i, name in enumerate(names)
    }


def resampled_means(table: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Means over bootstrap samples of the rows: ``(rows, columns)`` to ``(resamples, columns)``."""
    rng = np.random.default_rng(seed)
    rows = len(table)
    counts = rng.multinomial(rows, np.full(rows, 1 / rows), size=resamples)
    return counts @ table / rows


def paired_difference(
    first: np.ndarray, second: np.ndarray, *, resamples: int = 2000, seed: int = 0
) -> tuple[Estimate, float]:
    """Second minus first over the same queries, and the two-sided bootstrap p-value.

    Args:
        first: A measure of every query under one model, ``(queries,)``.
        second: The same queries under another.
    """
    gap = (second - first)[:, None]
    means = resampled_means(gap, resamples, seed)[:, 0]
    low, high = np.percentile(means, [2.5, 97.5])
    tail = min((means <= 0).mean(), (means >= 0).mean())
    estimate = Estimate(float(gap.mean()), float(low), float(high))
    return estimate, float(min(1.0, 2 * max(tail, 1 / resamples)))
