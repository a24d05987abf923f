"""The training loop: a generator of steps that can be killed and gone on with at any moment."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from timbreclip_core.encoders.base import unit
from timbreclip_core.errors import InputError, TimbreClipError, UsageError
from timbreclip_core.files import atomic_path

from .batches import Batch, Batches
from .config import TrainConfig, read_config
from .datasets.base import Note, NoteDataset
from .judge import Judge
from .loss import choice_loss, direction_loss, distillation_loss, grouped_loss, order_loss
from .measured.describing import FOLDER
from .measured.table import TABLE, DescriptorTable, read_table
from .minilm import load_minilm
from .spectra import Spectra, open_spectra
from .state import CHECKPOINT, TrainState
from .teachers.taught import read_taught
from .text_vectors import TextVectors, blurred
from .truths import GROUPS, Speaker
from .validate import Validation

KIND = GROUPS.index("kind")
CONFIG, LOG, BAD_BATCH, SPECTRA = "config.json", "log.jsonl", "bad-batch.json", "spectra"


class TrainingError(TimbreClipError):
    """Training cannot go on; the message names the batch."""


@dataclass(frozen=True)
class StepResult:
    """What a step gave.

    Args:
        step: Steps done.
        loss: Of this step.
        notes_per_s: Sounds a second, batches and all, since the last result.
        figures: Of the validation, where there was one after this step.
    """

    step: int
    loss: float
    notes_per_s: float
    figures: dict[str, float] = field(default_factory=dict)


def prepare(out: Path, config: TrainConfig) -> bool:
    """Make the folder of a run and note its settings; True if it is to be gone on with.

    Raises:
        UsageError: The folder holds a run with other settings.
    """
    out.mkdir(parents=True, exist_ok=True)
    path = out / CONFIG
    if path.is_file() and read_config(path.read_text("utf-8")) != config:
        raise UsageError(
            f"{out} holds a run with other settings ({path}). Use those, or name another folder."
        )
    with atomic_path(path) as temporary:
        temporary.write_text(config.as_json(), "utf-8")
    return (out / CHECKPOINT).is_file()


def load_config(run: Path) -> TrainConfig:
    """Settings of a training.

    Raises:
        InputError: No training in that folder.
    """
    try:
        return read_config((run / CONFIG).read_text("utf-8"))
    except OSError as error:
        raise InputError(f"{run} holds no training: {error}") from error


def load_run(run: Path) -> TrainState:
    """Settings and weights of a training.

    Raises:
        InputError: No training in that folder.
    """
    config = load_config(run)
    if not (run / CHECKPOINT).is_file():
        raise InputError(f"The training in {run} has no checkpoint yet. Go on with it first.")
    width = load_minilm().shape.width
    state = TrainState(config, width, TrainState.teacher_width(run))
    state.load(run)
    state.encoder.freeze()
    return state


def notes_of(dataset: NoteDataset, split: str, limit: int = 0) -> list[Note]:
    """Notes of a split, or of ``limit`` of its patches, spread evenly."""
    notes = dataset.in_split(split)
    patches = list(dict.fromkeys(note.patch for note in notes))
    if not 0 < limit < len(patches):
        return notes
    kept = {patches[i * len(patches) // limit] for i in range(limit)}
    return [note for note in notes if note.patch in kept]


def open_split(dataset: NoteDataset, split: str, cache: Path, limit: int = 0) -> Spectra:
    """Spectrograms of a split, which ``spectra.compute_missing`` has made."""
    return open_spectra(dataset, notes_of(dataset, split, limit), cache / SPECTRA)


def open_table(dataset: NoteDataset) -> DescriptorTable | None:
    """What ``tclip data describe`` measured of a dataset, if it did."""
    folder = dataset.root / FOLDER
    return read_table(folder) if (folder / TABLE).is_file() else None


def open_taught(folder: Path | None, teacher: str, notes: Sequence[Note]) -> Tensor | None:
    """Standardised vectors of a teacher ``(notes, dim)``, NaN for notes that it has not heard.

    Raises:
        UsageError: A teacher without a folder, or a folder with vectors of another one.
        InputError: No vectors in the folder, or none of these notes.
    """
    if not teacher:
        return None
    if folder is None:
        raise UsageError(
            f"This training has the teacher {teacher}. Give its vectors as --taught FOLDER (see "
            'tclip train teach), or do without: --set sounds.teacher=""'
        )
    ids, vectors, info = read_taught(folder)
    if info["teacher"] != teacher:
        raise UsageError(f"{folder} holds vectors of {info['teacher']}, not of {teacher}.")
    place = {note: row for row, note in enumerate(ids)}
    rows = [place.get(note.id, -1) for note in notes]
    known = torch.tensor(rows) >= 0
    if not bool(known.any()):
        raise InputError(f"{folder} has no vectors of these notes. Run tclip train teach on them.")
    own = torch.from_numpy(vectors)[torch.tensor(rows)[known]]
    table = torch.full((len(notes), own.shape[1]), float("nan"))
    table[known] = (own - own.mean(0)) / own.std(0).clamp(min=1e-6)
    return table


def figures_of(run: Path, dataset: NoteDataset, cache: Path) -> dict[str, float]:
    """Figures, on the validation split, of a training as it stands.

    Args:
        run: Folder of the training.
        dataset: That it learns from.
        cache: Root of spectrograms and text vectors.
    """
    state = load_run(run)
    judge = Judge(
        open_split(dataset, "train", cache, state.config.sounds.limit), open_table(dataset)
    )
    return _validation(judge, dataset, cache, TextVectors()).figures(*state.averaged())


def _validation(
    judge: Judge, dataset: NoteDataset, cache: Path, vectors: TextVectors
) -> Validation:
    held_out = open_split(dataset, "valid", cache)
    return Validation(Judge(held_out, open_table(dataset), judge.reference), vectors)


def train(
    config: TrainConfig, out: Path, dataset: NoteDataset, cache: Path, taught: Path | None = None
) -> Iterator[StepResult]:
    """Train until ``config.optimiser.steps``; the spectrograms must have been computed.

    The same settings give the same weights on one machine, interrupted or not.

    Args:
        config: All settings.
        out: Folder of the run: settings, log, checkpoint. What it holds is gone on with.
        dataset: Learnt from is its split "train", validated on "valid".
        cache: Root of spectrograms and text vectors.
        taught: Folder of the vectors of ``config.sounds.teacher``.

    Raises:
        TrainingError: The loss is not finite; the batch is named.
        UsageError: ``out`` holds a run with other settings, or the teacher's vectors are missing.
    """
    sounds = open_split(dataset, "train", cache, config.sounds.limit)
    targets = open_taught(taught, config.sounds.teacher, sounds.notes)
    resumed = prepare(out, config)
    speaker = Speaker(config.texts.variants, config.texts.pair_variants)
    vectors = TextVectors(cache, speaker.everything(sounds.notes))
    state = TrainState(config, vectors.width, 1 if targets is None else targets.shape[1])
    if resumed:
        state.load(out)
    log = _Log(out / LOG, state.step)
    judge = Judge(sounds, open_table(dataset))
    batches = Batches(judge, config, speaker, targets)
    validation = _validation(judge, dataset, cache, vectors)
    while state.step < config.optimiser.steps:
        yield _step(state, batches, vectors, validation, log, out)
    state.save(out)


def _step(
    state: TrainState,
    batches: Batches,
    vectors: TextVectors,
    validation: Validation,
    log: _Log,
    out: Path,
) -> StepResult:
    started = time.perf_counter()
    run, last = state.config.run, state.config.optimiser.steps
    batch = batches.at(state.step)
    torch.manual_seed(run.seed * 1_000_003 + state.step)
    state.encoder.train()
    loss = batch_loss(state, batch, vectors)
    value = float(loss.detach())
    if not math.isfinite(value):
        raise _not_finite(value, state.step, batch, batches.sounds, out)
    norm = state.update(loss)
    speed = len(batch.chosen) / (time.perf_counter() - started)
    figures = {}
    if state.step % run.validate_every == 0 or state.step == last:
        figures = validation.figures(*state.averaged())
    if state.step % run.log_every == 0 or figures:
        factor = float(state.temperature.factor().detach())
        record = {"step": state.step, "loss": value, "gradient": norm, "factor": factor}
        log.write({**record, "notes_per_s": round(speed, 1), **figures})
    if state.step % run.checkpoint_every == 0:
        state.save(out)
    return StepResult(state.step, value, speed, figures)


def batch_loss(state: TrainState, batch: Batch, vectors: TextVectors) -> Tensor:
    """The loss of a batch, ``()``, float32.

    Args:
        state: Networks, in training mode.
        batch: Sounds and texts.
        vectors: Of texts.
    """
    config, weights = state.config, state.config.loss
    half = config.run.precision == "bfloat16"
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        hidden = state.encoder.hidden(batch.decibels)
    sounds = unit(state.encoder.to_text(state.encoder.drop(hidden)))
    parts = [batch.said, batch.ranked.said, *(question.said for question in batch.questions)]
    texts = vectors([text for part in parts for text in part])
    texts = unit(state.projection(blurred(texts, config.texts.noise)))
    logits = state.temperature.factor() * sounds @ texts.T
    told, ranked, *asked = logits.split([len(part) for part in parts], 1)
    loss = grouped_loss(
        told, batch.positive, batch.group, batch.unclear, weights.overall, {KIND: weights.kind}
    )
    for scores, question in zip(asked, batch.questions, strict=True):
        choice = choice_loss(scores, question.answer, weights.choose_balance)
        loss = loss + weights.choose / len(asked) * choice
    known = ~torch.isnan(batch.ranked.ranks)
    off = state.to_descriptors(hidden.float())[known] - batch.ranked.ranks[known]
    loss = loss + weights.describe * off.square().mean()
    if batch.ranked.said:
        loss = loss + weights.order * order_loss(ranked, batch.ranked.order)
    if pairs := len(batch.preferred):
        preferred = torch.cat([batch.preferred, batch.ranked.preferred], 1)
        both = torch.cat([told, ranked], 1)
        order = direction_loss(both[:pairs], both[-pairs:], preferred)
        loss = loss + weights.direction * order
    if batch.teacher is not None:
        known = ~torch.isnan(batch.teacher).any(1)
        guess = state.to_teacher(hidden[known])
        loss = loss + weights.teacher * distillation_loss(guess, batch.teacher[known])
    return loss


def _not_finite(loss: float, step: int, batch: Batch, sounds: Spectra, out: Path) -> TrainingError:
    notes = [sounds.notes[i] for i in batch.chosen]
    names = [note.id for note in notes]
    with atomic_path(out / BAD_BATCH) as temporary:
        content = {"step": step, "notes": names, "texts": batch.said}
        temporary.write_text(json.dumps(content, indent=2), "utf-8")
    return TrainingError(
        f"The loss of step {step} is {loss}. Its batch, from {names[0]} to {names[-1]}, is "
        f"listed in {out / BAD_BATCH}. Lower optimiser.learning_rate, or look at those notes."
    )


class _Log:
    """JSON Lines; lines after the step that a run goes on from are dropped first."""

    def __init__(self, path: Path, step: int) -> None:
        self._path = path
        lines = path.read_text("utf-8").splitlines() if path.is_file() else []
        kept = [line for line in lines if _step_of(line) <= step]
        with atomic_path(path) as temporary:
            temporary.write_text("".join(f"{line}\n" for line in kept), "utf-8")

    def write(self, record: dict[str, Any]) -> None:
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(record) + "\n")


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (json.JSONDecodeError, KeyError, TypeError):
        return math.inf
