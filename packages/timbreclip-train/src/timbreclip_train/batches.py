"""Batches of training: a function of the seed and the step alone, so that nothing need be saved."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator, Tensor

from timbreclip_core.encoders.small import relative_db

from . import mel_augment, truths
from .config import AugmentConfig
from .measures import Ordinary, measure
from .notes import Note, NoteSet
from .rendering.synth_families import DRUMS

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
    """MIDI pitches ``(notes,)``; NaN for drums, whose key says little."""
    values = [float("nan") if n.family in DRUMS else float(n.pitch) for n in notes]
    return torch.tensor(values)


def fit_ordinary(sounds: NoteSet) -> Ordinary:
    """What is usual at each pitch, from an even sample of the notes as rendered."""
    step = max(1, len(sounds) // NOTES_TO_FIT)
    chosen = np.arange(0, len(sounds), step)
    parts = np.array_split(chosen, max(1, len(chosen) // NOTES_AT_ONCE))
    values = torch.cat([measure(sounds.mel_power(part)) for part in parts])
    return Ordinary.of(values, pitches([sounds.notes[i] for i in chosen]))


class Batches:
    """Draws batches.

    Args:
        sounds: Notes to draw from.
        config: How they are changed.
        batch: Sounds in a batch.
        seed: Of everything random.
        speaker: Says what is true.
        ordinary: What measured attributes are relative to; fitted to ``sounds`` if absent.
    """

    def __init__(
        self,
        sounds: NoteSet,
        config: AugmentConfig,
        batch: int,
        seed: int,
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

    def at(self, step: int) -> Batch:
        """The batch of a step."""
        rng = np.random.default_rng([self.seed, step])
        pairs = int(self.size * self.config.pair_share)
        single = rng.choice(len(self.sounds), self.size - pairs, len(self.sounds) < self.size)
        chosen = np.concatenate([single, single[:pairs]])
        power = self.sounds.mel_power(chosen)
        own = Generator().manual_seed(int(rng.integers(2**62)))
        changes = mel_augment.draw(self.config, self.size, power.shape[1], own)
        heard, clean = mel_augment.apply(power, mel_augment.opposite(changes, pairs))
        deviation = self.ordinary.deviation(measure(clean), self._pitch[chosen])
        degree = truths.degrees(deviation)
        measured, unclear = truths.measured_facts(degree)
        said = self._say(chosen, measured, random.Random(int(rng.integers(2**62))))
        positive, ignored = truths.positives(said, self._facts[chosen] | measured, unclear)
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
            for saying in self.speaker.sayings(truths.facts_of(self.sounds.notes[note]), has, rng):
                union[saying.text.lower()] = saying
        return list(union.values())
