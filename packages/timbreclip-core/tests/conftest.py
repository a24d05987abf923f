from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import settings

from timbreclip_core import load_model

torch.set_num_threads(1)
# A busy machine is no failure.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


@pytest.fixture(scope="session")
def small():
    """The bundled model; read only."""
    return load_model("small")


def harmonic_note(frequency_hz, sample_rate, seconds=2.0, highest_hz=7_000.0):
    """A decaying note of harmonics below ``highest_hz``, the same at every sample rate."""
    t = np.arange(int(seconds * sample_rate)) / sample_rate
    partials = range(1, int(highest_hz / frequency_hz) + 1)
    wave = sum(np.sin(2 * np.pi * frequency_hz * k * t) / k * np.exp(-t * k / 3) for k in partials)
    attack = np.minimum(1, t / 0.01)
    release = np.minimum(1, (seconds - t) / 0.05)
    return (0.3 * wave * attack * release).astype(np.float32)


@pytest.fixture
def note():
    return harmonic_note


@pytest.fixture
def sounds(tmp_path) -> Path:
    """A folder with three sounds, one silent file, one empty, one that is no sound."""
    folder = tmp_path / "sounds"
    (folder / "deep").mkdir(parents=True)
    for name, hz, rate in (("a.wav", 110, 44_100), ("b.flac", 220, 48_000)):
        soundfile.write(folder / name, harmonic_note(hz, rate), rate)
    stereo = np.stack([harmonic_note(440, 32_000)] * 2, axis=1)
    soundfile.write(folder / "deep" / "c.wav", stereo, 32_000)
    soundfile.write(folder / "silent.wav", np.zeros(8_000), 16_000)
    soundfile.write(folder / "empty.wav", np.zeros(0), 16_000)
    (folder / "broken.wav").write_bytes(b"RIFF not really")
    (folder / "notes.txt").write_text("no sound, not looked at")
    return folder
