"""Sound files in, sound files of the same kind out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch
from torch import Tensor

from timbreclip_core.audio import check_finite, check_rate
from timbreclip_core.errors import EmptyAudioError, InputError, UsageError
from timbreclip_core.files import atomic_path

from .riff import clear_time, copy_chunks
from .streaming import FRAMES, Blocks, slices

# Formats of soundfile by suffix, the first of each suffix being the usual one.
FORMATS = {
    ".wav": ("WAV", "WAVEX", "RF64"),
    ".flac": ("FLAC",),
    ".aif": ("AIFF",),
    ".aiff": ("AIFF",),
    ".aifc": ("AIFF",),
    ".ogg": ("OGG",),
    ".oga": ("OGG",),
    ".opus": ("OGG",),
    ".mp3": ("MP3",),
    ".caf": ("CAF",),
    ".w64": ("W64",),
    ".rf64": ("RF64",),
    ".au": ("AU",),
    ".snd": ("AU",),
}
FINE = {"DOUBLE", "PCM_32"}  # more than float32 holds
# Where the container cannot hold the source's own sample format.
FALLBACKS = {"OGG": ("VORBIS",), "MP3": ("MPEG_LAYER_III",), "AU": ("PCM_24", "PCM_16")}
_TRIES = 4


@dataclass(frozen=True)
class SoundHeader:
    """What a file says of itself, and its sound in blocks.

    Attributes:
        sample_rate: Hz.
        channels: How many.
        format: Container, as soundfile names it.
        subtype: Sample format, as soundfile names it.
        endian: As soundfile names it.
        tags: Title, artist and so on.
        path: Where it is.
    """

    sample_rate: int
    channels: int
    format: str
    subtype: str
    endian: str
    tags: dict[str, str]
    path: Path

    def blocks(self) -> Iterator[Tensor]:
        """``(channels, samples)``; float64 where float32 would lose bits, else float32.

        Raises:
            InputError: It breaks off, or holds NaN or infinite samples; ``EmptyAudioError``: no
                samples.
        """
        dtype = "float64" if self.subtype in FINE else "float32"
        frames, empty = max(1, 2 * FRAMES // self.channels), True
        with _opened(self.path) as f, _readable(self.path):
            while len(data := f.read(frames, dtype=dtype, always_2d=True)):
                block = torch.from_numpy(np.ascontiguousarray(data.T))
                check_finite(block, str(self.path))
                empty = False
                yield block
        if empty:
            raise EmptyAudioError(f"{self.path} holds no samples.")


@dataclass(frozen=True)
class SoundFile(SoundHeader):
    """A whole file.

    Attributes:
        audio: ``(channels, samples)``; float64 where float32 would lose bits, else float32.
    """

    audio: Tensor


def open_sound(path: str | Path) -> SoundHeader:
    """Look at a file without decoding it.

    Raises:
        InputError: Missing, or no audio.
    """
    path = Path(path)
    with _opened(path) as f:
        kind = (f.samplerate, f.channels, f.format, f.subtype, f.endian, f.copy_metadata())
    check_rate(kind[0])
    return SoundHeader(*kind, path)


def read_sound(path: str | Path) -> SoundFile:
    """Read a whole file.

    Raises:
        InputError: Missing, unreadable, NaN or infinite samples; ``EmptyAudioError``: no samples.
    """
    header = open_sound(path)
    return SoundFile(**vars(header), audio=torch.cat(list(header.blocks()), dim=-1))


def _opened(path: Path) -> soundfile.SoundFile:
    if not path.is_file():
        raise InputError(f"There is no file {str(path)!r}.")
    with _readable(path):
        return soundfile.SoundFile(str(path))


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (soundfile.SoundFileError, OSError, TypeError) as error:
        raise InputError(f"{path} is not audio that can be read here: {error}") from error


def check_suffix(path: Path) -> None:
    """Raise ``UsageError`` if sound cannot be written under that name."""
    if path.suffix.lower() not in FORMATS:
        known = " ".join(FORMATS)
        raise UsageError(f"{path.name} must end in one of {known}: sound is written by suffix.")


def write_sound(
    path: str | Path, audio: Tensor | Callable[[], Blocks], like: SoundHeader
) -> tuple[float, str]:
    """Write a sound as ``like`` was: rate, sample format, tags.

    The suffix decides on the container. Lossy formats move the peaks: what comes out of the
    decoder is measured, and written again a little lower where it is above full scale.

    Args:
        path: Of the file.
        audio: ``(channels, samples)``, or a function that gives it in blocks from its start.
        like: The source.

    Returns:
        Gain that this took, dB, 0 or less; and the sample format written.

    Raises:
        InputError: The container cannot hold this rate or these channels.
    """
    path = Path(path)
    check_suffix(path)
    container, subtype, endian = _kind(path, like)
    gain = 1.0
    with atomic_path(path) as temporary:
        for _ in range(_TRIES):
            blocks = slices(audio) if isinstance(audio, Tensor) else audio()
            _write(temporary, (b * gain for b in blocks), like, (container, subtype, endian))
            loudest = _decoded_peak(temporary) if lossy(subtype) else 1.0
            if loudest <= 1:
                break
            gain *= 0.999 / loudest
        with temporary.open("r+b") as f:
            clear_time(f)
        copy_chunks(like.path, temporary)
    return 20 * float(np.log10(gain)), subtype


def _kind(path: Path, like: SoundHeader) -> tuple[str, str, str]:
    """Container, sample format and byte order to write."""
    suffix = path.suffix.lower()
    usual = FORMATS[suffix]
    container = like.format if like.format in usual else usual[0]
    if container == like.format and (suffix == ".opus") == (like.subtype == "OPUS"):
        return container, like.subtype, like.endian
    wanted = ("OPUS",) if suffix == ".opus" else FALLBACKS.get(container, ("PCM_24",))
    if like.subtype.startswith(("PCM", "FLOAT", "DOUBLE")):
        wanted = (like.subtype, *wanted)
    for subtype in wanted:
        if soundfile.check_format(container, subtype, "FILE"):
            return container, subtype, "FILE"
    raise UsageError(f"Sound cannot be written as {container} here.")


def _write(path: Path, blocks: Blocks, like: SoundHeader, kind: tuple[str, str, str]) -> None:
    container, subtype, endian = kind
    try:
        with soundfile.SoundFile(
            str(path),
            "w",
            samplerate=like.sample_rate,
            channels=like.channels,
            format=container,
            subtype=subtype,
            endian=endian,
        ) as f:
            for name, value in like.tags.items():
                _tag(f, name, value)
            for block in blocks:
                f.write(block.T.numpy())
    except InputError:
        raise  # of the source
    except (soundfile.SoundFileError, OSError, ValueError) as error:
        raise InputError(
            f"{like.channels} channels at {like.sample_rate} Hz cannot be written as {container} "
            f"{subtype}: {error} Try the suffix .wav."
        ) from error


def _tag(f: soundfile.SoundFile, name: str, value: str) -> None:
    try:
        setattr(f, name, value)
    except (soundfile.SoundFileError, AttributeError):
        return  # this container has no such tag


def lossy(subtype: str) -> bool:
    """Whether samples of this format come back changed."""
    return subtype in {"VORBIS", "OPUS"} or subtype.startswith("MPEG")


def _decoded_peak(path: Path) -> float:
    with soundfile.SoundFile(str(path)) as f:
        return max((float(np.abs(b).max()) for b in f.blocks(1 << 18, dtype="float32")), default=0)
