"""Sound files in, sound files of the same kind out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch
from torch import Tensor

from timbreclip_core.audio import check_finite, check_rate
from timbreclip_core.errors import EmptyAudioError, InputError, UsageError
from timbreclip_core.files import atomic_path

from .riff import copy_chunks

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
class SoundFile:
    """A whole file.

    Attributes:
        audio: ``(channels, samples)``; float64 where float32 would lose bits, else float32.
        sample_rate: Hz.
        format: Container, as soundfile names it.
        subtype: Sample format, as soundfile names it.
        endian: As soundfile names it.
        tags: Title, artist and so on.
        path: Where it came from.
    """

    audio: Tensor
    sample_rate: int
    format: str
    subtype: str
    endian: str
    tags: dict[str, str]
    path: Path


def read_sound(path: str | Path) -> SoundFile:
    """Read a whole file.

    Raises:
        InputError: Missing, unreadable, NaN or infinite samples; ``EmptyAudioError``: no samples.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"There is no file {str(path)!r}.")
    try:
        with soundfile.SoundFile(str(path)) as f:
            dtype = "float64" if f.subtype in FINE else "float32"
            data = f.read(dtype=dtype, always_2d=True)
            kind = (f.samplerate, f.format, f.subtype, f.endian, f.copy_metadata())
    except (soundfile.SoundFileError, OSError, TypeError) as error:
        raise InputError(f"{path} is not audio that can be read here: {error}") from error
    if not data.size:
        raise EmptyAudioError(f"{path} holds no samples.")
    audio = torch.from_numpy(np.ascontiguousarray(data.T))
    check_finite(audio, str(path))
    check_rate(kind[0])
    return SoundFile(audio, *kind, path)


def check_suffix(path: Path) -> None:
    """Raise ``UsageError`` if sound cannot be written under that name."""
    if path.suffix.lower() not in FORMATS:
        known = " ".join(FORMATS)
        raise UsageError(f"{path.name} must end in one of {known}: sound is written by suffix.")


def write_sound(path: str | Path, audio: Tensor, like: SoundFile) -> tuple[float, str]:
    """Write ``audio`` ``(channels, samples)`` as ``like`` was: rate, sample format, tags.

    The suffix decides on the container. Lossy formats move the peaks: what comes out of the
    decoder is measured, and written again a little lower where it is above full scale.

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
            _write(temporary, (audio * gain).T.numpy(), like, (container, subtype, endian))
            loudest = _decoded_peak(temporary) if _lossy(subtype) else 1.0
            if loudest <= 1:
                break
            gain *= 0.999 / loudest
        copy_chunks(like.path, temporary)
    return 20 * float(np.log10(gain)), subtype


def _kind(path: Path, like: SoundFile) -> tuple[str, str, str]:
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


def _write(path: Path, data: np.ndarray, like: SoundFile, kind: tuple[str, str, str]) -> None:
    container, subtype, endian = kind
    try:
        with soundfile.SoundFile(
            str(path),
            "w",
            samplerate=like.sample_rate,
            channels=data.shape[1],
            format=container,
            subtype=subtype,
            endian=endian,
        ) as f:
            for name, value in like.tags.items():
                _tag(f, name, value)
            f.write(data)
    except (soundfile.SoundFileError, OSError, ValueError) as error:
        raise InputError(
            f"{data.shape[1]} channels at {like.sample_rate} Hz cannot be written as {container} "
            f"{subtype}: {error} Try the suffix .wav."
        ) from error


def _tag(f: soundfile.SoundFile, name: str, value: str) -> None:
    try:
        setattr(f, name, value)
    except (soundfile.SoundFileError, AttributeError):
        return  # this container has no such tag


def _lossy(subtype: str) -> bool:
    return subtype in {"VORBIS", "OPUS"} or subtype.startswith("MPEG")


def _decoded_peak(path: Path) -> float:
    with soundfile.SoundFile(str(path)) as f:
        return max((float(np.abs(b).max()) for b in f.blocks(1 << 18, dtype="float32")), default=0)
