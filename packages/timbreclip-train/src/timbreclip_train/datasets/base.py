"""What every dataset offers: notes with audio, a patch, a split and text by kind."""

from __future__ import annotations

import hashlib
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from timbreclip_core.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .stats import Stats

TEXT_KINDS = ("title", "category", "tags", "family", "source", "qualities", "description")
SPLITS = ("train", "valid", "test", "none")
CHECKSUMS = "SHA256SUMS"
SHARES = (("train", 0.9), ("valid", 0.1))


@dataclass(frozen=True, kw_only=True, slots=True)
class Note:
    """One recorded note and what its dataset says of it.

    Args:
        id: Unique in the dataset and the same wherever it lies.
        patch: The preset or instrument it belongs to; notes of a patch share a split.
        audio: Path relative to the dataset's root, with ``/``; None if ``NoteDataset.read`` gets
            the samples from elsewhere.
        split: ``train``, ``valid``, ``test``, or ``none`` for notes that serve for nothing.
        pitch: MIDI note, 0 to 127; None if unknown, or if it says nothing about the sound.
        velocity: 1 to 127; None if unknown.
        sample_rate: Rate that the file must have, Hz; None if each file may have its own.
        start: First frame of the note in its file.
        frames: Length in frames of the file; None for all that follows.
        text: Texts by kind (``TEXT_KINDS``), as ``attributes`` makes them.
        info: What is known besides, such as author, licence or bank; not for training.

    Raises:
        InputError: A value out of its range.
    """

    id: str
    patch: str
    audio: str | None
    split: str
    pitch: int | None = None
    velocity: int | None = None
    sample_rate: int | None = None
    start: int = 0
    frames: int | None = None
    text: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    info: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not self.id or not self.patch:
            raise InputError("A note needs an id and a patch.")
        if self.split not in SPLITS:
            raise InputError(f"The split is one of {', '.join(SPLITS)}, not {self.split!r}.")
        _check_range("pitch", self.pitch, 0, 127)
        _check_range("velocity", self.velocity, 1, 127)
        _check_range("start", self.start, 0, None)
        _check_range("frames", self.frames, 1, None)
        _check_text(self.text)
        if self.audio is not None and not is_inside(self.audio):
            raise InputError(
                f"{self.audio!r} does not stay below the dataset's folder. Write paths relative "
                "to it, without '..' and with '/' between folders."
            )


def _check_range(name: str, value: int | None, low: int, high: int | None) -> None:
    if value is None:
        return
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or value < low or (high is not None and value > high):
        limits = f"{low} to {high}" if high is not None else f"{low} or more"
        raise InputError(f"The {name} must be a whole number, {limits}, not {value!r}.")


def _check_text(text: Mapping[str, tuple[str, ...]]) -> None:
    for kind, values in text.items():
        if kind not in TEXT_KINDS:
            raise InputError(f"Text is of the kinds {', '.join(TEXT_KINDS)}, not {kind!r}.")
        good = isinstance(values, tuple) and values and len(set(values)) == len(values)
        if not good or not all(isinstance(v, str) and v and v == v.strip() for v in values):
            raise InputError(
                f"The {kind} must be a tuple of different, stripped, non-empty strings, not "
                f"{values!r}. Make it with attributes()."
            )


def is_inside(path: str) -> bool:
    """Whether a relative path with ``/`` stays below the folder it is relative to.

    >>> is_inside("audio/a.wav"), is_inside("../a.wav"), is_inside("C:/a.wav")
    (True, False, False)
    """
    # By hand, since a dataset may have 300,000 of them and pathlib takes ten times as long.
    parts = path.split("/")
    named = any(part not in ("", ".") for part in parts)
    bad = path.startswith("/") or "\\" in path or "\0" in path or ":" in parts[0]
    return named and not bad and ".." not in parts


def attributes(**kinds: str | Iterable[str] | None) -> dict[str, tuple[str, ...]]:
    """Texts by kind for ``Note.text``: stripped, none twice, empty ones and empty kinds left out.

    >>> attributes(title=" Blue Smile ", tags=["warm", "", "warm"], category=None)
    {'title': ('Blue Smile',), 'tags': ('warm',)}
    """
    found = {}
    for kind, values in kinds.items():
        listed = [values] if isinstance(values, str) else list(values or ())
        kept = tuple(dict.fromkeys(text for v in listed if (text := " ".join(v.split()))))
        if kept:
            found[kind] = kept
    return found


def hash_split(patch: str, shares: Iterable[tuple[str, float]] = SHARES) -> str:
    """A split for a patch that depends on nothing but its id: others may come and go.

    Args:
        patch: Its id.
        shares: Splits and the share of patches in each, sum 1.

    >>> hash_split("pad-001") == hash_split("pad-001")
    True
    """
    number = int.from_bytes(hashlib.sha256(patch.encode()).digest()[:8], "big") / 2**64
    split = ""
    for split, share in shares:  # noqa: B007  the last split takes what rounding leaves
        number -= share
        if number < 0:
            break
    return split


@dataclass(frozen=True)
class Problem:
    """Something wrong with a dataset.

    Args:
        where: File, line, note or patch.
        what: A sentence.
        fatal: Whether the dataset cannot be used at all; others cost only the note they name.
    """

    where: str
    what: str
    fatal: bool = False

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


class NoteDataset(ABC):
    """A folder of notes. A new dataset defines ``name`` and ``scan``, everything else is here.

    Notes that cannot be used are left out with a warning, and ``validate`` lists them.

    Args:
        root: The folder.

    Raises:
        InputError: There is no such folder.
    """

    name: ClassVar[str] = ""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        if not self.root.is_dir():
            raise InputError(f"There is no folder {str(self.root)!r}.")

    @abstractmethod
    def scan(self) -> Iterator[Note | Problem]:
        """Read the metadata, without opening sounds: notes in a fixed order, and what is wrong."""

    def extra_checks(self) -> Iterator[Problem]:
        """What ``validate`` should look at besides; override if there is anything."""
        yield from ()

    @property
    def notes(self) -> tuple[Note, ...]:
        """All usable notes, in the dataset's order.

        Raises:
            InputError: The metadata cannot be read, a patch is in two splits, no note is left.
        """
        return self._usable

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What the metadata alone shows to be wrong."""
        return self._scanned[1]

    @cached_property
    def patches(self) -> dict[str, tuple[Note, ...]]:
        """Notes by patch, both in the dataset's order."""
        grouped: dict[str, list[Note]] = {}
        for note in self.notes:
            grouped.setdefault(note.patch, []).append(note)
        return {patch: tuple(notes) for patch, notes in grouped.items()}

    @cached_property
    def checksums(self) -> dict[str, str]:
        """SHA-256 by path relative to the root, from a file ``SHA256SUMS`` as sha256sum writes it;
        empty without one."""
        path = self.root / CHECKSUMS
        if not path.is_file():
            return {}
        lines = (line.split(maxsplit=1) for line in path.read_text("utf-8").splitlines() if line)
        try:
            return {name.lstrip("*").removeprefix("./"): hexa.lower() for hexa, name in lines}
        except ValueError as error:
            raise InputError(f"{path} is not what sha256sum writes. Write it again.") from error

    def __len__(self) -> int:
        return len(self.notes)

    def __getitem__(self, index: int) -> Note:
        return self.notes[index]

    def __iter__(self) -> Iterator[Note]:
        return iter(self.notes)

    def in_split(self, split: str) -> list[Note]:
        """Notes of one split of ``SPLITS``."""
        if split not in SPLITS:
            raise InputError(f"The split is one of {', '.join(SPLITS)}, not {split!r}.")
        return [note for note in self.notes if note.split == split]

    def path(self, note: Note) -> Path:
        """The file of a note.

        Raises:
            InputError: Its samples come from elsewhere.
        """
        if note.audio is None:
            raise InputError(f"The note {note.id} has no file of its own. Use read().")
        return self.root / note.audio

    def read(self, note: Note) -> tuple[NDArray[np.float32], int]:
        """Samples of a note, float32 ``(channels, samples)``, full scale 1.0, and their rate in Hz.

        Raises:
            InputError: Missing, damaged, of another rate than the note says, or without samples.
        """
        from .reading import read_clip

        samples, rate = read_clip(self.path(note), note.start, note.frames)
        if note.sample_rate not in (None, rate):
            raise InputError(f"{self.path(note)} has {rate} Hz, not {note.sample_rate}.")
        return samples, rate

    def validate(
        self,
        *,
        decode: bool = False,
        progress: Callable[[tuple[Note, ...]], Iterable[Note]] = iter,
    ) -> Iterator[Problem]:
        """Everything that is wrong, one problem at a time.

        Args:
            decode: Also decode every note, which finds damage inside files.
            progress: Wraps the notes while their files are looked at, as ``tqdm`` does.
        """
        from .checking import problems_of

        return problems_of(self, decode=decode, progress=progress)

    def stats(self, *, seconds: bool = False) -> Stats:
        """Counts; with ``seconds`` also the length of all notes, which opens every file."""
        from .stats import count

        return count(self, seconds=seconds)

    @cached_property
    def _scanned(self) -> tuple[tuple[Note, ...], tuple[Problem, ...]]:
        notes: dict[str, Note] = {}
        problems: list[Problem] = []
        splits: dict[str, str] = {}
        for found in self.scan():
            if isinstance(found, Problem):
                problems.append(found)
            elif found.id in notes:
                problems.append(Problem(found.id, "there are two notes with this id"))
            elif splits.setdefault(found.patch, found.split) != found.split:
                both = f"the patch is in the splits {splits[found.patch]} and {found.split}"
                problems.append(Problem(found.patch, both, fatal=True))
            else:
                notes[found.id] = found
        return tuple(notes.values()), tuple(problems)

    @cached_property
    def _usable(self) -> tuple[Note, ...]:
        notes, problems = self._scanned
        how = "tclip data validate lists everything that is wrong."
        if fatal := next((p for p in problems if p.fatal), None):
            raise InputError(f"{fatal}. {how}")
        if not notes:
            first = f" {problems[0]}." if problems else ""
            raise InputError(f"There are no usable notes in {self.root}.{first}")
        if problems:
            warnings.warn(
                f"{len(problems)} entries of {self.root} are left out, the first: {problems[0]}. "
                f"{how}",
                stacklevel=2,
            )
        return notes
