"""Unpacking tar and zip files that somebody else made, without trusting them.

Only folders and plain files are written, under names that stay inside the folder; links, devices,
absolute names and ``..`` are refused before anything reaches its place.
"""

from __future__ import annotations

import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from timbreclip_core.errors import InputError

from .base import is_inside

ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip")
_DAMAGE = (
    *(tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error),
    *(EOFError, OSError, NotImplementedError),
)


@dataclass(frozen=True)
class _Member:
    """One thing in an archive; ``open`` is None for folders."""

    name: str
    size: int
    open: Callable[[], IO[bytes] | None] | None


def unpack(
    archive: Path,
    folder: Path,
    *,
    replace: Collection[str] = (),
    before_move: Callable[[list[str]], None] | None = None,
) -> list[str]:
    """Unpack an archive as a whole, or not at all.

    Args:
        archive: A file that ends as one of ``ENDINGS``.
        folder: Where its contents go; made if absent.
        replace: Names in ``folder`` that may be replaced.
        before_move: Called with the names that are about to appear in ``folder``.

    Returns:
        Names of what now lies in ``folder``, at the top level of the archive.

    Raises:
        InputError: Damaged, with a member that must not be unpacked, or in the way of what is
            there; nothing is changed then.
    """
    if not archive.name.endswith(ENDINGS):
        raise InputError(f"{archive.name} must end in one of {', '.join(ENDINGS)}.")
    folder.mkdir(parents=True, exist_ok=True)
    staging = folder / f".unpacking-{archive.name}"
    # What a killed run left.
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    try:
        try:
            for member in _members(archive):
                _write(member, staging)
        except _DAMAGE as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise InputError(f"{archive} cannot be unpacked: {error}") from error
            raise InputError(f"{archive} is damaged: {error}. Get it again.") from error
        names = sorted(p.name for p in staging.iterdir())
        _check_free(folder, names, replace)
        if before_move is not None:
            before_move(names)
        _move(staging, folder, names)
        return names
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _members(archive: Path) -> Iterator[_Member]:
    if archive.name.endswith(".zip"):
        yield from _zip_members(archive)
    else:
        yield from _tar_members(archive)


def _tar_members(archive: Path) -> Iterator[_Member]:
    with tarfile.open(archive) as tar:
        while info := tar.next():
            name = _checked(archive, info.name)
            if info.isdir():
                yield _Member(name, 0, None)
            elif info.isreg():
                yield _Member(name, info.size, partial(tar.extractfile, info))
            else:
                raise _refused(archive, info.name, "is a link or a device")
            # A tar remembers all it has read: with 300,000 members that is memory for nothing.
            tar.members = []  # type: ignore[attr-defined]


def _zip_members(archive: Path) -> Iterator[_Member]:
    with zipfile.ZipFile(archive) as packed:
        for info in packed.infolist():
            name = _checked(archive, info.filename)
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _refused(archive, info.filename, "is a link or a device")
            if info.flag_bits & 0x1:
                raise _refused(archive, info.filename, "is encrypted")
            if info.is_dir():
                yield _Member(name, 0, None)
            else:
                yield _Member(name, info.file_size, partial(packed.open, info))


def _checked(archive: Path, name: str) -> str:
    if PurePosixPath(name).parts and not is_inside(name):
        raise _refused(archive, name, "leads out of the folder")
    return name


def _refused(archive: Path, name: str, why: str) -> InputError:
    return InputError(
        f"{archive} is not unpacked: its member {name!r} {why}. Get the archive from the address "
        "that tclip data info shows."
    )


def _write(member: _Member, staging: Path) -> None:
    path = staging.joinpath(*PurePosixPath(member.name).parts)
    if member.open is None:
        path.mkdir(parents=True, exist_ok=True)
        return
    # Some systems pack a shadow file with their own attributes beside every file.
    if path.name.startswith("._"):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    source = member.open()
    if source is None:
        raise EOFError(f"{member.name} has no contents")
    with source, path.open("wb") as out:
        shutil.copyfileobj(source, out, 1 << 20)
    if path.stat().st_size != member.size:
        raise EOFError(f"{member.name} breaks off")


def _check_free(folder: Path, names: list[str], replace: Collection[str]) -> None:
    for name in names:
        if name not in replace and (folder / name).exists():
            raise InputError(f"{folder / name} is already there. Delete it, or unpack elsewhere.")


def _move(staging: Path, folder: Path, names: list[str]) -> None:
    for name in names:
        target = folder / name
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        (staging / name).replace(target)
