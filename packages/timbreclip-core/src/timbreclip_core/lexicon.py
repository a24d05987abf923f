"""The timbre lexicon: what words for timbre say about measurable descriptors.

The table is data (``data/lexicon.tsv``), written with the psychoacoustic and music-production
literature in mind (``data/references.tsv``; ``docs/lexicon.md`` says how far the sources carry).
Whatever this project claims about a sound or an EQ moving "the way a word says" refers to it. A
fifth of the words is held out: no training text may contain them. ``freeze_id`` names the set that
is held out; figures for unseen words hold only for a model trained under the same id.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from .errors import UnknownNameError
from .stems import PhraseSet


@dataclass(frozen=True)
class Direction:
    """A descriptor and the way a word points along it: ``sign`` is +1 or -1."""

    descriptor: str
    sign: int


@dataclass(frozen=True)
class LexiconWord:
    """One word or phrase of the lexicon.

    Attributes:
        text: The word, lower case.
        form: ``adjective`` ("bright"), ``noun`` ("slow attack"), or ``tail`` ("with boosted highs",
            stands after what it describes).
        root: Key of the group of near-identical words that it is held out with.
        directions: Descriptors it goes with, the principal one first.
        eq: The spectral direction that an equaliser can make and the descriptor that judges it;
            None if an equaliser cannot make the word.
        sources: Keys of `references`.
        held_out: Whether training texts must not contain it.
        pinned: Whether it was kept out of the draw of the held-out words (see `lexicon_draw`).
    """

    text: str
    form: str
    root: str
    directions: tuple[Direction, ...]
    eq: Direction | None
    sources: tuple[str, ...]
    held_out: bool
    pinned: bool

    @property
    def principal(self) -> Direction:
        """The descriptor that the word is first of all about."""
        return self.directions[0]


def _rows(name: str) -> Iterator[list[str]]:
    text = files(__package__).joinpath("data", name).read_text(encoding="utf-8")
    for line in text.splitlines():
        if line and not line.startswith("#"):
            yield [cell.strip() for cell in line.split("\t")]


def _direction(text: str) -> Direction:
    return Direction(text[1:], {"+": 1, "-": -1}[text[0]])


@cache
def _words() -> dict[str, LexiconWord]:
    return {
        text: LexiconWord(
            text=text,
            form=form,
            root=root,
            directions=tuple(_direction(item) for item in directions.split()),
            eq=None if eq == "none" else _direction(eq),
            sources=tuple(sources.split()),
            held_out=use == "held_out",
            pinned=use == "pinned",
        )
        for text, form, root, directions, eq, sources, use in _rows("lexicon.tsv")
    }


def words(*, held_out: bool | None = None) -> tuple[LexiconWord, ...]:
    """All words, or only those seen in training (False), or only those held out (True)."""
    return tuple(w for w in _words().values() if held_out is None or w.held_out is held_out)


def lookup(text: str) -> LexiconWord:
    """The entry of a word or phrase; case does not count.

    Raises:
        UnknownNameError: If the lexicon does not hold it.
    """
    try:
        return _words()[" ".join(text.lower().split())]
    except KeyError:
        raise UnknownNameError("word of the timbre lexicon", text, _words()) from None


def words_for(descriptor: str, sign: int, *, held_out: bool | None = False) -> tuple[str, ...]:
    """Words whose principal direction is ``descriptor`` with ``sign``; of training by default.

    >>> "bright" in words_for("centroid_octaves", +1)
    True
    """
    wanted = Direction(descriptor, sign)
    return tuple(w.text for w in words(held_out=held_out) if w.principal == wanted)


def eq_words(*, held_out: bool | None = None) -> tuple[LexiconWord, ...]:
    """Words with a spectral direction that an equaliser can make."""
    return tuple(w for w in words(held_out=held_out) if w.eq is not None)


def held_out_phrases() -> tuple[str, ...]:
    """The words that training texts must not contain."""
    return tuple(w.text for w in words(held_out=True))


def freeze_id() -> str:
    """Twelve hexadecimal digits that change with the set of held-out words, and only with it."""
    return hashlib.sha256("\n".join(sorted(held_out_phrases())).encode()).hexdigest()[:12]


@cache
def _held_out() -> PhraseSet:
    return PhraseSet(held_out_phrases())


def mentions_held_out(text: str) -> bool:
    """Whether a text contains a held-out word in any inflection.

    >>> mentions_held_out("a bright pad")
    False
    """
    return text in _held_out()


@cache
def antonyms() -> tuple[tuple[str, str], ...]:
    """Pairs of opposite words; the first eight are the ones that the equaliser is judged by."""
    return tuple((first, second) for first, second in _rows("antonyms.tsv"))


@cache
def synonyms() -> dict[str, tuple[str, ...]]:
    """Words, and for each the words that mean nearly the same."""
    return {key: tuple(members.split("; ")) for key, members in _rows("synonyms.tsv")}


@cache
def references() -> dict[str, str]:
    """Full references of the keys in `LexiconWord.sources`."""
    return dict(_rows("references.tsv"))


def draw(descriptor: str, sign: int, rng: random.Random) -> str:
    """One training word for a direction, as ``rng`` decides.

    Raises:
        UnknownNameError: If no training word points that way.
    """
    choices = words_for(descriptor, sign)
    if not choices:
        known = {f"{'-+'[w.principal.sign > 0]}{w.principal.descriptor}" for w in words()}
        wanted = f"{'-+'[sign > 0]}{descriptor}"
        raise UnknownNameError("direction of the lexicon", wanted, known)
    return rng.choice(choices)
