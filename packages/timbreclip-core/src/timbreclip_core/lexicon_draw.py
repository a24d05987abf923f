"""How the held-out fifth of the timbre lexicon was drawn; the table records the result.

1. Words that share a root, and words of which one contains the other, form a group, so that no
   inflection or near-copy of a held-out word is seen in training.
2. Groups with a pinned word (antonyms by which the equaliser is judged, names of tags) are seen.
3. The others are ordered by the principal direction of their first word, and within it by the
   SHA-256 of their first root: a fixed order that nobody chose.
4. Walking that list, a group is held out whenever the words held out so far are fewer than their
   share of the words walked past, at the rate that makes a fifth of the whole lexicon: a systematic
   sample, spread over all directions in proportion.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from .stems import contains, stems

SHARE = 0.2


@dataclass(frozen=True)
class Candidate:
    """What the draw needs of a word: ``principal`` is such as ``+centroid_octaves``."""

    text: str
    root: str
    principal: str
    pinned: bool


def groups(words: Sequence[Candidate]) -> list[list[Candidate]]:
    """Groups of near-identical words, in the order of their first words."""
    parent = list(range(len(words)))

    def find(index: int) -> int:
        while parent[index] != index:
            index = parent[index]
        return index

    parts = [stems(word.text) for word in words]
    first_of_root: dict[str, int] = {}
    for index, word in enumerate(words):
        first = first_of_root.setdefault(word.root, index)
        parent[find(index)] = find(first)
    for index, part in enumerate(parts):
        for other, longer in enumerate(parts):
            if other != index and contains(longer, part):
                parent[find(other)] = find(index)
    together: dict[int, list[Candidate]] = {}
    for index, word in enumerate(words):
        together.setdefault(find(index), []).append(word)
    return list(together.values())


def draw(words: Sequence[Candidate]) -> frozenset[str]:
    """Texts of the words to be held out: about ``SHARE`` of all, never a pinned one."""
    eligible = [group for group in groups(words) if not any(word.pinned for word in group)]
    eligible.sort(key=lambda group: (group[0].principal, _rank(group)))
    rate = SHARE * len(words) / sum(map(len, eligible))
    held: set[str] = set()
    passed = 0
    for group in eligible:
        passed += len(group)
        if len(held) + 1 <= rate * passed:
            held.update(word.text for word in group)
    return frozenset(held)


def _rank(group: Sequence[Candidate]) -> str:
    return hashlib.sha256(min(word.root for word in group).encode()).hexdigest()
