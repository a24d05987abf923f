"""Chunks of WAV files that libsndfile drops: loop points, cues, instrument data, broadcast notes.

Source: Multimedia Programming Interface and Data Specifications 1.0 (IBM and Microsoft, 1991);
EBU Tech 3285 (bext).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

KEPT = (b"smpl", b"inst", b"cue ", b"bext", b"iXML", b"acid", b"LIST")
LABELS = b"adtl"  # names of cue points; the other kind of LIST, INFO, is written by soundfile
LARGEST = 1 << 24


def copy_chunks(source: Path, target: Path) -> None:
    """Append what ``target`` lacks of the chunks that are worth keeping, if both are WAV files."""
    wanted = [(n, c) for n, c in _chunks(source) if n in KEPT and (n != b"LIST" or c[:4] == LABELS)]
    if not wanted:
        return
    there = {name for name, _ in _chunks(target)}
    new = b"".join(_packed(n, c) for n, c in wanted if n == b"LIST" or n not in there)
    size = target.stat().st_size
    if not there or not new or size + len(new) >= 1 << 32:
        return
    with target.open("r+b") as f:
        f.seek(0, 2)
        f.write(b"\0" * (size % 2) + new)
        end = f.tell()
        f.seek(4)
        f.write(struct.pack("<I", end - 8))


def clear_time(f: BinaryIO) -> None:
    """Take the time of writing out of a WAV or AIFF of floats: one sound is one file, always."""
    f.seek(0)
    head = f.read(12)
    if head[:4] not in (b"RIFF", b"FORM"):
        return
    order = "<" if head[:4] == b"RIFF" else ">"
    while len(part := f.read(8)) == 8:
        if part[:4] == b"PEAK":  # its version, then the time
            f.seek(4, 1)
            f.write(b"\0" * 4)
            return
        size = struct.unpack(f"{order}I", part[4:])[0]
        f.seek(size + size % 2, 1)


def _packed(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def _chunks(path: Path) -> Iterator[tuple[bytes, bytes]]:
    """Names and contents of a WAV file's chunks (of ``data``, nothing); none for other files."""
    with path.open("rb") as f:
        head = f.read(12)
        if head[:4] == b"RIFF" and head[8:] == b"WAVE":
            yield from _walk(f)


def _walk(f: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    while len(head := f.read(8)) == 8:
        name, size = head[:4], struct.unpack("<I", head[4:])[0]
        start = f.tell()
        yield name, f.read(size) if name in KEPT and size <= LARGEST else b""
        f.seek(start + size + size % 2)
