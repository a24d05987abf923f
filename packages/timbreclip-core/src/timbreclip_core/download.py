"""Fetching published weights, only ever when a person asked for it."""

from __future__ import annotations

import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

from .checkpoints import HUB_FILES
from .errors import InputError, MissingExtraError, UsageError

CHUNK_BYTES = 1 << 20


@contextmanager
def fetched(url: str | None, source: Path | None = None) -> Iterator[Path]:
    """The local file ``source``, or a temporary copy of what ``url`` names.

    Args:
        url: ``https://...``, or ``hf-hub:OWNER/NAME`` for an open_clip safetensors file of a
            hub repository, or ``hf-hub:OWNER/NAME/FILE``, or ``hf-hub:OWNER/NAME/*`` for a folder
            with its weights and whatever describes them.
        source: A local file; used as it is.

    Raises:
        InputError: The address cannot be reached.
    """
    if source is not None:
        yield source
        return
    if url is None:
        raise UsageError("These weights have no public address. Name the file to install.")
    with tempfile.TemporaryDirectory() as folder:
        if url.startswith("hf-hub:"):
            yield _from_hub(url.removeprefix("hf-hub:"), Path(folder))
        else:
            yield _from_web(url, Path(folder) / url.rsplit("/", 1)[-1])


def _from_web(url: str, path: Path) -> Path:
    try:
        with urllib.request.urlopen(url, timeout=60) as reply, path.open("wb") as out:
            total = int(reply.headers.get("Content-Length") or 0) or None
            with tqdm(total=total, unit="B", unit_scale=True, desc=path.name) as bar:
                while chunk := reply.read(CHUNK_BYTES):
                    bar.update(out.write(chunk))
    except (urllib.error.URLError, OSError) as error:
        raise InputError(
            f"{url} could not be fetched ({error}). Fetch it on another machine and name the file."
        ) from error
    if total is not None and path.stat().st_size != total:
        got = path.stat().st_size
        raise InputError(f"{url} broke off after {got} of {total} bytes. Try again.")
    return path


def _from_hub(address: str, folder: Path) -> Path:
    owner, name, *rest = address.split("/")
    repository, file = f"{owner}/{name}", "/".join(rest) or "open_clip_model.safetensors"
    try:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import HfHubHTTPError
    except ImportError as error:
        raise MissingExtraError("huggingface_hub", "clip") from error
    try:
        if file == "*":
            return _folder_from_hub(repository, folder)
        return Path(hf_hub_download(repository, file, cache_dir=folder))
    except (HfHubHTTPError, OSError) as error:
        what = "its files" if file == "*" else f"the file {file}"
        raise InputError(
            f"hf-hub:{repository} could not be fetched ({error}). Fetch {what} on another "
            "machine and name it."
        ) from error


def _folder_from_hub(repository: str, folder: Path) -> Path:
    from huggingface_hub import list_repo_files, snapshot_download

    there = set(list_repo_files(repository))
    weights = next((name for name in HUB_FILES if name in there), HUB_FILES[0])
    wanted = [weights, *(name for name in there if name.endswith(".json") and "/" not in name)]
    return Path(snapshot_download(repository, allow_patterns=wanted, cache_dir=folder))
