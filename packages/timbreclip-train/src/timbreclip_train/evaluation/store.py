"""Vectors of notes, computed once: kept by what was heard and by what heard it."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
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

    def keys(self, dataset: NoteDataset, notes: Iterable[Note]) -> list[str]:
        """What was heard, per note: the hash of its file (or samples), its place and length."""
        with closing(self._open()) as db:
            known = dict(db.execute("SELECT path || ' ' || stamp, hash FROM files"))
            hashes: dict[str, str] = {}
            keys = [self._key(dataset, note, known, hashes) for note in notes]
            rows = [(*name.rsplit(" ", 1), digest) for name, digest in hashes.items()]
            with db:
                db.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", rows)
        return keys

    @staticmethod
    def _key(
        dataset: NoteDataset, note: Note, known: Mapping[str, str], hashes: dict[str, str]
    ) -> str:
        if note.audio is None:
            samples, rate = dataset.read(note)
            return f"{hashlib.sha256(samples.tobytes()).hexdigest()}@{rate}"
        path = dataset.path(note).resolve()
        try:
            status = path.stat()
        except OSError:
            return f"missing:{path}"
        name = f"{path} {status.st_size}:{status.st_mtime_ns}"
        digest = hashes.get(name) or known.get(name)
        if digest is None:
            digest = hashes[name] = sha256(path)
        return f"{digest}:{note.start}:{note.frames}"

    def load(self, keys: Sequence[str], kind: str) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        """What is known of some keys: vectors, and reasons why there is none."""
        with closing(self._open()) as db:
            wanted = set(keys)
            found = db.execute("SELECT key, vector FROM vectors WHERE kind = ?", (kind,))
            vectors = {k: np.frombuffer(v, np.float32) for k, v in found if k in wanted}
            failed = db.execute("SELECT key, reason FROM failures")
            return vectors, {k: reason for k, reason in failed if k in wanted}

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
