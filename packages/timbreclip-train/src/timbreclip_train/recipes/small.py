"""The recipe of the bundled model: spectrograms, measured attributes, a frozen sentence encoder."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from timbreclip_core.checkpoints import Checkpoint, open_checkpoint
from timbreclip_core.encoders.base import unit
from timbreclip_core.encoders.small import SmallEncoder
from timbreclip_core.errors import InputError, MissingWeightsError, UsageError
from timbreclip_core.spaces.small import Projection, open_projections, open_word_vectors
from timbreclip_core.word_vectors import WordVectors

from ..batches import Batch, Batches
from ..config import LossConfig, TrainConfig
from ..datasets.base import Note, NoteDataset
from ..judge import Judge
from ..loss import (
    choice_loss,
    direction_loss,
    distillation_loss,
    grouped_loss,
    order_loss,
    same_loss,
)
from ..measured.describing import FOLDER
from ..measured.table import TABLE, DescriptorTable, read_table
from ..processes import Processes
from ..spectra import Spectra, compute_missing, open_spectra
from ..teachers.taught import read_taught
from ..text_vectors import TextVectors, blurred, encode_missing, minilm_words
from ..truths import GROUPS, Speaker
from ..validate import Validation
from .base import Material, ModelParts, Prepared, Recipe, installed, notes_of
from .groups import group_size, in_groups
from .small_beside import beside, open_neighbour
from .small_networks import SmallNetworks, together

SPECTRA = "spectra"
KIND = GROUPS.index("kind")


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


def bundled_word_vectors() -> WordVectors:
    """Those of the bundled model, as installed.

    Raises:
        MissingWeightsError: It has none.
    """
    model = open_checkpoint(installed(SmallEncoder.name))
    if found := open_word_vectors(model):
        return found
    raise MissingWeightsError(
        f"The model {model.root} has no word vectors. Install a newer timbreclip-core, or do "
        "without: --set texts.word_vectors=false"
    )


class SmallRecipe(Recipe):
    """Learns kinds, tags, titles and measured attributes from mel spectrograms."""

    sounds: Spectra
    targets: Tensor | None
    vectors: TextVectors
    batches: Batches

    def __init__(self, config: TrainConfig, material: Material) -> None:
        super().__init__(config, material)
        if len(material.datasets) != 1:
            raise UsageError('network.name "small" learns from one dataset: sounds.dataset.')
        self.dataset = material.datasets[0]
        self.speaker = Speaker(config.texts.variants, config.texts.pair_variants)

    def prepare(self) -> Iterator[Prepared]:
        material, sounds = self.material, self.config.sounds
        for split, limit in (("train", sounds.limit), ("valid", sounds.valid_limit)):
            notes, done = notes_of(self.dataset, split, limit), 0
            for count in compute_missing(
                self.dataset, notes, material.cache / SPECTRA, material.jobs
            ):
                done += count
                yield Prepared(f"spectrograms, {split}", "notes", done, len(notes))
        known = open_split(self.dataset, "train", material.cache, sounds.limit).notes
        for done, total in encode_missing(material.cache, self.speaker.everything(known)):
            yield Prepared("encoding texts", "texts", done, total)

    def open(self) -> None:
        material, config = self.material, self.config
        self.sounds = open_split(self.dataset, "train", material.cache, config.sounds.limit)
        self.targets = open_taught(material.taught, config.sounds.teacher, self.sounds.notes)
        everything = self.speaker.everything(self.sounds.notes)
        beside = bundled_word_vectors() if config.texts.word_vectors else None
        self.vectors = TextVectors(material.cache, everything, minilm_words(beside))
        judge = Judge(self.sounds, open_table(self.dataset))
        self.batches = Batches(judge, config, self.speaker, self.targets)

    @property
    def epoch(self) -> int:
        return max(1, len(self.sounds) // self.config.optimiser.batch)

    def fresh(self) -> SmallNetworks:
        width = 1 if self.targets is None else self.targets.shape[1]
        networks = SmallNetworks(self.config, self.vectors.width, width)
        if self.config.network.start == "weights":
            networks.start_from(self._start())
        return networks

    @classmethod
    def saved(cls, config: TrainConfig, content: Mapping[str, Any]) -> SmallNetworks:
        width = len(content["to_teacher"]["bias"])
        return SmallNetworks(config, content["projection"]["weight"].shape[1], width)

    def batch(self, step: int) -> Batch:
        return self.batches.at(step)

    def contents(self, batch: Batch) -> tuple[list[Note], list[str]]:
        return [self.sounds.notes[i] for i in batch.chosen], batch.said

    def loss(
        self, networks: SmallNetworks, batch: Batch, seed: int, processes: Processes
    ) -> Tensor:
        return batch_loss(networks, batch, self.vectors, seed, processes)

    @cached_property
    def _validation(self) -> Validation:
        held_out = open_split(
            self.dataset, "valid", self.material.cache, self.config.sounds.valid_limit
        )
        reference = self.batches.judge.reference
        half = self.config.run.precision == "bfloat16"
        judge = Judge(held_out, open_table(self.dataset), reference)
        return Validation(judge, self.vectors, half)

    def figures(self, networks: SmallNetworks, device: str) -> dict[str, float]:
        return self._validation.figures(*networks.whole())

    def together(self, networks: Sequence[SmallNetworks], with_start: bool) -> SmallNetworks:
        origins = {n.origin.get("model", "random weights") for n in networks}
        if len(origins) > 1:
            raise UsageError(
                f"These trainings began from {' and '.join(sorted(origins))}: only those that "
                "began from one model can be averaged."
            )
        return together(networks, self._start_layers(*origins) if with_start else None)

    def beside(self, networks: SmallNetworks, models: Sequence[Checkpoint]) -> SmallNetworks:
        return beside(networks, [open_neighbour(model) for model in models])

    def _start_layers(self, origin: str) -> Projection:
        """Of the model that trainings began from, whose name and digest are ``origin``."""
        start = self._start()
        if start.id != origin:
            raise UsageError(
                f"The training began from {origin}, and {start.root} is {start.id}. Give the model "
                "that it began from as --start FOLDER, or leave out --with-start."
            )
        return open_projections(start)[0]

    def _start(self) -> Checkpoint:
        """The model that training starts from."""
        return open_checkpoint(self.material.start or installed(SmallEncoder.name))

    def parts(
        self, networks: SmallNetworks, steps: int, figures: Mapping[str, float]
    ) -> ModelParts:
        from .small_model import model_parts

        table = open_table(self.dataset)
        measured = table.positions if table else ()
        return model_parts(self.config, networks, self.sounds, steps, dict(figures), measured)


def batch_loss(
    networks: SmallNetworks,
    batch: Batch,
    vectors: TextVectors,
    seed: int = 0,
    processes: Processes | None = None,
) -> Tensor:
    """The loss of a batch, ``()``, float32.

    Args:
        networks: In training mode.
        batch: Sounds and texts.
        vectors: Of texts.
        seed: Of the step, where the batch is encoded in several groups.
        processes: Who shares the batch; None for this one alone.
    """
    processes = processes or Processes()
    config, weights, device = networks.config, networks.config.loss, processes.device
    decibels = batch.decibels.split(group_size(config))
    half = config.run.precision == "bfloat16"

    def encode(heard: Tensor) -> tuple[Tensor, Tensor]:
        encoder = networks.encoder
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            hidden = encoder.hidden(heard)
        return hidden, unit(encoder.to_text(encoder.drop(hidden)))

    hidden, sounds = in_groups(encode, networks.encoder, decibels, seed, processes)
    batch = on_device(batch, device)
    parts = [batch.said, batch.ranked.said, *(question.said for question in batch.questions)]
    texts = vectors([text for part in parts for text in part]).to(device)
    texts = unit(networks.projection(blurred(texts, config.texts.noise)))
    logits = networks.temperature.factor() * sounds @ texts.T
    told, ranked, *asked = logits.split([len(part) for part in parts], 1)
    loss = grouped_loss(
        told, batch.positive, batch.group, batch.unclear, weights.overall, {KIND: weights.kind}
    )
    for scores, question in zip(asked, batch.questions, strict=True):
        choice = choice_loss(scores, question.answer, weights.choose_balance)
        loss = loss + weights.choose / len(asked) * choice
    loss = loss + _of_ranks(told, ranked, batch, weights)
    if weights.patch:
        found = same_loss(unit(hidden), batch.patch, weights.patch_temperature)
        loss = loss + weights.patch * found
    return loss + _of_hidden(networks, hidden, batch)


def _of_ranks(told: Tensor, ranked: Tensor, batch: Batch, weights: LossConfig) -> Tensor:
    """What it costs that sounds are in another order than descriptors say, ``()``."""
    loss = told.new_zeros(())
    if batch.ranked.said:
        loss = loss + weights.order * order_loss(ranked, batch.ranked.order)
    if pairs := len(batch.preferred):
        preferred = torch.cat([batch.preferred, batch.ranked.preferred], 1)
        logits = torch.cat([told, ranked], 1)
        loss = loss + weights.direction * direction_loss(logits[:pairs], logits[-pairs:], preferred)
    return loss


def _of_hidden(networks: SmallNetworks, hidden: Tensor, batch: Batch) -> Tensor:
    """How far descriptors and a teacher's vectors told from the hidden layer are off, ``()``."""
    weights = networks.config.loss
    known = ~torch.isnan(batch.ranked.ranks)
    off = networks.to_descriptors(hidden.float())[known] - batch.ranked.ranks[known]
    loss = weights.describe * off.square().mean()
    if batch.teacher is not None:
        known = ~torch.isnan(batch.teacher).any(1)
        guess = networks.to_teacher(hidden[known])
        loss = loss + weights.teacher * distillation_loss(guess, batch.teacher[known])
    return loss


def on_device(batch: Batch, device: torch.device) -> Batch:
    """The batch with all but its sounds moved; they are moved group by group."""
    if device.type == "cpu":
        return batch
    return _moved(batch, device, but="decibels")


def _moved(record: Any, device: torch.device, but: str = "") -> Any:
    changed: dict[str, Any] = {}
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        if isinstance(value, Tensor) and field.name != but:
            changed[field.name] = value.to(device)
        elif dataclasses.is_dataclass(value):
            changed[field.name] = _moved(value, device)
        elif isinstance(value, list) and value and dataclasses.is_dataclass(value[0]):
            changed[field.name] = [_moved(item, device) for item in value]
    return dataclasses.replace(record, **changed)
