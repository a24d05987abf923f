"""Reading a note out of a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from timbreclip_core.errors import EmptyAudioError, InputError


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
        rate = file.samplerate
        if start:
            file.seek(min(start, file.frames))
        data = file.read(-1 if frames is None else frames, dtype="float32", always_2d=True)
    if len(data) == 0:
        raise EmptyAudioError(f"{path} holds no samples from frame {start} on.")
    if frames is not None and len(data) < frames:
        raise InputError(f"{path} ends {frames - len(data)} frames too early. Get it again.")
    if not np.isfinite(data).all():
        raise InputError(f"{path} holds NaN or infinite samples. Repair or leave it out.")
    return np.ascontiguousarray(data.T), rate


@contextmanager
def _opened(path: Path) -> Iterator[soundfile.SoundFile]:
    if not path.is_file():
        raise InputError(f"There is no file {str(path)!r}.")
    try:
        with soundfile.SoundFile(path) as file:
            yield file
    except (soundfile.SoundFileError, OSError, TypeError) as error:
        raise InputError(f"{path} is damaged or is not audio that can be read: {error}") from error
