"""Which wordings training never sees: the rule, so that anyone can draw them again.

Wordings of a concept that contain one another, inflected or not, are a group. A group is held out
or not as a whole; the one with the concept's name never is, nor one that would forbid a wording of
another concept or a training word of the timbre lexicon. Groups are drawn in an order that depends
on nothing but a seed and their own words, until a third of the concept's wordings, and three, are
held out.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence

from timbreclip_core import lexicon
from timbreclip_core.stems import contains, stems

SEED = "timbreclip wordings 1"
SHARE, FEWEST = 1 / 3, 3

Stems = tuple[str, ...]


def groups(texts: Sequence[str]) -> list[list[str]]:
    """Wordings parted into groups of those that contain one another, in the order given."""
    found: list[list[str]] = []
    for text in texts:
        parts = stems(text)
        near = [
            group
            for group in found
            if any(contains(parts, s) or contains(s, parts) for s in map(stems, group))
        ]
        merged = [other for group in near for other in group] + [text]
        found = [group for group in found if group not in near] + [merged]
    return found


def draw(said: Mapping[str, Sequence[str]]) -> dict[str, frozenset[str]]:
    """Held-out wordings by concept.

    Args:
        said: All wordings by concept, the concept's name first.
    """
    taken = _Forbidden(said)
    return {name: _draw_one(name, texts, taken) for name, texts in said.items()}


def _draw_one(name: str, texts: Sequence[str], taken: _Forbidden) -> frozenset[str]:
    wanted = max(FEWEST, math.ceil(SHARE * len(texts)))
    own = stems(name)
    candidates = [g for g in groups(texts) if not any(contains(stems(t), own) for t in g)]
    candidates.sort(key=lambda group: _order(name, group))
    held: list[str] = []
    for group in candidates:
        if len(held) >= wanted:
            break
        if len(group) <= len(texts) / 2 and not any(taken.by_others(name, text) for text in group):
            held += group
    return frozenset(held)


def _order(name: str, group: Sequence[str]) -> str:
    return hashlib.sha256(f"{SEED} {name} {min(group)}".encode()).hexdigest()


class _Forbidden:
    """What a held-out phrase must not occur in: other concepts' wordings, words of the lexicon."""

    def __init__(self, said: Mapping[str, Iterable[str]]) -> None:
        self._by_stem: dict[str, list[tuple[str, Stems]]] = {}
        rows = [(name, stems(text)) for name, texts in said.items() for text in texts]
        rows += [("", stems(word.text)) for word in lexicon.words(held_out=False)]
        for name, parts in rows:
            for stem in set(parts):
                self._by_stem.setdefault(stem, []).append((name, parts))

    def by_others(self, name: str, text: str) -> bool:
        parts = stems(text)
        near = self._by_stem.get(parts[0], []) if parts else [("", parts)]
        return any(owner != name and contains(whole, parts) for owner, whole in near)
