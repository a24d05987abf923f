"""The paper's recipe: Wav2CLIP learns, in a frozen space of words, what its notes are called.

Source: TimbreCLIP (Jonason and Sturm 2022); Wav2CLIP's loss (Wu et al. 2022). ``docs/method.md``
says what the paper leaves open and what is done here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from timbreclip_core.encoders.base import TEXT
from timbreclip_core.encoders.wav2clip import WIDTH, Wav2Clip, load
from timbreclip_core.errors import InputError, UsageError
from timbreclip_core.model import load_space
from timbreclip_core.spaces.base import Space

from ..config import TrainConfig
from ..datasets.base import Note
from ..loss import contrastive_loss
from ..names import Names, names_of
from ..processes import Processes
from ..text_vectors import TextVectors, encode_missing, space_words
from ..waves import Take, Waves, preparation, takes_of
from .base import Material, ModelParts, Prepared, Recipe, installed, notes_of
from .groups import group_size, in_groups
from .names_networks import NamesNetworks

AMONG = 10


@dataclass(frozen=True, kw_only=True)
class NamesBatch:
    """What one step needs.

    Args:
        chosen: Places of the takes.
        sounds: ``(sounds, samples)``.
        said: The union of the sounds' texts.
        positive: Which is true of which, bool ``(sounds, texts)``.
    """

    chosen: tuple[int, ...]
    sounds: Tensor
    said: list[str]
    positive: Tensor


@dataclass(frozen=True, kw_only=True)
class Side:
    """The takes of a split and their texts."""

    waves: Waves
    names: Names

    def batch(self, places: np.ndarray) -> NamesBatch:
        """The sounds of some places with the union of their texts."""
        heard = [self.waves.heard(int(place)) for place in places]
        chosen = tuple(place for place, _ in heard)
        said, positive = self.names.of(chosen)
        sounds = torch.stack([samples for _, samples in heard])
        return NamesBatch(chosen=chosen, sounds=sounds, said=said, positive=positive)


class NamesRecipe(Recipe):
    """Learns what notes are called, from waveforms."""

    vectors: TextVectors

    def __init__(self, config: TrainConfig, material: Material) -> None:
        super().__init__(config, material)
        self._orders: dict[int, np.ndarray] = {}

    @cached_property
    def space(self) -> Space:
        """The frozen space of words.

        Raises:
            UsageError: Its vectors are not of the length that Wav2CLIP gives.
        """
        name, material = self.config.texts.space, self.material
        space = load_space(name, weights=material.clip, device=material.device)
        if space.dim != WIDTH:
            raise UsageError(f"Wav2CLIP learns spaces of {WIDTH} numbers; {name} has {space.dim}.")
        return space

    def prepare(self) -> Iterator[Prepared]:
        words = space_words(self.space)
        for done, total in encode_missing(self.material.cache, self._everything(), words):
            yield Prepared("encoding texts", "texts", done, total)

    def open(self) -> None:
        words = space_words(self.space)
        self.vectors = TextVectors(self.material.cache, self._everything(), words)
        if len(self.train.waves) < self.config.optimiser.batch:
            raise UsageError(
                f"{len(self.train.waves)} sounds are fewer than a batch. Set optimiser.batch lower."
            )

    def _side(self, split: str) -> Side:
        """Takes that have texts, and those texts; only training has copies at other pitches."""
        sounds, texts = self.config.sounds, self.config.texts
        learnt = split == "train"
        limit = sounds.limit if learnt else sounds.valid_limit
        notes = [[n for n in notes_of(d, split, limit) if n.text] for d in self.material.datasets]
        prepared = preparation(Wav2Clip.sample_rate, sounds.copies if learnt else 0)
        takes = takes_of(self.material.datasets, notes, prepared)
        if not takes:
            raise InputError(f"No note of the split {split!r} has a text.")
        seed = self.config.run.seed
        own = names_of([take.note for take in takes], texts.combinations, seed, texts.withhold)
        waves = Waves(takes=takes, preparation=prepared, seed=seed)
        return Side(waves=waves, names=own)

    @cached_property
    def train(self) -> Side:
        """What is learnt from."""
        return self._side("train")

    @cached_property
    def _valid(self) -> Side:
        return self._side("valid")

    def _everything(self) -> list[str]:
        return self.train.names.everything() + self._valid.names.everything()

    @property
    def epoch(self) -> int:
        return max(1, len(self.train.waves) // self.config.optimiser.batch)

    def fresh(self) -> NamesNetworks:
        if self.config.network.start == "random":
            return NamesNetworks(self.config)
        weights = self.material.wav2clip or installed(Wav2Clip.name)
        return NamesNetworks(self.config, load(weights))

    @classmethod
    def saved(cls, config: TrainConfig, content: Mapping[str, Any]) -> NamesNetworks:
        return NamesNetworks(config)

    def batch(self, step: int) -> NamesBatch:
        size = self.config.optimiser.batch
        number, place = divmod(step, self.epoch)
        return self.train.batch(self._order(number)[place * size : (place + 1) * size])

    def _order(self, epoch: int) -> np.ndarray:
        if epoch not in self._orders:
            chances = np.random.default_rng((self.config.run.seed, epoch))
            self._orders = {epoch: chances.permutation(len(self.train.waves))}
        return self._orders[epoch]

    def contents(self, batch: NamesBatch) -> tuple[list[Note], list[str]]:
        return [self.train.waves.takes[i].note for i in batch.chosen], batch.said

    def loss(
        self, networks: NamesNetworks, batch: NamesBatch, seed: int, processes: Processes
    ) -> Tensor:
        parts = batch.sounds.split(group_size(self.config))
        half = self.config.run.precision == "bfloat16"

        def encode(sounds: Tensor) -> tuple[Tensor]:
            return (_heard(networks.encoder, sounds, half),)

        (sounds,) = in_groups(encode, networks.encoder, parts, seed, processes)
        texts = self.vectors(batch.said).to(processes.device)
        logits = networks.temperature.factor() * sounds @ texts.T
        return contrastive_loss(logits, batch.positive.to(processes.device))

    def figures(self, networks: NamesNetworks, device: str) -> dict[str, float]:
        """``valid_loss``: the mean over batches; ``names_hit_10``: the share of sounds one of
        whose texts is among the ten closest of all texts of the split."""
        encoder = networks.encoder.to(torch.device(device)).eval()
        half = self.config.run.precision == "bfloat16"
        places, size = np.arange(len(self._valid.waves)), self.config.optimiser.batch
        factor = networks.temperature.factor().detach().cpu()
        vectors: list[Tensor] = []
        chosen: list[int] = []
        losses: list[float] = []
        for part in np.array_split(places, max(1, len(places) // size)):
            batch = self._valid.batch(part)
            with torch.no_grad():
                sounds = _heard(encoder, batch.sounds.to(torch.device(device)), half).cpu()
            logits = factor * sounds @ self.vectors(batch.said).T
            losses.append(float(contrastive_loss(logits, batch.positive)))
            vectors.append(sounds)
            chosen += batch.chosen
        said, positive = self._valid.names.of(chosen)
        closest = (torch.cat(vectors) @ self.vectors(said).T).topk(min(AMONG, len(said)), 1).indices
        hit = float(positive.gather(1, closest).any(1).float().mean())
        return {"valid_loss": float(np.mean(losses)), "names_hit_10": hit}

    def parts(
        self, networks: NamesNetworks, steps: int, figures: Mapping[str, float]
    ) -> ModelParts:
        from .names_model import model_parts

        return model_parts(self, networks, steps, dict(figures))

    def takes(self) -> tuple[Take, ...]:
        """What was learnt from."""
        return self.train.waves.takes


def _heard(encoder: Wav2Clip, sounds: Tensor, half: bool) -> Tensor:
    """Unit vectors ``(sounds, dim)`` of waveforms."""
    power = encoder.spectrogram(sounds)
    with torch.autocast(sounds.device.type, torch.bfloat16, enabled=half):
        return encoder.from_power(power)[TEXT].float()
