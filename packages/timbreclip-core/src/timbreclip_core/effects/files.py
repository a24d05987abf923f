"""An effect on a whole file, at the file's own rate, channels, length and bit depth."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from ..audio import check_finite, read_info
from ..errors import EmptyAudioError, InputError, UsageError
from ..files import atomic_path
from .base import Effect

PCM_BITS = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
ALIASES = {".AIF": "AIFF", ".OGA": "OGG", ".OPUS": "OGG"}


def apply_to_file(effect: Effect, level: float, source: Path, out: Path) -> dict[str, Any]:
    """Write ``source`` with the effect to ``out``.

    The format follows the suffix of ``out``; the encoding (bit depth) is that of ``source`` where
    the format has it, else 24 bits, else the format's own. What would exceed full scale is turned
    down as a whole. Level 0 returns the same samples.

    Args:
        effect: What to apply.
        level: From 0 to 1.
        source: A file that libsndfile reads.
        out: Where to write; may be ``source``.

    Returns:
        ``sample_rate``, ``channels``, ``frames``, ``subtype``, ``gain_db`` (0 unless turned down)
        and ``peak_dbfs`` of the result, None for silence.

    Raises:
        InputError, EmptyAudioError: ``source`` cannot be used, or ``out`` cannot be written.
        UsageError: An unknown suffix, or a wrong level.
    """
    info = read_info(source)
    container, subtype = _encoding(out, info.subtype)
    audio = _read(source)
    wet = effect.apply(torch.from_numpy(np.ascontiguousarray(audio.T)), info.sample_rate, level)
    result, gain = _within_scale(wet.T.numpy(), audio, PCM_BITS.get(subtype))
    with atomic_path(out) as temporary:
        try:
            soundfile.write(temporary, result, info.sample_rate, subtype, format=container)
        except (soundfile.SoundFileError, ValueError) as error:
            raise InputError(
                f"{out} cannot be written with {info.sample_rate} Hz and {info.channels} channels: "
                f"{error} Choose another suffix."
            ) from error
    peak = float(np.abs(result).max())
    return {
        "sample_rate": info.sample_rate,
        "channels": info.channels,
        "frames": len(result),
        "subtype": subtype,
        "gain_db": 20 * math.log10(gain),
        "peak_dbfs": 20 * math.log10(peak) if peak else None,
    }


def _encoding(out: Path, subtype: str) -> tuple[str, str]:
    suffix = out.suffix.upper()
    container = ALIASES.get(suffix, suffix[1:])
    if container not in soundfile.available_formats():
        known = ", ".join(f".{name.lower()}" for name in ("WAV", "FLAC", "AIFF", "OGG", "MP3"))
        raise UsageError(f"{out} needs a suffix that names a format, such as {known}.")
    for choice in (subtype, "PCM_24"):
        if soundfile.check_format(container, choice):
            return container, choice
    return container, soundfile.default_subtype(container)


def _read(source: Path) -> np.ndarray:
    """All samples, float64 ``(frames, channels)``: float32 would lose bits of 32-bit files."""
    try:
        audio, _ = soundfile.read(source, dtype="float64", always_2d=True)
    except (soundfile.SoundFileError, OSError) as error:
        raise InputError(f"{source} breaks off or is damaged: {error}") from error
    if len(audio) == 0:
        raise EmptyAudioError(f"{source} holds no samples.")
    check_finite(torch.from_numpy(audio), str(source))
    return audio


def _within_scale(wet: np.ndarray, dry: np.ndarray, bits: int | None) -> tuple[np.ndarray, float]:
    """Samples that the encoding can hold, and the factor that this took.

    Integers are rounded here, since libsndfile would round them down.
    """
    if bits is None:
        ceiling = max(1.0, float(np.abs(dry).max()))
        gain = min(1.0, ceiling / max(float(np.abs(wet).max()), ceiling))
        return wet * gain, gain
    scale = 2.0 ** (bits - 1)
    highest, lowest = (scale - 1) / scale, -1.0
    gain = min(
        1.0, highest / max(float(wet.max()), highest), lowest / min(float(wet.min()), lowest)
    )
    return np.clip(np.round(wet * gain * scale), -scale, scale - 1) / scale, gain
