"""The example plugin of the docs is an EQ like ours."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from timbreclip_core.plugins import PluginManager, plugin_manager
from timbreclip_eq import equalize
from timbreclip_eq.entries import EQEntry, load_eq
from timbreclip_eq.testing import check_eq

EXAMPLE = Path(__file__).parents[3] / "docs" / "plugins" / "timbreclip-treble"


@pytest.fixture
def example(monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLE))
    import timbreclip_treble

    usual = PluginManager.load_installed

    def load_installed(self):
        usual(self)
        self.register(timbreclip_treble, "timbreclip-treble")

    monkeypatch.setattr(PluginManager, "load_installed", load_installed)
    plugin_manager.cache_clear()
    yield timbreclip_treble
    for name in [n for n in sys.modules if n.startswith("timbreclip_treble")]:
        del sys.modules[name]
    plugin_manager.cache_clear()


def test_the_example_plugin_is_found_and_keeps_the_contract(example):
    names = [r.entry.name for r in plugin_manager().entries(EQEntry)]
    assert names == ["curve", "graphic", "parametric", "tilt", "treble"]
    check_eq(load_eq("treble"))


def test_the_example_plugin_is_fitted_and_rendered(example, model, sounds):
    audio = sounds.noise(1, 44_100)
    for word, sign in (("bright", 1), ("dark", -1)):
        result = equalize(audio, sample_rate=44_100, target=word, eq="treble", model=model)
        (knob,) = result.bands
        assert (knob["name"], knob["unit"]) == ("treble", "dB")
        assert sign * knob["value"] > 1
        assert result.similarity_after > result.similarity_before
        assert result.apply(audio, 44_100).abs().max() <= 1
