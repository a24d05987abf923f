"""Which words are judged, which belong together, and what people did for them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from timbreclip_core.errors import InputError
from timbreclip_core.lexicon import antonyms, synonyms

PAIRS = 8
# The 40 bands of people's word curves, Hz (Cartwright and Pardo, Social-EQ, ISMIR 2013).
BARK_HZ = (
    *(20, 50, 83, 120, 161, 208, 259, 318, 383, 455, 537, 628, 729, 843, 971, 1_114, 1_273, 1_452),
    *(1_652, 1_875, 2_126, 2_406, 2_719, 3_070, 3_462, 3_901, 4_392, 4_941, 5_556, 6_244, 7_014),
    *(7_875, 8_839, 9_917, 11_124, 12_474, 13_984, 15_675, 17_566, 19_682),
)


@dataclass(frozen=True)
class HumanCurve:
    """How people set an equaliser for a word.

    Args:
        word: The word, lower case.
        people: How many settings it is the mean of.
        gains: Relative gains at ``BARK_HZ``, ``(40,)``, mean 0; only the shape counts.
    """

    word: str
    people: int
    gains: np.ndarray


def antonym_pairs() -> tuple[tuple[str, str], ...]:
    """The pairs that should give opposite curves: the first eight of core's."""
    return antonyms()[:PAIRS]


def synonym_pairs() -> tuple[tuple[str, str], ...]:
    """For each word of the antonym pairs, the word that core's table calls nearest to it."""
    table = synonyms()
    pairs: dict[frozenset[str], tuple[str, str]] = {}
    for word in dict.fromkeys(w for pair in antonym_pairs() for w in pair):
        others = [key for key, members in table.items() if word in members]
        near = [*table.get(word, ()), *others]
        if near:
            pairs.setdefault(frozenset((word, near[0])), (word, near[0]))
    return tuple(pairs.values())


def read_human(path: str | Path, language: str) -> dict[str, HumanCurve]:
    """People's curves by word, from a JSON list of ``word``, ``lang``, ``num`` and ``settings``.

    Several entries of one word are averaged, weighted by ``num``.

    Args:
        path: The file.
        language: Only entries of this ``lang``.

    Raises:
        InputError: Another form, or no entry of that language.
    """
    try:
        entries = json.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is no JSON file of word curves: {error}") from error
    if not isinstance(entries, list):
        raise InputError(f"{path} must hold a list of objects with word, lang, num and settings.")
    sums: dict[str, list[tuple[int, np.ndarray]]] = {}
    for number, entry in enumerate(entries):
        word, lang, people, gains = _checked(entry, f"{path}, entry {number}")
        if lang == language:
            sums.setdefault(word, []).append((people, gains))
    if not sums:
        raise InputError(f"{path} has no entry whose lang is {language!r}.")
    return {word: _mean(word, parts) for word, parts in sums.items()}


def _checked(entry: object, where: str) -> tuple[str, str, int, np.ndarray]:
    if not isinstance(entry, Mapping) or not {"word", "lang", "settings"} <= set(entry):
        raise InputError(f"{where} must be an object with word, lang, num and settings.")
    try:
        gains = np.asarray(entry["settings"], dtype=np.float64)
        people = int(entry.get("num", 1))
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: settings must be numbers and num a count.") from error
    if gains.shape != (len(BARK_HZ),) or not np.isfinite(gains).all():
        raise InputError(f"{where}: settings must be {len(BARK_HZ)} finite numbers.")
    return str(entry["word"]).strip().lower(), str(entry["lang"]), max(1, people), gains


def _mean(word: str, parts: Sequence[tuple[int, np.ndarray]]) -> HumanCurve:
    people = sum(count for count, _ in parts)
    gains = sum(count * (g - g.mean()) for count, g in parts) / people
    return HumanCurve(word, people, np.asarray(gains))


def pearson(first: np.ndarray, second: np.ndarray) -> float:
    """Correlation of two curves ``(bands,)``; 0 where one of them is flat."""
    a, b = first - first.mean(), second - second.mean()
    length = math.sqrt(float((a @ a) * (b @ b)))
    return float(a @ b) / length if length > 1e-12 else 0.0
