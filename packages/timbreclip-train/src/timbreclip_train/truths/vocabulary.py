"""The vocabulary of training: facts, and the words for them, from this package's data files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

from timbreclip_core import lexicon

from .. import text as wording
from ..measured.attributes import Attribute, attributes


@dataclass(frozen=True)
class Vocabulary:
    """All facts, and the words for them that training may use.

    Args:
        of_tag: Fact by tag of the repository's synthesiser.
        attributes: In the order of their columns.
        own_words: Words for tags that the text package has no concept for.
        more_words: Words of the timbre lexicon that go with tags the text package knows.
    """

    of_tag: dict[str, str]
    attributes: tuple[Attribute, ...]
    own_words: dict[str, tuple[str, ...]]
    more_words: dict[str, tuple[str, ...]]
    index: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = [*wording.concept_names(), *self.of_tag.values()]
        names += [a.name for a in self.attributes]
        self.index.update({name: i for i, name in enumerate(dict.fromkeys(names))})

    def __len__(self) -> int:
        return len(self.index)


def rows(name: str, columns: int) -> list[list[str]]:
    """Cells of one of this package's tables; missing ones at the end of a line are empty."""
    text = files(__package__).joinpath(name).read_text("utf-8")
    lines = [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]
    return [[*line, *[""] * (columns - len(line))] for line in lines]


def _split(cell: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in cell.split(";") if part.strip())


@cache
def vocabulary() -> Vocabulary:
    """The vocabulary of the package's data files."""
    of_tag, own, extra = {}, {}, {}
    for tag, concept, words, directions in rows("tags.tsv", 4):
        of_tag[tag] = concept
        if words:
            own[concept] = _allowed([*_split(words), *_from_lexicon(_split(directions))])
        elif found := _allowed(_from_lexicon(_split(directions))):
            extra[concept] = found
    return Vocabulary(of_tag, attributes(), own, extra)


def _allowed(words: Iterable[str]) -> tuple[str, ...]:
    """Each word once, without those that are held out to measure with."""
    return tuple(w for w in dict.fromkeys(words) if not wording.mentions_held_out(w))


def _from_lexicon(directions: Iterable[str]) -> list[str]:
    return [
        word
        for direction in directions
        for word in lexicon.words_for(direction[1:], 1 if direction[0] == "+" else -1)
    ]


@cache
def kinds() -> frozenset[str]:
    """Facts that say what kind of sound it is: a category, family, instrument or drum."""
    wanted = {"category", "family", "instrument", "percussion"}
    return frozenset(c for c in wording.concept_names() if wanted & wording.concept(c).kinds)


@cache
def measured_concepts() -> frozenset[str]:
    """Concepts that are measured and so need not be taken from what a preset is called."""
    said = {concept for a in attributes() for concept in a.concepts}
    return frozenset(said | set(attribute_names()))


@cache
def attribute_names() -> tuple[str, ...]:
    """Facts that are measured attributes, in the order of their columns."""
    return tuple(attribute.name for attribute in vocabulary().attributes)
