"""Every figure of the bar table from vectors that are computed once.

Each figure comes from the function behind the single command that ``bars.toml`` names beside it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from timbreclip_core.errors import InputError, TimbreClipError
from timbreclip_core.model import Model

from ..datasets.base import NoteDataset
from .attributes import (
    SINGLED_OUT,
    WordScore,
    correlate,
    descriptor_store,
    eq_directions,
    lexicon_of,
    measure_notes,
    spread_sounds,
    summary,
    tag_scores,
)
from .bars import Figure, rows_of, selections
from .copies import copy_cosines
from .hearing import HeardNotes
from .labels import Labelled, guess_labels, label_of
from .pitch import mfcc_store, own_patch_recall, pitch_robustness
from .plurals import compare_numbers
from .ranking import resampled_means
from .run import DIRECTIONS, RetrievalConfig, evaluate

Figures = dict[str, Figure]
FIVE = SINGLED_OUT[:5]
OCTAVES = 2
RESAMPLES = 1000


@dataclass(frozen=True, kw_only=True)
class SuiteConfig:
    """How much of it.

    Args:
        sounds: Sounds that the EQ is fitted on; 0 leaves the EQ out.
        words: Words drawn for the EQ; None for all.
        copies: Notes whose 16 kHz copies are heard.
        random_runs: Of the random rows of retrieval.
        cache: Where descriptors and MFCC are kept; None for the default.
        jobs: Threads; None for all cores.
    """

    sounds: int = 10
    words: int | None = None
    copies: int = 1000
    random_runs: int = 100
    cache: Path | None = None
    jobs: int | None = None


@dataclass(frozen=True)
class Suite:
    """What the tasks work on."""

    dataset: NoteDataset
    heard: HeardNotes
    model: Model
    config: SuiteConfig

    def chosen(self, name: str) -> HeardNotes:
        """Notes of a selection of ``bars.toml``.

        Raises:
            InputError: There are none.
        """
        found = self.heard.where(selections()[name].fits)
        if not found.notes:
            raise InputError("there are no such notes")
        return found

    def guesses(self, name: str, label: Labelled, templates: str, **options: Any) -> Figures:
        """Guessed labels of a selection."""
        found = guess_labels(self.chosen(name), self.model, label, templates, **options)
        classes, items = len(found.result.classes), int(found.result.confusion.sum())
        note = f"{classes} classes, {items} patches"
        if found.refused:
            note += f"; left out: {', '.join(found.refused)}"
        return {
            measure: Figure(e.mean, e.low, e.high, 1 / classes, note)
            for measure, e in found.result.intervals().items()
        }

    def retrieval(self, name: str, kind: str, direction: str) -> Figures:
        """One block of ``tclip eval retrieval``."""
        config = RetrievalConfig(
            kinds=(kind,), random_runs=self.config.random_runs, directions=(direction,)
        )
        block = evaluate(self.chosen(name), self.model, config, progress=lambda _: None).blocks[0]
        own, random, _ = (row.measures for row in block.rows)
        note = f"{block.queries} queries, {block.documents} documents"
        return {m: Figure(e.mean, e.low, e.high, random[m].mean, note) for m, e in own.items()}


def _plurals(suite: Suite) -> Figures:
    pairs = compare_numbers(suite.model)
    worst, cosines = pairs[0], np.array([pair.cosine for pair in pairs])
    return {
        "worst": Figure(worst.cosine, note=f"{worst.singular} / {worst.plural}"),
        "mean": _mean(cosines, note=f"{len(pairs)} pairs"),
    }


def _mean(values: np.ndarray, random: float | None = None, note: str = "") -> Figure:
    low, high = np.percentile(resampled_means(values[:, None], RESAMPLES, 0), [2.5, 97.5])
    return Figure(float(values.mean()), float(low), float(high), random, note)


def _tags(suite: Suite) -> Figures:
    found = tag_scores(suite.heard, suite.model)
    note, rows = f"{found['tags']} tags", found["by_tag"].values()
    return {
        "auc": _mean(np.array([r["auc"] for r in rows]), 0.5, note),
        "map": _mean(np.array([r["average_precision"] for r in rows]), found["chance_map"], note),
    }


def _correlation(suite: Suite) -> Figures:
    store = descriptor_store(suite.config.cache)
    measured = measure_notes(suite.dataset, suite.heard.notes, store, jobs=suite.config.jobs)
    return _words(suite, correlate(suite.heard.vectors["text"], suite.model, measured), 0.0)


def _eq(suite: Suite) -> Figures:
    config = suite.config
    if not config.sounds:
        raise InputError("no sounds for the EQ were asked for")
    sounds = spread_sounds(suite.heard, suite.dataset, suite.model, config.sounds)
    scores = eq_directions(suite.model, sounds, limit=config.words, jobs=config.jobs)
    found = _words(suite, scores, 0.5)
    if five := [s for s in scores if s.word in FIVE]:
        found["five"] = Figure(summary(five)["seen"], random=0.5, note=_counts(five))
    return found


def _words(suite: Suite, scores: list[WordScore], random: float) -> Figures:
    """Single words, and means over seen and held-out ones."""
    found = {s.word: Figure(s.value, random=random, note=_counts([s])) for s in scores}
    for name, held_out in (("seen", False), ("held_out", True)):
        group = [s for s in scores if s.held_out is held_out]
        if not group:
            continue
        note = "; ".join(filter(None, [f"{len(group)} words", _counts(group)]))
        if held_out and lexicon_of(suite.model)["valid"] is not True:
            note += "; not valid as unseen words for this model"
        found[name] = _mean(np.array([s.value for s in group]), random, note)
    return found


def _counts(scores: list[WordScore]) -> str:
    if scores[0].total is None:
        return ""
    return f"{sum(s.right or 0 for s in scores)} of {sum(s.total or 0 for s in scores)}"


def _pitch(suite: Suite) -> Figures:
    store = mfcc_store(suite.config.cache)
    rows = pitch_robustness(suite.heard, suite.dataset, store=store, jobs=suite.config.jobs)
    by_name = {row["vectors"]: row for row in rows}
    kind = suite.model.kind_for_sounds()
    pitched = suite.heard.where(lambda note: note.pitch is not None).notes
    noise = np.random.default_rng(0).normal(size=(len(pitched), 64))
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    patches, pitches = (np.array([getattr(n, k) for n in pitched]) for k in ("patch", "pitch"))
    by_chance = own_patch_recall(noise, patches, pitches, distances=(OCTAVES,))
    probe = by_name[kind]
    error = f"mean error {probe['probe_error_semitones']:.1f} semitones"
    found = {"probe": Figure(probe["probe_r2"], random=0.0, note=error)}
    for name, vectors in (("recall", kind), ("recall_mfcc", "MFCC")):
        row = by_name[vectors]["recall"].get(OCTAVES)
        if row is not None:
            chance, note = by_chance[OCTAVES]["recall@10"], f"{row['queries']} queries"
            found[name] = Figure(row["recall@10"], row["low"], row["high"], chance, note)
    return found


def _copies(suite: Suite) -> Figures:
    config = suite.config
    cosines = copy_cosines(
        suite.heard, suite.dataset, suite.model, count=config.copies, jobs=config.jobs
    )
    drawn = np.random.default_rng(0).choice(cosines, (RESAMPLES, len(cosines)))
    low, high = np.percentile(np.median(drawn, axis=1), [2.5, 97.5])
    note = f"{len(cosines)} notes, lowest {cosines.min():.3f}"
    return {"median": Figure(float(np.median(cosines)), float(low), float(high), note=note)}


def _speed(suite: Suite) -> Figures:
    raise InputError(
        "speed is measured in turns with Wav2CLIP, by benchmarks/speed/wav2clip_reference.py"
    )


_CATEGORY = label_of("category")
TASKS: dict[str, Callable[[Suite], Figures]] = {
    "category_timgm": lambda s: s.guesses("timgm", _CATEGORY, "none", per="closest"),
    "category_zyn": lambda s: s.guesses("zyn", _CATEGORY, "none", per="closest"),
    "category_both": lambda s: s.guesses("both", _CATEGORY, "none", per="closest"),
    "other_words": lambda s: s.guesses(
        "both", _CATEGORY, "instrument", per="closest", wordings="held-out"
    ),
    "plurals": _plurals,
    "title_category": lambda s: s.retrieval("with_category", "title+category", DIRECTIONS[0]),
    "title": lambda s: s.retrieval("pitched", "title", DIRECTIONS[0]),
    "audio_to_title": lambda s: s.retrieval("pitched", "title", DIRECTIONS[2]),
    "general_midi": lambda s: s.guesses("general_midi", _CATEGORY, "instrument"),
    "percussion": lambda s: s.guesses("kits", label_of("drum"), "instrument"),
    "tags": _tags,
    "correlation": _correlation,
    "eq": _eq,
    "pitch": _pitch,
    "copies": _copies,
    "speed": _speed,
}


def run_suite(suite: Suite, progress: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """All rows of the table, and how long each task took.

    Args:
        suite: What to measure.
        progress: Is told the name of each task.
    """
    found: dict[str, Figures | str] = {}
    seconds = {}
    for name, task in TASKS.items():
        progress(name)
        start = time.perf_counter()
        try:
            found[name] = task(suite)
        except TimbreClipError as error:
            found[name] = str(error)
        seconds[name] = time.perf_counter() - start
    return {
        "model": suite.model.id,
        "precision": suite.model.precision,
        "notes": len(suite.heard.notes),
        "patches": len({note.patch for note in suite.heard.notes}),
        "left_out": [{"note": n.id, "reason": reason} for n, reason in suite.heard.failed],
        "lexicon": lexicon_of(suite.model),
        "rows": rows_of(found),
        "seconds": seconds,
    }
