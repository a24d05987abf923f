"""The three judges: direction, pairs of words, people's curves. None of them asks a model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from timbreclip_core.lexicon import LexiconWord, words

from .finding import Found
from .words import BARK_HZ, HumanCurve, antonym_pairs, pearson, synonym_pairs

MOST = 0.8  # of the sounds, for a word to count as right
BAR_WORDS = 14
LEAST_BANDS = 8  # of people's curves that a model must hear

BySound = Mapping[str, Found]


@dataclass(frozen=True)
class Spread:
    """A figure over the sounds.

    Args:
        mean: Over them.
        deviation: Standard deviation over them, 0 for one sound.
        low: Smallest.
        high: Largest.
    """

    mean: float
    deviation: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of at least one value."""
        array = np.asarray(values, dtype=np.float64)
        deviation = float(array.std(ddof=1)) if len(array) > 1 else 0.0
        return cls(float(array.mean()), deviation, float(array.min()), float(array.max()))


@dataclass(frozen=True)
class DirectionScore:
    """Did the lexicon's descriptor of a word move the way that the lexicon says?

    Args:
        word: The word.
        held_out: Whether the lexicon keeps it from training.
        descriptor: With its sign, as ``+centroid_octaves``.
        right: Sounds that moved so.
        total: Sounds.
        moved: By how much, in the unit of the descriptor, signed so that right is positive.
        wrong: Names of the sounds that did not move so.
    """

    word: str
    held_out: bool
    descriptor: str
    right: int
    total: int
    moved: Spread
    wrong: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether it is right on enough of the sounds."""
        return self.right >= MOST * self.total


@dataclass(frozen=True)
class PairScore:
    """How alike the curves of two words are.

    Args:
        first: A word.
        second: Another.
        correlation: Pearson, over the sounds.
        negative: Sounds on which it is below 0.
        total: Sounds.
    """

    first: str
    second: str
    correlation: Spread
    negative: int
    total: int


@dataclass(frozen=True)
class HumanScore:
    """How like people's curve the curves of a word are.

    Args:
        word: The word.
        people: Settings behind people's curve.
        correlation: Pearson with it, over the sounds.
        mean_curve: Pearson with it of the mean of people's curves for all other words.
        best_tilt: The same of a straight line over log frequency, rising or falling as is better.
    """

    word: str
    people: int
    correlation: Spread
    mean_curve: float
    best_tilt: float


@dataclass(frozen=True)
class Shape:
    """What the curves of one EQ look like: means over words and sounds.

    Args:
        steepness_db_per_octave: Mean absolute slope.
        height_db: Mean absolute gain.
        similarity_gain: Cosine to the word after less before; the only figure of the model's.
    """

    steepness_db_per_octave: float
    height_db: float
    similarity_gain: float

    @classmethod
    def of(cls, found: Iterable[Found], heard: np.ndarray) -> Shape:
        """Of curves in the bands ``heard`` ``(40,)``."""
        octaves = np.diff(np.log2(np.array(BARK_HZ))[heard])
        given = list(found)
        curves = [entry.curve_db[heard] for entry in given]
        slopes = [np.abs(np.diff(curve)).sum() / octaves.sum() for curve in curves]
        gains = [entry.similarity[1] - entry.similarity[0] for entry in given]
        return cls(float(np.mean(slopes)), float(np.abs(curves).mean()), float(np.mean(gains)))


@dataclass(frozen=True)
class Verdict:
    """What the judges say of one EQ.

    Args:
        eq: Its name.
        shape: Of its curves.
        directions: One a word that has a spectral direction.
        antonyms: One a pair.
        synonyms: One a pair.
        human: One a word that people were asked about; empty without their curves.
        bands: Of people's curves that the model hears.
    """

    eq: str
    shape: Shape
    directions: tuple[DirectionScore, ...]
    antonyms: tuple[PairScore, ...]
    synonyms: tuple[PairScore, ...]
    human: tuple[HumanScore, ...]
    bands: int

    def summary(self) -> dict[str, Any]:
        """Counts against the bars, and means."""
        found: dict[str, Any] = {
            "words_right": sum(d.passed for d in self.directions),
            "words": len(self.directions),
            "pairs_negative": sum(p.correlation.mean < 0 for p in self.antonyms),
            "pairs": len(self.antonyms),
            "synonyms_positive": sum(p.correlation.mean > 0 for p in self.synonyms),
            "synonyms": len(self.synonyms),
        }
        for name, scores in (("antonym", self.antonyms), ("synonym", self.synonyms)):
            found[f"{name}_correlation"] = _mean(p.correlation.mean for p in scores)
        if self.human:
            found["human_correlation"] = _mean(h.correlation.mean for h in self.human)
            found["human_mean_curve"] = _mean(h.mean_curve for h in self.human)
            found["human_best_tilt"] = _mean(h.best_tilt for h in self.human)
            found["human_words"] = len(self.human)
        return found

    def as_record(self) -> dict[str, Any]:
        """Plain data."""
        return {**asdict(self), "summary": self.summary()}


def judge(
    eq: str, found: Mapping[str, BySound], people: Mapping[str, HumanCurve] | None = None
) -> Verdict:
    """All three judges on what one EQ did.

    Args:
        eq: Its name.
        found: By word and sound; words and pairs that are not there are left out.
        people: Their curves by word.
    """
    lexicon = {entry.text: entry for entry in words()}
    directions = [
        _direction(lexicon[word], sounds)
        for word, sounds in found.items()
        if word in lexicon and lexicon[word].eq is not None
    ]
    heard = _heard(found)
    return Verdict(
        eq=eq,
        shape=Shape.of([entry for sounds in found.values() for entry in sounds.values()], heard),
        directions=tuple(directions),
        antonyms=_pairs(antonym_pairs(), found),
        synonyms=_pairs(synonym_pairs(), found),
        human=_human(found, people or {}, heard),
        bands=int(heard.sum()),
    )


def _direction(entry: LexiconWord, sounds: BySound) -> DirectionScore:
    wanted = entry.eq
    if wanted is None:
        raise ValueError(f"{entry.text} has no spectral direction.")
    moved = {name: wanted.sign * f.moved[wanted.descriptor] for name, f in sounds.items()}
    wrong = tuple(name for name, value in moved.items() if value <= 0)
    return DirectionScore(
        word=entry.text,
        held_out=entry.held_out,
        descriptor=f"{'-+'[wanted.sign > 0]}{wanted.descriptor}",
        right=len(moved) - len(wrong),
        total=len(moved),
        moved=Spread.of(list(moved.values())),
        wrong=wrong,
    )


def _pairs(pairs: Iterable[tuple[str, str]], found: Mapping[str, BySound]) -> tuple[PairScore, ...]:
    scores = []
    for first, second in pairs:
        if first not in found or second not in found:
            continue
        likeness = [
            _over_heard(pearson, found[first][name].curve_db, found[second][name].curve_db)
            for name in found[first]
        ]
        negative = sum(value < 0 for value in likeness)
        scores.append(PairScore(first, second, Spread.of(likeness), negative, len(likeness)))
    return tuple(scores)


def _human(
    found: Mapping[str, BySound], people: Mapping[str, HumanCurve], heard: np.ndarray
) -> tuple[HumanScore, ...]:
    if heard.sum() < LEAST_BANDS:
        return ()
    octaves = np.log2(np.array(BARK_HZ))[heard]
    scores = []
    for word, curve in people.items():
        if word not in found:
            continue
        gains = curve.gains[heard]
        likeness = [pearson(f.curve_db[heard], gains) for f in found[word].values()]
        others = [c.gains[heard] for w, c in people.items() if w != word]
        mean_curve = pearson(np.mean(others, axis=0), gains) if others else 0.0
        tilt = abs(pearson(octaves, gains))
        scores.append(HumanScore(word, curve.people, Spread.of(likeness), mean_curve, tilt))
    return tuple(scores)


def _heard(found: Mapping[str, BySound]) -> np.ndarray:
    """Bands that every curve has a value in."""
    curves = [entry.curve_db for sounds in found.values() for entry in sounds.values()]
    return np.isfinite(np.stack(curves)).all(0)


def _over_heard(
    measure: Callable[[np.ndarray, np.ndarray], float], first: np.ndarray, second: np.ndarray
) -> float:
    both = np.isfinite(first) & np.isfinite(second)
    return measure(first[both], second[both]) if both.any() else 0.0


def _mean(values: Iterable[float]) -> float | None:
    given = list(values)
    return float(np.mean(given)) if given else None
