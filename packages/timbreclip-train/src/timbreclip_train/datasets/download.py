"""Fetching large files: resumable, checked, and only ever when a person asked for it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import http.client
import json
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from timbreclip_core.errors import InputError
from timbreclip_core.files import atomic_path

CHUNK_BYTES = 1 << 20
TIMEOUT_S = 60
TRIES = 4
PAUSE_S = 1.0


class _BrokeOffError(OSError):
    """The connection ended before the file did."""


_TRANSIENT = (
    *(urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError),
    _BrokeOffError,
)


@dataclass(frozen=True)
class _Reply:
    """What a server said of a file."""

    total: int | None
    version: str
    checksum: str


def download(
    url: str,
    path: Path,
    *,
    checksum: str = "",
    on_bytes: Callable[[int, int | None], None] | None = None,
    pause_s: float = PAUSE_S,
) -> Path:
    """Fetch a file; what a broken or killed run has fetched is taken up again.

    The file is checked against ``checksum``, else against the MD5 that the server gives, if any.
    Until then it is ``path`` with ``.part`` behind its name.

    Args:
        url: ``http://`` or ``https://``.
        path: Where it goes.
        checksum: ``"sha256:HEX"`` or ``"md5:HEX"``.
        on_bytes: Called with (bytes here, bytes in all or None) as it grows.
        pause_s: Seconds before the second try; doubled for each further one.

    Raises:
        InputError: No such file, no connection, no room, or another checksum.
    """
    if not url.startswith(("http://", "https://")):
        raise InputError(f"{url!r} is no http or https address.")
    if path.is_file():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    for attempt in range(TRIES):
        try:
            reply = _fetch(url, path, resumable=bool(checksum), on_bytes=on_bytes)
            break
        except _TRANSIENT as error:
            status = getattr(error, "code", 500)
            if attempt == TRIES - 1 or (400 <= status < 500 and status not in (408, 429)):
                raise InputError(
                    f"{url} could not be fetched: {error}. Run the command again to go on, or "
                    f"fetch the file on another machine and put it at {path}."
                ) from error
            time.sleep(pause_s * 2**attempt)
    _check(url, part_of(path), checksum or reply.checksum)
    part_of(path).replace(path)
    _notes_of(path).unlink(missing_ok=True)
    return path


def part_of(path: Path) -> Path:
    """Where a file lies while it is not complete."""
    return path.with_name(f"{path.name}.part")


def _notes_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.part.json")


def _fetch(
    url: str,
    path: Path,
    *,
    resumable: bool,
    on_bytes: Callable[[int, int | None], None] | None,
) -> _Reply:
    """One connection: fetch all that is missing."""
    part = part_of(path)
    have, headers = _resume(url, path, resumable)
    request = urllib.request.Request(url, headers=headers)
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code == 416:
            # The part does not fit the file that the server has now.
            part.unlink(missing_ok=True)
            raise _BrokeOffError("what was here before does not fit") from error
        raise
    with answer:
        start = _start(answer, have)
        reply = _read_headers(answer, start)
        _room(path.parent, reply, start)
        with atomic_path(_notes_of(path)) as temporary:
            temporary.write_text(json.dumps({"url": url, "version": reply.version}), "utf-8")
        with part.open("r+b" if start else "wb") as out:
            out.seek(start)
            out.truncate()
            while chunk := answer.read(CHUNK_BYTES):
                out.write(chunk)
                if on_bytes is not None:
                    on_bytes(out.tell(), reply.total)
            got = out.tell()
    if reply.total is not None and got != reply.total:
        raise _BrokeOffError(f"it broke off after {got} of {reply.total} bytes")
    return reply


def _resume(url: str, path: Path, resumable: bool) -> tuple[int, dict[str, str]]:
    """Bytes that are here already, and the headers that ask for the others."""
    part = part_of(path)
    have = part.stat().st_size if part.is_file() else 0
    if not have:
        return 0, {}
    try:
        before = json.loads(_notes_of(path).read_text("utf-8"))
    except (OSError, ValueError):
        before = {}
    version = before.get("version", "")
    if not version and not (resumable and before.get("url") == url):
        # Without a version or a checksum nobody could tell two files glued together.
        return 0, {}
    # One byte again: a complete part then is an ordinary answer, not an error.
    headers = {"Range": f"bytes={have - 1}-"}
    return have, {**headers, "If-Range": version} if version else headers


def _start(answer: Any, have: int) -> int:
    if answer.status != 206:
        return 0
    match = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    if match is None or int(match[1]) > have:
        raise _BrokeOffError("the server sent another part than it was asked for")
    return int(match[1])


def _read_headers(answer: Any, start: int) -> _Reply:
    headers = answer.headers
    length = headers.get("Content-Length")
    tag = headers.get("ETag", "")
    strong = tag if tag and not tag.startswith("W/") else headers.get("Last-Modified", "")
    return _Reply(int(length) + start if length else None, strong, _published_md5(headers))


def _published_md5(headers: Any) -> str:
    """The MD5 of the whole file, if the server tells it; as ``md5:HEX``, else empty.

    Google's storage says ``x-goog-hash``, others ``Content-MD5``, both in base64; Zenodo's entity
    tags are ``"md5:HEX"``.
    """
    said = ",".join(headers.get_all("x-goog-hash") or ())
    match = re.search(r"md5=([A-Za-z0-9+/]{22}==)", said)
    packed = match[1] if match else headers.get("Content-MD5", "")
    try:
        digest = base64.b64decode(packed, validate=True).hex()
    except (binascii.Error, ValueError):
        digest = ""
    if len(digest) == 32:
        return f"md5:{digest}"
    match = re.fullmatch(r'"md5:([0-9a-f]{32})"', headers.get("ETag", ""))
    return f"md5:{match[1]}" if match else ""


def _room(folder: Path, reply: _Reply, have: int) -> None:
    free = shutil.disk_usage(folder).free
    if reply.total is not None and reply.total - have > free:
        missing = (reply.total - have - free) / 1e9
        raise InputError(f"{folder} has {missing:.1f} GB too little room. Name another --root.")


def _check(url: str, part: Path, checksum: str) -> None:
    if not checksum:
        return
    kind, _, expected = checksum.partition(":")
    if kind not in ("sha256", "md5"):
        raise InputError(f"A checksum is sha256:HEX or md5:HEX, not {checksum!r}.")
    with part.open("rb") as stream:
        # MD5 guards against accidents only; it is all that some publishers give.
        found = hashlib.file_digest(stream, lambda: hashlib.new(kind, usedforsecurity=False))
    if found.hexdigest() != expected.lower():
        part.unlink()
        raise InputError(
            f"{url} is not what was published: its {kind} is {found.hexdigest()}, not {expected}. "
            "It is deleted; try again later."
        )
