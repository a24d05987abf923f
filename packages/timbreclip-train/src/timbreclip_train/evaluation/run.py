"""The retrieval evaluation as a whole: any model, any dataset."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np

from timbreclip_core.errors import InputError, MissingExtraError, UsageError
from timbreclip_core.files import atomic_path
from timbreclip_core.model import Model
from timbreclip_core.scores import embed_words
from timbreclip_core.templates import templates

from ..datasets.base import Note, NoteDataset
from .hearing import HeardNotes
from .ranking import Rankings, per_query
from .report import PAPER_NOTE, Block, as_record, make_block
from .retrieval import Collection, audio_to_text, bounds, query_texts, text_to_patch

KINDS = ("title", "title+category", "category")
DIRECTIONS = ("text to patch", "audio to text per note", "audio to text per patch")


@dataclass(frozen=True, kw_only=True)
class RetrievalConfig:
    """How to ask.

    Args:
        kinds: Kinds of text, or several joined by ``+``.
        pooling: Of notes to patches: ``min`` of the distances (the paper), ``mean``, ``centroid``.
        template_set: Sentences around the texts.
        random_runs: Of the random row.
        paper_compat: Count and label as table 1 of the paper does.
        seed: Of the order among equal scores.
        directions: Which of ``DIRECTIONS``.
    """

    kinds: tuple[str, ...] = KINDS
    pooling: str = "min"
    template_set: str = "none"
    random_runs: int = 100
    paper_compat: bool = False
    seed: int = 0
    directions: tuple[str, ...] = DIRECTIONS


@dataclass(frozen=True)
class Retrieval:
    """An evaluation: tables, and the ranks behind them.

    Args:
        blocks: One per query kind and direction.
        rankings: The model's, by kind and direction.
        info: What was evaluated and how, notes that could not be embedded included.
    """

    blocks: tuple[Block, ...]
    rankings: dict[tuple[str, str], Rankings]
    info: dict[str, Any]

    def as_record(self) -> dict[str, Any]:
        """Everything but the ranks, and the ranks of first relevant documents by query."""
        per_block = [
            {
                "kind": kind,
                "direction": direction,
                "queries": list(r.queries),
                "first": r.first().tolist(),
            }
            for (kind, direction), r in self.rankings.items()
        ]
        return {**self.info, "blocks": [as_record(b) for b in self.blocks], "ranks": per_block}


def collection_of(notes: Sequence[Note], all_patches: Sequence[Note], kind: str) -> Collection:
    """Patches and texts of some notes.

    Args:
        notes: Notes that have vectors.
        all_patches: Notes of every patch that counts as a document, silent ones included.
        kind: Of the texts.
    """
    first = {note.patch: note for note in reversed(all_patches)}
    patches = tuple(sorted(first))
    index = {patch: i for i, patch in enumerate(patches)}
    texts = query_texts([first[p].text for p in patches], kind)
    return Collection(patches, np.array([index[n.patch] for n in notes]), texts)


def evaluate(
    heard: HeardNotes,
    model: Model,
    config: RetrievalConfig,
    *,
    progress: Callable[[str], None] = lambda _: None,
) -> Retrieval:
    """Text to patch and audio to text for every kind of query.

    Args:
        heard: Notes with vectors, from ``hearing.hear``.
        model: The one that heard them; embeds the texts.
        config: How to ask.
        progress: Is told what is being done.

    Raises:
        UsageError: No patch has any text of a kind.
    """
    blocks, found = [], {}
    vectors = heard.vectors["text"].astype(np.float64)
    everything = [*heard.notes, *(note for note, _ in heard.failed)]
    for kind in config.kinds:
        collection = collection_of(heard.notes, everything, kind)
        queries = collection.queries()
        if not queries:
            raise UsageError(f"No patch has a text of the kind {kind!r}.")
        progress(f"{kind}: {len(queries)} texts, {len(collection.patches)} patches")
        words = embed_words(model, queries, templates(config.template_set)).plain().numpy()
        for direction, rankings in _rankings(vectors, words, collection, config).items():
            limits = bounds(_relevance(collection, direction), runs=config.random_runs)
            block = make_block(
                kind, direction, model.id, rankings, limits, paper_compat=config.paper_compat
            )
            blocks.append(_with_categories(block, rankings, everything, direction))
            found[kind, direction] = rankings
    return Retrieval(tuple(blocks), found, _info(heard, model, config))


def _rankings(
    vectors: np.ndarray, words: np.ndarray, collection: Collection, config: RetrievalConfig
) -> dict[str, Rankings]:
    asked = {}
    for direction in config.directions:
        if direction == DIRECTIONS[0]:
            asked[direction] = text_to_patch(
                vectors, words, collection, pooling=config.pooling, seed=config.seed
            )
        else:
            per_patch = direction == DIRECTIONS[2]
            asked[direction] = audio_to_text(
                vectors, words, collection, per_patch=per_patch, seed=config.seed
            )
    return asked


def _relevance(collection: Collection, direction: str) -> np.ndarray:
    relevance = collection.relevance()
    if direction == DIRECTIONS[0]:
        return relevance
    rows = collection.patch_of_note
    return relevance.T[np.unique(rows) if direction == DIRECTIONS[2] else rows]


def _with_categories(
    block: Block, rankings: Rankings, notes: Sequence[Note], direction: str
) -> Block:
    """Mean first rank by category, where a query is a patch's sound."""
    if direction == DIRECTIONS[0]:
        return block
    category = {n.patch: n.text["category"][0] for n in notes if n.text.get("category")}
    firsts: dict[str, list[int]] = {}
    for patch, first in zip(rankings.queries, rankings.first().tolist(), strict=True):
        if patch in category:
            firsts.setdefault(category[patch], []).append(first)
    means = {name: float(np.mean(ranks)) for name, ranks in sorted(firsts.items())}
    return Block(**{**vars(block), "by_category": means})


def _info(heard: HeardNotes, model: Model, config: RetrievalConfig) -> dict[str, Any]:
    return {
        "model": model.id,
        "precision": model.precision,
        "notes": len(heard.notes),
        "left_out": [{"note": note.id, "reason": reason} for note, reason in heard.failed],
        "rule_for_left_out": "no query and no document; a patch without any note is ranked last",
        "pooling": config.pooling,
        "templates": config.template_set,
        "seed": config.seed,
        "paper_compat": PAPER_NOTE if config.paper_compat else None,
    }


def write_ranks(result: Retrieval, path: Path) -> None:
    """Every measure of every query, as Parquet or CSV by the suffix.

    Raises:
        MissingExtraError: Parquet without pyarrow.
    """
    rows = [
        {"kind": kind, "direction": direction, "query": query, **values}
        for (kind, direction), rankings in result.rankings.items()
        for query, values in _query_rows(rankings)
    ]
    if path.suffix not in (".parquet", ".csv"):
        raise UsageError(f"Ranks are written as .parquet or .csv, not {path.suffix!r}.")
    with atomic_path(path) as temporary:
        if path.suffix == ".csv":
            with temporary.open("w", newline="", encoding="utf-8") as stream:
                writer = csv.DictWriter(stream, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
            return
        try:
            import pyarrow
            from pyarrow import parquet
        except ImportError as error:
            raise MissingExtraError("pyarrow, which writes Parquet,", "parquet") from error
        parquet.write_table(pyarrow.Table.from_pylist(rows), temporary)


def _query_rows(rankings: Rankings) -> list[tuple[str, dict[str, float]]]:
    measures = per_query(rankings)
    return [
        (query, {name: float(values[i]) for name, values in measures.items()})
        for i, query in enumerate(rankings.queries)
    ]


@dataclass(frozen=True)
class Selection:
    """Which notes count; an empty tuple lets all through.

    Args:
        split: None for all.
        pitches: MIDI notes.
        sources: Patterns, as ``zyn*``, for ``note.info["source"]``.
        collections: Patterns for ``note.info["collection"]``.
    """

    split: str | None = None
    pitches: tuple[int, ...] = ()
    sources: tuple[str, ...] = ()
    collections: tuple[str, ...] = ()

    def fits(self, note: Note) -> bool:
        """Whether it counts, its split apart."""
        return (
            (not self.pitches or note.pitch in self.pitches)
            and _matches(note.info.get("source", ""), self.sources)
            and _matches(note.info.get("collection", ""), self.collections)
        )


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)


def choose_notes(dataset: NoteDataset, selection: Selection) -> list[Note]:
    """The notes of a dataset that a selection lets through.

    Raises:
        InputError: None is left.
    """
    split = selection.split
    notes = dataset.notes if split is None else dataset.in_split(split)
    chosen = [note for note in notes if selection.fits(note)]
    if not chosen:
        raise InputError(f"{dataset.root} has no such notes in the split {split or 'all'}.")
    return chosen
