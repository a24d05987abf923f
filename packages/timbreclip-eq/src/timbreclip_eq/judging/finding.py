"""Fitting every word on every sound with every EQ; what was found is kept, so a run goes on."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from timbreclip_core.descriptors import describe
from timbreclip_core.errors import InputError
from timbreclip_core.files import atomic_path
from timbreclip_core.model import Model
from timbreclip_core.target import parse_target

from ..base import EQ, HIGHEST
from ..fit import Fitter, Sound
from ..result import EQResult
from ..search import SearchConfig
from .words import BARK_HZ

FORMAT_VERSION = 1
FOLDER = "found"


@dataclass(frozen=True)
class Found:
    """What one EQ did to one sound for one word.

    Args:
        curve_db: At ``BARK_HZ``, dB, ``(40,)``; NaN where the EQ had no say: above what the
            encoder hears, and above 0.45 of the sample rate.
        moved: Descriptors after less before.
        similarity: Cosines before and after.
    """

    curve_db: np.ndarray
    moved: Mapping[str, float]
    similarity: tuple[float, float]

    def as_record(self) -> dict[str, Any]:
        """Plain data; NaN becomes None."""
        curve = [None if math.isnan(v) else v for v in self.curve_db.tolist()]
        return {"curve_db": curve, "moved": dict(self.moved), "similarity": list(self.similarity)}

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Found:
        """From ``as_record``."""
        curve = [math.nan if v is None else v for v in record["curve_db"]]
        before, after = record["similarity"]
        return cls(np.array(curve), record["moved"], (before, after))


# By EQ, word and sound.
Table = dict[str, dict[str, dict[str, Found]]]


@dataclass(frozen=True)
class Judged:
    """What is judged.

    Args:
        eqs: By the name that the report gives them.
        words: Prompts.
        sounds: By name.
        model: Finds the EQs, and has no say after that.
        config: How they are searched.
    """

    eqs: Mapping[str, EQ]
    words: Sequence[str]
    sounds: Mapping[str, Sound]
    model: Model
    config: SearchConfig

    @property
    def steps(self) -> int:
        """How many pairs of an EQ and a word there are."""
        return len(self.eqs) * len(self.words)


def find_all(judged: Judged, folder: Path | None = None) -> Iterator[tuple[str, str, dict]]:
    """EQ, word and ``Found`` by sound, for all pairs of an EQ and a word.

    Args:
        judged: What.
        folder: Where results are kept and looked up; nowhere if None.

    Raises:
        InputError: A sound cannot be used.
    """
    before = {name: _described(sound.audio, sound) for name, sound in judged.sounds.items()}
    for eq_name, eq in judged.eqs.items():
        for word in judged.words:
            kept = folder and folder / FOLDER / f"{_key(judged, eq_name, eq, word)}.json"
            found = _load(kept) if kept else None
            if found is None:
                found = _find(judged, eq, word, before)
                if kept:
                    _save(kept, eq_name, word, found)
            yield eq_name, word, found


def _find(
    judged: Judged, eq: EQ, word: str, before: Mapping[str, dict[str, float]]
) -> dict[str, Found]:
    fitter = Fitter(eq, judged.model, parse_target([word]), judged.config)
    prepared = [fitter.prepare(sound) for sound in judged.sounds.values()]
    groups = fitter.find(prepared)
    found = {}
    for (name, sound), item, group in zip(judged.sounds.items(), prepared, groups, strict=True):
        found[name] = _judge(fitter.judge(item, group), sound, before[name])
    return found


def _judge(result: EQResult, sound: Sound, before: Mapping[str, float]) -> Found:
    preset, rate = result.preset, sound.sample_rate
    filtered = preset.instance.filter(sound.audio, preset.tensors, rate)
    after = _described(filtered, sound)
    moved = {name: after[name] - before[name] for name in after}
    centres = np.array(BARK_HZ, dtype=np.float64)
    heard = centres <= min(preset.heard_hz, HIGHEST * rate)
    curve = np.where(heard, result.curve(centres), np.nan)
    return Found(curve, moved, (result.similarity_before, result.similarity_after))


def _described(audio: torch.Tensor, sound: Sound) -> dict[str, float]:
    """Core's descriptors of the channel mean."""
    found = describe(audio.mean(0, keepdim=True).float(), sound.sample_rate)
    return {name: float(value[0]) for name, value in found.items()}


def _key(judged: Judged, eq_name: str, eq: EQ, word: str) -> str:
    """Changes with everything that the result depends on."""
    digest = hashlib.sha256()
    options: Any = getattr(eq, "options", None)
    about = {
        "version": FORMAT_VERSION,
        "model": [judged.model.id, judged.model.precision],
        "eq": [eq.name, dataclasses.asdict(options) if options else {}],
        "word": word,
        "config": dataclasses.asdict(judged.config),
    }
    digest.update(json.dumps(about, sort_keys=True).encode())
    for name, sound in judged.sounds.items():
        digest.update(f"{name} {sound.sample_rate} {tuple(sound.audio.shape)}".encode())
        digest.update(sound.audio.contiguous().numpy().tobytes())
    plain = "".join(c if c.isalnum() else "-" for c in f"{eq_name}-{word}")[:60]
    return f"{plain}-{digest.hexdigest()[:16]}"


def _load(path: Path) -> dict[str, Found] | None:
    if not path.is_file():
        return None
    try:
        record = json.loads(path.read_text("utf-8"))
        return {name: Found.of(entry) for name, entry in record["sounds"].items()}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged: {error}. Remove it and run again.") from error


def _save(path: Path, eq_name: str, word: str, found: Mapping[str, Found]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    sounds = {name: entry.as_record() for name, entry in found.items()}
    record = {"eq": eq_name, "word": word, "sounds": sounds}
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(record) + "\n", "utf-8")
