"""Word stems for telling whether two wordings are near-identical.

The question asked here is "could a model that saw this text have seen that word?", so the stemmer
errs towards joining: ``bright``, ``brighter``, ``brightly`` and ``brightness`` share a stem. It is
not meant for display.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

_TOKEN = re.compile(r"[a-zà-öø-ÿ0-9]+")
_VOWEL = re.compile(r"[aeiouyà-öø-ÿ]")

# Longest first: the first suffix that leaves a pronounceable stem is removed.
_SUFFIXES = (
    "iness", "ingly", "ations", "ation", "iest", "ness", "ions", "ance", "ence", "ical",
    "ing", "ish", "ity", "ier", "ies", "ied", "ily", "ion", "ive", "ful", "ant", "ent", "est",
    "ors", "ers", "ed", "er", "or", "en", "ly", "es", "ic", "y", "e", "s",
)  # fmt: skip

# Words whose family shares no suffix rule.
_IRREGULAR = {
    "depth": "deep", "warmth": "warm", "width": "wide", "strength": "strong", "length": "long",
    "breadth": "broad", "height": "high", "breathe": "breath", "voices": "voice",
    "vocals": "vocal", "women": "woman", "men": "man", "knives": "knife", "wolves": "wolf",
    "lows": "low", "highs": "high", "mids": "mid", "blown": "blow", "blew": "blow",
    "sung": "sing", "sang": "sing", "rung": "ring", "rang": "ring", "struck": "strike",
    "plucked": "pluck", "pluckier": "pluck", "bass": "bass", "basses": "bass", "brasses": "brass",
    "brass": "brass", "glass": "glass", "glasses": "glass", "glassy": "glass", "brassy": "brass",
    "bassy": "bass", "metallic": "metal", "lo": "low", "hi": "high", "noise": "nois",
    "noises": "nois", "noisy": "nois", "synthesiser": "synth", "synthesizer": "synth",
    "synthesisers": "synth", "synthesizers": "synth", "synthetic": "synth", "synthy": "synth",
    "flutter": "flutter", "fluttery": "flutter", "fluttering": "flutter", "leaden": "leaden",
    "reverse": "revers", "reversed": "revers", "serene": "serene", "series": "series",
    "polished": "polish", "police": "police", "downy": "downy", "playful": "playful",
    "clarion": "clarion", "clarity": "clear", "honeyed": "honey",
    "wooden": "wood", "olden": "old", "bow": "bow", "bowed": "bow",
    "crackly": "crackl", "tinkly": "tinkl", "sparkly": "sparkl", "jangly": "jangl",
    "reed": "reed", "reeds": "reed", "reedy": "reed",
}  # fmt: skip


@lru_cache(maxsize=65536)
def stem(word: str) -> str:
    """The stem of one lower-case word, by suffix stripping after Porter's idea, but greedier.

    >>> {stem(w) for w in ("bright", "brighter", "brightness", "brightly")}
    {'bright'}
    >>> stem("bass"), stem("glassy"), stem("wobbling") == stem("wobbly")
    ('bass', 'glass', True)
    """
    word = word.lower()
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    for _ in range(3):
        for suffix in _SUFFIXES:
            rest = word[: -len(suffix)]
            if word.endswith(suffix) and len(rest) >= 3 and _VOWEL.search(rest):
                if suffix == "s" and rest.endswith(("s", "u", "i")):
                    continue
                if suffix == "ly" and rest.endswith(("bb", "zz", "ff", "gg", "mb")):
                    continue
                word = rest
                break
        else:
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeios":
        word = word[:-1]
    return word


def stems(text: str) -> tuple[str, ...]:
    """The stems of the words of ``text``, in order; punctuation and case do not count.

    >>> stems("Rolled-off HIGHS")
    ('rol', 'off', 'high')
    """
    return tuple(stem(token) for token in _TOKEN.findall(text.lower()))


def contains(haystack: tuple[str, ...], needle: tuple[str, ...]) -> bool:
    """Whether ``needle`` occurs in ``haystack`` as an unbroken run; an empty needle never does."""
    width = len(needle)
    return width > 0 and any(
        haystack[start : start + width] == needle for start in range(len(haystack) - width + 1)
    )


class PhraseSet:
    """Phrases that can be found in a text whatever their inflection.

    >>> "Some muffled bells" in PhraseSet(["muffle"]), "bells" in PhraseSet(["bell tower"])
    (True, False)
    """

    def __init__(self, phrases: Iterable[str]) -> None:
        self._by_first: dict[str, list[tuple[str, ...]]] = {}
        for phrase in phrases:
            parts = stems(phrase)
            if parts:
                self._by_first.setdefault(parts[0], []).append(parts)

    def __contains__(self, text: str) -> bool:
        return self.found_in(stems(text))

    def found_in(self, parts: tuple[str, ...]) -> bool:
        """Whether any phrase occurs in a text that is already cut into stems."""
        return any(
            parts[start : start + len(phrase)] == phrase
            for start, part in enumerate(parts)
            for phrase in self._by_first.get(part, ())
        )
