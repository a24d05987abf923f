"""Batches of training: a function of the seed and the step alone, so that nothing need be saved."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator, Tensor

from timbreclip_core.encoders.small import relative_db

from . import mel_augment, truths
from .config import AugmentConfig
from .datasets.base import Note
from .measures import Ordinary, measure
from .spectra import Spectra

NOTES_TO_FIT = 4_096
NOTES_AT_ONCE = 256


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What one step needs.

    Args:
        chosen: Index of each sound's note, ``(sounds,)``.
        decibels: Spectrograms as the encoder's network takes them, ``(sounds, bands, frames)``.
        said: Texts, each once.
        positive: Which is true of which sound, bool ``(sounds, texts)``.
        unclear: Pairs neither true nor false, bool ``(sounds, texts)``.
        group: Kind of every text, ``(texts,)``.
        preferred: For the pairs of one note, the first and the last sounds of the batch: how much
            more the first has of what each text says, ``(pairs, texts)``.
    """

    chosen: np.ndarray
    decibels: Tensor
    said: list[str]
    positive: Tensor
    unclear: Tensor
    group: Tensor
    preferred: Tensor


def pitches(notes: Sequence[Note]) -> Tensor:
    """MIDI pitches ``(notes,)``; NaN for what has none, such as drums."""
    return torch.tensor([float("nan") if n.pitch is None else float(n.pitch) for n in notes])


def shares(notes: Sequence[Note], balance: float) -> np.ndarray:
    """How often each note is drawn, ``(notes,)``, sum 1: patches of a source and notes of a patch
    alike, sources by their number of patches to the power ``balance``."""
    sources = [note.info.get("source", "") for note in notes]
    in_patch = Counter(note.patch for note in notes)
    in_source = Counter({n.patch: s for n, s in zip(notes, sources, strict=True)}.values())
    weight = [
        in_source[source] ** (balance - 1) / in_patch[note.patch]
        for note, source in zip(notes, sources, strict=True)
    ]
    return np.array(weight) / np.sum(weight)


def fit_ordinary(sounds: Spectra) -> Ordinary:
    """What is usual at each pitch, from an even sample of the notes as rendered."""
    step = max(1, len(sounds) // NOTES_TO_FIT)
    chosen = np.arange(0, len(sounds), step)
    parts = np.array_split(chosen, max(1, len(chosen) // NOTES_AT_ONCE))
    values = torch.cat([measure(sounds.mel_power(part)) for part in parts])
    return Ordinary.of(values, pitches([sounds.notes[i] for i in chosen]))


def called_by(notes: Sequence[Note]) -> list[frozenset[str]]:
    """Words that every note's patch is called by."""
    kinds = ("category", "tags")
    known = {
        n.patch: truths.words_of(
            " ".join(n.text.get("title", ())), [v for kind in kinds for v in n.text.get(kind, ())]
        )
        for n in notes
    }
    return [known[note.patch] for note in notes]


class Batches:
    """Draws batches.

    Args:
        sounds: Notes to draw from.
        config: How they are changed.
        batch: Sounds in a batch.
        seed: Of everything random.
        balance: Of ``shares``.
        speaker: Says what is true.
        ordinary: What measured attributes are relative to; fitted to ``sounds`` if absent.
    """

    def __init__(
        self,
        sounds: Spectra,
        config: AugmentConfig,
        batch: int,
        seed: int,
        balance: float = 1.0,
        speaker: truths.Speaker | None = None,
        ordinary: Ordinary | None = None,
    ) -> None:
        self.sounds = sounds
        self.config = config
        self.size = batch
        self.seed = seed
        self.speaker = speaker or truths.Speaker()
        self.ordinary = ordinary or fit_ordinary(sounds)
        self._facts = truths.note_facts(sounds.notes)
        self._pitch = pitches(sounds.notes)
        self._shares = shares(sounds.notes, balance)
        self._called = called_by(sounds.notes)

    def at(self, step: int) -> Batch:
        """The batch of a step."""
        rng = np.random.default_rng([self.seed, step])
        pairs = int(self.size * self.config.pair_share)
        single = rng.choice(len(self.sounds), self.size - pairs, p=self._shares)
        chosen = np.concatenate([single, single[:pairs]])
        power = self.sounds.mel_power(chosen)
        own = Generator().manual_seed(int(rng.integers(2**62)))
        changes = mel_augment.draw(self.config, self.size, power.shape[1], own)
        heard, clean = mel_augment.apply(power, mel_augment.opposite(changes, pairs))
        deviation = self.ordinary.deviation(measure(clean), self._pitch[chosen])
        degree = truths.degrees(deviation)
        measured, unclear = truths.measured_facts(degree)
        said = self._say(chosen, measured, random.Random(int(rng.integers(2**62))))
        called = [self._called[i] for i in chosen]
        has = self._facts[chosen] | measured
        positive, ignored = truths.positives(said, has, unclear, called)
        return Batch(
            chosen=chosen,
            decibels=relative_db(heard),
            said=[s.text for s in said],
            positive=positive,
            unclear=ignored,
            group=torch.tensor([s.group for s in said]),
            preferred=truths.preferences(said, degree[:pairs], degree[self.size - pairs :]),
        )

    def _say(self, chosen: np.ndarray, measured: Tensor, rng: random.Random) -> list[truths.Saying]:
        index = truths.vocabulary().index
        attributes = truths.attribute_names()
        union: dict[str, truths.Saying] = {}
        for row, note in enumerate(chosen):
            has = [name for name in attributes if measured[row, index[name]]]
            told = self.sounds.notes[note]
            facts, title = truths.facts_of(told), truths.title_of(told)
            for saying in self.speaker.sayings(facts, has, title, rng):
                union[saying.text.lower()] = saying
        return list(union.values())
