"""NSynth as its authors publish it: ``nsynth-{train,valid,test}/examples.json``, ``audio/*.wav``.

Source: Engel et al., Neural Audio Synthesis of Musical Notes with WaveNet Autoencoders, ICML 2017.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from timbreclip_core.errors import InputError

from .base import Note, NoteDataset, Problem, attributes

SAMPLE_RATE = 16_000
FAMILIES = (
    *("bass", "brass", "flute", "guitar", "keyboard", "mallet", "organ", "reed", "string"),
    *("synth_lead", "vocal"),
)
SOURCES = ("acoustic", "electronic", "synthetic")
QUALITIES = (
    *("bright", "dark", "distortion", "fast_decay", "long_release", "multiphonic"),
    *("nonlinear_env", "percussive", "reverb", "tempo-synced"),
)
SPLITS = ("train", "valid", "test")
Texts = dict[tuple[str, ...], dict[str, tuple[str, ...]]]
_SPELT_OUT = {"nonlinear_env": "nonlinear envelope", "tempo-synced": "tempo-synced"}


class NSynth(NoteDataset):
    """NSynth, whole or only some of its three parts.

    Instruments of ``valid`` come again in ``test`` with other notes, so that the id of a patch
    holds the split: ``valid/bass_electronic_027``.
    """

    name = "nsynth"

    def scan(self) -> Iterator[Note | Problem]:
        found = [s for s in SPLITS if (self.root / f"nsynth-{s}").is_dir()]
        if not found:
            what = "has none of the folders nsynth-train, nsynth-valid and nsynth-test"
            yield Problem(str(self.root), what, fatal=True)
        for split in found:
            yield from self._scan_split(split)

    def _scan_split(self, split: str) -> Iterator[Note | Problem]:
        where = f"nsynth-{split}/examples.json"
        try:
            examples, twice = _read_examples(self.root / where)
        except (OSError, ValueError) as error:
            yield Problem(where, f"cannot be read: {error}", fatal=True)
            return
        for key in twice:
            yield Problem(f"{where}, {key}", "there are two notes with this id")
        texts: Texts = {}
        for key, example in examples.items():
            try:
                yield _note(split, key, example, texts)
            except (InputError, KeyError, TypeError) as error:
                what = f"has no {error}" if isinstance(error, KeyError) else str(error)
                yield Problem(f"{where}, {key}", what)


def _read_examples(path: Path) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """The notes by id, and ids that come twice, of which plain reading would show the last one."""
    twice: list[str] = []

    def together(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        merged = dict(pairs)
        if len(merged) < len(pairs):
            keys = [key for key, _ in pairs]
            twice.extend(key for key in merged if keys.count(key) > 1)
        return merged

    examples = json.loads(path.read_bytes(), object_pairs_hook=together)
    if not isinstance(examples, dict):
        raise ValueError("it is not an object of notes")
    return examples, twice


def _note(split: str, key: str, example: dict[str, Any], texts: Texts) -> Note:
    rate = example["sample_rate"]
    if rate != SAMPLE_RATE:
        raise InputError(f"The sample rate must be {SAMPLE_RATE} Hz, not {rate}.")
    family, source = example["instrument_family_str"], example["instrument_source_str"]
    qualities = tuple(example["qualities_str"])
    # Equal texts share one record: there are 300,000 notes and a few hundred combinations.
    labels = (family, source, *qualities)
    if labels not in texts:
        texts[labels] = _text(family, source, qualities)
    return Note(
        id=key,
        patch=f"{split}/{example['instrument_str']}",
        audio=f"nsynth-{split}/audio/{key}.wav",
        split=split,
        pitch=example["pitch"],
        velocity=example["velocity"],
        sample_rate=SAMPLE_RATE,
        text=texts[labels],
    )


def _text(family: str, source: str, qualities: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    _check_known("family", (family,), FAMILIES)
    _check_known("source", (source,), SOURCES)
    _check_known("quality", qualities, QUALITIES)
    spelt = [_spell(quality) for quality in qualities]
    return attributes(family=_spell(family), source=source, qualities=spelt)


def _check_known(what: str, given: tuple[str, ...], known: tuple[str, ...]) -> None:
    for value in given:
        if value not in known:
            raise InputError(f"NSynth has no {what} {value!r}.")


def _spell(label: str) -> str:
    return _SPELT_OUT.get(label, label.replace("_", " "))
