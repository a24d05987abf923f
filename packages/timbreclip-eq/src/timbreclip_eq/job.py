"""Equalising many files: reading, fitting in groups, writing, reporting; one bad one stops none."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from timbreclip_core.errors import InputError, TimbreClipError, UsageError

from .exports import FORMATS, write_export
from .fit import Fitter, Prepared, Sound
from .measure import centroid_hz
from .plot import Picture, save_picture
from .preset import Preset
from .render import Rendered
from .result import EQResult
from .search import Candidate
from .soundfiles import SoundFile, check_suffix, read_sound, write_sound

FILES_AT_ONCE = 8


@dataclass(frozen=True, kw_only=True)
class Writing:
    """What to write for each sound.

    Args:
        amount: Factor of the curve in dB, from -1 to 2.
        match_loudness: Give it the loudness of the source.
        plot: Draw a picture beside the sound.
        save_preset: Write the preset beside the sound.
        exports: Formats of ``exports.FORMATS`` to write beside the sound.
    """

    amount: float = 1.0
    match_loudness: bool = False
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
            fit = (record["content"], record["prepared"], next(found))
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
            content = read_sound(source)
            prepared.append(fitter.prepare(Sound(content.audio, content.sample_rate)))
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
    content = read_sound(task.source)
    sound = Sound(content.audio, content.sample_rate)
    return {"content": content, "prepared": fitter.prepare(sound)}


def _finish_fit(
    task: Task,
    fitter: Fitter,
    fit: tuple[SoundFile, Prepared, Sequence[Candidate]],
    writing: Writing,
) -> dict[str, Any]:
    content, prepared, candidates = fit
    result = fitter.judge(prepared, candidates)
    rendered = result.preset.render(
        content.audio,
        content.sample_rate,
        amount=writing.amount,
        match_loudness=writing.match_loudness,
    )
    after = result.similarity_after
    if writing.amount != 1:
        after = fitter.similarity(prepared.sound, [rendered.audio])[1]
    similarity = {**result.similarity, "after": after}
    search = {
        "loss": result.loss,
        "evaluations": result.evaluations,
        "converged": result.converged,
        "history": result.history,
    }
    record = _write(task, content, result.preset, rendered, writing, similarity)
    record["warnings"] += result.warnings
    return {**record, "search": search}


def _apply(task: Task, preset: Preset, writing: Writing) -> dict[str, Any]:
    content = read_sound(task.source)
    rendered = preset.render(
        content.audio,
        content.sample_rate,
        amount=preset.amount * writing.amount,
        match_loudness=writing.match_loudness,
    )
    return _write(task, content, preset, rendered, writing, None)


def _write(
    task: Task,
    content: SoundFile,
    preset: Preset,
    rendered: Rendered,
    writing: Writing,
    similarity: dict[str, float] | None,
) -> dict[str, Any]:
    lowered_db, subtype = write_sound(task.out, rendered.audio, content)
    amount = preset.amount * writing.amount
    rate = content.sample_rate
    loudness = {"before": rendered.lufs_before, "after": rendered.lufs_after}
    if loudness["after"] is not None:
        loudness["after"] += lowered_db
    record: dict[str, Any] = {
        "file": str(task.source),
        "out": str(task.out),
        "target": preset.target,
        "model": preset.model,
        "eq": preset.eq,
        "options": dict(preset.options),
        "amount": amount,
        "bands": preset.bands(rate),
        "similarity": similarity,
        "loudness_lufs": loudness,
        "centroid_hz": {
            "before": centroid_hz(content.audio, rate),
            "after": centroid_hz(rendered.audio, rate),
        },
        "preamp_db": rendered.preamp_db + lowered_db,
        "match_db": rendered.match_db,
        "sample_rate": rate,
        "channels": len(content.audio),
        "subtype": subtype,
        "picture": None,
        "preset": None,
        "exports": [],
        "warnings": list(rendered.warnings),
    }
    _write_beside(task, content, preset, rendered, writing, record)
    return record


def _write_beside(
    task: Task,
    content: SoundFile,
    preset: Preset,
    rendered: Rendered,
    writing: Writing,
    record: dict[str, Any],
) -> None:
    """Preset, exports and picture, as far as they are wanted; their paths go into the record."""
    rate = content.sample_rate
    if writing.save_preset:
        preset_path = task.out.with_suffix(".eq.json")
        record["preset"] = str(preset_path)
        preset.save(preset_path)
    for name in writing.exports:
        path = task.out.with_suffix(FORMATS[name].suffix)
        record["exports"].append(str(write_export(preset, name, path, rate, writing.amount)))
    if writing.plot:
        picture_path = task.out.with_suffix(".png")
        record["picture"] = str(picture_path)
        facts = tuple(_facts(record))
        title = f"{task.source.name}: {preset.target}"
        shown = (content.audio, rendered.audio, rate, preset, record["amount"], title, facts)
        save_picture(picture_path, Picture(*shown))


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
