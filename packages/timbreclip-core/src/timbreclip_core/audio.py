"""Reading, checking, mixing and resampling audio.

Shapes: arrays are ``(batch, channels, samples)``, ``(channels, samples)`` or ``(samples,)``;
full scale is 1.0; files are streamed, so their length does not matter to memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Real
from pathlib import Path

import numpy as np
import soundfile
import soxr
import torch
from torch import Tensor
from torch.nn.functional import pad

from .errors import EmptyAudioError, InputError, SilentAudioError

SILENCE = 10 ** (-100 / 20)  # below the noise of 16 bits: such a file was recorded with nothing on
QUALITY = "HQ"  # of soxr: the vectors of "VHQ" to seven digits, in two thirds of the time
MIN_RATE_HZ, MAX_RATE_HZ = 1_000, 768_000
BLOCK_FRAMES = 1 << 17  # half a second of stereo fits into a core's cache
SHORT_SUBTYPES = ("PCM_16", "PCM_S8", "PCM_U8")  # read as they are in a sixth of the time
FULL_SCALE = 1 << 15  # of 16 bits


@dataclass(frozen=True)
class AudioInfo:
    """What a file says of itself, read without decoding it."""

    sample_rate: int
    channels: int
    frames: int
    format: str
    subtype: str

    @property
    def seconds(self) -> float:
        return self.frames / self.sample_rate


def read_info(path: str | Path) -> AudioInfo:
    """Header of an audio file.

    Raises:
        InputError: If the file is missing or is no audio that libsndfile reads.
    """
    with _open(path) as f:
        return AudioInfo(f.samplerate, f.channels, f.frames, f.format, f.subtype)


def read_audio(path: str | Path) -> tuple[Tensor, int]:
    """Whole file as float32 ``(channels, samples)`` and its sample rate in Hz.

    Raises:
        EmptyAudioError, InputError: No samples; unreadable; NaN or infinite samples.
    """
    with _open(path) as f:
        rate = f.samplerate
        blocks = [torch.from_numpy(block) for block in _decoded(f, path)]
    if not blocks:
        raise EmptyAudioError(f"{path} holds no samples.")
    audio = torch.cat(blocks).T.contiguous()
    check_finite(audio, str(path))
    return audio, rate


def stream_mono(path: str | Path, sample_rate: int) -> Iterator[np.ndarray]:
    """Blocks of the file's channel mean at ``sample_rate`` Hz, float32 ``(samples,)``.

    Raises:
        EmptyAudioError, InputError: As ``read_audio``.
    """
    with _open(path) as f:
        resampler = soxr.ResampleStream(f.samplerate, sample_rate, 1, "float32", QUALITY)
        same, total = f.samplerate == sample_rate, 0
        fewest = -(-f.samplerate // sample_rate)
        for block in _decoded(f, path, "int16" if f.subtype in SHORT_SUBTYPES else "float32"):
            mono = _mean(block)
            if block.dtype != np.int16 and not np.isfinite(mono).all():
                raise InputError(f"{path} holds NaN or infinite samples. Repair or leave it out.")
            total += len(mono)
            yield mono if same else resampler.resample_chunk(mono)
        if total == 0:
            raise EmptyAudioError(f"{path} holds no samples.")
        if not same:
            rest = np.zeros(max(0, fewest - total), np.float32)
            last = resampler.resample_chunk(rest, last=True)
            yield last[: max(1, _scaled(total, f.samplerate, sample_rate))] if len(rest) else last


def _mean(block: np.ndarray) -> np.ndarray:
    """Mean of the channels ``(frames, channels)``, full scale 1.0, float32."""
    # An array's own mean over so short a dimension takes twenty times as long.
    scale = FULL_SCALE if block.dtype == np.int16 else 1
    with np.errstate(invalid="ignore", over="ignore"):  # what becomes NaN or infinite is refused
        weights = np.full(block.shape[1], 1 / (block.shape[1] * scale), np.float32)
        return block.astype(np.float32, copy=False) @ weights


def _open(path: str | Path) -> soundfile.SoundFile:
    if not Path(path).is_file():
        raise InputError(f"There is no file {str(path)!r}.")
    try:
        f = soundfile.SoundFile(str(path))
    except (soundfile.SoundFileError, OSError, TypeError) as error:
        raise InputError(f"{path} is not audio that can be read here: {error}") from error
    if not MIN_RATE_HZ <= f.samplerate <= MAX_RATE_HZ:
        rate = f.samplerate
        f.close()
        raise InputError(f"{path} claims a sample rate of {rate} Hz: its header is damaged.")
    return f


def _decoded(
    f: soundfile.SoundFile, path: str | Path, dtype: str = "float32"
) -> Iterator[np.ndarray]:
    """Blocks ``(frames, channels)`` up to the end, whatever length the header promises."""
    frames = max(1, BLOCK_FRAMES // f.channels)
    try:
        while len(block := f.read(frames, dtype=dtype, always_2d=True)):
            yield block
    except (soundfile.SoundFileError, OSError) as error:
        raise InputError(f"{path} breaks off or is damaged: {error}") from error


def as_batch(audio: Tensor | np.ndarray, sample_rate: int) -> Tensor:
    """Any accepted array as floating ``(batch, channels, samples)``.

    Raises:
        InputError: Wrong shape, integer samples, a sample rate that is none, NaN, infinity.
        EmptyAudioError: No samples.
    """
    check_rate(sample_rate)
    x = audio if isinstance(audio, Tensor) else _from_array(audio)
    if not x.is_floating_point():
        raise _not_floating(x.dtype)
    if not 1 <= x.ndim <= 3:
        raise InputError(
            "Audio must be (samples,), (channels, samples) or (batch, channels, samples), "
            f"not {tuple(x.shape)}."
        )
    x = x.reshape((1,) * (3 - x.ndim) + tuple(x.shape))
    if x.numel() == 0:
        raise EmptyAudioError(f"Audio of shape {tuple(x.shape)} holds no samples.")
    if x.shape[1] > 64 and x.shape[1] > x.shape[2]:
        raise InputError(
            f"Audio of shape {tuple(x.shape)} would have {x.shape[1]} channels. The last dimension "
            "must be time: transpose it."
        )
    check_finite(x, "The audio")
    return x if x.dtype in (torch.float32, torch.float64) else x.float()


def _from_array(audio: np.ndarray) -> Tensor:
    """A tensor of the same samples; torch takes no reversed, foreign or extended arrays."""
    array = np.asarray(audio)
    if array.dtype.kind != "f":
        raise _not_floating(array.dtype)
    native = array.dtype.newbyteorder("=")
    known = native if native in (np.float16, np.float32, np.float64) else np.float64
    return torch.from_numpy(np.require(array, known, ["C", "W"]))


def _not_floating(dtype: object) -> InputError:
    return InputError(
        f"Audio must be floating point with full scale 1.0, not {dtype}. "
        "Divide 16-bit integers by 32768."
    )


def check_rate(sample_rate: int) -> None:
    """Raise ``InputError`` unless ``sample_rate`` is a whole number of Hz that audio can have."""
    whole = isinstance(sample_rate, Real) and float(sample_rate).is_integer()
    if not whole or not MIN_RATE_HZ <= sample_rate <= MAX_RATE_HZ:
        raise InputError(
            f"sample_rate must be whole Hz from {MIN_RATE_HZ} to {MAX_RATE_HZ}, not {sample_rate}."
        )


def check_finite(audio: Tensor, what: str) -> None:
    """Raise ``InputError`` if a sample is NaN or infinite."""
    # NaN and infinity come through, and no second array as large as the first is made.
    if not all(torch.isfinite(end) for end in audio.detach().aminmax()):
        raise InputError(f"{what} holds NaN or infinite samples. Repair or leave it out.")


def check_audible(mono: Tensor, what: str = "The audio") -> None:
    """Raise ``SilentAudioError`` if an item of ``(batch, samples)`` never exceeds -100 dBFS."""
    mono = mono.detach()
    # Two passes, not aminmax(dim=-1), which takes sixteen times as long.
    silent = (torch.maximum(mono.amax(-1), -mono.amin(-1)) < SILENCE).nonzero().flatten().tolist()
    if silent:
        which = f" (items {silent} of the batch)" if len(mono) > 1 else ""
        raise SilentAudioError(f"{what} is silent{which}: silence has no timbre. Leave it out.")


def to_mono(audio: Tensor) -> Tensor:
    """Mean of the channels: ``(batch, channels, samples)`` to ``(batch, samples)``."""
    return audio.mean(dim=1) if audio.shape[1] > 1 else audio[:, 0]


def energy(windows: Tensor) -> Tensor:
    """Mean square of ``(..., samples)``, ``(..., 1)``."""
    return torch.linalg.vecdot(windows, windows)[..., None] / windows.shape[-1]


def peak(audio: Tensor) -> float:
    """Largest magnitude of a sound of any shape."""
    lowest, highest = torch.aminmax(audio.detach())
    return max(-float(lowest), float(highest))


def resample(audio: Tensor, from_hz: int, to_hz: int) -> Tensor:
    """Resample along the last dimension; the length is scaled and rounded, and at least 1.

    Audio that needs a gradient goes through torchaudio (windowed sinc, width 64, Kaiser), all
    other through soxr HQ, as files do; below 0.9 of the lower Nyquist frequency the two differ by
    less than -70 dB.
    """
    from_hz, to_hz = int(from_hz), int(to_hz)
    if from_hz == to_hz:
        return audio
    length = max(1, _scaled(audio.shape[-1], from_hz, to_hz))
    # The fewest samples that make one sample at the new rate.
    audio = pad(audio, (0, max(0, -(-from_hz // to_hz) - audio.shape[-1])))
    if audio.requires_grad:
        # torchaudio rounds the length up.
        return _resample_with_gradient(audio, from_hz, to_hz)[..., :length]
    flat = audio.detach().cpu().reshape(-1, audio.shape[-1]).T.numpy()
    out = soxr.resample(np.ascontiguousarray(flat), from_hz, to_hz, quality=QUALITY)
    shaped = torch.from_numpy(np.ascontiguousarray(out.T)).reshape(*audio.shape[:-1], -1)
    return shaped[..., :length].to(audio)


def _scaled(samples: int, from_hz: int, to_hz: int) -> int:
    """Length at the new rate, rounded to the nearest with soxr's very arithmetic."""
    return math.floor(samples / (from_hz / to_hz) + 0.5)


def _resample_with_gradient(audio: Tensor, from_hz: int, to_hz: int) -> Tensor:
    from torchaudio.functional import resample as sinc_resample

    divisor = math.gcd(from_hz, to_hz)
    return sinc_resample(
        audio,
        from_hz // divisor,
        to_hz // divisor,
        lowpass_filter_width=64,
        rolloff=0.95,
        resampling_method="sinc_interp_kaiser",
        beta=14.77,
    )
