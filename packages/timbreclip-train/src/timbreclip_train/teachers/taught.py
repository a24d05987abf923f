"""A file of a teacher's vectors: which notes, what they are, who made them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timbreclip_core.errors import InputError
from timbreclip_core.files import atomic_path

FILE = "taught.safetensors"
FORMAT, FORMAT_VERSION = "timbreclip-taught", 1


@dataclass(frozen=True)
class Taught:
    """Vectors of one teacher.

    Args:
        ids: Of the notes.
        keys: What the audio of each note was when it was heard, as
            ``measured.describing.note_keys`` has it.
        vectors: ``(notes, dim)``, float32, of length 1.
        info: What made them: ``source`` names the very weights and their precision.
    """

    ids: list[str]
    keys: list[str]
    vectors: NDArray[np.float32]
    info: dict[str, Any]


def read_taught(folder: str | Path) -> tuple[list[str], NDArray[np.float32], dict[str, Any]]:
    """What ``tclip train teach`` wrote to a folder.

    Returns:
        Ids of the notes in the dataset's order, unit vectors ``(notes, dim)``, and what made them:
        ``teacher``, ``model`` (name and digest of the weights), ``kind``, ``precision``,
        ``licence``, ``dataset``, and ``failed`` (reason by id of the notes without a vector).

    Raises:
        InputError: There are none, or they are not finished.
    """
    path = Path(folder) / FILE
    if not path.is_file():
        raise InputError(
            f"There are no finished vectors of a teacher in {str(folder)!r}. "
            "Run (again): tclip train teach --out FOLDER"
        )
    taught = read_file(path)
    return taught.ids, taught.vectors, taught.info


def read_file(path: Path) -> Taught:
    """Read one file.

    Raises:
        InputError: Damaged, or something else.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np") as stream:
            about = json.loads((stream.metadata() or {})[FORMAT])
            vectors = stream.get_tensor("vectors")
        if about["format_version"] > FORMAT_VERSION:
            raise ValueError(f"a newer timbreclip wrote it, format {about['format_version']}")
        ids, keys, info = (about[name] for name in ("ids", "keys", "info"))
        if not len(ids) == len(keys) == len(vectors):
            raise ValueError("notes and vectors do not match")
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise InputError(f"{path} is no file of a teacher's vectors: {error}") from error
    return Taught(ids, keys, vectors, info)


def write_file(path: Path, taught: Taught) -> None:
    """Write one file, as a whole or not at all."""
    from safetensors.numpy import save_file

    about = {"format_version": FORMAT_VERSION, "ids": taught.ids, "keys": taught.keys}
    # One entry, since safetensors writes several in any order: equal contents, equal bytes.
    meta = {FORMAT: json.dumps(about | {"info": taught.info}, ensure_ascii=False)}
    with atomic_path(path) as temporary:
        save_file({"vectors": np.ascontiguousarray(taught.vectors)}, temporary, metadata=meta)
