"""Figures on the validation split: do words find what they name?"""

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
from .datasets.base import Note
from .measures import MEASURES, Ordinary, measure
from .spectra import Spectra

TEMPLATES = ("{}", "a {} sound")
NOTES_AT_ONCE = 128
EQ_NOTES = 256
FEWEST_CATEGORIES, FEWEST_TITLES = 2, 11
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

    sounds: Spectra
    ordinary: Ordinary
    text: TextVectors

    def figures(self, encoder: SmallEncoder, projection: torch.nn.Linear) -> dict[str, float]:
        """All figures; shares and correlations, 0 to 1.

        ``category`` is the share of patches whose category is found first (``other_words``: said
        in wordings that training never uses; ``..._balanced``: the mean over categories),
        ``title`` and ``audio_to_title`` shares found among ten, ``follows_...`` rank correlations
        between a word and what it is about, ``eq_...`` shares of pairs of a word and a sound in
        which a tilt of 6 dB per octave moved the similarity the right way.
        """
        encoder.eval()
        with torch.no_grad():
            vectors = self._embed(encoder, np.arange(len(self.sounds)))
            return {
                **self._categories(vectors, projection),
                **self._titles(vectors, projection),
                **self._follows(vectors, projection),
                **self._equalised(encoder, projection),
            }

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

    def _categories(self, vectors: Tensor, projection: torch.nn.Linear) -> dict[str, float]:
        """Shares of patches whose category is the closest, in its own and in other words."""
        of_note = [canonical_category(note) for note in self.sounds.notes]
        names = sorted({name for name in of_note if name and _other_words(name)})
        if len(names) < FEWEST_CATEGORIES:
            return {}
        rows = [i for i, name in enumerate(of_note) if name in names]
        truth = torch.tensor([names.index(str(of_note[i])) for i in rows])
        other = [unit(self._words(_other_words(n), projection).mean(0)) for n in names]
        texts = {"category": self._words(names, projection), "other_words": torch.stack(other)}
        found = {}
        for name, table in texts.items():
            scores, place = self._per_patch(vectors @ table.T, rows)
            right = scores.argmax(1) == truth[place]
            found[name] = float(right.float().mean())
            shares = [right[truth[place] == c].float().mean() for c in truth[place].unique()]
            found[f"{name}_balanced"] = float(torch.stack(shares).mean())
        return found

    def _titles(self, vectors: Tensor, projection: torch.nn.Linear) -> dict[str, float]:
        """Shares of titles with a patch of theirs among the ten closest, and the other way."""
        titles = [note.text.get("title", ("",))[0] for note in self.sounds.notes]
        rows = [i for i, title in enumerate(titles) if title]
        names = sorted(set(titles) - {""})
        if len(names) < FEWEST_TITLES:
            return {}
        truth = torch.tensor([names.index(titles[i]) for i in rows])
        table = unit(projection(self.text(names)))
        scores, place = self._per_patch(vectors @ table.T, rows)
        own = torch.nn.functional.one_hot(truth[place], len(names)).bool()
        heard = own.gather(1, scores.topk(10, 1).indices).any(1)
        asked = own.T.gather(1, scores.T.topk(10, 1).indices).any(1)
        return {"audio_to_title": float(heard.float().mean()), "title": float(asked.float().mean())}

    def _per_patch(self, scores: Tensor, rows: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Largest scores over the notes of each patch, and a place in ``rows`` for each patch."""
        patches = [self.sounds.notes[i].patch for i in rows]
        number = {patch: i for i, patch in enumerate(dict.fromkeys(patches))}
        group = torch.tensor([number[patch] for patch in patches])
        best = torch.full((len(number), scores.shape[1]), -2.0)
        rows_of = group[:, None].expand(-1, scores.shape[1])
        best.scatter_reduce_(0, rows_of, scores[torch.tensor(rows)], "amax")
        first = {patch: i for i, patch in reversed(list(enumerate(patches)))}
        return best, torch.tensor([first[patch] for patch in number])

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


def canonical_category(note: Note) -> str | None:
    """Concept of a note's category."""
    return next((c for v in note.text.get("category", ()) if (c := wording.canonical(v))), None)


def _other_words(category: str) -> list[str]:
    return list(wording.wordings(category, held_out=True))


def _unseen() -> tuple[list[str], list[str]]:
    """Held-out words of the lexicon for more and for less brightness."""
    up: list[str] = []
    down: list[str] = []
    for word in lexicon.eq_words(held_out=True):
        if word.eq is not None and word.eq.descriptor == "centroid_octaves":
            (up if word.eq.sign > 0 else down).append(word.text)
    return up, down
