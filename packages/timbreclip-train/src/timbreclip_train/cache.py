"""Notes of a dataset decoded once, into shards that are mapped into memory.

A folder holds ``cache.json`` (settings, and the shards in order) and for each shard
``shard-00000.pcm`` (16-bit samples, little-endian, a channel of a note after the other) and
``shard-00000.json`` (where each note lies, its scale, and the SHA-256 of the samples). A shard's
JSON is written last, so that a shard with one is whole. What a killed run has finished is kept,
and the same notes and settings always give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from timbreclip_core.errors import InputError, TimbreClipError, UsageError
from timbreclip_core.files import atomic_path, sha256

from .datasets.base import Note, NoteDataset

FORMAT, FORMAT_VERSION = "timbreclip-notes", 1
INDEX = "cache.json"
SILENCE = 10 ** (-100 / 20)
FULL_SCALE = 32767


class CacheError(TimbreClipError):
    """A cache is damaged or not finished; the message names what, and says how to repair it."""


@dataclass(frozen=True, kw_only=True)
class CacheSettings:
    """What decides the bytes of a cache, beside the notes.

    Args:
        sample_rate: Of the stored samples, Hz.
        channels: 2 keeps stereo where there is any, for mixing at random later; 1 stores the mean.
        seconds: What is longer is cut.
        shard_notes: Notes in a shard.
    """

    sample_rate: int = 32_000
    channels: int = 2
    seconds: float = 4.0
    shard_notes: int = 256

    def __post_init__(self) -> None:
        if self.channels not in (1, 2):
            raise UsageError(f"A cache has 1 or 2 channels, not {self.channels}.")
        if min(self.sample_rate, self.seconds, self.shard_notes) <= 0:
            raise UsageError("Sample rate, seconds and notes of a shard must be above 0.")


@dataclass(frozen=True)
class BuildStep:
    """One shard that is now there.

    Args:
        shard: Its name.
        notes: Notes in it, usable or not.
        kept: Whether it was there before.
        damage: What was wrong with what was there before; empty if nothing was.
        failed: Id and reason for every note that could not be read.
    """

    shard: str
    notes: int
    kept: bool
    damage: str
    failed: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class _Shard:
    """A shard to be: its name, its notes, and a digest of all that decides its bytes."""

    name: str
    notes: tuple[Note, ...]
    key: str


def build_cache(
    dataset: NoteDataset,
    folder: Path,
    settings: CacheSettings | None = None,
    *,
    notes: Sequence[Note] | None = None,
    jobs: int = 1,
) -> Iterator[BuildStep]:
    """Decode notes into a cache: what is missing, damaged or of other notes; yields every shard.

    Args:
        dataset: Where the notes are from.
        folder: Made if absent; nothing else should be in it.
        settings: Defaults if None.
        notes: Only these, in this order; all if None.
        jobs: Shards that are worked on at once, in threads: ``dataset.read`` must allow that.

    Raises:
        InputError: The folder holds a cache with other settings.
    """
    settings = settings or CacheSettings()
    folder.mkdir(parents=True, exist_ok=True)
    _check_settings(folder, settings)
    shards = _plan(dataset, dataset.notes if notes is None else notes, settings)
    _clean(folder, {s.name for s in shards})
    _write_index(folder, dataset.name, settings, shards)
    with ThreadPoolExecutor(jobs) as pool:
        waiting = iter(shards)
        running: set[Future[BuildStep]] = set()
        while True:
            for shard in islice(waiting, jobs - len(running)):
                running.add(pool.submit(_ensure, dataset, folder, shard, settings))
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            yield from sorted((f.result() for f in done), key=lambda step: step.shard)


def _plan(dataset: NoteDataset, notes: Sequence[Note], settings: CacheSettings) -> list[_Shard]:
    if not notes:
        raise InputError("There are no notes to put into a cache.")
    size, shards = settings.shard_notes, []
    for start in range(0, len(notes), size):
        group = tuple(notes[start : start + size])
        told = [FORMAT_VERSION, asdict(settings), [_identity(dataset, n) for n in group]]
        key = hashlib.sha256(json.dumps(told).encode()).hexdigest()
        shards.append(_Shard(f"shard-{start // size:05d}", group, key))
    return shards


def _identity(dataset: NoteDataset, note: Note) -> list[Any]:
    """What tells that a note is still the one that was decoded; a file counts with its size."""
    size = None
    if note.audio is not None:
        path = dataset.path(note)
        size = path.stat().st_size if path.is_file() else None
    return [note.id, note.audio, note.start, note.frames, size]


def _check_settings(folder: Path, settings: CacheSettings) -> None:
    try:
        found = json.loads((folder / INDEX).read_text("utf-8"))["settings"]
    except (OSError, ValueError, KeyError, TypeError):
        return
    wanted = asdict(settings)
    if found != wanted:
        changed = ", ".join(sorted(k for k in wanted if found.get(k) != wanted[k]))
        raise InputError(
            f"{folder} holds a cache with other settings ({changed}). Give another folder, or "
            "delete it."
        )


def _clean(folder: Path, names: set[str]) -> None:
    """Delete what a killed run left half-written, and shards that are none any more."""
    for stale in [*folder.glob(".shard-*"), *folder.glob(".cache-*")]:
        stale.unlink()
    for path in folder.glob("shard-*"):
        if path.stem not in names:
            path.unlink()


def _write_index(folder: Path, dataset: str, settings: CacheSettings, shards: list[_Shard]) -> None:
    content = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "dataset": dataset,
        "settings": asdict(settings),
        "shards": {s.name: s.key for s in shards},
    }
    with atomic_path(folder / INDEX) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


def _ensure(
    dataset: NoteDataset, folder: Path, shard: _Shard, settings: CacheSettings
) -> BuildStep:
    """Keep a shard that is whole, decode it otherwise."""
    damage = ""
    if (folder / f"{shard.name}.json").exists():
        try:
            found = _read_shard(folder, shard.name, shard.key)
            _check_samples(folder, shard.name, found)
            return BuildStep(shard.name, len(shard.notes), True, "", _failures(found))
        except CacheError as error:
            damage = str(error)
    found = _decode_shard(dataset, folder, shard, settings)
    return BuildStep(shard.name, len(shard.notes), False, damage, _failures(found))


def _failures(shard: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((note, reason) for note, reason in shard["failed"])


def _decode_shard(
    dataset: NoteDataset, folder: Path, shard: _Shard, settings: CacheSettings
) -> dict[str, Any]:
    rows: list[list[Any]] = []
    failed: list[list[str]] = []
    digest, offset = hashlib.sha256(), 0
    with atomic_path(folder / f"{shard.name}.pcm") as temporary, temporary.open("wb") as out:
        for note in shard.notes:
            try:
                samples, scale = prepare(*dataset.read(note), settings)
            except InputError as error:
                # Without the folder, which may be another one when the bytes are made again.
                failed.append([note.id, str(error).replace(f"{dataset.root}/", "")])
                continue
            data = samples.astype("<i2").tobytes()
            rows.append([note.id, offset, *samples.shape, scale])
            digest.update(data)
            offset += out.write(data) // 2
    found = {
        "key": shard.key,
        "sha256": digest.hexdigest(),
        "samples": offset,
        "notes": rows,
        "failed": failed,
    }
    with atomic_path(folder / f"{shard.name}.json") as temporary:
        temporary.write_text(json.dumps({**found, "check": _check_of(found)}) + "\n", "utf-8")
    return found


def prepare(
    samples: NDArray[np.float32], rate: int, settings: CacheSettings
) -> tuple[NDArray[np.int16], float]:
    """A note as it is stored.

    Args:
        samples: ``(channels, samples)``, full scale 1.0.
        rate: Of them, Hz.
        settings: Rate, channels and length that are wanted.

    Returns:
        16-bit samples ``(channels, samples)`` whose peak is the largest they can hold, and the
        factor that makes them what they were.

    Raises:
        InputError: Not one sample is louder than -100 dBFS.
    """
    # What is cut anyway need not be resampled; the filter's reach is far below half a second.
    samples = samples[:, : round((settings.seconds + 0.5) * rate)]
    if settings.channels == 1 or samples.shape[0] > 2:
        samples = samples.mean(axis=0, keepdims=True)
    if rate != settings.sample_rate:
        frames = np.ascontiguousarray(samples.T)
        samples = soxr.resample(frames, rate, settings.sample_rate, quality="VHQ").T
    samples = samples[:, : round(settings.seconds * settings.sample_rate)]
    peak = float(np.abs(samples).max(initial=0.0))
    if peak < SILENCE:
        raise InputError("It is silent: silence has no timbre.")
    scale = peak / FULL_SCALE
    return np.round(samples / np.float32(scale)).clip(-32768, 32767).astype(np.int16), scale


def _check_of(shard: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(shard, sort_keys=True).encode()).hexdigest()


def _read_shard(folder: Path, name: str, key: str) -> dict[str, Any]:
    """The JSON of a shard, checked against itself and against the length of its samples.

    Raises:
        CacheError: It is missing, damaged, or of other notes.
    """
    path = folder / f"{name}.json"
    try:
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
        check = found.pop("check")
    except FileNotFoundError:
        raise _damaged(folder, name, "is not there") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise _damaged(folder, name, "has a manifest that cannot be read") from None
    if check != _check_of(found):
        raise _damaged(folder, name, "has a manifest that was changed")
    if found["key"] != key:
        raise _damaged(folder, name, "is of other notes")
    pcm = folder / f"{name}.pcm"
    if not pcm.is_file() or pcm.stat().st_size != 2 * found["samples"]:
        raise _damaged(folder, name, "has samples that are missing or of another length")
    return found


def _check_samples(folder: Path, name: str, shard: dict[str, Any]) -> None:
    if sha256(folder / f"{name}.pcm") != shard["sha256"]:
        raise _damaged(folder, name, "has samples that were changed")


def _damaged(folder: Path, name: str, what: str) -> CacheError:
    return CacheError(
        f"{folder / name} {what}. Build the cache again with the same settings: only what is "
        "wrong is redone."
    )


class NoteCache:
    """A finished cache, for reading batches at random.

    Args:
        folder: From ``build_cache``.

    Attributes:
        settings: What it was built with.
        dataset: Name of the dataset.
        ids: Ids of the notes, in the order of the dataset; those that failed are not in it.
        failed: Why, by id, for those.

    Raises:
        CacheError: It is not finished, or a shard is damaged; the message names the shard.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        index = self._read_index()
        self.settings = CacheSettings(**index["settings"])
        self.dataset: str = index["dataset"]
        self._keys: dict[str, str] = index["shards"]
        self.ids: list[str] = []
        self.failed: dict[str, str] = {}
        places: list[tuple[int, int, int, int]] = []
        scales: list[float] = []
        self._maps: list[NDArray[np.int16]] = []
        for number, (name, key) in enumerate(self._keys.items()):
            shard = _read_shard(self.folder, name, key)
            self._maps.append(self._map(name, shard["samples"]))
            self.failed.update(shard["failed"])
            for note, offset, channels, frames, scale in shard["notes"]:
                self.ids.append(note)
                places.append((number, offset, channels, frames))
                scales.append(scale)
        self._places = np.array(places, np.int64).reshape(-1, 4)
        self.scales: NDArray[np.float32] = np.array(scales, np.float32)

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def positions(self) -> dict[str, int]:
        """Where each note is in the cache, by id."""
        return {note: position for position, note in enumerate(self.ids)}

    @property
    def frames(self) -> NDArray[np.int64]:
        """Samples of each note, ``(notes,)``."""
        return self._places[:, 3]

    def note(self, position: int) -> NDArray[np.int16]:
        """The stored samples of a note ``(channels, samples)``: a view into the file."""
        number, offset, channels, frames = self._places[position].tolist()
        return self._maps[number][offset : offset + channels * frames].reshape(channels, frames)

    def read(self, chosen: Sequence[int], frames: int | None = None) -> NDArray[np.int16]:
        """Stored samples of some notes; multiplied by ``scales`` they are what was decoded.

        Args:
            chosen: Positions, ``(batch,)``.
            frames: Length; shorter notes end in zeros, longer ones are cut. That of the settings
                if None.

        Returns:
            ``(batch, channels, frames)``; mono notes fill all channels of the settings.
        """
        batch = np.empty(self._shape(chosen, frames), np.int16)
        for row, position in zip(batch, chosen, strict=True):
            samples = self.note(int(position))[:, : row.shape[1]]
            row[:, : samples.shape[1]] = samples
            row[:, samples.shape[1] :] = 0
        return batch

    def audio(self, chosen: Sequence[int], frames: int | None = None) -> NDArray[np.float32]:
        """As ``read``, but float32 at the level that was decoded, full scale 1.0."""
        batch = np.empty(self._shape(chosen, frames), np.float32)
        for row, position in zip(batch, chosen, strict=True):
            samples = self.note(int(position))[:, : row.shape[1]]
            np.multiply(samples, self.scales[position], out=row[:, : samples.shape[1]])
            row[:, samples.shape[1] :] = 0
        return batch

    def _shape(self, chosen: Sequence[int], frames: int | None) -> tuple[int, int, int]:
        if frames is None:
            frames = round(self.settings.seconds * self.settings.sample_rate)
        return len(chosen), self.settings.channels, frames

    def verify(self) -> Iterator[str]:
        """Read all samples; yields a sentence for every shard that was changed."""
        for name, key in self._keys.items():
            try:
                _check_samples(self.folder, name, _read_shard(self.folder, name, key))
            except CacheError as error:
                yield str(error)

    def _map(self, name: str, samples: int) -> NDArray[np.int16]:
        # An empty file cannot be mapped: all notes of this shard have failed.
        if samples == 0:
            return np.zeros(0, np.int16)
        mapped = np.memmap(self.folder / f"{name}.pcm", "<i2", "r", shape=(samples,))
        return mapped.view(np.ndarray)

    def _read_index(self) -> dict[str, Any]:
        path = self.folder / INDEX
        try:
            index = json.loads(path.read_text("utf-8"))
            version = index["format_version"]
            complete = {"settings", "dataset", "shards"} <= index.keys()
        except FileNotFoundError:
            raise CacheError(f"There is no cache in {self.folder}. Run: tclip data cache") from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            complete, version = False, FORMAT_VERSION
        if not complete:
            raise CacheError(
                f"{path} is damaged. Build the cache again with the same settings: whole shards "
                "are kept."
            )
        if version > FORMAT_VERSION:
            raise CacheError(f"{path} was written by a newer timbreclip-train. Upgrade it.")
        return index
