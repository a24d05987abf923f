"""Composing a text from concepts, measured qualities and a title.

Templates are data (``data/templates.tsv``): each line names the slots it fills. Everything is drawn
from one ``random.Random``, so the same seed says the same.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from functools import cache

from timbreclip_core import lexicon
from timbreclip_core.errors import UsageError
from timbreclip_core.inflect import plural, singular

from .concepts import Wording, concept, mentions_held_out, more_wordings
from .tables import read_table

_TAIL_STARTS = ("with ", "without ", "in ", "like ", "that ", "from ", "on ", "through ", "at ")
_BARE = ("", "a sound", "sound")
PLAIN_SHARE = 0.25
TRIES = 20
_ARTICLE = re.compile(r"\b([Aa]) (?=(\S+))")
_SOUNDS_LIKE_AN = re.compile(r"(?!uni|use|uke|eu|one\b)[aeiou]|(?:fm|fx|sfx|lfo|ebm)\b|8|11|18")


@cache
def _templates() -> dict[tuple[str, ...], tuple[str, ...]]:
    table: dict[tuple[str, ...], list[str]] = {}
    for slots, template in read_table("templates.tsv", 2):
        table.setdefault(tuple(slots.split()), []).append(template)
    return {slots: tuple(lines) for slots, lines in table.items()}


def form_of(text: str) -> str:
    """How a free quality is used: ``tail`` ("with vibrato"), ``mass`` ("slow attack"), ``quality``.

    >>> form_of("with boosted highs"), form_of("slow attack"), form_of("bright")
    ('tail', 'mass', 'quality')
    """
    if text.startswith(_TAIL_STARTS):
        return "tail"
    return {"noun": "mass", "tail": "tail"}.get(_lexicon_forms().get(text, ""), "quality")


@cache
def _lexicon_forms() -> dict[str, str]:
    return {word.text: word.form for word in lexicon.words()}


def _draw_wording(name: str, rng: random.Random) -> Wording:
    seen = [wording for wording in concept(name).said if not wording.held_out]
    seen += more_wordings(name)
    # The plain name is what most people type: it comes most often.
    return seen[0] if rng.random() < PLAIN_SHARE else rng.choice(seen)


def _fix_articles(text: str) -> str:
    def choose(match: re.Match[str]) -> str:
        return f"{match[1]}n " if _SOUNDS_LIKE_AN.match(match[2].lower()) else match[0]

    return _ARTICLE.sub(choose, text)


def _vary_case(text: str, rng: random.Random) -> str:
    draw = rng.random()
    if draw < 0.70:
        return text.lower()
    if draw < 0.85:
        return text[:1].upper() + text[1:]
    if draw < 0.97:
        return " ".join(word[:1].upper() + word[1:] for word in text.split(" "))
    return text.upper()


def _has_article(template: str, slot: str) -> bool:
    """Whether the noun itself, not a following "sound", carries the article."""
    article = rf"\b[Aa] (?:\{{quality\d?\}}[, ]+(?:and )?)*\{{{slot}\}}(?! sound| preset| patch)"
    return re.search(article, template) is not None


def _number(noun: str, template: str, slot: str, rng: random.Random) -> str:
    """Singular where article or verb ask for it, else either."""
    if re.search(rf"\b[Aa] [^{{]*(?:\{{quality\d?\}}[, ]+(?:and )?)*\{{{slot}\}}", template):
        return singular(noun)
    if " that " in template or f"{{{slot}}} " in template:
        return singular(noun)
    return plural(noun) if rng.random() < 0.4 else noun


def _fill(slots: dict[str, list[str]], masses: frozenset[str], rng: random.Random) -> str:
    kinds = ("title", "quality", "noun")
    names = [
        f"{kind}{index if index > 1 else ''}"
        for kind in kinds
        for index in range(1, len(slots[kind]) + 1)
    ]
    values = dict(zip(names, (value for kind in kinds for value in slots[kind]), strict=True))
    bare = [slot for slot in names if values[slot] in masses]
    candidates = [
        template
        for template in _templates().get(tuple(names), ())
        if not any(_has_article(template, slot) for slot in bare)
    ]
    if not candidates:
        return ", ".join(values.values())
    template = rng.choice(candidates)
    for slot in names:
        if slot.startswith("noun") and slot not in bare:
            values[slot] = _number(values[slot], template, slot, rng)
    return template.format(**values)


def say(
    concepts: Sequence[str],
    rng: random.Random,
    *,
    title: str = "",
    qualities: Sequence[str] = (),
) -> str:
    """A text for a sound that is all of ``concepts``, with no held-out wording but in ``title``.

    Args:
        concepts: Names of concepts, e.g. ``("synth pad", "analog")``.
        rng: Source of every choice.
        title: A normalised preset name to be said along with them.
        qualities: Words to be said as they are, e.g. seen words of the timbre lexicon that the
            measured descriptors support ("bright", "with boosted highs").

    Returns:
        For instance ``an analog pad with boosted highs``.

    Raises:
        UnknownNameError: If a concept is unknown.
        UsageError: If there is nothing to say.
    """
    if not concepts and not qualities and not title:
        raise UsageError("Nothing to say: give a concept, a quality or a title.")
    for _ in range(TRIES):
        text = _say_once(concepts, rng, title, qualities)
        # Two training words side by side, or one in a template, may happen to be a held-out phrase.
        if not mentions_held_out(text):
            break
    return text


def _say_once(
    concepts: Sequence[str], rng: random.Random, title: str, qualities: Sequence[str]
) -> str:
    drawn = [_draw_wording(name, rng) for name in concepts]
    free = [Wording(text, form_of(text), held_out=False) for text in qualities]
    if any(wording.form in ("noun", "mass") for wording in drawn):
        # "slow attack" beside a noun reads best behind it.
        free = [
            Wording(f"with {w.text}", "tail", held_out=False) if w.form == "mass" else w
            for w in free
        ]
    drawn += free
    slots: dict[str, list[str]] = {
        "title": [title] if title else [],
        "noun": [w.text for w in drawn if w.form in ("noun", "mass")],
        "quality": [w.text for w in drawn if w.form == "quality"],
    }
    tails = [w.text for w in drawn if w.form == "tail"]
    for values in slots.values():
        rng.shuffle(values)
    masses = frozenset(w.text for w in drawn if w.form == "mass")
    text = _fill(slots, masses, rng) if any(slots.values()) else rng.choice(_BARE)
    text = " ".join([text, " and ".join(tails)]).strip().replace("sound sound", "sound")
    return _vary_case(_fix_articles(text), rng)
