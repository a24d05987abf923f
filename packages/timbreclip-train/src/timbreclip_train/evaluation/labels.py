"""Zero-shot guesses and pitch robustness of heard notes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from timbreclip_core.errors import InputError
from timbreclip_core.model import Model
from timbreclip_core.scores import embed_words
from timbreclip_core.templates import templates

from ..datasets.base import NoteDataset
from .hearing import HeardNotes
from .pitch import own_patch_recall, probe_pitch
from .zeroshot import ZeroShot, classify, patch_vectors

MFCC_RATE, MFCC_COUNT = 22_050, 13


def guess_labels(
    heard: HeardNotes, model: Model, kind: str, template_set: str, *, per_note: bool = False
) -> ZeroShot:
    """Guess the first text of a kind, for every patch or every note that has one.

    Raises:
        InputError: Fewer than two different texts of the kind.
    """
    chosen = [i for i, note in enumerate(heard.notes) if note.text.get(kind)]
    notes = [heard.notes[i] for i in chosen]
    classes = sorted({note.text[kind][0] for note in notes})
    if len(classes) < 2:
        raise InputError(f"The notes have fewer than two different texts of the kind {kind!r}.")
    vectors = heard.vectors["text"][chosen]
    truth = np.array([classes.index(note.text[kind][0]) for note in notes])
    if not per_note:
        names, patch_of_note = np.unique([note.patch for note in notes], return_inverse=True)
        vectors = patch_vectors(vectors, patch_of_note)
        first = [int(np.flatnonzero(patch_of_note == i)[0]) for i in range(len(names))]
        truth = truth[first]
    words = embed_words(model, classes, templates(template_set)).plain().numpy()
    return classify(vectors, words, truth, classes)


def pitch_robustness(heard: HeardNotes, dataset: NoteDataset) -> list[dict[str, Any]]:
    """Recall of the own patch by octave distance and a pitch probe, for every kind of vector.

    The last row is a baseline: mean and deviation of MFCC.
    """
    chosen = [i for i, note in enumerate(heard.notes) if note.pitch is not None]
    if len({heard.notes[i].pitch for i in chosen}) < 2:
        raise InputError("The notes have fewer than two pitches.")
    patches = np.array([heard.notes[i].patch for i in chosen])
    pitches = np.array([heard.notes[i].pitch for i in chosen])
    sets = {kind: vectors[chosen] for kind, vectors in heard.vectors.items()}
    sets["MFCC"] = np.stack([mfcc_statistics(*dataset.read(heard.notes[i])) for i in chosen])
    sets["MFCC"] = _standardised(sets["MFCC"])
    rows = []
    for name, vectors in sets.items():
        probe = probe_pitch(vectors, patches, pitches)
        rows.append(
            {
                "vectors": name,
                "recall": own_patch_recall(vectors, patches, pitches),
                "probe_r2": probe.r2,
                "probe_error_semitones": probe.mean_error_semitones,
            }
        )
    return rows


def mfcc_statistics(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """Mean and standard deviation over time of 13 MFCC, ``(26,)``.

    Args:
        samples: ``(channels, samples)``.
        sample_rate: Hz.
    """
    from torchaudio.transforms import MFCC

    from timbreclip_core.audio import resample, to_mono

    mono = resample(to_mono(torch.from_numpy(samples)[None]), sample_rate, MFCC_RATE)
    mel = {"n_fft": 1024, "hop_length": 512, "n_mels": 40}
    found = MFCC(MFCC_RATE, MFCC_COUNT, melkwargs=mel)(mono)[0]
    return torch.cat([found.mean(1), found.std(1)]).numpy()


def _standardised(rows: np.ndarray) -> np.ndarray:
    scaled = (rows - rows.mean(0)) / (rows.std(0) + 1e-9)
    return scaled / np.linalg.norm(scaled, axis=1, keepdims=True)
