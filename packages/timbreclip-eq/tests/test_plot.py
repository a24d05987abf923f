"""The picture shows the curve that was applied, with units."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from timbreclip_core.cli.main import cli
from timbreclip_eq import GraphicEQ, Preset, TiltEQ
from timbreclip_eq.plot import Picture, draw, save_picture, spectrogram_db, top_hz

GAINS = torch.linspace(-9, 9, 10, dtype=torch.float64)[None]


def picture(eq=None, values=None, rate=44_100, samples=20_000, heard_hz=16_000.0, amount=1.0):
    generator = torch.Generator().manual_seed(0)
    before = 0.1 * torch.randn(2, samples, generator=generator)
    preset = Preset.of(
        eq or GraphicEQ(), values or {"gain_db": GAINS}, sample_rate=rate, heard_hz=heard_hz
    )
    return shown(before, 2 * before, rate, preset, amount)


def shown(before, after, rate, preset, amount=1.0):
    levels = [spectrogram_db(x, rate) for x in (before, after)]
    facts = ("similarity",)
    seconds = before.shape[-1] / rate
    return Picture(*levels, seconds, rate, preset, amount, "kick.wav: bright", facts)


def test_axes_have_units_and_the_curve_is_the_presets():
    wanted = picture(amount=0.5)
    figure = draw(wanted)
    curve, before, after, bar = figure.axes
    assert curve.get_xlabel() == "Frequency in Hz"
    assert curve.get_ylabel() == "Gain in dB"
    assert before.get_xlabel() == after.get_xlabel() == "Time in s"
    assert before.get_ylabel() == "Frequency in Hz"
    assert "dB" in bar.get_ylabel()
    line = next(item for item in curve.lines if item.get_label() == "EQ curve")
    freqs, gains_db = line.get_data()
    np.testing.assert_allclose(gains_db, wanted.preset.curve(freqs, amount=0.5), atol=1e-9)
    points = next(item for item in curve.lines if item.get_label() == "bands")
    np.testing.assert_allclose(points.get_ydata(), 0.5 * GAINS[0], atol=1e-9)
    assert "kick.wav: bright" in figure.get_suptitle()


def test_bands_that_are_held_look_different():
    labels = [line.get_label() for line in draw(picture(heard_hz=8_000.0)).axes[0].lines]
    assert "bands held" in labels
    assert any(label.startswith("held") for label in labels)


def test_an_eq_without_bands_is_drawn():
    values = {"slope": torch.tensor([2.0], dtype=torch.float64)}
    assert len(draw(picture(TiltEQ(), values)).axes) == 4


@pytest.mark.parametrize(("rate", "samples"), [(1_000, 1), (8_000, 50), (192_000, 100_000)])
def test_any_sound_is_drawn_to_a_file(tmp_path, rate, samples):
    path = tmp_path / "a.png"
    save_picture(path, picture(rate=rate, samples=samples))
    with Image.open(path) as image:
        assert image.size == (1_320, 840)
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_silence_is_drawn(tmp_path):
    quiet = shown(torch.zeros(1, 100), torch.zeros(1, 100), 44_100, picture().preset)
    save_picture(tmp_path / "a.png", quiet)


def test_the_spectrogram_has_a_sine_where_it_is_and_at_its_level():
    rate = 44_100
    t = torch.arange(rate) / rate
    level = spectrogram_db(0.5 * torch.sin(2 * torch.pi * 2_000 * t)[None], rate)
    edges = np.geomspace(20, top_hz(rate), level.shape[0] + 1)
    row = level.mean(1).argmax()
    assert edges[row] <= 2_030
    assert edges[row + 1] >= 1_970
    # A sine of amplitude a has the power (a / 2)^2 in its bin.
    assert level.max() == pytest.approx(20 * np.log10(0.25), abs=1.5)


def test_a_grid_has_a_row_a_sound_and_a_column_a_prompt(tmp_path):
    examples = sorted(Path(__file__).parents[3].joinpath("examples").glob("*.wav"))[:2]
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"RIFF")
    out = tmp_path / "grid.png"
    command = ["eq", "grid", *map(str, examples), str(bad), "-p", "bright", "-p", "dark"]
    done = CliRunner().invoke(cli, [*command, "-o", str(out), "--json"])
    assert done.exit_code == 1, "one file is bad, the others are drawn"
    told = json.loads(done.stdout)
    assert [Path(row["file"]) for row in told["rows"]] == examples
    assert [cell["prompt"] for cell in told["rows"][0]["cells"]] == ["bright", "dark"]
    assert [Path(record["file"]) for record in told["failed"]] == [bad]
    with Image.open(out) as image:
        assert image.width > image.height > 300


def test_a_grid_without_a_picture_to_write_is_refused(tmp_path):
    command = ["eq", "grid", "a.wav", "-p", "bright", "-o", str(tmp_path / "a.txt")]
    assert CliRunner().invoke(cli, command).exit_code == 2
