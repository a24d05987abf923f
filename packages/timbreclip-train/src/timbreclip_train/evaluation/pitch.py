"""How much pitch is in a vector of timbre: little is good."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .ranking import Rankings, per_query

OCTAVE = 12


@dataclass(frozen=True)
class PitchProbe:
    """What a ridge regression reads off the vectors, on patches it was not fitted to.

    Args:
        r2: Share of the pitch's variance explained; 0 is chance.
        mean_error_semitones: Mean absolute error.
    """

    r2: float
    mean_error_semitones: float


def own_patch_at(
    vectors: np.ndarray, patches: np.ndarray, pitches: np.ndarray, octaves: int, *, seed: int = 0
) -> Rankings:
    """Does a note find its own patch some octaves away?

    Every note asks all notes that lie ``octaves`` octaves above it, and again all those below; its
    patch's own notes there are relevant.

    Args:
        vectors: Unit vectors ``(notes, dim)``.
        patches: Patch of every note, ``(notes,)``.
        pitches: MIDI pitch of every note, ``(notes,)``.
        octaves: Distance, at least 1.
        seed: Of the order among equals.
    """
    rng = np.random.default_rng(seed)
    names, ranks, largest = [], [], 1
    for shift in (octaves * OCTAVE, -octaves * OCTAVE):
        for pitch in np.unique(pitches):
            asking = np.flatnonzero(pitches == pitch)
            asked = np.flatnonzero(pitches == pitch + shift)
            if len(asked) < 2:
                continue
            largest = max(largest, len(asked))
            scores = vectors[asking] @ vectors[asked].T
            for row, note in zip(scores, asking, strict=True):
                own = patches[asked] == patches[note]
                if own.any():
                    order = np.lexsort((rng.random(len(row)), -row))
                    names.append(f"{patches[note]}@{pitch}{shift:+d}")
                    ranks.append(np.flatnonzero(own[order]) + 1)
    return Rankings(tuple(names), tuple(ranks), largest)


def own_patch_recall(
    vectors: np.ndarray,
    patches: np.ndarray,
    pitches: np.ndarray,
    *,
    distances: Sequence[int] = (1, 2, 3),
    cutoffs: Sequence[int] = (1, 10),
) -> dict[int, dict[str, float]]:
    """Recall of the own patch by octave distance: ``{octaves: {"recall@10": ..., "queries": n}}``.

    Distances that no two notes of a patch have are left out.
    """
    found: dict[int, dict[str, float]] = {}
    for octaves in distances:
        rankings = own_patch_at(vectors, patches, pitches, octaves)
        if rankings.queries:
            measures = per_query(rankings, cutoffs)
            found[octaves] = {f"recall@{k}": float(measures[f"recall@{k}"].mean()) for k in cutoffs}
            found[octaves]["queries"] = len(rankings.queries)
    return found


def probe_pitch(vectors: np.ndarray, patches: np.ndarray, pitches: np.ndarray) -> PitchProbe:
    """Read the pitch off the vectors with a ridge regression, five folds by patch.

    Source of the method: Alain & Bengio 2016, linear classifier probes.
    """
    from sklearn.linear_model import RidgeCV
    from sklearn.model_selection import GroupKFold, cross_val_predict

    model = RidgeCV(alphas=np.logspace(-3, 3, 13))
    folds = GroupKFold(n_splits=min(5, len(np.unique(patches))))
    guess = cross_val_predict(model, vectors, pitches, groups=patches, cv=folds)
    spread = float(((pitches - pitches.mean()) ** 2).mean())
    error = pitches - guess
    r2 = 1 - float((error**2).mean()) / spread if spread else 0.0
    return PitchProbe(r2, float(np.abs(error).mean()))
