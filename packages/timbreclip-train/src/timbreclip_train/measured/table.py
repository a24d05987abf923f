"""A table of descriptors: a row a note, and how it lies on disk."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from timbreclip_core.errors import InputError
from timbreclip_core.files import atomic_path

TABLE = "descriptors.npz"
PARTS = "parts"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class DescriptorTable:
    """Descriptors of notes.

    Args:
        ids: Of the notes.
        names: Of the descriptors, in the order of the columns.
        values: ``(notes, descriptors)``, each in the unit of its descriptor.
    """

    ids: tuple[str, ...]
    names: tuple[str, ...]
    values: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def positions(self) -> dict[str, int]:
        """Row by id."""
        return {note: row for row, note in enumerate(self.ids)}

    def column(self, name: str) -> NDArray[np.float32]:
        """Values of one descriptor, ``(notes,)``.

        Raises:
            InputError: The table does not hold it.
        """
        if name not in self.names:
            raise InputError(f"There is no descriptor {name!r} in the table, only {self.names}.")
        return self.values[:, self.names.index(name)]

    def select(self, ids: Iterable[str]) -> DescriptorTable:
        """Rows of those of these notes that are in the table, in the order given."""
        kept = [note for note in ids if note in self.positions]
        rows = np.array([self.positions[note] for note in kept], np.int64)
        return DescriptorTable(tuple(kept), self.names, self.values[rows])


@dataclass(frozen=True)
class Records:
    """What is kept of a table: its rows, and a key a row that changes with the note's audio."""

    table: DescriptorTable
    keys: tuple[str, ...]
    measure: str


def read_table(folder: str | Path) -> DescriptorTable:
    """The table that ``tclip data describe`` left in a folder.

    Args:
        folder: ``descriptors/`` in the dataset's folder.

    Raises:
        InputError: There is none, or it is damaged.
    """
    path = Path(folder) / TABLE
    if not path.is_file():
        raise InputError(f"There are no descriptors in {str(folder)!r}. Run: tclip data describe")
    return read_records(path).table


def read_records(path: Path) -> Records:
    """A table with its keys.

    Raises:
        InputError: Missing, damaged, or of a newer version.
    """
    try:
        with np.load(path, allow_pickle=False) as found:
            content = {name: found[name] for name in found.files}
        if int(content["version"]) > FORMAT_VERSION:
            raise InputError(f"{path} was written by a newer timbreclip-train. Upgrade it.")
        ids, names, keys = (tuple(content[k].tolist()) for k in ("ids", "names", "keys"))
        values = content["values"].astype(np.float32, copy=False)
        whole = values.shape == (len(ids), len(names)) and len(keys) == len(ids)
        measure = str(content["measure"])
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise _damaged(path) from error
    if not whole:
        raise _damaged(path)
    return Records(DescriptorTable(ids, names, values), keys, measure)


def _damaged(path: Path) -> InputError:
    return InputError(f"{path} is damaged. Delete it and run tclip data describe again.")


def write_records(path: Path, records: Records) -> None:
    """Write a table; the same rows always give the same bytes."""
    table = records.table
    with atomic_path(path) as temporary, temporary.open("wb") as out:
        np.savez(
            out,
            version=np.int64(FORMAT_VERSION),
            measure=np.str_(records.measure),
            ids=np.array(table.ids, np.str_),
            keys=np.array(records.keys, np.str_),
            names=np.array(table.names, np.str_),
            values=table.values,
        )


def digest(value: object, digits: int = 16) -> str:
    """Hexadecimal digits that change with anything in a value that JSON can hold."""
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:digits]
