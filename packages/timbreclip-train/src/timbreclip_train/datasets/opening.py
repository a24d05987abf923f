"""Finding a dataset by name, and where it lies if nobody says."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from timbreclip_core.errors import InputError
from timbreclip_core.plugins import plugin_manager

from ..entries import DatasetEntry

if TYPE_CHECKING:
    from .base import NoteDataset

VARIABLE = "TCLIP_DATASETS"


def default_root(name: str) -> Path:
    """Folder of a dataset: below ``TCLIP_DATASETS``, else below the user's data folder."""
    import platformdirs

    chosen = os.environ.get(VARIABLE)
    base = Path(chosen) if chosen else Path(platformdirs.user_data_dir("timbreclip")) / "datasets"
    return base / name


def find_entry(name: str) -> DatasetEntry:
    """The record of a dataset.

    Raises:
        UnknownNameError: No installed plugin has it.
    """
    return plugin_manager().find(DatasetEntry, name)


def open_dataset(name: str, root: str | Path | None = None) -> NoteDataset:
    """Open a dataset of this package or of a plugin.

    Args:
        name: As ``tclip data list`` shows it.
        root: Its folder; ``default_root`` if None.

    Raises:
        UnknownNameError: No installed plugin has it.
        InputError: It is not there; the message says how to get it.
    """
    entry = find_entry(name)
    folder = default_root(name) if root is None else Path(root)
    if not folder.is_dir():
        how = f"tclip data download {name}" if entry.archives else f"tclip data info {name}"
        given = "" if root is not None else f", give --root or set {VARIABLE}"
        raise InputError(f"There is no folder {str(folder)!r}. See {how}{given}.")
    return entry.load(folder)
