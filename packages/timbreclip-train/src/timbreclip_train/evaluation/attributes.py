"""Do words mean what the timbre lexicon says: scores against descriptors, tags, and EQ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from timbreclip_core import audio as au
from timbreclip_core.descriptors import DESCRIPTORS, describe, spectral_from_power
from timbreclip_core.dsp import biquad
from timbreclip_core.encoders.base import SpectralEncoder
from timbreclip_core.errors import UsageError
from timbreclip_core.lexicon import LexiconWord, eq_words, words
from timbreclip_core.model import Model
from timbreclip_core.scores import embed_words
from timbreclip_core.templates import templates

from ..datasets.base import Note, NoteDataset
from .hearing import HeardNotes
from .retrieval import centroids
from .run import collection_of
from .store import VectorStore

NAMES = tuple(d.name for d in DESCRIPTORS)
CENTRES_HZ = 1000 * 10 ** (torch.arange(-15, 13, 3, dtype=torch.float64) / 10)
BAND_Q = 1.41  # one octave
MAX_GAIN_DB = 12.0
STEPS, RATE = 40, 0.15
SIZE_PENALTY = 0.03
LEAST_PRESETS = 5


@dataclass(frozen=True)
class WordScore:
    """How one word fares.

    Args:
        word: Of the lexicon.
        held_out: Whether training never saw it.
        descriptor: The one it is judged by, with its sign.
        value: Rank correlation, or share of sounds moved the right way.
    """

    word: str
    held_out: bool
    descriptor: str
    value: float


def measure_notes(
    dataset: NoteDataset, notes: Sequence[Note], store: VectorStore
) -> dict[str, np.ndarray]:
    """Descriptors of notes, ``(notes,)`` each, computed once and kept."""
    keys = store.keys(dataset, notes)
    known, _ = store.load(keys, "descriptors")
    missing = {k: n for k, n in zip(keys, notes, strict=True) if k not in known}
    for key, note in tqdm(missing.items(), unit="note", disable=None, desc="describe"):
        samples, rate = dataset.read(note)
        mono = au.to_mono(au.as_batch(samples, rate)).float()
        found = describe(mono, rate, pitch=note.pitch)
        row = np.array([float(found[name]) for name in NAMES], np.float32)
        store.save({key: {"descriptors": row}}, {})
    known, _ = store.load(keys, "descriptors")
    table = np.stack([known[key] for key in keys])
    return {name: table[:, i] for i, name in enumerate(NAMES)}


def correlate(
    vectors: np.ndarray, model: Model, measured: dict[str, np.ndarray], template_set: str = "timbre"
) -> list[WordScore]:
    """Rank correlation of every lexicon word's score with its principal descriptor, signed.

    Args:
        vectors: ``"text"`` vectors of the notes.
        model: Embeds the words.
        measured: Descriptors of the same notes.
        template_set: Sentences around the words.
    """
    from scipy.stats import spearmanr

    chosen = words()
    texts = embed_words(model, [w.text for w in chosen], templates(template_set)).plain().numpy()
    scores = vectors @ texts.T
    found = []
    for i, word in enumerate(chosen):
        values = measured[word.principal.descriptor]
        rho = float(spearmanr(scores[:, i], values).statistic) if np.ptp(values) else 0.0
        found.append(_score(word, word.principal, word.principal.sign * rho))
    return found


def _score(word: LexiconWord, direction: Any, value: float) -> WordScore:
    sign = "+" if direction.sign > 0 else "-"
    return WordScore(word.text, word.held_out, f"{sign}{direction.descriptor}", value)


def tag_scores(heard: HeardNotes, model: Model, template_set: str = "sound") -> dict[str, Any]:
    """AUC and average precision of every tag that at least five presets bear.

    A preset's score is the cosine of its notes' mean direction with the tag.

    Raises:
        UsageError: No tag is common enough.
    """
    from sklearn.metrics import average_precision_score, roc_auc_score

    collection = collection_of(heard.notes, heard.notes, "tags")
    relevance, names = collection.relevance(), collection.queries()
    common = [i for i, row in enumerate(relevance) if LEAST_PRESETS <= row.sum() < len(row)]
    if not common:
        raise UsageError(f"No tag is borne by {LEAST_PRESETS} presets or more.")
    texts = embed_words(model, [names[i] for i in common], templates(template_set)).plain().numpy()
    scores = texts @ centroids(heard.vectors["text"], collection).T
    rows = {}
    for i, row in zip(common, scores, strict=True):
        rows[names[i]] = {
            "auc": float(roc_auc_score(relevance[i], row)),
            "average_precision": float(average_precision_score(relevance[i], row)),
            "presets": int(relevance[i].sum()),
        }
    table = np.array([[r["auc"], r["average_precision"]] for r in rows.values()])
    chance = float(relevance[common].mean())
    means = {"auc": float(table[:, 0].mean()), "map": float(table[:, 1].mean())}
    return {"tags": len(rows), **means, "chance_map": chance, "by_tag": rows}


def eq_directions(
    model: Model, sounds: Sequence[Tensor], *, limit: int | None = None, seed: int = 0
) -> list[WordScore]:
    """Fit a 10-band EQ to words; does it move the descriptor the way the lexicon says?

    Args:
        model: With a ``SpectralEncoder``.
        sounds: Mono windows ``(samples,)`` at the encoder's rate, at least 10 for a figure that
            means something.
        limit: Words drawn of all that have a spectral direction, seen and held out alike.
        seed: Of that draw.

    Returns:
        Per word the share of sounds that moved the right way.

    Raises:
        UsageError: The model's encoder has no spectrogram to filter.
    """
    encoder = model.encoder
    if not isinstance(encoder, SpectralEncoder):
        raise UsageError(f"{encoder.name} has no spectrogram that an EQ could be fitted on.")
    chosen = list(eq_words())
    if limit is not None and limit < len(chosen):
        keep = np.random.default_rng(seed).choice(len(chosen), limit, replace=False)
        chosen = [chosen[i] for i in sorted(keep)]
    with torch.no_grad():
        power = torch.cat([encoder.spectrogram(encoder.windowing.cut(s[None])[0]) for s in sounds])
        before = spectral_from_power(power, encoder.freqs_hz)
    goals = embed_words(model, [w.text for w in chosen], templates("timbre")).plain()
    found = []
    for word, goal in tqdm(list(zip(chosen, goals, strict=True)), unit="word", disable=None):
        filtered = power * fit_response(encoder, power, goal)[..., None]
        name, sign = word.eq.descriptor, word.eq.sign
        after = spectral_from_power(filtered, encoder.freqs_hz)[name]
        right = sign * (after - before[name]) > 0
        found.append(_score(word, word.eq, float(right.float().mean())))
    return found


def fit_response(encoder: SpectralEncoder, power: Tensor, goal: Tensor) -> Tensor:
    """Power response ``(sounds, bins)`` of a 10-band EQ fitted per sound to a text vector.

    Args:
        encoder: Frozen.
        power: ``(sounds, bins, frames)``.
        goal: ``(dim,)``.
    """
    rate = encoder.sample_rate
    freqs = encoder.freqs_hz.clamp(max=0.499 * rate).double()
    usable = CENTRES_HZ[0.45 * rate > CENTRES_HZ]
    q = torch.full_like(usable, BAND_Q)
    free = torch.zeros(len(power), len(usable), dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam([free], lr=RATE)

    def response() -> Tensor:
        gains_db = MAX_GAIN_DB * torch.tanh(free)
        level = biquad.cascade_db(biquad.peaking(gains_db, usable, q, rate), freqs, rate)
        return 10 ** (level / 10)

    for _ in range(STEPS):
        optimiser.zero_grad()
        heard = encoder.from_power(power * response().float()[..., None])["text"]
        loss = (1 - heard @ goal).sum() + SIZE_PENALTY * torch.tanh(free).square().mean(1).sum()
        loss.backward()
        optimiser.step()
    return response().detach().float()


def summary(scores: Sequence[WordScore]) -> dict[str, float]:
    """Means over words seen in training and over held-out ones, and how many there are."""
    found: dict[str, float] = {}
    for name, held_out in (("seen", False), ("held_out", True)):
        values = [s.value for s in scores if s.held_out is held_out]
        found[name] = float(np.mean(values)) if values else float("nan")
        found[f"{name}_words"] = len(values)
    return found
