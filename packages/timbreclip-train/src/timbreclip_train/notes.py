"""Notes of the repository's synthesiser as mel spectrograms, rendered once and kept on disk.

One shard holds the notes of a few patches: ``notes-00012.npy`` (spectrograms, a byte a cell) and
``notes-00012.json`` (labels), each written as a whole or not at all. What is missing is rendered;
what is there is used, so that a killed rendering goes on where it was.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from timbreclip_core.audio import to_mono
from timbreclip_core.encoders.small import SAMPLE_RATE, SmallEncoder, SmallShape
from timbreclip_core.files import atomic_path

from .config import SoundConfig
from .rendering.synth import Patch, labels, render, sample_patch

HELD_OUT_SEED = 1_000_000
PATCHES_PER_SHARD = 32
RANGE_DB, STEPS_PER_DB = 102.0, 2.5
FORMAT = 1  # of the cache: a higher number renders anew


@dataclass(frozen=True, kw_only=True)
class Note:
    """One rendered note and what is exactly known of it.

    Args:
        seed: Of its patch.
        pitch: MIDI note.
        velocity: 1 to 127.
        hold_s: Time to note-off, seconds.
        family: Name of the synthesiser's family.
        category: Broader than the family.
        tags: What follows from the parameters.
        title: As a preset may be called.
    """

    seed: int
    pitch: int
    velocity: int
    hold_s: float
    family: str
    category: str
    tags: tuple[str, ...]
    title: str


@dataclass(frozen=True)
class NoteSet:
    """Notes and their spectrograms.

    Args:
        notes: One record a note.
        shards: Arrays ``(notes of a shard, bands, frames)``, bytes, on disk.
    """

    notes: list[Note]
    shards: list[np.ndarray]

    def __len__(self) -> int:
        return len(self.notes)

    def mel_power(self, chosen: np.ndarray) -> Tensor:
        """Mel power of some notes, relative to each note's loudest cell.

        Args:
            chosen: Indices into ``notes``, ``(batch,)``.
        Returns:
            ``(batch, bands, frames)``, 0 to 1.
        """
        size = len(self.shards[0])
        rows = np.stack([self.shards[i // size][i % size] for i in chosen])
        return _POWER_OF_BYTE[torch.from_numpy(rows).int()]


def _power_of_byte() -> Tensor:
    decibels = torch.arange(256, dtype=torch.float32) / STEPS_PER_DB - RANGE_DB
    powers = 10 ** (decibels / 10)
    powers[0] = 0.0
    return powers


_POWER_OF_BYTE = _power_of_byte()


def to_bytes(power: Tensor) -> np.ndarray:
    """Mel power ``(batch, bands, frames)`` to bytes: 0.4 dB a step, 102 dB deep, 0 for less."""
    loudest = power.amax((1, 2), keepdim=True).clamp(min=1e-20)
    decibels = 10 * torch.log10(power / loudest + 1e-15)
    return ((decibels + RANGE_DB) * STEPS_PER_DB).round().clamp(0, 255).to(torch.uint8).numpy()


def cache_folder(root: Path, config: SoundConfig) -> Path:
    """Where the notes of these settings live; how many patches there are does not matter."""
    told = {k: v for k, v in asdict(config).items() if k not in ("patches", "held_out")}
    digest = hashlib.sha256(json.dumps([FORMAT, told], sort_keys=True).encode()).hexdigest()[:12]
    return root / f"synth-{digest}"


def shard_count(patches: int) -> int:
    """Shards that hold so many patches; the last one is always full."""
    return -(-patches // PATCHES_PER_SHARD)


def render_missing(
    folder: Path, config: SoundConfig, first_seed: int, patches: int
) -> Iterator[int]:
    """Render what is not there yet; yields the number of notes after every shard.

    Args:
        folder: From ``cache_folder``; made if absent.
        config: Notes of a patch and their range.
        first_seed: Seed of the first patch.
        patches: How many; rounded up to whole shards.
    """
    folder.mkdir(parents=True, exist_ok=True)
    front_end = SmallEncoder(SmallShape(), {}).eval()
    for shard in range(shard_count(patches)):
        start = first_seed + shard * PATCHES_PER_SHARD
        path = folder / f"notes-{start:07d}.npy"
        if not path.with_suffix(".json").is_file():
            _render_shard(path, front_end, config, range(start, start + PATCHES_PER_SHARD))
        yield PATCHES_PER_SHARD * config.notes


def _render_shard(path: Path, front_end: SmallEncoder, config: SoundConfig, seeds: range) -> None:
    notes, spectra = [], []
    for seed in seeds:
        patch = sample_patch(seed)
        planned = plan_notes(patch, config)
        audio = torch.stack([play(patch, note) for note in planned])
        with torch.no_grad():
            power = front_end.mel_power(front_end.spectrogram(to_mono(audio)))
        spectra.append(to_bytes(power))
        notes += planned
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        np.save(stream, np.concatenate(spectra))
    # The labels are written last: where they are, the shard is whole.
    with atomic_path(path.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps([asdict(n) for n in notes]), "utf-8")


def plan_notes(patch: Patch, config: SoundConfig) -> list[Note]:
    """Which notes of a patch are rendered: pitches spread over the range, the rest at random."""
    rng = np.random.default_rng([patch.seed, 31])
    edges = np.linspace(config.lowest_pitch, config.highest_pitch + 1, config.notes + 1)
    notes = []
    for low, high in itertools.pairwise(edges):
        pitch = int(rng.uniform(low, high))
        notes.append(_note(patch, pitch, int(rng.integers(40, 128)), _hold_s(rng)))
    return notes


def _hold_s(rng: np.random.Generator) -> float:
    return round(float(np.exp(rng.uniform(np.log(0.25), np.log(3.5)))), 3)


def _note(patch: Patch, pitch: int, velocity: int, hold_s: float) -> Note:
    known: dict[str, Any] = labels(patch, pitch)
    return Note(
        seed=patch.seed,
        pitch=pitch,
        velocity=velocity,
        hold_s=hold_s,
        family=known["family"][0],
        category=known["category"][0],
        tags=tuple(known["tags"]),
        title=known["title"][0],
    )


def play(patch: Patch, note: Note, seconds: float = 4.0) -> Tensor:
    """A note's audio, ``(2, samples)`` at the encoder's rate, of a given length."""
    release_s = seconds - note.hold_s
    audio = render(patch, note.pitch, note.velocity, note.hold_s, release_s, SAMPLE_RATE)
    return torch.from_numpy(audio)


def open_notes(folder: Path, first_seed: int, patches: int) -> NoteSet:
    """Notes that ``render_missing`` has rendered."""
    notes, shards = [], []
    for shard in range(shard_count(patches)):
        path = folder / f"notes-{first_seed + shard * PATCHES_PER_SHARD:07d}.npy"
        shards.append(np.load(path, mmap_mode="r"))
        for known in json.loads(path.with_suffix(".json").read_text("utf-8")):
            notes.append(Note(**{**known, "tags": tuple(known["tags"])}))
    return NoteSet(notes, shards)
