"""A preset that was saved is the EQ that was found."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from timbreclip_core.errors import InputError, UnknownNameError
from timbreclip_eq import GraphicEQ, Preset, load_preset
from timbreclip_eq.entries import load_eq

GAINS = torch.tensor([[1.5, -3, 0, 8, -12, 1, 2, 12, -6, 4]], dtype=torch.float64)


@pytest.fixture
def preset() -> Preset:
    return Preset.of(
        GraphicEQ(),
        {"gain_db": GAINS},
        sample_rate=44_100,
        heard_hz=16_000.0,
        target="warm, harsh:-0.5",
        model="small@1",
    )


@pytest.mark.parametrize("name", ["graphic", "parametric", "tilt"])
def test_every_eq_goes_to_a_file_and_back(tmp_path, name):
    eq = load_eq(name)
    unit = torch.rand(1, eq.size, generator=torch.Generator().manual_seed(0)).double()
    made = Preset.of(eq, eq.values(unit), sample_rate=48_000, heard_hz=8_000.0, amount=0.5)
    made.save(tmp_path / "a.json")
    back = load_preset(tmp_path / "a.json")
    assert back.as_dict() == made.as_dict()
    freqs = np.geomspace(20, 20_000, 50)
    np.testing.assert_array_equal(back.curve(freqs), made.curve(freqs))
    audio = 0.1 * torch.randn(2, 500)
    assert torch.equal(back.render(audio, 8_000).audio, made.render(audio, 8_000).audio)
    assert back.bands() == made.bands()


def test_options_travel_with_the_preset(tmp_path):
    eq = load_eq("graphic", {"bands": 31, "max_gain_db": 6})
    made = Preset.of(eq, eq.values(torch.ones(1, 31)), sample_rate=48_000, heard_hz=1e4)
    made.save(tmp_path / "a.json")
    assert load_preset(tmp_path / "a.json").instance.size == 31


def test_a_preset_is_readable_json(tmp_path, preset):
    preset.save(tmp_path / "a.json")
    content = json.loads((tmp_path / "a.json").read_text("utf-8"))
    assert content["format"] == "timbreclip-eq"
    assert content["values"]["gain_db"] == GAINS[0].tolist()
    assert content["target"] == "warm, harsh:-0.5"


def test_the_amount_of_a_preset_scales_its_curve(preset):
    freqs = [100.0, 1_000.0]
    np.testing.assert_allclose(preset.curve(freqs, amount=-1), -preset.curve(freqs))


def test_a_preset_may_be_of_an_eq_that_no_plugin_has(tmp_path):
    eq = GraphicEQ()
    eq.name = "my own"
    made = Preset.of(eq, {"gain_db": GAINS}, sample_rate=44_100, heard_hz=1e4)
    assert made.curve([1_000.0]).shape == (1,)
    made.save(tmp_path / "a.json")
    with pytest.raises(UnknownNameError):
        load_preset(tmp_path / "a.json")


@pytest.mark.parametrize(
    "change",
    [
        {"format": "other"},
        {"format_version": 99},
        {"values": {"gain_db": [1.0]}},
        {"values": {"gain_db": [1e9] * 10}},
        {"values": 3},
        {"sample_rate": "fast"},
        {"sample_rate": 3},
        {"amount": None},
        {"options": 5},
        {"eq": 5},
        {"options": {"bands": 31}},
    ],
)
def test_a_damaged_preset_is_an_input_error(tmp_path, preset, change):
    path = tmp_path / "a.json"
    preset.save(path)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises((InputError, UnknownNameError)):
        load_preset(path)


@pytest.mark.parametrize("text", ["", "[]", "{", "\x00\xff"])
def test_what_is_no_preset_is_an_input_error(tmp_path, text):
    (tmp_path / "a.json").write_text(text, "latin-1")
    with pytest.raises(InputError):
        load_preset(tmp_path / "a.json")
    with pytest.raises(InputError):
        load_preset(tmp_path / "missing.json")


def test_unknown_fields_of_a_later_minor_version_are_ignored(tmp_path, preset):
    path = tmp_path / "a.json"
    preset.save(path)
    path.write_text(json.dumps({**json.loads(path.read_text()), "colour": "blue"}))
    assert load_preset(path).as_dict() == preset.as_dict()
