"""What a sound should be like: a weighted mix of words, other sounds and the sound itself.

One syntax for equalisation, pictures and search::

    -p "warm" -p "harsh:-0.5" --like ref.wav --source-weight 0.5

Source of the method: Jonason & Sturm, TimbreCLIP, figure 2: z_target = a_source z_source +
sum_i a_i z_i; here weights may be negative, and reference sounds stand beside prompts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import InputError, UsageError

if TYPE_CHECKING:
    from .embedding import Embedding
    from .model import Model

_WEIGHTED = re.compile(r"^(?P<what>.*\S)\s*:\s*(?P<weight>[+-]?(\d+\.?\d*|\.\d+))$", re.DOTALL)


@dataclass(frozen=True)
class Target:
    """A point to aim at.

    Args:
        texts: Words with their weights; a negative weight pushes away.
        sounds: Audio files, or vectors ``(1, dim)`` of the target's kind, with their weights.
        source_weight: How much the sound that is being worked on should stay itself.
    """

    texts: tuple[tuple[str, float], ...] = ()
    sounds: tuple[tuple[str | Path | Embedding, float], ...] = ()
    source_weight: float = 0.0

    def __post_init__(self) -> None:
        weights = [w for _, w in (*self.texts, *self.sounds)] + [self.source_weight]
        if not all(math.isfinite(w) for w in weights):
            raise UsageError(f"Weights must be finite numbers, not {weights}.")
        if not any(w for _, w in (*self.texts, *self.sounds)):
            raise UsageError("A target needs a prompt (-p) or a reference sound (--like).")

    def kind(self, model: Model) -> str:
        """``"text"`` if words take part, else the model's kind for sounds against sounds."""
        return "text" if self.texts else model.kind_for_sounds()

    def vector(self, model: Model, source: Embedding | None = None) -> Embedding:
        """Unit vectors to aim at: ``(1, dim)``, or ``(batch, dim)`` for a batch of sources.

        Args:
            model: Embeds the words and files.
            source: Vectors ``(batch, dim)`` of the sounds worked on, of ``kind(model)``; needed
                only for a ``source_weight``.

        Raises:
            SpaceMismatchError: A given vector is of another space.
            UsageError: The weights cancel out, or the source is missing.
        """
        import torch

        from .embedding import Embedding, check_same_space
        from .encoders.base import unit

        parts = [(model.embed_text(text), weight) for text, weight in self.texts]
        parts += [(self._sound(sound, model), weight) for sound, weight in self.sounds]
        if self.source_weight:
            if source is None:
                raise UsageError("--source-weight needs a source sound.")
            parts.append((source, self.source_weight))
        first = parts[0][0]
        for other, _ in parts[1:]:
            check_same_space(first, other)
        total = torch.zeros(())
        for vector, weight in parts:
            total = total + weight * vector.plain()
        if bool((torch.linalg.vector_norm(total, dim=-1) < 1e-6).any()):
            raise UsageError("The weights of the target cancel out. Change one of them.")
        return Embedding.of(unit(total), first.space)

    def describe(self) -> str:
        """The target in the command line's syntax, for reports and pictures."""
        words = [_weighted(text, weight) for text, weight in self.texts]
        words += [f"like {_weighted(_name(sound), weight)}" for sound, weight in self.sounds]
        if self.source_weight:
            words.append(f"source:{self.source_weight:g}")
        return ", ".join(words)

    def _sound(self, sound: str | Path | Embedding, model: Model) -> Embedding:
        if isinstance(sound, str | Path):
            return model.embed_file(sound, kind=self.kind(model))
        return sound


def parse_target(
    prompts: Sequence[str] = (), likes: Sequence[str] = (), source_weight: float = 0.0
) -> Target:
    """Read the command line's syntax.

    Args:
        prompts: ``"warm"`` or ``"harsh:-0.5"``: text, and a weight after the last colon.
        likes: ``"ref.wav"`` or ``"ref.wav:0.5"``.
        source_weight: As in ``Target``.

    Raises:
        UsageError: Nothing to aim at, or an empty prompt.
        InputError: A reference file that does not exist.

    >>> parse_target(["warm", "harsh:-0.5"]).texts
    (('warm', 1.0), ('harsh', -0.5))
    """
    texts = tuple(_split(p, "prompt") for p in prompts)
    sounds = tuple(_split(p, "reference sound") for p in likes)
    missing = [path for path, _ in sounds if not Path(path).is_file()]
    if missing:
        raise InputError(f"There is no file {missing[0]!r} to be like.")
    return Target(texts, sounds, source_weight)


def _split(item: str, what: str) -> tuple[str, float]:
    match = _WEIGHTED.match(item)
    # A file may be called "take:2": what exists under its whole name is meant by it.
    if match and not (what != "prompt" and Path(item).is_file()):
        return match["what"].strip(), float(match["weight"])
    if not item.strip():
        raise UsageError(f"A {what} must not be empty.")
    return item.strip(), 1.0


def _weighted(text: str, weight: float) -> str:
    return text if weight == 1 else f"{text}:{weight:g}"


def _name(sound: str | Path | Embedding) -> str:
    return Path(sound).name if isinstance(sound, str | Path) else "a vector"


def as_target(target: str | Target | Iterable[str]) -> Target:
    """A ``Target`` from what Python callers write: one, a prompt, or several prompts."""
    if isinstance(target, Target):
        return target
    return parse_target([target] if isinstance(target, str) else list(target))
