"""Sounds, and a model that a folder can hold and ``--model`` can load."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from types import SimpleNamespace

import pytest
import torch

from timbreclip_core.checkpoints import write_checkpoint
from timbreclip_core.plugins import (
    EncoderEntry,
    PluginManager,
    SpaceEntry,
    Weights,
    hookimpl,
    plugin_manager,
)
from timbreclip_eq.testing import BANDS, BandEncoder, BandSpace, band_model

torch.set_num_threads(1)
NO_WEIGHTS = Weights(licence="Apache-2.0", size_mb=0, source="this test")


def noise(seconds: float, sample_rate: int, channels: int = 1, seed: int = 0) -> torch.Tensor:
    """Noise that falls by about 3 dB per octave, as music does, ``(channels, samples)``."""
    samples = max(1, round(seconds * sample_rate))
    generator = torch.Generator().manual_seed(seed)
    white = torch.randn(channels, samples, generator=generator)
    spectrum = torch.fft.rfft(white)
    freqs = torch.linspace(0, sample_rate / 2, spectrum.shape[-1]).clamp(min=40)
    pink = torch.fft.irfft(spectrum / freqs.sqrt(), samples)
    return 0.3 * pink / pink.abs().amax()


def pluck(sample_rate: int, seconds: float = 1.5, hz: float = 110.0) -> torch.Tensor:
    """A short attack and a decaying harmonic tone, ``(1, samples)``."""
    t = torch.arange(round(seconds * sample_rate)) / sample_rate
    partials = [k for k in range(1, 60) if k * hz < 0.45 * sample_rate]
    tone = sum(torch.sin(2 * torch.pi * k * hz * t) * torch.exp(-(1 + k) * t) / k for k in partials)
    return (0.3 * tone / tone.abs().amax())[None]


@pytest.fixture(scope="session")
def model():
    return band_model()


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory):
    """The path of a model for ``--model``; its plugin is registered like an installed one."""

    class BandPlugin:
        @hookimpl
        def tclip_encoders(self):
            yield EncoderEntry(
                name="bands",
                summary="",
                load=lambda path, device: BandEncoder(),
                space="bands",
                sample_rate=BandEncoder.sample_rate,
                weights=NO_WEIGHTS,
            )

        @hookimpl
        def tclip_spaces(self):
            yield SpaceEntry(
                name="bands",
                summary="",
                load=lambda path, device: BandSpace(),
                dim=BANDS + 1,
                weights=NO_WEIGHTS,
            )

    config = {"name": "bands", "licence": "Apache-2.0"}
    config |= {"encoder": {"name": "bands"}, "space": {"name": "bands", "file": "a.safetensors"}}
    tensors = {"a.safetensors": {"nothing": torch.zeros(1)}}
    folder = write_checkpoint(tmp_path_factory.mktemp("models") / "bands", config, tensors).root
    usual = PluginManager.load_installed

    def load_installed(self):
        usual(self)
        self.register(BandPlugin(), "band-plugin")

    patch = pytest.MonkeyPatch()
    patch.setattr(PluginManager, "load_installed", load_installed)
    plugin_manager.cache_clear()
    yield folder
    patch.undo()
    plugin_manager.cache_clear()


@pytest.fixture(scope="session")
def sounds():
    return SimpleNamespace(noise=noise, pluck=pluck)
