"""Batches of training: a function of the seed and the step alone, so that nothing need be saved."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from timbreclip_core.encoders.mel import relative_db

from . import mel_augment, truths
from .config import TrainConfig
from .datasets.base import Note
from .judge import NAMES, Judge, ranks
from .measured.corpus import numbered, numbered_patches

FEWEST_PATCHES = 5  # of a category or a drum: fewer have no place among those asked for
FARTHEST_BLEND = 5  # semitones
SAME_SOUND_DB = 6.0
"""An equaliser whose gains are spread wider makes another sound of it."""


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """Words of the timbre lexicon in a batch.

    Args:
        said: Texts.
        order: Where each sound should be by each text, ``(sounds, texts)``; NaN for unknown.
        ranks: Of every descriptor, ``(sounds, descriptors)``; NaN for unknown.
        preferred: As in ``Batch``, ``(pairs, texts)``.
    """

    said: list[str]
    ranks: Tensor
    order: Tensor
    preferred: Tensor


@dataclass(frozen=True, kw_only=True)
class Question:
    """Which one of several things a sound is.

    Args:
        said: A text for each thing.
        answer: Index into them for every sound, ``(sounds,)``; -1 for unknown.
    """

    said: list[str]
    answer: Tensor


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
        ranked: Words by which the sounds have an order.
        questions: Which category, which drum.
        patch: Number of each sound's patch, ``(sounds,)``; -1 for what an equaliser made another
            sound of.
        teacher: Standardised vectors of the teacher ``(sounds, dim)``, rows of NaN where there is
            none; None for no teacher.
    """

    chosen: np.ndarray
    decibels: Tensor
    said: list[str]
    positive: Tensor
    unclear: Tensor
    group: Tensor
    preferred: Tensor
    ranked: Ranked
    questions: list[Question]
    patch: Tensor
    teacher: Tensor | None


def shares(notes: Sequence[Note], balance: float, kind_balance: float = 1.0) -> np.ndarray:
    """How often each note is drawn, ``(notes,)``, sum 1: notes of a patch alike.

    Args:
        notes: To draw from.
        balance: Sources go with their number of patches to this power.
        kind_balance: Kinds of sound as well; those of which nobody says the kind are one kind.
    """
    patches = {note.patch: note for note in notes}
    source = {patch: note.info.get("source", "") for patch, note in patches.items()}
    kind = {patch: truths.kind_of(note) for patch, note in patches.items()}
    in_patch = Counter(note.patch for note in notes)
    in_source, of_kind = Counter(source.values()), Counter(kind.values())
    weight = [
        in_source[source[p]] ** (balance - 1) * of_kind[kind[p]] ** (kind_balance - 1) / in_patch[p]
        for p in (note.patch for note in notes)
    ]
    return np.array(weight) / np.sum(weight)


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


def alternatives(
    notes: Sequence[Note], label: Callable[[Note], str | None]
) -> tuple[list[str], NDArray[np.int64]]:
    """Labels of enough patches to be told apart, and whose each note's is, ``(notes,)``; else -1.

    Args:
        notes: Labelled or not.
        label: Concept of a note, None without one.
    """
    labels = [label(note) for note in notes]
    of_patch = {note.patch: name for note, name in zip(notes, labels, strict=True) if name}
    names = sorted(n for n, count in Counter(of_patch.values()).items() if count >= FEWEST_PATCHES)
    place = {name: i for i, name in enumerate(names)}
    return names, np.array([place.get(name or "", -1) for name in labels], np.int64)


def told_alike(notes: Sequence[Note]) -> NDArray[np.int64]:
    """A number for what is said of every note, its title apart, ``(notes,)``; 0 for nothing."""
    return numbered([(), *map(truths.facts_of, notes)])[1:]


def members(number: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Places of each number, from 0 to the largest."""
    return np.split(number.argsort(kind="stable"), np.bincount(number).cumsum()[:-1])


def _made_another(changes: mel_augment.Changes) -> Tensor:
    """Sounds that an equaliser or a steep filter made into other ones, bool ``(batch,)``."""
    gain = changes.gain_db - changes.gain_db.mean(1, keepdim=True)
    return (gain.square().mean(1).sqrt() > SAME_SOUND_DB) | ~torch.isinf(changes.cutoff_hz[:, 0])


class Batches:
    """Draws batches.

    Args:
        judge: Notes to draw from, and what can be measured of them.
        config: Everything about the drawing.
        speaker: Says what is true.
        taught: Standardised vectors of a teacher, ``(notes, dim)``, rows of NaN for notes that it
            has not heard; None for no teacher.
    """

    def __init__(
        self,
        judge: Judge,
        config: TrainConfig,
        speaker: truths.Speaker | None = None,
        taught: Tensor | None = None,
    ) -> None:
        self.judge = judge
        self.sounds = judge.sounds
        self.config = config
        self.speaker = speaker or truths.Speaker()
        self.taught = taught
        self._facts = truths.note_facts(self.sounds.notes)
        self._shares = shares(self.sounds.notes, config.sounds.balance, config.sounds.kind_balance)
        self._called = called_by(self.sounds.notes)
        self._patch = numbered_patches(self.sounds.notes)
        self._of_patch = members(self._patch)
        self._pitches = np.nan_to_num(judge.pitches)
        self._like = told_alike(self.sounds.notes)
        self._alike = members(self._like)
        labels = (truths.category_of, truths.drum_of)
        self._alternatives = [alternatives(self.sounds.notes, label) for label in labels]

    def at(self, step: int) -> Batch:
        """The batch of a step."""
        rng = np.random.default_rng([self.config.run.seed, step])
        size, augment = self.config.optimiser.batch, self.config.augment
        pairs, twins = int(size * augment.pair_share), int(size * augment.twin_share)
        single = rng.choice(len(self.sounds), size - pairs - twins, p=self._shares)
        twin = self._twins(single[::-1][:twins], rng)
        chosen = np.concatenate([single, twin, single[:pairs]])
        other = self._others(single, augment.blend_share, rng) if augment.blend_share else single
        blended = np.concatenate([other, twin, other[:pairs]])
        power = self._power(chosen, blended)
        own = Generator().manual_seed(int(rng.integers(2**62)))
        changes = mel_augment.draw(augment, size, power.shape[1], own)
        changes = mel_augment.opposite(changes, pairs)
        heard, clean = mel_augment.apply(power, changes, limit_measured=augment.limit_measured)
        values = self.judge.values(clean, chosen, changes, altered=blended != chosen)
        words = random.Random(int(rng.integers(2**62)))
        another = _made_another(changes) | torch.from_numpy(blended != chosen)
        return Batch(
            chosen=chosen,
            decibels=relative_db(heard),
            patch=torch.from_numpy(self._patch[chosen]).masked_fill(another, -1),
            teacher=self._teacher(chosen, another),
            ranked=self._ranked(values, pairs, words),
            questions=self._ask(chosen, words),
            **self._told(chosen, self.judge.degrees(values, chosen, changes), pairs, words),
        )

    def _told(
        self, chosen: np.ndarray, degree: Tensor, pairs: int, rng: random.Random
    ) -> dict[str, Any]:
        """Texts of the batch, and of which sounds they are true."""
        measured, unclear = truths.measured_facts(degree)
        said = self._say(chosen, measured, rng)
        called = [self._called[i] for i in chosen]
        has = self._facts[chosen] | measured
        positive, ignored = truths.positives(said, has, unclear, called)
        return {
            "said": [s.text for s in said],
            "positive": positive,
            "unclear": ignored,
            "group": torch.tensor([s.group for s in said]),
            "preferred": truths.preferences(said, degree[:pairs], degree[len(chosen) - pairs :]),
        }

    def _ranked(self, values: np.ndarray, pairs: int, rng: random.Random) -> Ranked:
        said = truths.draw_ranked(self.config.texts.ranked, rng)
        places = ranks(values)
        return Ranked(
            said=[text.text for text in said],
            ranks=places,
            order=truths.wanted_order(said, places, NAMES),
            preferred=truths.wanted_changes(
                said, values[:pairs], values[len(values) - pairs :], NAMES
            ),
        )

    def _ask(self, chosen: np.ndarray, rng: random.Random) -> list[Question]:
        return [
            Question(said=self.speaker.answers(names, rng), answer=torch.from_numpy(answer[chosen]))
            for names, answer in self._alternatives
            if len(names) > 1
        ]

    def _twins(self, chosen: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Other notes of the same patches; the notes themselves where a patch has no other."""
        found = chosen.copy()
        for row, note in enumerate(chosen):
            own = self._of_patch[self._patch[note]]
            if len(own) > 1:
                found[row] = rng.choice(own[own != note])
        return found

    def _others(self, chosen: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
        """Notes of other patches of which the same is said, near in pitch; else the notes."""
        found = chosen.copy()
        for row in np.flatnonzero(rng.random(len(chosen)) < share):
            note = chosen[row]
            near = self._alike[self._like[note]]
            near = near[np.abs(self._pitches[near] - self._pitches[note]) <= FARTHEST_BLEND]
            near = near[self._patch[near] != self._patch[note]]
            if self._like[note] and len(near):
                found[row] = rng.choice(near)
        return found

    def _power(self, chosen: np.ndarray, blended: np.ndarray) -> Tensor:
        """Mel power of sounds, each with the other at its pitch, equally loud."""
        power = self.sounds.mel_power(chosen)
        rows = np.flatnonzero(blended != chosen)
        if len(rows):
            up = self._pitches[chosen[rows]] - self._pitches[blended[rows]]
            other = self.sounds.mel_power(blended[rows])
            power[rows] += mel_augment.transposed(other, torch.from_numpy(up).float())
        return power

    def _teacher(self, chosen: np.ndarray, other: Tensor) -> Tensor | None:
        """The teacher's vectors of sounds that are still much as it heard them."""
        if self.taught is None:
            return None
        return self.taught[chosen].masked_fill(other[:, None], float("nan"))

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
