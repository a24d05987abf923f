"""Ten varied sounds, made by arithmetic: the same on every machine, to rounding.

Sustained, struck, low, and noise, so that no word is judged on one kind of sound alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch

from ..fit import Sound

RATE = 44_100
SECONDS = 2.0
PEAK = 0.5
_TIME = np.arange(round(SECONDS * RATE)) / RATE
_FORMANTS = ((700.0, 90.0), (1_220.0, 100.0), (2_600.0, 140.0), (3_300.0, 250.0))  # of "ah"


def made_sounds() -> dict[str, Sound]:
    """The sounds by name, mono."""
    found = {}
    for seed, (name, make) in enumerate(_MAKERS.items()):
        audio = make(np.random.default_rng(seed))
        audio = audio * _fades()
        scaled = PEAK * audio / np.abs(audio).max()
        found[name] = Sound(torch.from_numpy(scaled.astype(np.float32))[None], RATE)
    return found


def _fades() -> np.ndarray:
    """2 ms in, 20 ms out: a cut is a click, and a click is bright."""
    ends = np.minimum(_TIME / 0.002, (SECONDS - _TIME) / 0.02)
    return np.clip(ends, 0, 1)


def _harmonic(
    hz: float, level: Callable[[np.ndarray], np.ndarray], rng: np.random.Generator
) -> np.ndarray:
    """Partials of a note, each at ``level`` of its frequency, with phases at random."""
    freqs_hz = hz * np.arange(1, int(0.45 * RATE / hz) + 1)
    phases = rng.uniform(0, 2 * np.pi, len(freqs_hz))
    waves = np.sin(2 * np.pi * freqs_hz[:, None] * _TIME + phases[:, None])
    return level(freqs_hz) @ waves


def _noise(rng: np.random.Generator, db_per_octave: float) -> np.ndarray:
    """Noise that rises or falls with frequency."""
    spectrum = np.fft.rfft(rng.standard_normal(len(_TIME)))
    freqs_hz = np.maximum(np.fft.rfftfreq(len(_TIME), 1 / RATE), 20.0)
    return np.fft.irfft(spectrum * freqs_hz ** (db_per_octave / (20 * math.log10(2))), len(_TIME))


def _decay(seconds_to_60_db: float) -> np.ndarray:
    return 10 ** (-3 * _TIME / seconds_to_60_db)


def _pad(rng: np.random.Generator) -> np.ndarray:
    voices = [_harmonic(220 * 2 ** (c / 1200), lambda f: 1 / f, rng) for c in (-9, 0, 7)]
    return np.sum(voices, 0) * np.clip(_TIME / 0.4, 0, 1)


def _organ(rng: np.random.Generator) -> np.ndarray:
    drawbars = ((0.5, 0.6), (1, 1), (1.5, 0.5), (2, 0.8), (3, 0.4), (4, 0.5), (6, 0.2), (8, 0.3))
    return np.sum([a * np.sin(2 * np.pi * 261.6 * k * _TIME) for k, a in drawbars], 0)


def _vowel(rng: np.random.Generator) -> np.ndarray:
    def level(f: np.ndarray) -> np.ndarray:
        peaks = [1 / (1 + ((f - centre) / width) ** 2) for centre, width in _FORMANTS]
        return (np.sum(peaks, 0) + 0.003) * (100 / f) ** 0.5

    return _harmonic(147.0, level, rng) * np.clip(_TIME / 0.05, 0, 1)


def _brass(rng: np.random.Generator) -> np.ndarray:
    dark = _harmonic(174.6, lambda f: (174.6 / f) ** 2, rng)
    bright = _harmonic(174.6, lambda f: 174.6 / f / (1 + (f / 3_000) ** 2), rng)
    return dark + np.clip(_TIME / 0.15, 0, 1) * bright


def _pluck(rng: np.random.Generator) -> np.ndarray:
    partials = np.arange(1, int(0.45 * RATE / 196))
    waves = np.sin(2 * np.pi * 196 * partials[:, None] * _TIME)
    return (1 / partials) @ (waves * 10 ** (-(0.8 + 0.25 * partials[:, None]) * _TIME))


def _bell(rng: np.random.Generator) -> np.ndarray:
    # Partials of a minor-third bell, hum to nominal and above (Lehr, 1986).
    ratios = np.array([0.5, 1, 1.2, 1.5, 2, 2.5, 2.67, 3, 4, 5.3, 6.6, 8.2, 10.1])
    waves = np.sin(2 * np.pi * 523 * ratios[:, None] * _TIME)
    return (ratios**-0.6) @ (waves * 10 ** (-0.7 * ratios[:, None] ** 0.7 * _TIME))


def _bass(rng: np.random.Generator) -> np.ndarray:
    return _harmonic(55.0, lambda f: 1 / f / (1 + (f / 800) ** 2), rng) * _decay(6)


def _kick(rng: np.random.Generator) -> np.ndarray:
    sweep = 48 * _TIME + 130 / 30 * (1 - np.exp(-30 * _TIME))
    return np.sin(2 * np.pi * sweep) * _decay(0.6) + 0.1 * _noise(rng, 0) * _decay(0.03)


def _snare(rng: np.random.Generator) -> np.ndarray:
    tone = np.sin(2 * np.pi * 186 * _TIME) + 0.6 * np.sin(2 * np.pi * 331 * _TIME)
    hiss = _noise(rng, 1.0)
    return tone * _decay(0.25) + 1.2 * hiss / hiss.std() * 0.4 * _decay(0.4)


def _breath(rng: np.random.Generator) -> np.ndarray:
    return _noise(rng, -3.0) * np.sin(np.pi * _TIME / SECONDS)


_MAKERS: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "pad": _pad,
    "organ": _organ,
    "vowel": _vowel,
    "brass": _brass,
    "pluck": _pluck,
    "bell": _bell,
    "bass": _bass,
    "kick": _kick,
    "snare": _snare,
    "breath": _breath,
}
