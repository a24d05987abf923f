"""Sounds, and the bundled model."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from click.testing import CliRunner

from timbreclip_core import load_model
from timbreclip_core.cli.main import cli

torch.set_num_threads(1)
RATE = 32_000


def _tone(hz: float, brightness: float, decay: float) -> np.ndarray:
    t = np.arange(int(1.2 * RATE)) / RATE
    partials = range(1, int(0.45 * RATE / hz))
    wave = sum(np.sin(2 * np.pi * k * hz * t) * k**-brightness for k in partials)
    wave *= np.exp(-decay * t)
    return 0.5 * wave / np.abs(wave).max()


@pytest.fixture(scope="session")
def sounds(tmp_path_factory) -> dict[str, Path]:
    """Files by name: a dull low tone, a bright pluck, noise, a steady buzz."""
    folder = tmp_path_factory.mktemp("sounds")
    noise = np.random.default_rng(0).standard_normal(RATE)
    waves = {
        "dull": _tone(80, 3.0, 1.0),
        "pluck": _tone(330, 1.2, 6.0),
        "noise": 0.3 * noise / np.abs(noise).max() * np.exp(-5 * np.arange(RATE) / RATE),
        "buzz": _tone(150, 0.4, 0.0),
    }
    for name, wave in waves.items():
        soundfile.write(folder / f"{name}.wav", wave, RATE)
    return {name: folder / f"{name}.wav" for name in waves}


@pytest.fixture(scope="session")
def model():
    return load_model("small")


@pytest.fixture
def tclip():
    """Run ``tclip``: the arguments, and the exit code that is expected."""

    def run(*arguments: object, code: int = 0):
        done = CliRunner().invoke(cli, [str(a) for a in arguments])
        assert done.exit_code == code, (done.output, done.exception)
        return done

    return run
