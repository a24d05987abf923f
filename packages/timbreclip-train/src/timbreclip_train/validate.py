"""Figures on sounds that training never hears: do words find what they name?"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from timbreclip_core import lexicon
from timbreclip_core.encoders.base import unit
from timbreclip_core.encoders.small import SmallEncoder, mel_centres_hz, relative_db

from . import text as wording
from .batches import pitches
from .measures import MEASURES, Ordinary, measure
from .notes import NoteSet
from .truths import vocabulary

TEMPLATES = ("{}", "a {} sound")
NOTES_AT_ONCE = 128
EQ_NOTES = 256
TILT_DB_PER_OCTAVE = 6.0
BRIGHT = ("bright", "brilliant", "crisp", "treble heavy")
DARK = ("dark", "mellow", "muffled", "dull")
FOLLOWED = {
    "bright": ("centroid", 1),
    "dark": ("centroid", -1),
    "muffled": ("centroid", -1),
    "boomy": ("low", 1),
    "thin": ("low", -1),
    "airy": ("air", 1),
    "harsh": ("presence", 1),
    "nasal": ("mid", 1),
}

TextVectors = Callable[[Sequence[str]], Tensor]


def rank_correlation(first: Tensor, second: Tensor) -> float:
    """Spearman's correlation of two tensors ``(n,)`` without ties."""
    ranks = [values.argsort().argsort().double() for values in (first, second)]
    return float(torch.corrcoef(torch.stack(ranks))[0, 1])


@dataclass
class Validation:
    """Figures of a network on held-out notes.

    Args:
        sounds: Held-out notes.
        ordinary: What measured attributes are relative to, from the training notes.
        text: Frozen vectors of texts, before the projection.
    """

    sounds: NoteSet
    ordinary: Ordinary
    text: TextVectors

    def figures(self, encoder: SmallEncoder, projection: torch.nn.Linear) -> dict[str, float]:
        """All figures; shares and correlations, 0 to 1.

        ``family`` and ``category`` are zero-shot accuracies per note (``..._other_words`` in
        wordings that training never uses), ``follows_...`` rank correlations between a word and
        what it is about, ``eq_...`` shares of pairs of a word and a sound in which a tilt of 6 dB
        per octave moved the similarity the right way.
        """
        encoder.eval()
        with torch.no_grad():
            vectors = self._embed(encoder, np.arange(len(self.sounds)))
            found = {**self._zero_shot(vectors, projection), **self._follows(vectors, projection)}
            return {**found, **self._equalised(encoder, projection)}

    def _embed(self, encoder: SmallEncoder, chosen: np.ndarray, tilt: float = 0.0) -> Tensor:
        hz = mel_centres_hz(encoder.shape.bands)
        gain = 10 ** (tilt * (hz / 1_000).log2() / 10)
        parts = []
        for part in np.array_split(chosen, max(1, len(chosen) // NOTES_AT_ONCE)):
            decibels = relative_db(self.sounds.mel_power(part) * gain[:, None])
            with torch.autocast("cpu", torch.bfloat16):
                hidden = encoder.hidden(decibels)
            parts.append(unit(encoder.to_text(hidden)))
        return torch.cat(parts)

    def _words(self, words: Sequence[str], projection: torch.nn.Linear) -> Tensor:
        """Prompt ensembles ``(words, dim)``."""
        said = [template.format(word) for word in words for template in TEMPLATES]
        vectors = unit(projection(self.text(said))).reshape(len(words), len(TEMPLATES), -1)
        return unit(vectors.mean(1))

    def _zero_shot(self, vectors: Tensor, projection: torch.nn.Linear) -> dict[str, float]:
        families = list(vocabulary().of_family)
        truth = torch.tensor([families.index(n.family) for n in self.sounds.notes])
        found = {"family": _accuracy(vectors, self._words(families, projection), truth)}
        categories = sorted({n.category for n in self.sounds.notes})
        truth = torch.tensor([categories.index(n.category) for n in self.sounds.notes])
        found["category"] = _accuracy(vectors, self._words(categories, projection), truth)
        other = {c: _other_words(c) for c in categories}
        known = [i for i, c in enumerate(categories) if other[c]]
        kept = torch.isin(truth, torch.tensor(known))
        if len(known) > 1:
            texts = torch.stack(
                [unit(self._words(other[categories[i]], projection).mean(0)) for i in known]
            )
            place = torch.tensor([known.index(int(t)) for t in truth[kept]])
            found["category_other_words"] = _accuracy(vectors[kept], texts, place)
        return found

    def _follows(self, vectors: Tensor, projection: torch.nn.Linear) -> dict[str, float]:
        power = [self.sounds.mel_power(p) for p in _parts(len(self.sounds))]
        values = torch.cat([measure(p) for p in power])
        deviation = self.ordinary.deviation(values, pitches(self.sounds.notes))
        cosines = vectors @ self._words(list(FOLLOWED), projection).T
        return {
            f"follows_{word}": rank_correlation(
                cosines[:, i], sign * deviation[:, MEASURES.index(name)]
            )
            for i, (word, (name, sign)) in enumerate(FOLLOWED.items())
        }

    def _equalised(self, encoder: SmallEncoder, projection: torch.nn.Linear) -> dict[str, float]:
        step = max(1, len(self.sounds) // EQ_NOTES)
        chosen = np.arange(0, len(self.sounds), step)
        tilted = {s: self._embed(encoder, chosen, s * TILT_DB_PER_OCTAVE) for s in (-1, 0, 1)}
        sets: dict[str, tuple[Sequence[str], int]] = {
            "eq_bright": (BRIGHT, 1),
            "eq_dark": (DARK, -1),
        }
        unseen_bright, unseen_dark = _unseen()
        if unseen_bright and unseen_dark:
            sets |= {"eq_bright_unseen": (unseen_bright, 1), "eq_dark_unseen": (unseen_dark, -1)}
        found = {}
        for name, (words, sign) in sets.items():
            texts = self._words(words, projection).T
            up, level, down = (tilted[s] @ texts for s in (sign, 0, -sign))
            right = torch.stack([up > level, level > down]).float().mean()
            found[name] = float(right)
        return found


def _parts(count: int) -> list[np.ndarray]:
    return np.array_split(np.arange(count), max(1, math.ceil(count / NOTES_AT_ONCE)))


def _accuracy(vectors: Tensor, texts: Tensor, truth: Tensor) -> float:
    return float(((vectors @ texts.T).argmax(1) == truth).float().mean())


def _other_words(category: str) -> list[str]:
    concept = wording.canonical(category)
    return list(wording.wordings(concept, held_out=True)) if concept else []


def _unseen() -> tuple[list[str], list[str]]:
    """Held-out words of the lexicon for more and for less brightness."""
    up: list[str] = []
    down: list[str] = []
    for word in lexicon.eq_words(held_out=True):
        if word.eq is not None and word.eq.descriptor == "centroid_octaves":
            (up if word.eq.sign > 0 else down).append(word.text)
    return up, down
