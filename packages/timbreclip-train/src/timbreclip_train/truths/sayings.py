"""Texts that say facts, and of which sounds they are true."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from timbreclip_core.inflect import inflect, singular

from .. import text as wording
from ..datasets.base import Note
from .facts import facts_of, title_of
from .ranked import every_ranked
from .vocabulary import attribute_names, kinds, vocabulary

SMALLEST_DIFFERENCE, LARGEST_DIFFERENCE = 0.4, 2.5  # degrees, as ``Judge.degrees`` has them
FIRST_WORD_SHARE = 0.3
LEXICON_SHARE = 0.4
TEXTS_A_WORD = 6
GROUPS = ("kind", "tag", "attribute", "combination", "title")
TITLE_VARIANTS = 6


@dataclass(frozen=True)
class Saying:
    """A text of the batch.

    Args:
        text: Lower-cased by the tokenizer, not here.
        facts: All of them must hold.
        group: Index into ``GROUPS``.
        title: If not empty, all of its words must be in what the sound is called, too.
    """

    text: str
    facts: tuple[str, ...]
    group: int
    title: str = ""


def say_concept(concepts: Sequence[str], qualities: Sequence[str], rng: random.Random) -> str:
    """A sentence or phrase with concepts and qualities, in training wordings only."""
    own = vocabulary().own_words
    extra = [rng.choice(own[name]) for name in concepts if name in own]
    plain = [name for name in concepts if name not in own]
    return wording.say(plain, rng, qualities=[*qualities, *extra])


@dataclass(frozen=True)
class Speaker:
    """Says what is true of a sound, in a bounded number of ways, so that vectors can be kept.

    Args:
        variants: Ways to say one fact.
        pair_variants: Ways to say two together.
    """

    variants: int = 96
    pair_variants: int = 8

    def sayings(
        self, facts: Sequence[str], measured: Sequence[str], title: str, rng: random.Random
    ) -> list[Saying]:
        """A few texts about one sound: its title, kinds, tags, attributes and combinations.

        Args:
            facts: Of ``facts_of``.
            measured: Names of the attributes that it has.
            title: Of ``title_of``.
            rng: Source of every choice.
        """
        known, tags = _parted(facts)
        plan: list[tuple[str, ...]] = [(_near_first(known, rng),)] if known else []
        plan += [(tag,) for tag in rng.sample(tags, min(1, len(tags)))]
        plan += [(name,) for name in rng.sample(measured, min(3, len(measured)))]
        for share, first, second in ((0.5, known, measured), (0.4, known, tags)):
            if first and second and rng.random() < share:
                plan.append((_near_first(first, rng), rng.choice(second)))
        if tags and measured and rng.random() < 0.15:
            plan.append((rng.choice(tags), rng.choice(measured)))
        said = [self._say(facts, rng.randrange(self._count(facts))) for facts in plan]
        if title:
            said.append(self._say_title(title, (), rng.randrange(TITLE_VARIANTS)))
            if known and rng.random() < 0.5:
                said.append(self._say_title(title, known[:1], rng.randrange(TITLE_VARIANTS)))
        return said

    def answers(self, concepts: Sequence[str], rng: random.Random) -> list[str]:
        """One text for each of some concepts, said at random."""
        plans = [(name,) for name in concepts]
        return [_variant(plan, rng.randrange(self._count(plan))) for plan in plans]

    def everything(self, notes: Iterable[Note]) -> list[str]:
        """Every text that ``sayings`` and ``draw_ranked`` may give, in a fixed order."""
        attributes = attribute_names()
        plans: dict[tuple[str, ...], None] = {(name,): None for name in attributes}
        texts: list[str] = []
        for facts, title in dict.fromkeys((facts_of(n), title_of(n)) for n in notes):
            known, tags = _parted(facts)
            plans.update({(one,): None for one in facts})
            plans.update({(f, other): None for f in known for other in (*attributes, *tags)})
            plans.update({(tag, name): None for tag in tags for name in attributes})
            for said in ((), known[:1]) if title and known else ((),) if title else ():
                texts += [_title_variant(title, tuple(said), n) for n in range(TITLE_VARIANTS)]
        texts += [_variant(p, n) for p in plans for n in range(self._count(p))]
        return list(dict.fromkeys([*texts, *every_ranked()]))

    def _count(self, facts: tuple[str, ...]) -> int:
        if len(facts) > 1:
            return self.pair_variants
        # A few texts for every word there is, or rare ones are learnt from combinations alone.
        return max(self.variants, min(self.variants, TEXTS_A_WORD) * len(_words_for(facts[0])))

    def _say(self, facts: tuple[str, ...], variant: int) -> Saying:
        return Saying(_variant(facts, variant), facts, _group(facts))

    def _say_title(self, title: str, known: Sequence[str], variant: int) -> Saying:
        facts = tuple(known)
        text = _title_variant(title, facts, variant)
        return Saying(text, facts, GROUPS.index("combination" if known else "title"), title)


@cache
def _title_variant(title: str, facts: tuple[str, ...], variant: int) -> str:
    rng = random.Random(f"{title} {facts} {variant}")
    if variant == 0 and not facts:
        return title
    if variant % 2:
        changed = inflect(title, rng)
        title = title if wording.mentions_held_out(changed) else changed
    if not facts and variant < 3:
        return title
    said = wording.say(facts, rng, title=title)
    return title if wording.mentions_held_out(said) else said


@cache
def _variant(facts: tuple[str, ...], variant: int) -> str:
    rng = random.Random(f"{facts} {variant}")
    concepts, qualities = [], []
    for name in facts:
        words = _words_for(name)
        if name in attribute_names() and rng.random() < FIRST_WORD_SHARE:
            # As for concepts, the plainest word comes most often: it is what most people type.
            qualities.append(words[0])
        elif name in attribute_names() or (words and rng.random() < LEXICON_SHARE):
            qualities.append(words[variant % len(words)] if len(facts) == 1 else rng.choice(words))
        else:
            concepts.append(name)
    return say_concept(concepts, qualities, rng)


@cache
def _words_for(fact: str) -> tuple[str, ...]:
    """Words of our own data files and of the lexicon; none where the text package says it alone."""
    known = vocabulary()
    for attribute in known.attributes:
        if attribute.name == fact:
            return attribute.words
    return known.own_words.get(fact, ()) or known.more_words.get(fact, ())


def _parted(facts: Sequence[str]) -> tuple[list[str], list[str]]:
    return [f for f in facts if f in kinds()], [f for f in facts if f not in kinds()]


def _near_first(families: Sequence[str], rng: random.Random) -> str:
    return families[0] if rng.random() < 0.5 else rng.choice(families)


def _group(facts: Sequence[str]) -> int:
    if len(facts) > 1:
        return GROUPS.index("combination")
    if facts[0] in attribute_names():
        return GROUPS.index("attribute")
    return GROUPS.index("kind" if facts[0] in kinds() else "tag")


def positives(
    said: Sequence[Saying], has: Tensor, unclear: Tensor, called: Sequence[frozenset[str]]
) -> tuple[Tensor, Tensor]:
    """Which text is true of which sound, and of which pairs that cannot be said.

    What kind of sound it is cannot be said of one that nothing is known of but a fanciful name.

    Args:
        said: Texts.
        has: Bool ``(sounds, facts)``.
        unclear: Bool ``(sounds, facts)``.
        called: Of ``words_of`` for every sound.
    Returns:
        Two bool tensors ``(sounds, texts)``.
    """
    index = vocabulary().index
    needs = torch.zeros(len(said), has.shape[1])
    for row, saying in enumerate(said):
        needs[row, [index[fact] for fact in saying.facts]] = 1.0
    columns = torch.zeros(has.shape[1], dtype=torch.bool)
    columns[[index[name] for name in kinds()]] = True
    unknown = ~has[:, columns].any(1, keepdim=True) & columns
    wanted = needs.sum(1)
    true = has.float() @ needs.T >= wanted - 0.5
    possible = (has | unclear | unknown).float() @ needs.T >= wanted - 0.5
    titled = _titled([saying.title for saying in said], called)
    return true & titled, possible & titled & ~true


def words_of(title: str, labels: Iterable[str]) -> frozenset[str]:
    """Words, in the singular, that a sound is called by: of its title and of its labels."""
    return frozenset(singular(word) for text in (title, *labels) for word in text.split())


def _titled(titles: Sequence[str], called: Sequence[frozenset[str]]) -> Tensor:
    """Where all words of a title occur in what a sound is called, bool ``(sounds, titles)``."""
    own = [words_of(title, ()) for title in titles]
    number = {word: i for i, word in enumerate(sorted(frozenset().union(*own)))}
    needs, has = (torch.zeros(len(sets), len(number) + 1) for sets in (own, called))
    for table, sets in ((needs, own), (has, called)):
        for row, words in enumerate(sets):
            table[row, [number[word] for word in words if word in number]] = 1.0
    return has @ needs.T >= needs.sum(1) - 0.5


def preferences(said: Sequence[Saying], first: Tensor, second: Tensor) -> Tensor:
    """How much more of what a text says one version of a sound has than another.

    Args:
        said: Texts; those that say anything but one attribute prefer neither.
        first: Degrees of one version of each sound, ``(pairs, attributes)``.
        second: Of the other.
    Returns:
        ``(pairs, texts)``, -1 to 1; 0 where the difference is too small to hear.
    """
    names = attribute_names()
    table = torch.zeros(len(first), len(said))
    difference = (first - second).nan_to_num(0.0)
    far = (difference / LARGEST_DIFFERENCE).clamp(-1, 1)
    heard = torch.where(difference.abs() > SMALLEST_DIFFERENCE, far, 0.0)
    for column, saying in enumerate(said):
        if len(saying.facts) == 1 and saying.facts[0] in names:
            table[:, column] = heard[:, names.index(saying.facts[0])]
    return table
