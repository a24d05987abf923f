"""Vectors of notes, computed once: kept by what was heard and by what heard it."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import platformdirs

from timbreclip_core.files import sha256
from timbreclip_core.model import Model

from ..datasets.base import Note, NoteDataset

VARIABLE = "TCLIP_CACHE"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS vectors (key TEXT, kind TEXT, vector BLOB, PRIMARY KEY (key, kind));
CREATE TABLE IF NOT EXISTS failures (key TEXT PRIMARY KEY, reason TEXT);
CREATE TABLE IF NOT EXISTS files (path TEXT PRIMARY KEY, stamp TEXT, hash TEXT);
"""


def cache_dir() -> Path:
    """Folder of what can be computed again: ``TCLIP_CACHE``, else the user's cache folder."""
    chosen = os.environ.get(VARIABLE)
    return Path(chosen) if chosen else Path(platformdirs.user_cache_dir("timbreclip"))


def model_source(model: Model) -> str:
    """Name of a model's vectors: encoder, digest of the weights, precision."""
    return f"{model.encoder.name}-{model.digest}-{model.precision}"


class VectorStore:
    """Vectors from one source, in one SQLite file; every batch is kept at once.

    Args:
        source: What makes the vectors, such that equal names mean equal vectors; see
            ``model_source``.
        folder: ``cache_dir()`` if None.
    """

    def __init__(self, source: str, folder: Path | None = None) -> None:
        root = (folder or cache_dir()) / "vectors"
        root.mkdir(parents=True, exist_ok=True)
        self.path = root / f"{source}.sqlite"
        with closing(self._open()) as db:
            db.executescript(_SCHEMA)

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=60)

    def keys(self, dataset: NoteDataset, notes: Sequence[Note], *, jobs: int = 1) -> list[str]:
        """What was heard, per note: the hash of its file (or samples), its place and length.

        Args:
            dataset: Where the notes are.
            notes: Which.
            jobs: Files that are hashed at once, where nobody has yet.
        """
        files = {n.audio: dataset.path(n) for n in notes if n.audio is not None}
        stamps = {audio: _stamp(path) for audio, path in files.items()}
        with closing(self._open()) as db:
            known = dict(db.execute("SELECT path || ' ' || stamp, hash FROM files"))
            new = [a for a, stamp in stamps.items() if stamp and stamp not in known]
            with ThreadPoolExecutor(jobs) as pool:
                hashes = list(pool.map(lambda audio: sha256(files[audio]), new))
            known.update((stamps[a], digest) for a, digest in zip(new, hashes, strict=True))
            rows = [(*stamps[a].rsplit(" ", 1), known[stamps[a]]) for a in new]
            with db:
                db.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", rows)
        return [self._key(dataset, note, stamps, known) for note in notes]

    @staticmethod
    def _key(
        dataset: NoteDataset, note: Note, stamps: Mapping[str, str], known: Mapping[str, str]
    ) -> str:
        if note.audio is None:
            samples, rate = dataset.read(note)
            return f"{hashlib.sha256(samples.tobytes()).hexdigest()}@{rate}"
        if not (stamp := stamps[note.audio]):
            return f"missing:{dataset.path(note).resolve()}"
        return f"{known[stamp]}:{note.start}:{note.frames}"

    def load(self, keys: Sequence[str], kind: str) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        """What is known of some keys: vectors, and reasons why there is none."""
        with closing(self._open()) as db:
            db.execute("CREATE TEMP TABLE wanted (key TEXT PRIMARY KEY)")
            db.executemany("INSERT OR IGNORE INTO wanted VALUES (?)", ((key,) for key in keys))
            found = db.execute(
                "SELECT key, vector FROM wanted JOIN vectors USING (key) WHERE kind = ?", (kind,)
            )
            vectors = {key: np.frombuffer(vector, np.float32) for key, vector in found}
            failed = db.execute("SELECT key, reason FROM wanted JOIN failures USING (key)")
            return vectors, dict(failed)

    def save(
        self, vectors: Mapping[str, Mapping[str, np.ndarray]], failures: Mapping[str, str]
    ) -> None:
        """Keep vectors by key and kind, and reasons by key."""
        rows = [
            (key, kind, np.asarray(vector, np.float32).tobytes())
            for key, kinds in vectors.items()
            for kind, vector in kinds.items()
        ]
        with closing(self._open()) as db, db:
            db.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", rows)
            db.executemany("INSERT OR REPLACE INTO failures VALUES (?, ?)", failures.items())


def _stamp(path: Path) -> str:
    """Path, size and time of a file, by which its hash is remembered; empty if it is missing."""
    try:
        status = path.stat()
    except OSError:
        return ""
    return f"{path.resolve()} {status.st_size}:{status.st_mtime_ns}"
