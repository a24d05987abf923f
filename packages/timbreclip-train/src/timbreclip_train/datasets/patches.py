"""Recordings of presets with a manifest: ``manifest.csv`` or ``manifest.jsonl``, a row a note.

Columns: ``file`` and ``patch``, and as many as there are of ``title``, ``category``, ``type``,
``subtype``, ``family``, ``source``, ``tags``, ``qualities``, ``description``, ``pitch``,
``velocity``, ``sample_rate``, ``split``, ``start``, ``frames``. ALV of the TimbreCLIP paper is
this with 16 notes a patch.
"""

from __future__ import annotations

import csv
import difflib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from timbreclip_core.errors import InputError

from .base import Note, NoteDataset, Problem, attributes, hash_split

MANIFESTS = ("manifest.csv", "manifest.jsonl")
REQUIRED = ("file", "patch")
NUMBERS = ("pitch", "velocity", "sample_rate", "start", "frames")
SINGLE = ("title", "description")
LISTS = ("category", "type", "subtype", "family", "source", "tags", "qualities")
COLUMNS = (*REQUIRED, *SINGLE, *LISTS, *NUMBERS, "split")
_SEPARATOR = re.compile(r"[;|,]")

Row = dict[str, Any]


class Patches(NoteDataset):
    """A folder of preset recordings with a manifest.

    ``type`` and ``subtype`` count as categories. Several tags, categories and so on stand in one
    field, with ``;``, ``,`` or ``|`` between them, or, in JSON, in a list. Without a column
    ``split``, nine of ten patches are for training and one for validation, by a hash of the
    patch, so that adding patches moves none.
    """

    name = "patches"

    def scan(self) -> Iterator[Note | Problem]:
        found = [name for name in MANIFESTS if (self.root / name).is_file()]
        if len(found) != 1:
            what = f"must have one of {' and '.join(MANIFESTS)}, and has {len(found)}"
            yield Problem(str(self.root), what, fatal=True)
            return
        read = _read_csv if found[0].endswith(".csv") else _read_lines
        try:
            for where, row in read(self.root / found[0]):
                yield row if isinstance(row, Problem) else _note(where, row)
        except (UnicodeDecodeError, csv.Error) as error:
            yield Problem(found[0], f"cannot be read as UTF-8 text: {error}", fatal=True)

    def extra_checks(self) -> Iterator[Problem]:
        titles: dict[str, set[str]] = {}
        for note in self._scanned[0]:
            titles.setdefault(note.patch, set()).update(note.text.get("title", ()))
        for patch, said in titles.items():
            if len(said) > 1:
                yield Problem(patch, f"the patch has several titles: {', '.join(sorted(said))}")


def _read_csv(path: Path) -> Iterator[tuple[str, Row | Problem]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream)
        columns = reader.fieldnames or ()
        yield from _column_problems(path.name, columns)
        if missing := [c for c in REQUIRED if c not in columns]:
            problem = Problem(path.name, f"has no column {' and '.join(missing)}", fatal=True)
            yield path.name, problem
            return
        for row in reader:
            where = f"{path.name}, line {reader.line_num}"
            if None in row or None in row.values():
                what = f"has not as many fields as the first line ({len(columns)})"
                yield where, Problem(where, what)
            else:
                yield where, row


def _read_lines(path: Path) -> Iterator[tuple[str, Row | Problem]]:
    asked: set[str] = set()
    with path.open(encoding="utf-8-sig") as stream:
        for number, line in enumerate(stream, start=1):
            where = f"{path.name}, line {number}"
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                yield where, Problem(where, f"is not JSON: {error}")
                continue
            if isinstance(row, dict):
                yield from _column_problems(where, [c for c in row if c not in asked])
                asked.update(row)
                yield where, row
            else:
                yield where, Problem(where, "is not an object")


def _column_problems(where: str, columns: Any) -> Iterator[tuple[str, Problem]]:
    """Columns that look misspelt; others that are not known are kept as information."""
    for column in columns:
        if column in COLUMNS:
            continue
        close = difflib.get_close_matches(column.strip().lower(), COLUMNS, n=1, cutoff=0.8)
        if close:
            what = f"the column {column!r} is not known. Is it {close[0]!r}?"
            yield where, Problem(where, what)


def _note(where: str, row: Row) -> Note | Problem:
    try:
        file, patch = (_required(row, column) for column in REQUIRED)
        numbers = {column: _number(row, column) for column in NUMBERS}
        start, frames = numbers.pop("start"), numbers.pop("frames")
        place = f"{file}@{start}" if start else file
        return Note(
            id=place,
            patch=patch,
            audio=file,
            split=_plain(row, "split") or hash_split(patch),
            start=start or 0,
            frames=frames,
            text=_text(row),
            info={k: str(v) for k, v in row.items() if k not in COLUMNS and v not in (None, "")},
            **numbers,
        )
    except InputError as error:
        return Problem(where, str(error))


def _required(row: Row, column: str) -> str:
    value = _plain(row, column)
    if not value:
        raise InputError(f"has no {column}")
    return value


def _plain(row: Row, column: str) -> str:
    value = row.get(column)
    if isinstance(value, list | Mapping):
        raise InputError(f"The {column} must be one value, not {value!r}.")
    return "" if value is None else str(value).strip()


def _number(row: Row, column: str) -> int | None:
    value = _plain(row, column)
    if not value:
        return None
    if not re.fullmatch(r"-?\d+", value):
        raise InputError(f"The {column} must be a whole number, not {value!r}.")
    return int(value)


def _text(row: Row) -> dict[str, tuple[str, ...]]:
    values = {column: _listed(row, column) for column in LISTS}
    categories = values.pop("category") + values.pop("type") + values.pop("subtype")
    singles = {column: _plain(row, column) for column in SINGLE}
    return attributes(category=categories, **values, **singles)


def _listed(row: Row, column: str) -> list[str]:
    value = row.get(column)
    if isinstance(value, list):
        return [str(v) for v in value if v is not None]
    return _SEPARATOR.split(_plain(row, column))
