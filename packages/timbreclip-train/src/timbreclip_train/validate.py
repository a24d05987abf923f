"""Figures on the validation split: do words find what they name?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from timbreclip_core import lexicon
from timbreclip_core.encoders.base import TEXT, unit
from timbreclip_core.encoders.mel import MelEncoder, mel_centres_hz, relative_db
from timbreclip_core.spaces.small import Projection, Projections

from . import text as wording
from . import truths
from .judge import NAMES, Judge
from .measured.corpus import numbered_patches, pitches_of
from .spectra import Spectra

TEMPLATES = ("{}", "a {} sound")
NOTES_AT_ONCE = 128
EQ_NOTES = 256
FEWEST_OF_A_DRUM = 5
FEWEST_CATEGORIES, FEWEST_TITLES, FEWEST_FOLLOWED = 2, 11, 8
TILT_DB_PER_OCTAVE = 6.0
BRIGHT = ("bright", "brilliant", "crisp", "treble heavy")
DARK = ("dark", "mellow", "muffled", "dull")
FOLLOWED = {
    "bright": ("centroid_octaves", 1),
    "dark": ("centroid_octaves", -1),
    "muffled": ("centroid_octaves", -1),
    "boomy": ("low_share_db", 1),
    "thin": ("low_share_db", -1),
    "airy": ("air_share_db", 1),
    "harsh": ("presence_share_db", 1),
    "nasal": ("mid_share_db", 1),
}

TextVectors = Callable[[Sequence[str]], Tensor]
TextLayers = Projection | Projections


def rank_correlation(first: Tensor, second: Tensor) -> float:
    """Spearman's correlation of two tensors ``(n,)`` without ties."""
    ranks = [values.argsort().argsort().double() for values in (first, second)]
    return float(torch.corrcoef(torch.stack(ranks))[0, 1])


@dataclass
class Validation:
    """Figures of a network on held-out notes.

    Args:
        judge: Held-out notes, and what can be measured of them.
        text: Frozen vectors of texts, before the projection.
        half: Whether the network computes in bfloat16.
    """

    judge: Judge
    text: TextVectors
    half: bool = False

    @property
    def sounds(self) -> Spectra:
        """Held-out notes."""
        return self.judge.sounds

    def figures(self, encoder: MelEncoder, projection: TextLayers) -> dict[str, float]:
        """All figures; shares and correlations, 0 to 1.

        ``category`` is the share of patches whose category is found first (``other_words``: said
        in half of the wordings that training never uses; ``..._balanced``: the mean over
        categories), ``drums_balanced`` the same of drums among drums,
        ``title`` and ``audio_to_title`` shares found among ten, ``follows_...`` rank correlations
        between a word and what it is about (``follows_words``: the mean over all words of the
        lexicon that training knows), ``eq_...`` shares of pairs of a word and a sound in which a
        tilt of 6 dB per octave moved the similarity the right way.
        """
        encoder.eval()
        with torch.no_grad():
            vectors = self._embed(encoder, np.arange(len(self.sounds)))
            return {
                **self._categories(vectors, projection),
                **self._drums(vectors, projection),
                **self._titles(vectors, projection),
                **self._follows(vectors, projection),
                **self._equalised(encoder, projection),
            }

    def _embed(self, encoder: MelEncoder, chosen: np.ndarray, tilt: float = 0.0) -> Tensor:
        hz = mel_centres_hz(encoder.bands)
        gain = 10 ** (tilt * (hz / 1_000).log2() / 10)
        parts = []
        for part in np.array_split(chosen, max(1, len(chosen) // NOTES_AT_ONCE)):
            decibels = relative_db(self.sounds.mel_power(part) * gain[:, None])
            with torch.autocast("cpu", torch.bfloat16, enabled=self.half):
                parts.append(encoder.vectors(decibels)[TEXT])
        return torch.cat(parts)

    def _words(self, words: Sequence[str], projection: TextLayers) -> Tensor:
        """Prompt ensembles ``(words, dim)``."""
        said = [template.format(word) for word in words for template in TEMPLATES]
        vectors = unit(projection(self.text(said))).reshape(len(words), len(TEMPLATES), -1)
        return unit(vectors.mean(1))

    def _categories(self, vectors: Tensor, projection: TextLayers) -> dict[str, float]:
        """Shares of patches whose category is the closest, in its own and in other words."""
        of_note = [truths.category_of(note) for note in self.sounds.notes]
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

    def _drums(self, vectors: Tensor, projection: TextLayers) -> dict[str, float]:
        """The mean over drums of the share of sounds that are told from other drums."""
        of_note = [truths.drum_of(note) for note in self.sounds.notes]
        counts = Counter(drum for drum in of_note if drum)
        names = sorted(drum for drum, count in counts.items() if count >= FEWEST_OF_A_DRUM)
        if len(names) < FEWEST_CATEGORIES:
            return {}
        rows = [i for i, name in enumerate(of_note) if name in names]
        truth = torch.tensor([names.index(str(of_note[i])) for i in rows])
        scores, place = self._per_patch(vectors @ self._words(names, projection).T, rows)
        right = scores.argmax(1) == truth[place]
        shares = [right[truth[place] == c].float().mean() for c in truth[place].unique()]
        return {"drums_balanced": float(torch.stack(shares).mean())}

    def _titles(self, vectors: Tensor, projection: TextLayers) -> dict[str, float]:
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
        group = torch.from_numpy(numbered_patches([self.sounds.notes[i] for i in rows]))
        first = np.unique(group.numpy(), return_index=True)[1]
        best = torch.full((len(first), scores.shape[1]), -2.0)
        rows_of = group[:, None].expand(-1, scores.shape[1])
        best.scatter_reduce_(0, rows_of, scores[torch.tensor(rows)], "amax")
        return best, torch.from_numpy(first)

    def _follows(self, vectors: Tensor, projection: TextLayers) -> dict[str, float]:
        values = self.judge.unchanged(np.arange(len(self.sounds)))
        cosines = vectors @ self._words(list(FOLLOWED), projection).T
        found, pitch = {}, pitches_of(self.sounds.notes)
        for i, (word, (name, sign)) in enumerate(FOLLOWED.items()):
            column = values[:, NAMES.index(name)]
            deviation = torch.from_numpy(self.judge.reference.deviations(name, column, pitch))
            found[f"follows_{word}"] = rank_correlation(cosines[:, i], sign * deviation)
        return {**found, "follows_words": self._follows_words(vectors, values, projection)}

    def _follows_words(self, vectors: Tensor, values: np.ndarray, projection: TextLayers) -> float:
        """Mean over the lexicon's training words, each against its principal descriptor."""
        words = lexicon.words(held_out=False)
        cosines = vectors @ self._words([w.text for w in words], projection).T
        found = []
        for i, direction in enumerate(word.principal for word in words):
            column = torch.from_numpy(values[:, NAMES.index(direction.descriptor)])
            known = torch.isfinite(column)
            if int(known.sum()) >= FEWEST_FOLLOWED:
                order = direction.sign * column[known]
                found.append(rank_correlation(cosines[known, i], order))
        return float(np.mean(found)) if found else 0.0

    def _equalised(self, encoder: MelEncoder, projection: TextLayers) -> dict[str, float]:
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


def _other_words(category: str) -> list[str]:
    return list(wording.other_words(category, "valid"))


def _unseen() -> tuple[list[str], list[str]]:
    """Held-out words of the lexicon for more and for less brightness."""
    up: list[str] = []
    down: list[str] = []
    for word in lexicon.eq_words(held_out=True):
        if word.eq is not None and word.eq.descriptor == "centroid_octaves":
            (up if word.eq.sign > 0 else down).append(word.text)
    return up, down
