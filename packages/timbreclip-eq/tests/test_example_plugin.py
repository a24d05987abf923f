"""The example plugin of the docs is an EQ like ours."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from timbreclip_core.plugins import PluginManager, plugin_manager
from timbreclip_eq import equalize
from timbreclip_eq.entries import EQEntry, load_eq
from timbreclip_eq.testing import check_eq

EXAMPLE = Path(__file__).parents[3] / "docs" / "plugins" / "timbreclip-tilt"


@pytest.fixture
def example(monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLE))
    import timbreclip_tilt

    usual = PluginManager.load_installed

    def load_installed(self):
        usual(self)
        self.register(timbreclip_tilt, "timbreclip-tilt")

    monkeypatch.setattr(PluginManager, "load_installed", load_installed)
    plugin_manager.cache_clear()
    yield timbreclip_tilt
    for name in [n for n in sys.modules if n.startswith("timbreclip_tilt")]:
        del sys.modules[name]
    plugin_manager.cache_clear()


def test_the_example_plugin_is_found_and_keeps_the_contract(example):
    names = [r.entry.name for r in plugin_manager().entries(EQEntry)]
    assert names == ["graphic", "parametric", "slope", "tilt"]
    check_eq(load_eq("tilt"))


def test_the_example_plugin_is_fitted_and_rendered(example, model, sounds):
    audio = sounds.noise(1, 44_100)
    for word, sign in (("bright", 1), ("dark", -1)):
        result = equalize(audio, sample_rate=44_100, target=word, eq="tilt", model=model)
        (knob,) = result.bands
        assert (knob["name"], knob["unit"]) == ("slope", "dB/octave")
        assert sign * knob["value"] > 0.5
        assert result.similarity_after > result.similarity_before
        assert result.apply(audio, 44_100).abs().max() <= 1
