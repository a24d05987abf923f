"""What a sound can be called: categories, families, instruments, drums, tags, and their wordings.

``data/concepts.tsv`` names every concept, its kinds and the pattern that finds it in a preset's
name; ``data/wordings.tsv`` holds the ways to say it. About a third of the wordings are held out:
no training text may contain them, so that they can measure how well a model takes other words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from timbreclip_core import lexicon
from timbreclip_core.errors import UnknownNameError, UsageError
from timbreclip_core.inflect import singular
from timbreclip_core.stems import PhraseSet

from .tables import read_table

KINDS = ("category", "family", "instrument", "percussion", "quality", "source", "tag")


@dataclass(frozen=True)
class Wording:
    """One way to say a concept.

    Attributes:
        text: Lower case but for proper names and acronyms.
        form: ``noun`` ("a pad"), ``mass`` (a noun without article or plural: "brass"),
            ``quality`` (stands before a noun: "plucked") or ``tail`` (stands after one: "with
            vibrato").
        held_out: Whether training texts must not contain it.
    """

    text: str
    form: str
    held_out: bool


@dataclass(frozen=True)
class Concept:
    """A thing that a sound can be: its name is also its first wording.

    Attributes:
        kinds: Which of `KINDS` it serves as.
        aliases: Raw labels of datasets that mean it ("synth_lead").
        pattern: Finds it in a normalised name; None if names never tell.
        said: Every wording, those of training first.
    """

    name: str
    kinds: frozenset[str]
    aliases: tuple[str, ...]
    pattern: re.Pattern[str] | None
    said: tuple[Wording, ...]


@cache
def _concepts() -> dict[str, Concept]:
    said: dict[str, list[Wording]] = {}
    for name, use, form, text in read_table("wordings.tsv", 4):
        said.setdefault(name, []).append(Wording(text, form, use == "held_out"))
    return {
        name: Concept(
            name=name,
            kinds=frozenset(kinds.split()),
            aliases=tuple(alias.strip() for alias in aliases.split(";") if alias.strip()),
            pattern=re.compile(pattern) if pattern else None,
            said=tuple(said.get(name, ())),
        )
        for name, kinds, aliases, pattern in read_table("concepts.tsv", 4)
    }


def concept(name: str) -> Concept:
    """The concept of that name.

    Raises:
        UnknownNameError: If there is none; the message names the closest.
    """
    try:
        return _concepts()[name]
    except KeyError:
        raise UnknownNameError("concept", name, _concepts()) from None


def concept_names(kind: str | None = None) -> tuple[str, ...]:
    """Names of all concepts, or of one kind of `KINDS`, in file order.

    Raises:
        UnknownNameError: If the kind is unknown.
    """
    if kind is not None and kind not in KINDS:
        raise UnknownNameError("kind of concept", kind, KINDS)
    return tuple(c.name for c in _concepts().values() if kind is None or kind in c.kinds)


def wordings(name: str, *, held_out: bool = False) -> tuple[str, ...]:
    """Ways to say a concept: those of training, or those that training never sees.

    >>> wordings("choir")[0], "choir" in wordings("choir", held_out=True)
    ('choir', False)
    """
    return tuple(w.text for w in concept(name).said if w.held_out is held_out)


def more_wordings(name: str) -> tuple[Wording, ...]:
    """Further ways to say a concept, for training texts alone: no label is read by them.

    They stand in a table of their own (``data/more_wordings.tsv``), so that adding some does not
    draw anew which wordings are held out.
    """
    return _more_wordings().get(name, ())


@cache
def _more_wordings() -> dict[str, tuple[Wording, ...]]:
    table: dict[str, list[Wording]] = {}
    for name, form, text in read_table("more_wordings.tsv", 3):
        table.setdefault(name, []).append(Wording(text, form, held_out=False))
    return {name: tuple(said) for name, said in table.items()}


def other_words(name: str, split: str) -> tuple[str, ...]:
    """Held-out ways to say a concept: half of them to choose models by, half for the test.

    Args:
        name: Of the concept.
        split: ``"valid"`` or ``"test"``.

    Raises:
        UsageError: Another split.

    >>> set(other_words("choir", "valid")) & set(other_words("choir", "test"))
    set()
    """
    if split not in ("valid", "test"):
        raise UsageError(f"Held-out wordings are for valid or test, not for {split!r}.")
    return wordings(name, held_out=True)[split == "valid" :: 2]


@cache
def _lookup() -> dict[str, str]:
    table: dict[str, str] = {}
    for rank in ("name", "alias", "wording"):
        for c in _concepts().values():
            texts = {
                "name": (c.name,),
                "alias": c.aliases,
                "wording": tuple(w.text for w in c.said if not w.held_out),
            }[rank]
            for text in texts:
                table.setdefault(_plain(text), c.name)
    return table


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[_\W]+", " ", text.lower()).split())


def canonical(raw: str, kind: str | None = None) -> str | None:
    """The concept that a raw label means, or None.

    Names come first, then aliases, then training wordings; singular and plural are tried.

    >>> canonical("Synth_Lead"), canonical("Choirs"), canonical("made up")
    ('synth lead', 'choir', None)
    """
    text = _plain(raw)
    for candidate in (text, singular(text), f"{text}s"):
        found = _lookup().get(candidate)
        if found and (kind is None or kind in _concepts()[found].kinds):
            return found
    return None


@cache
def _held_out() -> PhraseSet:
    ours = (w.text for c in _concepts().values() for w in c.said if w.held_out)
    return PhraseSet([*ours, *lexicon.held_out_phrases()])


def mentions_held_out(text: str) -> bool:
    """Whether a text contains a held-out wording or a held-out lexicon word, however inflected.

    Titles and descriptions that do must not be used as training text.
    """
    return text in _held_out()
