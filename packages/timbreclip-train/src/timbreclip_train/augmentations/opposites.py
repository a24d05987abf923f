"""Which words of the lexicon cannot stay when others become true."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from timbreclip_core import lexicon
from timbreclip_core.errors import UnknownNameError
from timbreclip_core.lexicon import Direction


@lru_cache(maxsize=256)
def opposed_to(words: tuple[str, ...]) -> tuple[str, ...]:
    """Words whose principal direction is the opposite of that of one of ``words``.

    What the lexicon does not hold opposes nothing.

    >>> "airless" in opposed_to(("airy",)), opposed_to(("no such word",))
    (True, ())
    """
    ways = set()
    for word in words:
        try:
            ways.add(lexicon.lookup(word).principal)
        except UnknownNameError:
            continue
    against = {Direction(way.descriptor, -way.sign) for way in ways}
    return tuple(entry.text for entry in lexicon.words() if entry.principal in against)


@lru_cache(maxsize=256)
def opposed_spectrally(ways: tuple[Direction, ...]) -> tuple[str, ...]:
    """Words whose spectral direction is the opposite of one of ``ways``."""
    against = {Direction(way.descriptor, -way.sign) for way in ways}
    return tuple(entry.text for entry in lexicon.words() if entry.eq in against)


def merged(*groups: Iterable[str]) -> tuple[str, ...]:
    """All words of all groups, each once, in order."""
    return tuple(dict.fromkeys(word for group in groups for word in group))
