"""Pitch shift: by resampling, or by a phase vocoder that keeps the length."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import soxr
import torch
from torch import Tensor
from torchaudio.functional import phase_vocoder

from timbreclip_core.errors import UsageError

from .base import Augmentation, NoteFacts

METHODS = ("auto", "resample", "vocoder")
RESAMPLED_SEMITONES = 1.0
WINDOW_S = 0.06
OVERLAP = 4
FARTHEST = 24.0


@dataclass(frozen=True)
class Shift:
    """Shift, semitones."""

    semitones: float


@dataclass(frozen=True, kw_only=True)
class PitchRange:
    """How far copies are shifted, and how many there are.

    Args:
        semitones: Largest shift, either way.
        copies: Shifted copies of each note, besides the note itself.
    """

    semitones: float
    copies: int


PAPER_RANGES = {
    "nsynth": PitchRange(semitones=0.5, copies=1),
    "patches": PitchRange(semitones=3.0, copies=2),
}
"""The paper's, by dataset; ALV in the paper's form is a folder of ``patches``."""
OTHER_RANGE = PitchRange(semitones=0.5, copies=1)


@dataclass(frozen=True, kw_only=True)
class PitchShift(Augmentation):
    """A shift, uniform in semitones, with the paper's range for the note's dataset.

    ``resample`` plays the note faster or slower, as a sampler does: transients stay sharp, but
    times and formants shift along, and what a higher note lacks at the end is silence. ``vocoder``
    keeps times, smears attacks a little and takes seven times as long. Both are exact in pitch.
    Against notes that a synthesiser played at the other pitch, mel spectrograms differ by 2.4
    (resample) and 1.9 dB (vocoder) for one semitone, 3.6 and 2.1 dB for three; in the first 0.3 s
    by 2.3 and 2.5, 2.8 and 2.9 dB (``benchmarks/augmentation/pitch_shift.py``). ``auto`` resamples
    up to one semitone.

    Args:
        semitones: Largest shift either way; None for the range of the dataset.
        copies: Shifted copies that ``draw_copies`` makes; None for those of the dataset.
        method: One of ``METHODS``.

    Raises:
        UsageError: A range above two octaves, a negative number of copies, an unknown method.
    """

    name = "pitch-shift"

    semitones: float | None = None
    copies: int | None = None
    method: str = "auto"

    def __post_init__(self) -> None:
        if self.semitones is not None and not 0 <= self.semitones <= FARTHEST:
            raise UsageError(f"A shift is up to {FARTHEST:g} semitones, not {self.semitones}.")
        if self.copies is not None and self.copies < 0:
            raise UsageError(f"There cannot be {self.copies} copies.")
        if self.method not in METHODS:
            raise UsageError(f"The method is one of {', '.join(METHODS)}, not {self.method!r}.")

    def range_for(self, facts: NoteFacts) -> PitchRange:
        """Range and copies for a note of this dataset."""
        usual = PAPER_RANGES.get(facts.dataset, OTHER_RANGE)
        return PitchRange(
            semitones=usual.semitones if self.semitones is None else self.semitones,
            copies=usual.copies if self.copies is None else self.copies,
        )

    def draw(self, rng: np.random.Generator, facts: NoteFacts) -> Shift:
        largest = self.range_for(facts).semitones
        return Shift(float(rng.uniform(-largest, largest)))

    def draw_copies(self, rng: np.random.Generator, facts: NoteFacts) -> tuple[Shift, ...]:
        """No shift, for the note itself, then one for each copy."""
        copies = self.range_for(facts).copies
        return (Shift(0.0), *(self.draw(rng, facts) for _ in range(copies)))

    def apply(self, audio: Tensor, params: Shift, sample_rate: int) -> Tensor:
        if params.semitones == 0:
            return audio.clone()
        ratio = 2 ** (params.semitones / 12)
        small = abs(params.semitones) <= RESAMPLED_SEMITONES
        resampled = self.method == "resample" or (self.method == "auto" and small)
        kept = audio if resampled else _stretched(audio, ratio, sample_rate)
        return _fit(_faster(kept, ratio), audio.shape[-1]).to(audio.dtype)


def _faster(audio: Tensor, ratio: float) -> Tensor:
    """Played ``ratio`` times as fast: shorter and higher by that."""
    flat = np.ascontiguousarray(audio.detach().cpu().numpy().T)
    out = soxr.resample(flat, ratio, 1.0, quality="VHQ")
    return torch.from_numpy(np.ascontiguousarray(out.T))


def _stretched(audio: Tensor, ratio: float, sample_rate: int) -> Tensor:
    """Longer by ``ratio`` at the same pitch.

    Source: J. L. Flanagan and R. M. Golden, Phase vocoder, Bell System Technical Journal 45, 1966.
    """
    size = 1 << max(4, round(math.log2(WINDOW_S * sample_rate)))
    hop, window = size // OVERLAP, torch.hann_window(size, dtype=audio.dtype)
    padded = torch.nn.functional.pad(audio, (0, size))
    frames = torch.stft(padded, size, hop, window=window, pad_mode="constant", return_complex=True)
    advance = torch.linspace(0, math.pi * hop, size // 2 + 1, dtype=audio.dtype)[:, None]
    longer = phase_vocoder(frames, 1 / ratio, advance)
    return torch.istft(longer, size, hop, window=window, length=round(audio.shape[-1] * ratio))


def _fit(audio: Tensor, samples: int) -> Tensor:
    return torch.nn.functional.pad(audio[..., :samples], (0, max(0, samples - audio.shape[-1])))
