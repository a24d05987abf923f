"""Turning raw preset and file names into plain text, and plain text into tags.

Abbreviations, junk and the words that may keep their digits are data (``data/names.tsv``).
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

from .concepts import concept, concept_names
from .tables import read_table

_EXTENSION = re.compile(
    r"\.(xiz|xmz|xpf|ds|sf2|sf3|sfz|wav|flac|ogg|mp3|aiff?|fxp|fxb|vstpreset|amsynth|bank|syx|pat"
    r"|nksf|h2drumkit|lv2)$",
    re.IGNORECASE,
)
_LEADING_INDEX = re.compile(
    r"^\s*(?:[a-g]#?\d\s+-\s|[A-Z]?\d{2,4}[A-H]?\s*[-_.:)]|\d{1,4}\s*[-_.:)]\s)\s*"
)
_BANK_PREFIX = re.compile(r"^(?:K4ish|K4oid|K4|X|FB)\s*:\s*")
_CAMEL = (
    re.compile(r"(?<=[a-zà-ÿ])(?=[A-Z])"),
    re.compile(r"(?<![A-Za-z])(FM|PM|LFO|PWM|EP|SID|DX|TB|TR|TM|SE)(?=[a-z]{2})"),
    re.compile(r"(?<=[A-Z])(?=[A-Z][a-zà-ÿ]{2})"),
)
_DIGIT_EDGES = (re.compile(r"(?<=[A-Za-z])(?=\d)"), re.compile(r"(?<=\d)(?=[A-Za-z])"))
_NOT_TEXT = re.compile("[^\\w&' \ue000-\uf8ff]+|_")
_PRIVATE = 0xE000  # first of the characters that Unicode leaves to private use
_NOTE_NAME = re.compile(r"^[a-g](?:#|b)?-?\d$")
_INDEX = re.compile(r"^(?:\d+[a-z]?|v\d+|[ivx]{2,4}|no|nr|#\d+)$")


@cache
def _data() -> dict[str, list[tuple[re.Pattern[str], str]]]:
    """Rows of ``names.tsv`` by use, as whole-word patterns and replacements."""
    rows: dict[str, list[tuple[re.Pattern[str], str]]] = {}
    for use, find, replacement in read_table("names.tsv", 3):
        pattern = re.compile(rf"(?<![\w'])(?:{find})(?![\w'])", re.IGNORECASE)
        rows.setdefault(use, []).append((pattern, replacement))
    return rows


def _shield(text: str, use: str, kept: list[str]) -> str:
    """Put a private character in place of each word that must stay whole ("808", "hi-hat")."""
    for pattern, replacement in _data()[use]:

        def hide(match: re.Match[str], spelt: str = replacement) -> str:
            kept.append(match.expand(spelt) if spelt else match.group(0))
            return f" {chr(_PRIVATE + len(kept) - 1)} "

        text = pattern.sub(hide, text)
    return text


def _split_words(text: str) -> str:
    for edge in (*_CAMEL, *_DIGIT_EDGES):
        text = edge.sub(lambda match: f"{match.group(0)} ", text)
    return text


def normalise_name(raw: str) -> str:
    """A preset's or file's name as plain lower-case words; empty if nothing is left.

    Extension, index, version and pitch are dropped, camel case and separators are split, and
    abbreviations of musicians ("Str", "Bs", "Ld", "Pno") are spelt out.

    >>> normalise_name("0033-SlowStr 2.xiz"), normalise_name("TB303_AcidBs")
    ('slow strings', 'tb-303 acid bass')
    """
    text = re.sub("[\ue000-\uf8ff]", " ", unicodedata.normalize("NFKC", raw)).strip()
    text = _EXTENSION.sub("", text)
    text = _LEADING_INDEX.sub("", _BANK_PREFIX.sub("", text))
    text = re.sub(r"[_/|~]+", " ", text)
    kept: list[str] = []
    # Twice: camel case may hide such a word until it is split ("AcidTB303").
    text = _shield(_split_words(_shield(text, "keep", kept)), "keep", kept)
    for use in ("phrase", "word", "after"):
        for pattern, replacement in _data()[use]:
            text = pattern.sub(replacement, text)
        text = _shield(text, "compound", kept)
    text = text.lower()
    words = [word for word in _NOT_TEXT.sub(" ", text).split() if not _is_junk(word)]
    return " ".join(_restore(word, kept) for word in words)


def _restore(word: str, kept: list[str]) -> str:
    return kept[ord(word) - _PRIVATE].lower() if _is_private(word) else word


def _is_private(word: str) -> bool:
    return len(word) == 1 and _PRIVATE <= ord(word) <= 0xF8FF


def _is_junk(word: str) -> bool:
    if len(word) == 1:
        return not _is_private(word)
    if _NOTE_NAME.match(word) or _INDEX.match(word):
        return True
    return any(pattern.fullmatch(word) for pattern, _ in _data()["junk"])


def tags_of(name: str) -> tuple[str, ...]:
    """Concepts whose pattern occurs in a normalised name, in the order of the concept table.

    >>> tags_of(normalise_name("Warm SawPad"))
    ('synth pad', 'saw', 'warm')
    """
    found = []
    for key in concept_names():
        pattern = concept(key).pattern
        if pattern is not None and pattern.search(name):
            found.append(key)
    return tuple(found)
