"""Notes of any dataset as mel spectrograms, computed once and kept on disk.

A folder holds shards of a few hundred notes: ``mel-KEY.npy`` (a byte a cell) and ``mel-KEY.json``
(ids, and why a note is missing), where KEY is a digest of the notes, their files and the front
end. The JSON is written last: a shard that has one is whole. What is missing is computed, what is
there is used, so that a killed run goes on where it was and a changed file is read again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from timbreclip_core.audio import resample, to_mono
from timbreclip_core.encoders.mel import HOP, SAMPLE_RATE, SECONDS
from timbreclip_core.encoders.small import SmallEncoder, SmallShape
from timbreclip_core.errors import InputError, TimbreClipError
from timbreclip_core.files import atomic_path

from .datasets.base import Note, NoteDataset
from .datasets.reading import read_clips

FORMAT = 1  # of the shards: a higher number computes anew
SHARD_NOTES = 384
RANGE_DB, STEPS_PER_DB = 102.0, 2.5
QUIETEST = 1e-5  # -100 dBFS


class SpectraError(TimbreClipError):
    """Spectrograms are missing or damaged; the message says how to make them."""


@dataclass(frozen=True)
class Shard:
    """Some notes of a dataset and the name that their shard has.

    Args:
        name: Of its files, without suffix.
        notes: In the dataset's order.
    """

    name: str
    notes: tuple[Note, ...]


@dataclass(frozen=True)
class Spectra:
    """Notes and their spectrograms.

    Args:
        notes: Those that could be read.
        shards: Arrays ``(notes of a shard, bands, frames)``, bytes, mapped from disk.
        place: Shard and row of every note, ``(notes, 2)``.
    """

    notes: tuple[Note, ...]
    shards: tuple[np.ndarray, ...]
    place: np.ndarray

    def __len__(self) -> int:
        return len(self.notes)

    def mel_power(self, chosen: np.ndarray) -> Tensor:
        """Mel power of some notes, relative to each note's loudest cell.

        Args:
            chosen: Indices into ``notes``, ``(batch,)``.
        Returns:
            ``(batch, bands, frames)``, 0 to 1.
        """
        rows = np.stack([self.shards[s][r] for s, r in self.place[chosen]])
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


def plan_shards(dataset: NoteDataset, notes: Sequence[Note]) -> list[Shard]:
    """The shards that hold some notes; files are never parted, so each is decoded once.

    They are those of the whole dataset, whichever notes are asked for, so that none is computed
    a second time for another choice.
    """
    groups: list[list[Note]] = [[]]
    last = None
    for note in dataset.notes:
        if note.split == "none":
            continue
        if note.audio != last and len(groups[-1]) >= SHARD_NOTES:
            groups.append([])
        groups[-1].append(note)
        last = note.audio
    wanted = {note.id for note in notes}
    kept = [group for group in groups if any(note.id in wanted for note in group)]
    return [_shard(dataset, tuple(group)) for group in kept]


def _shard(dataset: NoteDataset, notes: tuple[Note, ...]) -> Shard:
    sizes: dict[str, int | None] = {}
    told: list[object] = [FORMAT, SAMPLE_RATE, HOP, SmallShape().bands]
    for note in notes:
        if note.audio is not None and note.audio not in sizes:
            path = dataset.root / note.audio
            sizes[note.audio] = path.stat().st_size if path.is_file() else None
        told.append([note.id, note.audio, note.start, note.frames, sizes.get(note.audio or "")])
    return Shard(f"mel-{hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]}", notes)


def compute_missing(
    dataset: NoteDataset, notes: Sequence[Note], folder: Path, jobs: int = 1
) -> Iterator[int]:
    """Compute the shards that are not there; yields the number of wanted notes of every shard.

    Args:
        dataset: Where the notes are from.
        notes: Which.
        folder: Made if absent.
        jobs: Processes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {note.id for note in notes}
    missing = []
    for shard in plan_shards(dataset, notes):
        if (folder / f"{shard.name}.json").is_file():
            yield sum(note.id in wanted for note in shard.notes)
        else:
            missing.append(shard)
    if jobs == 1 or len(missing) < 2:
        for shard in missing:
            compute_shard(dataset, shard, folder)
            yield sum(note.id in wanted for note in shard.notes)
        return
    with ProcessPoolExecutor(jobs, get_context("spawn"), torch.set_num_threads, (1,)) as pool:
        running = {pool.submit(compute_shard, dataset, s, folder): s for s in missing}
        for future in as_completed(running):
            future.result()
            yield sum(note.id in wanted for note in running[future].notes)


def compute_shard(dataset: NoteDataset, shard: Shard, folder: Path) -> None:
    """Compute and write one shard."""
    front_end = SmallEncoder(SmallShape(), {}).eval()
    ids, spectra, failed = [], [], []
    for note, audio in _audio_of(dataset, shard.notes):
        if isinstance(audio, str):
            failed.append([note.id, audio])
            continue
        with torch.no_grad():
            spectra.append(to_bytes(front_end.mel_power(front_end.spectrogram(audio[None])))[0])
        ids.append(note.id)
    empty = np.zeros((0, SmallShape().bands, SECONDS * SAMPLE_RATE // HOP), np.uint8)
    with atomic_path(folder / f"{shard.name}.npy") as temporary, temporary.open("wb") as stream:
        np.save(stream, np.stack(spectra) if spectra else empty)
    with atomic_path(folder / f"{shard.name}.json") as temporary:
        temporary.write_text(json.dumps({"ids": ids, "failed": failed}), "utf-8")


def _audio_of(dataset: NoteDataset, notes: Sequence[Note]) -> Iterator[tuple[Note, Tensor | str]]:
    """Notes with 4 s of mono audio at the front end's rate, or with what is wrong."""
    for note, clip in read_clips(dataset, notes):
        try:
            if isinstance(clip, TimbreClipError):
                raise clip
            samples, rate = clip
            yield note, _four_seconds(torch.from_numpy(np.ascontiguousarray(samples)), rate)
        except TimbreClipError as error:
            yield note, str(error)


def _four_seconds(samples: Tensor, rate: int) -> Tensor:
    if not bool(torch.isfinite(samples).all()):
        raise InputError("It holds NaN or infinite samples.")
    mono = to_mono(samples[None, :, : (SECONDS + 1) * rate])
    mono = resample(mono, rate, SAMPLE_RATE)[0, : SECONDS * SAMPLE_RATE]
    if float(mono.abs().max() if mono.numel() else 0.0) < QUIETEST:
        raise InputError("It is silent: silence has no timbre.")
    return torch.nn.functional.pad(mono, (0, SECONDS * SAMPLE_RATE - len(mono)))


def open_spectra(dataset: NoteDataset, notes: Sequence[Note], folder: Path) -> Spectra:
    """Spectrograms that ``compute_missing`` has made; notes that failed are left out.

    Raises:
        SpectraError: A shard is missing or damaged.
    """
    kept: list[Note] = []
    arrays: list[np.ndarray] = []
    place: list[tuple[int, int]] = []
    wanted = {note.id for note in notes}
    for shard in plan_shards(dataset, notes):
        path = folder / f"{shard.name}.npy"
        try:
            ids = json.loads(path.with_suffix(".json").read_text("utf-8"))["ids"]
            array = np.load(path, mmap_mode="r")
        except (OSError, ValueError, KeyError) as error:
            raise SpectraError(
                f"The spectrograms {path} are missing or damaged: {error}. Delete what is there "
                "of them and compute them again."
            ) from error
        by_id = {note.id: note for note in shard.notes}
        rows = [(row, name) for row, name in enumerate(ids) if name in wanted]
        kept += [by_id[name] for _, name in rows]
        place += [(len(arrays), row) for row, _ in rows]
        arrays.append(array)
    return Spectra(tuple(kept), tuple(arrays), np.array(place).reshape(-1, 2))
