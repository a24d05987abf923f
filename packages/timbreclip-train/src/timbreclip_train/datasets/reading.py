"""Reading notes out of files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from timbreclip_core.errors import EmptyAudioError, InputError, TimbreClipError

from .base import Note, NoteDataset

FRAMES_PASSED_OVER = 1 << 17  # a gap up to this is decoded: to seek in a FLAC file costs more
FRAMES_AT_ONCE = 1 << 21

Clip = tuple[NDArray[np.float32], int] | TimbreClipError


@dataclass(frozen=True)
class Header:
    """What a file says of itself."""

    sample_rate: int
    channels: int
    frames: int


def read_header(path: Path) -> Header:
    """Rate, channels and length of a file, without decoding it.

    Raises:
        InputError: Missing, or no audio that libsndfile reads.
    """
    with _opened(path) as file:
        return Header(file.samplerate, file.channels, file.frames)


def read_clip(path: Path, start: int, frames: int | None) -> tuple[NDArray[np.float32], int]:
    """Frames of a file as float32 ``(channels, samples)``, and its rate in Hz.

    Args:
        path: The file.
        start: First frame.
        frames: How many; None for all that follow.

    Raises:
        InputError, EmptyAudioError: Missing, damaged, shorter than asked for, NaN; no samples.
    """
    with _opened(path) as file:
        if start:
            file.seek(min(start, file.frames))
        data = file.read(-1 if frames is None else frames, dtype="float32", always_2d=True)
        return np.ascontiguousarray(_checked(data, path, start, frames).T), file.samplerate


def read_clips(dataset: NoteDataset, notes: Iterable[Note]) -> Iterator[tuple[Note, Clip]]:
    """What ``dataset.read`` gives for each of some notes, or the error that it raises.

    Every file is opened once, and notes that lie close together are decoded as one piece, which
    takes a third of the time. They come by file, in a file by their start.

    Args:
        dataset: Where the notes are; one with a ``read`` of its own is asked note by note.
        notes: Which.

    Yields:
        Each note with its samples ``(channels, samples)`` and their rate in Hz, or the error. The
        samples are a view of ``(samples, channels)`` in memory.
    """
    by_file: dict[str, list[Note]] = {}
    for note in notes:
        if note.audio is None or type(dataset).read is not NoteDataset.read:
            yield note, _one(dataset, note)
        else:
            by_file.setdefault(note.audio, []).append(note)
    for members in by_file.values():
        members.sort(key=lambda note: note.start)
        done = 0
        for note, found in _in_one_pass(dataset, members):
            yield note, found
            done += 1
        # Whatever damage ended the pass, each of the others is told its own, or is read after all.
        for note in members[done:]:
            yield note, _one(dataset, note)


def _one(dataset: NoteDataset, note: Note) -> Clip:
    try:
        return dataset.read(note)
    except TimbreClipError as error:
        return error


def _in_one_pass(dataset: NoteDataset, notes: list[Note]) -> Iterator[tuple[Note, Clip]]:
    """Notes of one file, up to the first that cannot be read as it should."""
    path = dataset.path(notes[0])
    try:
        with _opened(path) as file:
            for piece in _pieces(notes):
                first, last = piece[0].start, _end(piece)
                # Not read clip by clip: soundfile seeks after each, which in FLAC takes as long.
                if file.tell() != first:
                    file.seek(min(first, file.frames))
                frames = -1 if last is None else last - first
                data = file.read(frames, dtype="float32", always_2d=True)
                for note in piece:
                    if note.sample_rate not in (None, file.samplerate):
                        return
                    begin = note.start - first
                    end = None if note.frames is None else begin + note.frames
                    clip = _checked(data[begin:end], path, note.start, note.frames)
                    yield note, (clip.T, file.samplerate)
    except InputError:
        return


def _pieces(notes: list[Note]) -> Iterator[list[Note]]:
    """Notes in the order of their starts, in groups that are decoded as one piece."""
    piece: list[Note] = []
    for note in notes:
        if piece and not _in_one_piece(piece, note):
            yield piece
            piece = []
        piece.append(note)
    if piece:
        yield piece


def _in_one_piece(piece: list[Note], note: Note) -> bool:
    last, end = _end(piece), _end([*piece, note])
    if last is None or end is None:
        return False
    return note.start - last <= FRAMES_PASSED_OVER and end - piece[0].start <= FRAMES_AT_ONCE


def _end(notes: Iterable[Note]) -> int | None:
    """One past the last frame of some notes, None if that is the end of the file."""
    ends = [None if note.frames is None else note.start + note.frames for note in notes]
    return None if None in ends else max(end for end in ends if end is not None)


def _checked(
    data: NDArray[np.float32], path: Path, start: int, frames: int | None
) -> NDArray[np.float32]:
    if len(data) == 0:
        raise EmptyAudioError(f"{path} holds no samples from frame {start} on.")
    if frames is not None and len(data) < frames:
        raise InputError(f"{path} ends {frames - len(data)} frames too early. Get it again.")
    if not np.isfinite(data).all():
        raise InputError(f"{path} holds NaN or infinite samples. Repair or leave it out.")
    return data


@contextmanager
def _opened(path: Path) -> Iterator[soundfile.SoundFile]:
    if not path.is_file():
        raise InputError(f"There is no file {str(path)!r}.")
    try:
        with soundfile.SoundFile(path) as file:
            yield file
    except (soundfile.SoundFileError, OSError, TypeError) as error:
        raise InputError(f"{path} is damaged or is not audio that can be read: {error}") from error
