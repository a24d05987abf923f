"""The attributes that are measured: conditions and words, from ``attributes.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from timbreclip_core import lexicon

from .. import text as wording


@dataclass(frozen=True)
class Condition:
    """One thing that must hold for an attribute.

    Args:
        descriptor: Its name.
        edge: From here on it holds.
        none: From here on, on the other side, it surely does not; between them nobody can say.
        relative: Whether both are deviations from what is usual at the pitch, or values in the
            descriptor's unit.
    """

    descriptor: str
    edge: float
    none: float
    relative: bool

    @property
    def rising(self) -> bool:
        """Whether more of the descriptor is more of the attribute."""
        return self.edge > self.none


@dataclass(frozen=True)
class Attribute:
    """A measured attribute.

    Args:
        name: Its key.
        conditions: All must hold.
        words: How it is said in training; the first one labels patches.
        pitched: Whether it can be said of pitched sounds only.
        pitches: Lowest and highest MIDI pitch of which it can be said.
        tags: Tags of the repository's synthesiser that it should agree with, one of them; with
            ``-`` in front, that it should exclude.
        partial: Whether these tags are only some of what it means.
        concepts: Concepts of the text package that mean it.
    """

    name: str
    conditions: tuple[Condition, ...]
    words: tuple[str, ...]
    pitched: bool
    pitches: tuple[float, float]
    tags: tuple[str, ...]
    partial: bool = False
    concepts: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """How a dataset names it."""
        return self.words[0]


@cache
def attributes() -> tuple[Attribute, ...]:
    """All attributes, in the order of the data file."""
    listed = _file()["attribute"]
    claimed = [word for item in listed.values() for word in item["words"]]
    return tuple(_attribute(name, item, claimed) for name, item in listed.items())


def attribute_names() -> tuple[str, ...]:
    """Their keys, in the order of the columns of ``attributes_of``."""
    return tuple(attribute.name for attribute in attributes())


def by_pitch() -> dict[str, float]:
    """How much what is usual for a descriptor follows the pitch, 0 to 1; 0 for those not named."""
    return {name: float(share) for name, share in _file()["by_pitch"].items()}


@cache
def _file() -> dict[str, Any]:
    return tomllib.loads(files(__package__).joinpath("attributes.toml").read_text("utf-8"))


def _attribute(name: str, item: dict[str, Any], claimed: Sequence[str]) -> Attribute:
    margin = float(_file()["margin"])
    conditions = [
        Condition(descriptor, edge, edge - (margin if edge > 0 else -margin), True)
        for descriptor, edge in item.get("when", {}).items()
    ]
    conditions += [
        Condition(descriptor, edge, none, False)
        for descriptor, none, edge in item.get("absolute", ())
    ]
    low, high = item.get("pitches", (0, 127))
    return Attribute(
        name=name,
        conditions=tuple(conditions),
        words=_words(item, claimed),
        pitched=item.get("pitched", False),
        pitches=(float(low), float(high)),
        tags=tuple(item.get("tags", ())),
        partial=item.get("partial", False),
        concepts=tuple(item.get("concepts", ())),
    )


def _words(item: dict[str, Any], claimed: Sequence[str]) -> tuple[str, ...]:
    """Its own words, then shared ones that no attribute lists as its own; none held out."""
    shared = [word for concept in item.get("concepts", ()) for word in wording.wordings(concept)]
    shared += _from_lexicon(item.get("lexicon", ()))
    found = dict.fromkeys([*item["words"], *(word for word in shared if word not in claimed)])
    return tuple(word for word in found if not wording.mentions_held_out(word))


def _from_lexicon(directions: Iterable[str]) -> list[str]:
    """Training words of the timbre lexicon, for directions such as ``+noise_db``."""
    return [
        word
        for direction in directions
        for word in lexicon.words_for(direction[1:], 1 if direction[0] == "+" else -1)
    ]
