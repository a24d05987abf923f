"""How much pitch is in a vector of timbre: little is good."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from timbreclip_core.audio import resample
from timbreclip_core.errors import InputError, TimbreClipError

from ..datasets.base import Note, NoteDataset
from ..datasets.reading import read_clips
from .hearing import HeardNotes, cores, in_groups, threads
from .ranking import Rankings, per_query, summarise
from .store import VectorStore

OCTAVE = 12
SLACK = 5
MFCC_RATE, MFCC_COUNT = 22_050, 13


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

    Every note asks all notes that lie ``octaves`` octaves above it, and again all those below, or
    up to five semitones further, for presets need not be rendered at octaves; its patch's own notes
    there are relevant.

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
            beyond = (pitches - pitch) * np.sign(shift) - abs(shift)
            asked = np.flatnonzero((beyond >= 0) & (beyond <= SLACK))
            if len(asked) < 2:
                continue
            largest = max(largest, len(asked))
            own = patches[asking][:, None] == patches[asked]
            among_equals = rng.random(own.shape)
            for row, found in _own_ranks(vectors[asking] @ vectors[asked].T, own, among_equals):
                names.append(f"{patches[asking[row]]}@{pitch}{shift:+d}")
                ranks.append(found)
    return Rankings(tuple(names), tuple(ranks), largest)


def _own_ranks(
    scores: np.ndarray, own: np.ndarray, among_equals: np.ndarray
) -> Iterator[tuple[int, np.ndarray]]:
    """Rows that have something of their own, and its one-based ranks; all ``(asking, asked)``."""
    rows, columns = np.nonzero(own)
    score, tie = scores[rows, columns][:, None], among_equals[rows, columns][:, None]
    before = (scores[rows] > score) | ((scores[rows] == score) & (among_equals[rows] < tie))
    ranks = 1 + before.sum(1)
    firsts = np.flatnonzero(np.diff(rows, prepend=-1))
    for first, last in zip(firsts, [*firsts[1:], len(rows)], strict=False):
        yield int(rows[first]), np.sort(ranks[first:last])


def own_patch_recall(
    vectors: np.ndarray,
    patches: np.ndarray,
    pitches: np.ndarray,
    *,
    distances: Sequence[int] = (1, 2, 3),
    cutoffs: Sequence[int] = (1, 10),
) -> dict[int, dict[str, float]]:
    """Recall of the own patch by octave distance: ``{octaves: {"recall@10": ..., "queries": n}}``,
    and the 95 % bootstrap interval at the last cutoff.

    Distances that no two notes of a patch have are left out.
    """
    found: dict[int, dict[str, float]] = {}
    for octaves in distances:
        rankings = own_patch_at(vectors, patches, pitches, octaves)
        if rankings.queries:
            estimates = summarise(per_query(rankings, cutoffs))
            found[octaves] = {f"recall@{k}": estimates[f"recall@{k}"].mean for k in cutoffs}
            found[octaves]["queries"] = len(rankings.queries)
            last = estimates[f"recall@{cutoffs[-1]}"]
            found[octaves] |= {"low": last.low, "high": last.high}
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


def pitch_robustness(
    heard: HeardNotes, dataset: NoteDataset, *, store: VectorStore, jobs: int | None = None
) -> list[dict[str, Any]]:
    """Recall of the own patch by octave distance and a pitch probe, for every kind of vector.

    The last row is a baseline: mean and deviation of MFCC.

    Args:
        heard: Notes; those without a pitch do not count.
        dataset: Theirs.
        store: Where the MFCC are kept, see ``mfcc_store``.
        jobs: Threads; all cores if None.

    Raises:
        InputError: The notes have fewer than two pitches.
    """
    heard = heard.where(lambda note: note.pitch is not None)
    if len({note.pitch for note in heard.notes}) < 2:
        raise InputError("The notes have fewer than two pitches.")
    patches = np.array([note.patch for note in heard.notes])
    pitches = np.array([note.pitch for note in heard.notes])
    baseline = mfcc_of(dataset, heard.notes, store, jobs=jobs)
    sets = {**heard.vectors, "MFCC": _standardised(baseline)}
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


def mfcc_store(folder: Any = None) -> VectorStore:
    """Where statistics of MFCC are kept."""
    return VectorStore(f"mfcc-{MFCC_RATE}-{MFCC_COUNT}", folder)


def mfcc_of(
    dataset: NoteDataset, notes: Sequence[Note], store: VectorStore, *, jobs: int | None = None
) -> np.ndarray:
    """``mfcc_statistics`` of notes, ``(notes, 26)``, computed once and kept.

    Raises:
        TimbreClipError: A note cannot be read.
    """
    jobs = jobs or cores()
    keys = store.keys(dataset, notes, jobs=jobs)
    known, _ = store.load(keys, "mfcc")
    missing = {k: n for k, n in zip(keys, notes, strict=True) if k not in known}

    def compute(group: list[tuple[str, Note]]) -> dict[str, dict[str, np.ndarray]]:
        by_note = {note.id: key for key, note in group}
        found = {}
        for note, clip in read_clips(dataset, [note for _, note in group]):
            if isinstance(clip, TimbreClipError):
                raise clip
            found[by_note[note.id]] = {"mfcc": mfcc_statistics(*clip)}
        return found

    bar = tqdm(total=len(missing), unit="note", disable=None, desc="MFCC")
    with bar, threads(jobs) as pool:
        for rows in pool.map(compute, in_groups(missing)):
            store.save(rows, {})
            bar.update(len(rows))
    known, _ = store.load(keys, "mfcc")
    return np.stack([known[key] for key in keys])


@functools.cache
def _mfcc() -> torch.nn.Module:
    from torchaudio.transforms import MFCC

    return MFCC(MFCC_RATE, MFCC_COUNT, melkwargs={"n_fft": 1024, "hop_length": 512, "n_mels": 40})


def mfcc_statistics(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """Mean and standard deviation over time of 13 MFCC, ``(26,)``.

    Args:
        samples: ``(channels, samples)``.
        sample_rate: Hz.
    """
    mono = torch.from_numpy(np.ascontiguousarray(samples.mean(0)))
    found = _mfcc()(resample(mono[None], sample_rate, MFCC_RATE))[0]
    return torch.cat([found.mean(1), found.std(1)]).numpy()


def _standardised(rows: np.ndarray) -> np.ndarray:
    scaled = (rows - rows.mean(0)) / (rows.std(0) + 1e-9)
    return scaled / np.linalg.norm(scaled, axis=1, keepdims=True)
