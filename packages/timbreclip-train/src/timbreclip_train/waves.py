"""Waveforms of notes as the paper prepares them, with copies at other pitches."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from timbreclip_core.errors import InputError, TimbreClipError

from .augmentations.base import NoteFacts
from .augmentations.pitch_shift import PitchShift
from .augmentations.preparation import Preparation
from .datasets.base import Note, NoteDataset

SECONDS = 4  # of the notes of NSynth and of ALV
TRIES = 10


class LeftOutWarning(UserWarning):
    """A note could not be read; another one took its place."""


@dataclass(frozen=True, kw_only=True)
class Take:
    """A note of one of several datasets, in its own pitch or in another.

    Args:
        dataset: Which.
        note: Of it.
        copy: 0 for its own pitch, else the number of the shifted copy.
    """

    dataset: NoteDataset
    note: Note
    copy: int = 0


@dataclass(frozen=True, kw_only=True)
class Waves:
    """Takes as waveforms; what chance decides depends on ``seed`` and the take alone.

    Args:
        takes: All that there are.
        preparation: Mix, rate, shift, peak.
        seed: Of mix and shift.
    """

    takes: tuple[Take, ...]
    preparation: Preparation
    seed: int

    def __len__(self) -> int:
        return len(self.takes)

    def heard(self, place: int) -> tuple[int, Tensor]:
        """Samples ``(4 s,)``, and the place that they are of.

        That is another, told by a ``LeftOutWarning``, where the note cannot be read.

        Raises:
            InputError: Nor can the next ones that are tried.
        """
        for offset in range(TRIES):
            # Not the next: that is often the same file.
            other = (place + offset * 7919) % len(self.takes)
            try:
                return other, self._read(self.takes[other])
            except TimbreClipError as error:
                last = error
                warnings.warn(f"Left out: {error}", LeftOutWarning, stacklevel=2)
        raise InputError(f"{TRIES} notes after one another cannot be read; the last: {last}")

    def _read(self, take: Take) -> Tensor:
        samples, rate = take.dataset.read(take.note)
        facts = NoteFacts(sample_rate=rate, channels=len(samples), dataset=take.dataset.name)
        drawn = self.preparation.draw(_chances(self.seed, take.note), facts)
        audio = torch.from_numpy(np.ascontiguousarray(samples[:, : SECONDS * rate]))
        mono = self.preparation.apply(audio, drawn[take.copy], rate)[0].float()
        if not bool(mono.any()):
            raise InputError(f"{take.note.id} is silent: silence has no timbre.")
        length = SECONDS * self.preparation.sample_rate
        return torch.nn.functional.pad(mono[:length], (0, max(0, length - len(mono))))


def _chances(seed: int, note: Note) -> np.random.Generator:
    digest = hashlib.sha256(f"{seed} {note.id}".encode()).digest()
    return np.random.default_rng(list(digest[:16]))


def takes_of(
    datasets: Sequence[NoteDataset], notes: Sequence[Sequence[Note]], preparation: Preparation
) -> tuple[Take, ...]:
    """Every note in its own pitch, and then the copies, as many as ``preparation`` makes."""
    found = []
    for dataset, own in zip(datasets, notes, strict=True):
        facts = NoteFacts(sample_rate=preparation.sample_rate, dataset=dataset.name)
        copies = preparation.pitch.range_for(facts).copies
        found += [Take(dataset=dataset, note=n, copy=c) for c in range(copies + 1) for n in own]
    return tuple(found)


def preparation(sample_rate: int, copies: int = -1) -> Preparation:
    """The paper's preparation.

    Args:
        sample_rate: Hz.
        copies: At other pitches; -1 for the paper's number for the dataset.
    """
    pitch = PitchShift(copies=None if copies < 0 else copies)
    return Preparation(sample_rate=sample_rate, pitch=pitch)
