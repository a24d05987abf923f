"""Do words mean what the timbre lexicon says: scores against descriptors, tags, and EQ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from timbreclip_core import audio as au
from timbreclip_core.descriptors import spectral_from_power
from timbreclip_core.dsp import biquad
from timbreclip_core.encoders.base import SpectralEncoder
from timbreclip_core.errors import UsageError
from timbreclip_core.lexicon import Direction, LexiconWord, eq_words, freeze_id, words
from timbreclip_core.model import Model
from timbreclip_core.scores import embed_words
from timbreclip_core.templates import templates

from ..datasets.base import Note, NoteDataset
from ..measured.describing import FOLDER, note_keys
from ..measured.measuring import MEASURE, NAMES, hold_s, measure
from ..measured.table import TABLE, read_records
from .hearing import HeardNotes, cores, threads
from .retrieval import centroids
from .run import collection_of
from .store import VectorStore

DESCRIBED = "descriptors"
SINGLED_OUT = ("bright", "dark", "warm", "muffled", "harsh", "thin")
NOTES_AT_ONCE = 24
FITTED_AT_ONCE = 32  # pairs of a word and a sound
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
        held_out: Whether it is one that training must not see.
        descriptor: The one it is judged by, with its sign.
        value: Rank correlation, or share of sounds moved the right way.
        right: Sounds that moved the right way; None for correlations.
        total: Of how many.
    """

    word: str
    held_out: bool
    descriptor: str
    value: float
    right: int | None = None
    total: int | None = None


def lexicon_of(model: Model) -> dict[str, Any]:
    """Whether a model's training held out the words that are held out here.

    Returns:
        ``model`` and ``present``: ids of the held-out words (``freeze_id``), the model's None if
        it records none; ``valid``: whether figures of held-out words mean unseen words, None if
        that is unknown; ``note``: the same in words.
    """
    config = model.checkpoint.config if model.checkpoint else {}
    trained, present = config.get("training", {}).get("lexicon"), freeze_id()
    if trained == present:
        valid, note = True, "Held-out words are those that training held out."
    elif trained is not None:
        valid, note = False, f"It was trained with another lexicon ({trained}, not {present})."
    elif model.encoder.name == "small":
        valid, note = False, f"It does not say by which lexicon it was trained, so not {present}."
    else:
        valid, note = None, "Unknown: what it was trained on is not recorded."
    if not valid:
        state = "are not valid" if valid is False else "may not be valid"
        note += f" The figures for held-out (unseen) words {state} for this model."
    return {"model": trained, "present": present, "valid": valid, "note": note}


def measure_notes(
    dataset: NoteDataset, notes: Sequence[Note], store: VectorStore, *, jobs: int | None = None
) -> dict[str, np.ndarray]:
    """Descriptors of notes, ``(notes,)`` each, NaN where one cannot be measured.

    Taken from the table that ``tclip data describe`` left in the dataset's folder; what it lacks
    is measured once, and kept.

    Args:
        dataset: Where the notes are.
        notes: Which.
        store: Where what is measured is kept; see ``descriptor_store``.
        jobs: Threads; all cores if None.
    """
    jobs = jobs or cores()
    rows = _described(dataset)
    missing = {note.id: note for note in notes if note.id not in rows}
    sounds = store.keys(dataset, list(missing.values()), jobs=jobs)
    keys = {
        n.id: f"{k}:{n.pitch}:{hold_s(n)}" for n, k in zip(missing.values(), sounds, strict=True)
    }
    known, _ = store.load(list(keys.values()), DESCRIBED)
    rows.update((note, known[key]) for note, key in keys.items() if key in known)
    waiting = [note for note in missing.values() if note.id not in rows]
    parts = [waiting[i : i + NOTES_AT_ONCE] for i in range(0, len(waiting), NOTES_AT_ONCE)]
    bar = tqdm(total=len(waiting), unit="note", disable=None, desc="describe")
    with bar, threads(jobs) as pool:
        for found in pool.map(lambda part: measure(dataset, part), parts):
            failed = dict.fromkeys(found.failed, np.full(len(NAMES), np.nan, np.float32))
            store.save({keys[n]: {DESCRIBED: r} for n, r in (found.rows | failed).items()}, {})
            rows |= found.rows | failed
            bar.update(len(found.rows) + len(failed))
    table = np.stack([rows[note.id] for note in notes])
    return {name: table[:, i] for i, name in enumerate(NAMES)}


def descriptor_store(folder: Path | None = None) -> VectorStore:
    """Where descriptors are kept."""
    return VectorStore(f"descriptors-{MEASURE}", folder)


def _described(dataset: NoteDataset) -> dict[str, np.ndarray]:
    """Rows of the dataset's own table that still hold, by note."""
    path = dataset.root / FOLDER / TABLE
    if not path.is_file():
        return {}
    records = read_records(path)
    if records.measure != MEASURE or records.table.names != NAMES:
        return {}
    present = note_keys(dataset)
    rows = zip(records.table.ids, records.keys, records.table.values, strict=True)
    return {note: row for note, key, row in rows if present.get(note) == key}


def correlate(
    vectors: np.ndarray, model: Model, measured: dict[str, np.ndarray], template_set: str = "timbre"
) -> list[WordScore]:
    """Rank correlation of every lexicon word's score with its principal descriptor, signed.

    Args:
        vectors: ``"text"`` vectors of the notes.
        model: Embeds the words.
        measured: Descriptors of the same notes; notes without one do not count for it.
        template_set: Sentences around the words.
    """
    chosen = words()
    texts = embed_words(model, [w.text for w in chosen], templates(template_set)).plain().numpy()
    by_descriptor: dict[str, list[int]] = {}
    for i, word in enumerate(chosen):
        by_descriptor.setdefault(word.principal.descriptor, []).append(i)
    rho = np.zeros(len(chosen))
    for name, members in by_descriptor.items():
        usable = np.isfinite(measured[name])
        scores = vectors[usable] @ texts[members].T
        rho[members] = _rank_correlations(scores, measured[name][usable])
    return [_score(w, w.principal, w.principal.sign * rho[i]) for i, w in enumerate(chosen)]


def _rank_correlations(scores: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Spearman's correlation of every column with the values; 0 where one is constant."""
    from scipy.stats import rankdata

    if len(values) < 2:
        return np.zeros(scores.shape[1])
    ranks, goal = rankdata(scores, axis=0), rankdata(values)
    ranks, goal = ranks - ranks.mean(0), goal - goal.mean()
    lengths = np.sqrt((ranks**2).sum(0) * (goal**2).sum())
    return np.divide(goal @ ranks, lengths, out=np.zeros(len(lengths)), where=lengths > 0)


def _score(
    word: LexiconWord, direction: Direction, value: float, counts: tuple[int, int] | None = None
) -> WordScore:
    sign = "+" if direction.sign > 0 else "-"
    right, total = counts or (None, None)
    name = f"{sign}{direction.descriptor}"
    return WordScore(word.text, word.held_out, name, float(value), right, total)


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
    model: Model,
    sounds: Sequence[Tensor],
    *,
    limit: int | None = None,
    seed: int = 0,
    jobs: int | None = None,
) -> list[WordScore]:
    """Fit a 10-band EQ to words; does it move the descriptor the way the lexicon says?

    Args:
        model: With a ``SpectralEncoder``.
        sounds: Mono windows ``(samples,)`` at the encoder's rate, at least 10 for a figure that
            means something.
        limit: Words drawn of all that have a spectral direction, seen and held out alike, beside
            those of ``SINGLED_OUT``; all if None.
        seed: Of that draw.
        jobs: Threads; all cores if None.

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
        keep = set(np.random.default_rng(seed).choice(len(chosen), limit, replace=False).tolist())
        chosen = [w for i, w in enumerate(chosen) if i in keep or w.text in SINGLED_OUT]
    with torch.no_grad():
        power = torch.cat([encoder.spectrogram(encoder.windowing.cut(s[None])[0]) for s in sounds])
        before = spectral_from_power(power, encoder.freqs_hz)
    goals = embed_words(model, [w.text for w in chosen], templates("timbre")).plain()
    size = max(1, FITTED_AT_ONCE // len(power))
    parts = [slice(i, i + size) for i in range(0, len(chosen), size)]

    def judge(part: slice) -> list[WordScore]:
        return _judge_words(encoder, power, before, chosen[part], goals[part])

    found: list[WordScore] = []
    bar = tqdm(total=len(chosen), unit="word", disable=None, desc="equalise")
    with bar, threads(jobs or cores()) as pool:
        for scores in pool.map(judge, parts):
            found += scores
            bar.update(len(scores))
    return found


def _judge_words(
    encoder: SpectralEncoder,
    power: Tensor,
    before: dict[str, Tensor],
    chosen: Sequence[LexiconWord],
    goals: Tensor,
) -> list[WordScore]:
    """Fit all pairs of some words and all sounds at once, and look which way each went."""
    count = len(power)
    copies = power.repeat(len(chosen), 1, 1)
    responses = fit_response(encoder, copies, goals.repeat_interleave(count, 0))
    after = spectral_from_power(copies * responses[..., None], encoder.freqs_hz)
    found = []
    for i, word in enumerate(chosen):
        direction = word.eq
        if direction is None:
            continue
        moved = after[direction.descriptor][i * count : (i + 1) * count]
        right = int((direction.sign * (moved - before[direction.descriptor]) > 0).sum())
        found.append(_score(word, direction, right / count, (right, count)))
    return found


def fit_response(encoder: SpectralEncoder, power: Tensor, goal: Tensor) -> Tensor:
    """Power response ``(sounds, bins)`` of a 10-band EQ fitted per sound to a text vector.

    Args:
        encoder: Frozen.
        power: ``(sounds, bins, frames)``.
        goal: ``(dim,)``, or one for every sound, ``(sounds, dim)``.
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
        loss = (1 - (heard * goal).sum(-1)).sum() + SIZE_PENALTY * torch.tanh(free).square().mean(
            1
        ).sum()
        loss.backward()
        optimiser.step()
    return response().detach().float()


def summary(scores: Sequence[WordScore]) -> dict[str, float]:
    """Means over words seen in training and over held-out ones, how many there are, and counts."""
    found: dict[str, float] = {}
    for name, held_out in (("seen", False), ("held_out", True)):
        group = [s for s in scores if s.held_out is held_out]
        found[name] = float(np.mean([s.value for s in group])) if group else float("nan")
        found[f"{name}_words"] = len(group)
        if group and group[0].total is not None:
            found[f"{name}_right"] = sum(s.right or 0 for s in group)
            found[f"{name}_total"] = sum(s.total or 0 for s in group)
    return found


def spread_sounds(
    heard: HeardNotes, dataset: NoteDataset, model: Model, count: int
) -> list[Tensor]:
    """Mono windows of notes evenly spread over those heard, at the encoder's rate."""
    places = np.linspace(0, len(heard.notes) - 1, min(count, len(heard.notes))).round().astype(int)
    found = []
    for i in places:
        samples, rate = dataset.read(heard.notes[i])
        mono = au.resample(au.to_mono(au.as_batch(samples, rate)), rate, model.encoder.sample_rate)
        found.append(mono[0].float()[: model.encoder.windowing.length])
    return found
