"""Equalising many files: reading, fitting in groups, writing, reporting; one bad one stops none."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from timbreclip_core.errors import InputError, TimbreClipError, UsageError

from .exports import FORMATS, write_export
from .fit import Fitter, Prepared
from .plot import Picture, save_picture
from .preset import Preset
from .rendering import Render, Shown
from .result import EQResult
from .search import Candidate
from .soundfiles import SoundHeader, check_suffix, lossy, open_sound, write_sound
from .streaming import Blocks

FILES_AT_ONCE = 8
PAIR_NAMES = ("A-before", "B-after")


@dataclass(frozen=True, kw_only=True)
class Writing:
    """What to write for each sound.

    Args:
        amount: Factor of the curve in dB, from -1 to 2.
        match_loudness: Give it the loudness of the source, as far as the peaks allow.
        pair: Write a pair to compare beside the sound: before and after, equally loud.
        plot: Draw a picture beside the sound.
        save_preset: Write the preset beside the sound.
        exports: Formats of ``exports.FORMATS`` to write beside the sound.
    """

    amount: float = 1.0
    match_loudness: bool = True
    pair: bool = False
    plot: bool = True
    save_preset: bool = False
    exports: tuple[str, ...] = ()


@dataclass(frozen=True)
class Task:
    """A file and where its result goes."""

    source: Path
    out: Path


def plan(sources: Sequence[Path], out: Path) -> list[Task]:
    """Where each result goes: ``out`` itself for one sound, else into the folder ``out``.

    Files of one name keep apart by their folders. The folder is made.

    Raises:
        UsageError: A file for several sounds, a name that is no sound's, or a source that would
            be overwritten.
        InputError: The folder of ``out`` does not exist.
    """
    single = len(sources) == 1 and not out.is_dir() and out.suffix != ""
    if single:
        check_suffix(out)
        tasks = [Task(sources[0], out)]
    else:
        if out.is_file() or out.suffix.lower() in (".wav", ".flac", ".ogg", ".aif", ".aiff"):
            raise UsageError(f"{out} must be a folder, for {len(sources)} sounds.")
        tasks = [Task(s, out / name) for s, name in zip(sources, _names(sources), strict=True)]
    for task in tasks:
        if task.out.exists() and task.source.exists() and task.out.samefile(task.source):
            raise UsageError(f"{task.source} would be overwritten. Choose another --out.")
    if single and not out.parent.is_dir():
        raise InputError(f"The folder {str(out.parent)!r} does not exist. Make it first.")
    for folder in {task.out.parent for task in tasks}:
        folder.mkdir(parents=True, exist_ok=True)
    return tasks


def fit_and_render(
    tasks: Sequence[Task], fitter: Fitter, writing: Writing
) -> Iterator[dict[str, Any]]:
    """Find an EQ for each file, apply it, write it; one record a file, in order.

    A record holds ``file``, and ``error`` or what ``_record`` lists.
    """
    for start in range(0, len(tasks), FILES_AT_ONCE):
        group = tasks[start : start + FILES_AT_ONCE]
        records = [_guarded(task, lambda t=task: _prepare(t, fitter)) for task in group]
        good = [r["prepared"] for r in records if "prepared" in r]
        found = iter(fitter.find(good) if good else [])
        for task, record in zip(group, records, strict=True):
            if "error" in record:
                yield record
                continue
            fit = (record["prepared"], next(found))
            yield _guarded(task, lambda t=task, f=fit: _finish_fit(t, fitter, f, writing))
            record.clear()


def apply_preset(
    tasks: Iterable[Task], preset: Preset, writing: Writing
) -> Iterator[dict[str, Any]]:
    """Apply a preset to each file; records as ``fit_and_render``, without similarities."""
    for task in tasks:
        yield _guarded(task, lambda t=task: _apply(t, preset, writing))


def fit_together(sources: Sequence[Path], fitter: Fitter) -> tuple[list[EQResult], list[dict]]:
    """One EQ for all files that can be read.

    Returns:
        The results, one a good file, and records of the bad ones.

    Raises:
        InputError: None of them can be used.
    """
    prepared, failed = [], []
    for source in sources:
        try:
            prepared.append(fitter.prepare(open_sound(source)))
        except InputError as error:
            failed.append({"file": str(source), "error": str(error)})
    if not prepared:
        raise InputError(" ".join(record["error"] for record in failed))
    groups = fitter.find(prepared, together=True)
    return [fitter.judge(p, g) for p, g in zip(prepared, groups, strict=True)], failed


def _guarded(task: Task, work: Any) -> dict[str, Any]:
    try:
        return work()
    except TimbreClipError as error:
        return {"file": str(task.source), "error": str(error)}


def _prepare(task: Task, fitter: Fitter) -> dict[str, Any]:
    return {"prepared": fitter.prepare(open_sound(task.source))}


def _finish_fit(
    task: Task,
    fitter: Fitter,
    fit: tuple[Prepared, Sequence[Candidate]],
    writing: Writing,
) -> dict[str, Any]:
    prepared, candidates = fit
    preset = fitter.preset(prepared, candidates)
    made = _Made(task, open_sound(task.source), preset, writing)
    try:
        before, after = fitter.similarity_of_files(task.source, task.out)
    except InputError:
        task.out.unlink()  # what cannot be heard again is no result
        raise
    result = fitter.result(preset, candidates, (before, after))
    search = {
        "loss": result.loss,
        "evaluations": result.evaluations,
        "converged": result.converged,
        "history": result.history,
    }
    record = made.record(result.similarity)
    record["warnings"] += result.warnings
    return {**record, "search": search}


def _apply(task: Task, preset: Preset, writing: Writing) -> dict[str, Any]:
    return _Made(task, open_sound(task.source), preset, writing).record(None)


class _Made:
    """A result that is written, and what there is to tell of it."""

    def __init__(self, task: Task, header: SoundHeader, preset: Preset, writing: Writing) -> None:
        self.task, self.header, self.preset, self.writing = task, header, preset, writing
        self.amount = preset.amount * writing.amount
        self.render = Render(
            preset, header, amount=self.amount, match_loudness=writing.match_loudness
        )
        self.shown: list[Shown] = []
        self.lowered_db, self.subtype = write_sound(task.out, self._blocks, header)

    def _blocks(self) -> Blocks:
        """Once for each try at writing; what the last one showed counts."""
        self.shown = list(self.render.shown())
        return self.render.blocks(*self.shown)

    def record(self, similarity: dict[str, float] | None) -> dict[str, Any]:
        """For JSON; writes what goes beside the sound."""
        levels, preset = self.render.levels, self.preset
        loudness = {"before": levels.lufs_before, "after": levels.lufs_after}
        if loudness["after"] is not None:
            loudness["after"] += self.lowered_db
        before, after = self.shown
        record: dict[str, Any] = {
            "file": str(self.task.source),
            "out": str(self.task.out),
            "target": preset.target,
            "model": preset.model,
            "eq": preset.eq,
            "options": dict(preset.options),
            "amount": self.amount,
            "bands": preset.bands(self.header.sample_rate),
            "similarity": similarity,
            "loudness_lufs": loudness,
            "centroid_hz": {"before": before.centroid.hz(), "after": after.centroid.hz()},
            "preamp_db": levels.preamp_db + self.lowered_db,
            "match_db": levels.match_db,
            "sample_rate": self.header.sample_rate,
            "channels": self.header.channels,
            "subtype": self.subtype,
            "picture": None,
            "preset": None,
            "pair": [],
            "exports": [],
            "warnings": list(levels.warnings),
        }
        self._write_beside(record)
        return record

    def _write_beside(self, record: dict[str, Any]) -> None:
        """Preset, exports, pair and picture, as wanted; their paths go into the record."""
        out, writing, rate = self.task.out, self.writing, self.header.sample_rate
        if writing.save_preset:
            preset_path = out.with_suffix(".eq.json")
            record["preset"] = str(preset_path)
            self.preset.save(preset_path)
        for name in writing.exports:
            path = out.with_suffix(FORMATS[name].suffix)
            write_export(self.preset, name, path, rate, writing.amount)
            record["exports"].append(str(path))
        if writing.pair:
            record["pair"] = [str(path) for path in self._write_pair()]
        if writing.plot:
            picture_path = out.with_suffix(".png")
            record["picture"] = str(picture_path)
            save_picture(picture_path, self._picture(tuple(_facts(record))))

    def _picture(self, facts: tuple[str, ...]) -> Picture:
        before, after = self.shown
        return Picture(
            before=before.spectrogram.level_db(),
            after=after.spectrogram.level_db(),
            seconds=self.render.levels.frames / self.header.sample_rate,
            sample_rate=self.header.sample_rate,
            preset=self.preset,
            amount=self.amount,
            title=f"{self.task.source.name}: {self.preset.target}",
            facts=facts,
        )

    def _write_pair(self) -> list[Path]:
        """Before and after, equally loud, with names that sort beside each other.

        A lossy format would move the levels apart: the pair is WAV then.
        """
        out = self.task.out
        suffix = ".wav" if lossy(self.subtype) else out.suffix
        paths = [out.with_name(f"{out.stem}.{name}{suffix}") for name in PAIR_NAMES]
        for path, blocks in zip(paths, self.render.pair(), strict=True):
            write_sound(path, blocks, self.header)
        return paths


def _facts(record: dict[str, Any]) -> Iterator[str]:
    """A record in words, one line each."""
    parts = []
    if record["similarity"]:
        s = record["similarity"]
        parts.append(f"similarity {s['before']:.3f} to {s['after']:.3f}")
    for name, unit, digits in (("centroid_hz", "Hz", 0), ("loudness_lufs", "LUFS", 1)):
        a, b = record[name]["before"], record[name]["after"]
        if a is not None and b is not None:
            word = name.split("_")[0]
            parts.append(f"{word} {a:.{digits}f} to {b:.{digits}f} {unit}")
    if record["amount"] != 1:
        parts.append(f"amount {record['amount']:g}")
    if record["preamp_db"] < -0.05:
        parts.append(f"preamp {record['preamp_db']:.1f} dB")
    yield ", ".join(parts)


def describe(record: dict[str, Any]) -> str:
    """A record for people."""
    lines = [f"{record['file']} -> {record['out']}"]
    lines += [f"  {fact}" for fact in _facts(record)]
    return "\n".join([*lines, bands_text(record["bands"], record["amount"])])


def bands_text(bands: Iterable[dict[str, Any]], amount: float = 1.0) -> str:
    """Bands as a table."""
    lines = []
    for band in bands:
        if "centre_hz" not in band:
            lines.append(f"  {band['name']:12}{amount * band['value']:+8.2f} {band['unit']}")
            continue
        note = {"held": "  held", "off": "  off"}.get(band["state"], "")
        q = f"  Q {band['q']:.2f}" if band["q"] else ""
        lines.append(
            f"  {band['type']:11}{band['centre_hz']:8.0f} Hz{amount * band['gain_db']:+8.1f} dB"
            f"{q}{note}"
        )
    return "\n".join(lines)


def _names(sources: Sequence[Path]) -> list[Path]:
    """Names of the results: that of the file, below its own folder where names meet."""
    plain = [Path(s.name) for s in sources]
    if len(set(plain)) == len(plain):
        return plain
    full = [s.absolute() for s in sources]
    root = Path(os.path.commonpath([p.parent for p in full]))
    return [p.relative_to(root) for p in full]
