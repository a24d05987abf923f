"""``tclip data download``: fetch the archives of a dataset and unpack them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from timbreclip_core.errors import InputError, UnknownNameError, UsageError
from timbreclip_core.files import atomic_path

from ..entries import Archive, DatasetEntry
from .archives import unpack
from .download import download

STATE = ".downloads"

Progress = Callable[[str, int, int | None], None]


def chosen_archives(entry: DatasetEntry, parts: tuple[str, ...]) -> list[Archive]:
    """The archives of some parts of a dataset, of all if none is named.

    Raises:
        UsageError: There is nothing to fetch, or no such part.
    """
    if not entry.archives:
        raise UsageError(f"{entry.name} is not to be downloaded. Where it is: {entry.source}.")
    known = {a.part: a for a in entry.archives}
    for part in parts:
        if part not in known:
            raise UnknownNameError(f"part of {entry.name}", part, known)
    return [a for a in entry.archives if not parts or a.part in parts]


def get_dataset(
    archives: list[Archive], root: Path, *, keep: bool = False, progress: Progress | None = None
) -> Iterator[tuple[str, list[str]]]:
    """Fetch and unpack archives, those not yet unpacked; killed and run again, it goes on.

    Args:
        archives: From ``chosen_archives``.
        root: Folder of the dataset; made if absent.
        keep: Keep the archives after unpacking.
        progress: Called with (file, bytes here, bytes in all or None).

    Yields:
        Name of each archive, and what it left in ``root``.
    """
    state = root / STATE
    state.mkdir(parents=True, exist_ok=True)
    for archive in archives:
        names = _ours(state, archive)
        if not names or not all((root / name).exists() for name in names):
            path = _fetch(archive, state, progress)
            names = unpack(path, root, replace=names, before_move=partial(_claim, state, archive))
        if not keep:
            (state / archive.file).unlink(missing_ok=True)
        yield archive.file, names


def _ours(state: Path, archive: Archive) -> list[str]:
    """What an earlier run unpacked, or was about to put in place."""
    try:
        return [str(n) for n in json.loads((state / f"{archive.file}.json").read_text("utf-8"))]
    except (OSError, ValueError):
        return []


def _claim(state: Path, archive: Archive, names: list[str]) -> None:
    with atomic_path(state / f"{archive.file}.json") as temporary:
        temporary.write_text(json.dumps(names) + "\n", "utf-8")


def _fetch(archive: Archive, state: Path, progress: Progress | None) -> Path:
    path = state / archive.file
    report = None
    if progress is not None:
        report = lambda here, total: progress(archive.file, here, total)  # noqa: E731
    for last, url in enumerate(archive.urls, start=1 - len(archive.urls)):
        try:
            download(url, path, checksum=archive.checksum, on_bytes=report)
            break
        except InputError:
            if last == 0:
                raise
    return path
