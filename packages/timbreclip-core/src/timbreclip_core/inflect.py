"""Singular and plural of short English noun phrases about sounds."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

_IRREGULAR = {
    "bass": "basses", "brass": "brasses", "voice": "voices", "man": "men", "woman": "women",
    "foot": "feet", "knife": "knives", "thief": "thieves", "leaf": "leaves", "wolf": "wolves",
    "cello": "cellos", "piano": "pianos", "echo": "echoes", "hero": "heroes", "church": "churches",
    "tremolo": "tremolos", "vibrato": "vibratos", "solo": "solos", "piccolo": "piccolos",
    "bongo": "bongos", "banjo": "banjos", "koto": "kotos", "guiro": "guiros", "agogo": "agogos",
    "arpeggio": "arpeggios", "taiko": "taikos", "timpano": "timpani",
    "erhu": "erhus", "bus": "buses", "chorus": "choruses", "circus": "circuses", "gas": "gases",
    "lens": "lenses", "octopus": "octopuses",
    # Plurals in -is that are none of "basis", "tennis" and their like.
    "shakuhachi": "shakuhachis", "bouzouki": "bouzoukis", "yidaki": "yidakis", "gusli": "guslis",
    "bansuri": "bansuris", "mariachi": "mariachis", "caxixi": "caxixis", "gankogui": "gankoguis",
}  # fmt: skip
_SINGULAR = {many: one for one, many in _IRREGULAR.items()}

# Words that stay as they are: mass nouns, plurals without a singular, words not English.
_INVARIABLE = frozenset(
    {
        "applause", "blues", "bongos", "castanets", "catgut", "claves", "clean", "congas",
        "distortion", "drums", "electronics", "feedback", "foley", "frets", "fuzz", "fx",
        "harmonics", "hi-fi", "highs", "hiss", "hum", "ivories", "jazz", "kalimba", "keys", "koto",
        "laughter", "lo-fi", "lows", "maracas", "mids", "modulation", "music", "muted", "noise",
        "nylon", "overdrive", "percussion", "pizzicato", "rain", "reverb", "rhodes", "series",
        "sfx", "shamisen", "static", "steel", "sticks", "strings", "surf", "synthesis", "thunder",
        "timpani", "tremolando", "unison", "vibes", "water", "wind", "woodwind",
    }
)  # fmt: skip
_PREPOSITIONS = frozenset(
    {
        "of",
        "with",
        "in",
        "on",
        "for",
        "from",
        "to",
        "at",
        "by",
        "like",
        "that",
        "through",
        "without",
    }
)


def _head(words: list[str]) -> int:
    """Index of the noun that carries the number: the last word before a preposition."""
    for index, word in enumerate(words[1:], start=1):
        if word in _PREPOSITIONS:
            return index - 1
    return len(words) - 1


def plural_word(word: str) -> str:
    """Plural of one word; unchanged if it is invariable or already plural.

    >>> [plural_word(w) for w in ("bass", "brass", "pad", "patch", "harmony", "strings")]
    ['basses', 'brasses', 'pads', 'patches', 'harmonies', 'strings']
    """
    low = word.lower()
    if low in _INVARIABLE or low in _SINGULAR or singular_word(word) != word:
        return word
    if low in _IRREGULAR:
        return _IRREGULAR[low]
    if low.endswith(("s", "x", "ch", "sh", "z")):
        return word + "es"
    if low.endswith("y") and low[-2:-1] not in "aeiou":
        return word[:-1] + "ies"
    return word + "s"


def singular_word(word: str) -> str:
    """Singular of one word; unchanged if it is invariable or already singular.

    >>> [singular_word(w) for w in ("basses", "glass", "patches", "harmonies", "voices")]
    ['bass', 'glass', 'patch', 'harmony', 'voice']
    """
    low = word.lower()
    if low in _INVARIABLE or low in _IRREGULAR:
        return word
    if low in _SINGULAR:
        return _SINGULAR[low]
    if len(low) < 4 or not low.endswith("s") or low.endswith(("ss", "us", "wards")):
        return word
    if low.endswith("is") and not low.endswith("ais"):
        return word
    if low.endswith("ies") and len(low) > 4:
        return word[:-3] + "y"
    if low.endswith(("ches", "shes", "sses", "xes", "zzes")):
        return word[:-2]
    return word[:-1]


def _on_head(text: str, change: Callable[[str], str]) -> str:
    words = text.split(" ")
    if not re.search(r"[a-z]", text.lower()) or any(word.endswith(",") for word in words):
        return text
    if words[0].lower() in _PREPOSITIONS:
        return text
    at = _head(words)
    words[at] = change(words[at])
    return " ".join(words)


def plural(text: str) -> str:
    """Plural of a noun phrase; lists ("sax, oboe") stay as they are.

    >>> plural("synth pad"), plural("voice of an angel"), plural("flutes")
    ('synth pads', 'voices of an angel', 'flutes')
    """
    return _on_head(text, plural_word)


def singular(text: str) -> str:
    """Singular of a noun phrase; what begins with a preposition is none.

    >>> singular("string sections"), singular("brass"), singular("with sharp edges")
    ('string section', 'brass', 'with sharp edges')
    """
    return _on_head(text, singular_word)


def inflect(text: str, rng: random.Random) -> str:
    """Singular or plural of a noun phrase, as ``rng`` decides."""
    return plural(singular(text)) if rng.random() < 0.5 else singular(text)
