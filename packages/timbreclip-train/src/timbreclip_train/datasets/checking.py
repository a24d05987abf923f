"""What can be wrong with a dataset on this disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from timbreclip_core.errors import InputError
from timbreclip_core.files import sha256

from .base import CHECKSUMS, Note, NoteDataset, Problem
from .reading import Header, read_header


def problems_of(
    dataset: NoteDataset,
    *,
    decode: bool,
    progress: Callable[[tuple[Note, ...]], Iterable[Note]],
) -> Iterator[Problem]:
    """Problems of the metadata, then of the files, then of the checksums."""
    yield from dataset.problems
    notes = dataset._scanned[0]
    if not notes:
        yield Problem(str(dataset.root), "there are no usable notes", fatal=True)
        return
    yield from dataset.extra_checks()
    headers = _Headers(dataset)
    for note in progress(notes):
        problem = headers.problem(note)
        if problem is None and (decode or note.audio is None):
            problem = _decoded(dataset, note)
        if problem is not None:
            yield problem
    yield from _checksums(dataset)


class _Headers:
    """Looks into each file once, though many notes may lie in it."""

    def __init__(self, dataset: NoteDataset) -> None:
        self._dataset = dataset
        self._file: str | None = None
        self._header: Header | str = ""

    def problem(self, note: Note) -> Problem | None:
        if note.audio is None:
            return None
        header = self._open(note)
        if isinstance(header, str):
            return Problem(note.audio, header)
        if note.sample_rate not in (None, header.sample_rate):
            what = f"has {header.sample_rate} Hz and must have {note.sample_rate}"
            return Problem(note.audio, what)
        end = note.start + (1 if note.frames is None else note.frames)
        if end > header.frames:
            return Problem(note.audio, f"has {header.frames} frames; {note.id} needs {end}")
        return None

    def _open(self, note: Note) -> Header | str:
        if note.audio != self._file:
            self._file = note.audio
            path = self._dataset.path(note)
            try:
                self._header = read_header(path) if path.is_file() else "the file is missing"
            except InputError as error:
                self._header = str(error)
        return self._header


def _decoded(dataset: NoteDataset, note: Note) -> Problem | None:
    try:
        dataset.read(note)
    except InputError as error:
        return Problem(note.audio or note.id, str(error))
    return None


def _checksums(dataset: NoteDataset) -> Iterator[Problem]:
    try:
        expected = dataset.checksums
    except InputError as error:
        yield Problem(CHECKSUMS, str(error))
        return
    for name, digest in expected.items():
        path = dataset.root / name
        if not path.is_file():
            yield Problem(name, f"is named in {CHECKSUMS} and is missing")
        elif sha256(path) != digest:
            yield Problem(name, f"its SHA-256 is not that of {CHECKSUMS}. Get it again")
