"""What a recipe is: what is trained on what, with which loss, and what its model consists of."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from timbreclip_core import lexicon
from timbreclip_core.checkpoints import Checkpoint, require
from timbreclip_core.errors import UsageError
from timbreclip_core.plugins import EncoderEntry, plugin_manager

from ..config import TrainConfig
from ..datasets.base import Note, NoteDataset
from ..networks import Networks
from ..processes import Processes

REFERENCE_SOUNDS = 512


@dataclass(frozen=True, kw_only=True)
class Material:
    """What a training is given. Where things lie differs by machine, so these are no settings.

    Args:
        datasets: In the order of the setting ``sounds.dataset``.
        cache: Where spectrograms, sounds and vectors of texts are kept.
        taught: Folder of the vectors of a teacher, from ``tclip train teach``.
        wav2clip: Weights to start from: ``Wav2CLIP.pt`` or a model folder; the installed if None.
        clip: Weights of the space of words; the installed if None.
        start: Model folder that "small" starts from; the bundled model if None.
        device: For what is computed beforehand, as torch names it.
        jobs: Processes or threads that prepare sounds.
    """

    datasets: tuple[NoteDataset, ...]
    cache: Path
    taught: Path | None = None
    wav2clip: Path | None = None
    clip: Path | None = None
    start: Path | None = None
    device: str = "cpu"
    jobs: int = 1


@dataclass(frozen=True)
class Prepared:
    """How far the preparation of a training is.

    Args:
        what: That is prepared.
        unit: Of the numbers.
        done: So many.
        total: Of so many.
    """

    what: str
    unit: str
    done: int
    total: int


@dataclass(frozen=True, kw_only=True)
class ModelParts:
    """What a model folder consists of, as ``checkpoints.write_checkpoint`` takes it.

    Args:
        config: Name, licence, encoder and space.
        tensors: By file.
        files: Other files.
        card: Text of the model card.
    """

    config: dict[str, Any]
    tensors: dict[str, dict[str, Tensor]]
    card: str
    files: dict[str, Path] = field(default_factory=dict)


class Recipe(ABC):
    """One way of training.

    ``prepare`` makes files that later runs use again, ``open`` reads them; everything else needs
    ``open`` first. Batches depend on the settings and the step alone.

    Args:
        config: All settings.
        material: Data and weights.
    """

    def __init__(self, config: TrainConfig, material: Material) -> None:
        self.config = config
        self.material = material

    @abstractmethod
    def prepare(self) -> Iterator[Prepared]:
        """Compute what is not on disk yet."""

    @abstractmethod
    def open(self) -> None:
        """Read what was prepared.

        Raises:
            TimbreClipError: Something is missing; the message says what to do.
        """

    @property
    @abstractmethod
    def epoch(self) -> int:
        """Steps in which every sound comes once, or as many sounds as there are."""

    @abstractmethod
    def fresh(self) -> Networks:
        """Networks to start from."""

    @classmethod
    @abstractmethod
    def saved(cls, config: TrainConfig, content: Mapping[str, Any]) -> Networks:
        """Networks of the sizes that a checkpoint has; the weights are still to be loaded.

        Needs neither ``open`` nor the data.
        """

    @abstractmethod
    def batch(self, step: int) -> Any:
        """The whole batch of a step, on the CPU."""

    @abstractmethod
    def contents(self, batch: Any) -> tuple[list[Note], list[str]]:
        """Notes and texts of a batch, to name them."""

    @abstractmethod
    def loss(self, networks: Any, batch: Any, seed: int, processes: Processes) -> Tensor:
        """The loss of a whole batch, ``()``, float32.

        Args:
            networks: Those of ``fresh``, in training mode.
            batch: Of ``batch``.
            seed: Of the step, for chances that are drawn anew within it.
            processes: Who shares the batch.
        """

    @abstractmethod
    def figures(self, networks: Any, device: str) -> dict[str, float]:
        """Figures of frozen networks on the validation split."""

    def together(self, networks: Sequence[Any], with_start: bool) -> Any:
        """One model of frozen networks whose trainings differ in their seed, or in ``augment``.

        Args:
            networks: Of ``Networks.frozen``.
            with_start: Whether the text side of the model that they started from joins in.

        Raises:
            UsageError: This kind of network cannot be averaged.
        """
        raise UsageError(f'Trainings of network.name="{self.config.network.name}" stay apart.')

    def beside(self, networks: Any, models: Sequence[Checkpoint]) -> Any:
        """Frozen networks with finished models whose vectors stand beside theirs.

        Args:
            networks: Of ``Networks.frozen`` or ``together``.
            models: Their folders.

        Raises:
            UsageError: This kind of network stands alone, or a model is of another kind.
        """
        raise UsageError(f'Trainings of network.name="{self.config.network.name}" stand alone.')

    @abstractmethod
    def parts(self, networks: Any, steps: int, figures: Mapping[str, float]) -> ModelParts:
        """The model folder of frozen networks.

        Args:
            networks: Those of ``Networks.frozen``.
            steps: Trained.
            figures: Of the last validation.
        """


def installed(encoder: str) -> Path:
    """Where the weights of an encoder of core or of a plugin are.

    Raises:
        MissingWeightsError: Not on this machine.
    """
    return require(plugin_manager().find(EncoderEntry, encoder))


def notes_of(dataset: NoteDataset, split: str, limit: int = 0) -> list[Note]:
    """Notes of a split, or of ``limit`` of its patches, spread evenly."""
    notes = dataset.in_split(split)
    patches = list(dict.fromkeys(note.patch for note in notes))
    if not 0 < limit < len(patches):
        return notes
    kept = {patches[i * len(patches) // limit] for i in range(limit)}
    return [note for note in notes if note.patch in kept]


def training_record(
    config: TrainConfig, steps: int, figures: Mapping[str, float], *, withheld: bool = True
) -> dict[str, Any]:
    """What a model's ``config.json`` says of its training.

    Args:
        config: All settings.
        steps: Trained.
        figures: Of the last validation.
        withheld: Whether the words that measure generalisation were kept out.
    """
    return {
        "settings": dataclasses.asdict(config),
        "steps": steps,
        "lexicon": lexicon.freeze_id() if withheld else None,
        "validation": dict(figures),
    }


def spread(notes: Sequence[Note], count: int = REFERENCE_SOUNDS) -> list[int]:
    """Places of varied notes: at most one of a patch, and of neighbouring patches another one."""
    rows: dict[str, list[int]] = {}
    for row, note in enumerate(notes):
        rows.setdefault(note.patch, []).append(row)
    patches = list(rows.values())
    wanted = np.linspace(0, len(patches) - 1, min(count, len(patches))).astype(int)
    return [patches[p][i % len(patches[p])] for i, p in enumerate(wanted)]
