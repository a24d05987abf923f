"""What an augmentation is: random values are drawn first, then applied, then put into words."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from timbreclip_core.errors import UsageError
from timbreclip_core.lexicon import mentions_held_out
from timbreclip_core.stems import PhraseSet

# What an instrument is does not change with an effect on it.
LASTING_KINDS = ("category", "family", "source")
ADDED_KIND = "qualities"


@dataclass(frozen=True, kw_only=True)
class NoteFacts:
    """What may be known of a note when random values are drawn for it.

    Args:
        sample_rate: Of its audio, Hz.
        channels: Of its audio.
        dataset: Name of its dataset; empty if it has none.
    """

    sample_rate: int
    channels: int = 1
    dataset: str = ""


@dataclass(frozen=True)
class TextChange:
    """What becomes of the texts of a sound.

    Args:
        add: What is now true.
        remove: Words that may no longer be true, in any inflection.
    """

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.add or self.remove)

    def then(self, later: TextChange) -> TextChange:
        """Both changes, one after the other: the later removes what the earlier added.

        >>> TextChange(("bright",), ("dark",)).then(TextChange(("dark",), ("bright",)))
        TextChange(add=('dark',), remove=('dark', 'bright'))
        """
        gone = PhraseSet(later.remove)
        kept = (word for word in self.add if word not in gone)
        return TextChange(_merged(*kept, *later.add), _merged(*self.remove, *later.remove))

    def applied(self, text: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        """Texts by kind after the change.

        A text that mentions a removed word is left out as a whole. Category, family and source
        stay: what an instrument is does not change. What is added is a quality.

        Args:
            text: As in ``datasets.Note.text``.

        >>> change = TextChange(("muffled",), ("bright",))
        >>> change.applied({"title": ("Brightest Day",), "qualities": ("bright", "plucked")})
        {'qualities': ('plucked', 'muffled')}
        """
        gone = PhraseSet(self.remove)
        changed = {}
        for kind, values in text.items():
            kept = tuple(v for v in values if kind in LASTING_KINDS or v not in gone)
            if kept:
                changed[kind] = kept
        if self.add:
            changed[ADDED_KIND] = _merged(*changed.get(ADDED_KIND, ()), *self.add)
        return changed


def _merged(*words: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words))


class Augmentation(ABC):
    """A random change to a sound.

    Subclasses are frozen dataclasses whose fields are ranges. ``draw`` is the only place where
    chance enters; the values drawn can be kept, applied to another sound, or applied again with the
    same result to the bit.
    """

    name: ClassVar[str]

    @abstractmethod
    def draw(self, rng: np.random.Generator, facts: NoteFacts) -> Any:
        """Random values for one note: a frozen dataclass of plain numbers and strings."""

    @abstractmethod
    def apply(self, audio: Tensor, params: Any, sample_rate: int) -> Tensor:
        """The changed sound.

        Args:
            audio: ``(channels, samples)``, floating point, full scale 1.0.
            params: From ``draw``.
            sample_rate: Hz.

        Returns:
            A new tensor of the same length and dtype, if the class does not say otherwise.
        """

    def words(self, params: Any) -> TextChange:
        """What becomes of the texts, if the change can be heard; held-out words are never added."""
        change = self.claims(params)
        kept = tuple(word for word in change.add if not mentions_held_out(word))
        return TextChange(kept, change.remove)

    def claims(self, params: Any) -> TextChange:
        """As ``words``, before held-out words are taken out; override where texts change."""
        return TextChange()


def check_range(name: str, low: float, high: float) -> None:
    """Raise ``UsageError`` unless ``low <= high`` and both are finite."""
    if not -float("inf") < low <= high < float("inf"):
        raise UsageError(f"{name} must be a range of two numbers, the lower first: {low}, {high}.")
