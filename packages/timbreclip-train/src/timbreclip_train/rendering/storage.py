"""How rendered notes lie on disk: a FLAC file a preset, and shards of a manifest.

A folder holds ``settings.json``, ``audio/<collection>/<id>.flac``, ``shards/<collection>-<n>.json``
while rendering goes on, and, when it is done, ``manifest.jsonl`` (a line a note),
``silent.jsonl`` and ``failed.jsonl``.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from timbreclip_core.errors import InputError
from timbreclip_core.files import atomic_path

from .base import Audio, NotePlan, NoteSpec, Preset, RenderError
from .names import slug

SILENT_PEAK = 10 ** (-70 / 20)
"""A note is silent if it never exceeds -70 dBFS, ..."""
SILENT_RATIO = 10 ** (-55 / 20)
"""... or stays 55 dB below the loudest note of its preset: 16 bits would keep little of it."""
STORED_PEAK = 10 ** (-1 / 20)
TAIL_RATIO = 10 ** (-60 / 20)
FADE_S = 0.02
SHORTEST_S = 0.1
FLAC_LEVEL = 0.5
MANIFEST, SILENT, FAILED = "manifest.jsonl", "silent.jsonl", "failed.jsonl"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What decides the bytes of a rendering, beside the presets.

    Args:
        plan: Which notes.
        sample_rate: Rate at which the synthesiser runs, Hz.
        stored_rate: Rate of the files, Hz.
    """

    plan: NotePlan = field(default_factory=NotePlan)
    sample_rate: int = 44_100
    stored_rate: int = 32_000


@dataclass(frozen=True)
class Shard:
    """Presets that are rendered and recorded together."""

    name: str
    presets: tuple[Preset, ...]

    @property
    def key(self) -> str:
        """Changes with anything about its presets."""
        text = json.dumps([asdict(p) for p in self.presets], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass
class ShardResult:
    """What came of a shard, row by row."""

    key: str
    notes: list[dict[str, Any]] = field(default_factory=list)
    silent: list[dict[str, Any]] = field(default_factory=list)
    failed: list[dict[str, Any]] = field(default_factory=list)


def make_shards(presets: list[Preset], size: int) -> list[Shard]:
    """Split presets into shards of one collection each, in order."""
    groups: dict[str, list[Preset]] = {}
    for preset in presets:
        groups.setdefault(preset.collection, []).append(preset)
    return [
        Shard(f"{_unique(name)}-{i // size:04d}", tuple(group[i : i + size]))
        for name, group in groups.items()
        for i in range(0, len(group), size)
    ]


def _unique(collection: str) -> str:
    """A file name for a collection; two that differ in case or spaces stay apart."""
    return f"{slug(collection)}-{hashlib.sha256(collection.encode()).hexdigest()[:6]}"


def store_preset(
    folder: Path, preset: Preset, notes: list[NoteSpec], audio: list[Audio], settings: Settings
) -> ShardResult:
    """Write the audible notes of a preset into one FLAC file.

    Raises:
        RenderError: If the samples are not what a renderer must return.
    """
    if len(audio) != len(notes):
        raise RenderError(f"{len(notes)} notes were asked for and {len(audio)} came.")
    result = ShardResult("")
    peaks = [_peak(samples) for samples in audio]
    loudest = max(peaks, default=0.0)
    threshold = max(SILENT_PEAK, loudest * SILENT_RATIO)
    gain = STORED_PEAK / loudest if loudest >= SILENT_PEAK else 1.0
    file = Path("audio") / _unique(preset.collection) / f"{preset.id}.flac"
    kept: list[NDArray[np.int16]] = []
    offset = 0
    for note, samples, peak in zip(notes, audio, peaks, strict=True):
        row = {**_facts(preset), "pitch": note.pitch, "velocity": note.velocity}
        if peak < threshold:
            result.silent.append({**row, "peak": _short(peak)})
            continue
        stored = _prepare(samples, preset.unpitched, settings, gain)
        place = {"file": file.as_posix(), "offset": offset, "frames": len(stored)}
        row |= {"hold_s": note.hold_s, "release_s": note.release_s, **place}
        row |= {"sample_rate": settings.stored_rate, "peak": _short(peak)}
        row["gain_db"] = round(20 * math.log10(gain), 3)
        result.notes.append(row)
        kept.append(stored)
        offset += len(stored)
    if kept:
        _write_flac(folder / file, np.concatenate(kept), settings.stored_rate)
    return result


def _facts(preset: Preset) -> dict[str, Any]:
    facts = asdict(preset)
    del facts["payload"]
    return facts | {"tags": list(preset.tags)}


def _short(number: float) -> float:
    return float(f"{number:.4g}")


def _peak(samples: Audio) -> float:
    if samples.ndim != 2 or samples.shape[0] != 2:
        raise RenderError(f"A note has the shape {samples.shape}, not (2, samples).")
    peak = float(np.abs(samples).max(initial=0.0))
    if not math.isfinite(peak):
        raise RenderError("A note holds NaN or infinite samples.")
    return peak


def _prepare(samples: Audio, unpitched: bool, settings: Settings, gain: float) -> NDArray[np.int16]:
    """Cut, resample and round one note; shape (frames, 2)."""
    frames = samples.T
    if unpitched:
        frames = _without_tail(frames, settings.sample_rate)
    if settings.stored_rate != settings.sample_rate:
        frames = soxr.resample(
            np.ascontiguousarray(frames), settings.sample_rate, settings.stored_rate, quality="HQ"
        )
    return np.clip(np.round(frames * (gain * 32767)), -32768, 32767).astype(np.int16)


def _without_tail(frames: Audio, sample_rate: int) -> Audio:
    """Without the end that is 60 dB below the peak, faded where the sound breaks off."""
    level = np.abs(frames).max(axis=1)
    heard = np.flatnonzero(level > level.max() * TAIL_RATIO)
    shortest = int(SHORTEST_S * sample_rate)
    end = max(int(heard[-1]) + 1 if len(heard) else 0, shortest)
    cut = frames[:end].copy()
    fade = min(int(FADE_S * sample_rate), len(cut))
    cut[len(cut) - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)[:, None]
    return cut


def _write_flac(path: Path, frames: NDArray[np.int16], sample_rate: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        soundfile.write(
            temporary,
            frames,
            sample_rate,
            format="FLAC",
            subtype="PCM_16",
            compression_level=FLAC_LEVEL,
        )


def shard_path(folder: Path, shard: Shard) -> Path:
    return folder / "shards" / f"{shard.name}.json"


def write_shard(folder: Path, shard: Shard, result: ShardResult) -> None:
    """Record a shard whose audio is written; from now on it is done."""
    path = shard_path(folder, shard)
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(asdict(result), ensure_ascii=False), "utf-8")


def read_shard(folder: Path, shard: Shard) -> ShardResult | None:
    """What was recorded of a shard; None if it is not there, damaged, or its presets changed."""
    try:
        found = ShardResult(**json.loads(shard_path(folder, shard).read_text("utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    files = {row["file"] for row in found.notes}
    complete = found.key == shard.key and all((folder / file).is_file() for file in files)
    return found if complete else None


def open_folder(folder: Path, settings: Settings, source: str) -> None:
    """Prepare a folder for a run, or check that the run in it is the same.

    Raises:
        InputError: If it holds a rendering with other settings.
    """
    (folder / "shards").mkdir(parents=True, exist_ok=True)
    wanted = json.loads(json.dumps({"source": source, **asdict(settings)}))
    path = folder / "settings.json"
    if path.is_file():
        found = json.loads(path.read_text("utf-8"))
        if found != wanted:
            changed = sorted(_flat(found).items() ^ _flat(wanted).items())
            names = ", ".join(dict.fromkeys(key for key, _ in changed))
            raise InputError(
                f"{folder} holds a rendering with other settings ({names}). "
                "Give another --out, or delete the folder."
            )
    else:
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(wanted, indent=1) + "\n", "utf-8")
    # What a killed run left half-written.
    for stale in [*folder.glob(".*-*"), *folder.glob("audio/*/.*"), *folder.glob("shards/.*")]:
        stale.unlink()


def remove_strays(folder: Path, shards: list[Shard]) -> None:
    """Delete shards and audio of presets that the source no longer has."""
    wanted = {shard_path(folder, shard) for shard in shards}
    for path in (folder / "shards").glob("*.json"):
        if path not in wanted:
            path.unlink()
    results = [read_shard(folder, shard) for shard in shards]
    audio = {folder / row["file"] for result in results if result for row in result.notes}
    for path in folder.glob("audio/*/*.flac"):
        if path not in audio:
            path.unlink()


def _flat(settings: dict[str, Any]) -> dict[str, str]:
    plan = settings.get("plan", {})
    return {k: json.dumps(v) for k, v in {**settings, **plan}.items() if k != "plan"}


def merge_shards(folder: Path, shards: list[Shard]) -> Iterator[tuple[str, int]]:
    """Write the manifest and the two lists; yields each name and its rows.

    Raises:
        InputError: If a shard is missing.
    """
    results = [read_shard(folder, shard) for shard in shards]
    if None in results:
        lost = shards[results.index(None)].name
        raise InputError(f"{folder}: the shard {lost} is damaged. Render again: only it is redone.")
    for name, kind in ((MANIFEST, "notes"), (SILENT, "silent"), (FAILED, "failed")):
        rows = [row for result in results if result for row in getattr(result, kind)]
        with atomic_path(folder / name) as temporary, temporary.open("w", encoding="utf-8") as out:
            for row in rows:
                out.write(json.dumps(row, ensure_ascii=False) + "\n")
        yield name, len(rows)
