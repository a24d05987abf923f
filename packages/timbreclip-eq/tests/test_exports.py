"""What is exported is read back by parsers of its own and must have the same response."""

import ast
import csv
import io
import re

import numpy as np
import pytest
import soundfile
import torch
from click.testing import CliRunner

from timbreclip_core.cli.main import cli
from timbreclip_core.dsp import biquad
from timbreclip_core.errors import UsageError
from timbreclip_eq.cli import EXPORTS
from timbreclip_eq.exports import FORMATS, Export, write_export
from timbreclip_eq.preset import Preset

FREQS_HZ = np.geomspace(25.0, 18_000.0, 300)
CLOSE_DB = 0.1
KINDS = {
    "PK": biquad.peaking,
    "LSC": biquad.low_shelf,
    "HSC": biquad.high_shelf,
    "PeakFilter": biquad.peaking,
    "LowShelfFilter": biquad.low_shelf,
    "HighShelfFilter": biquad.high_shelf,
}


def preset(eq, amount=1.0):
    generator = np.random.default_rng(0)
    values = {
        "graphic": {"gain_db": generator.uniform(-12, 12, 31).tolist()},
        "parametric": {
            "gain_db": [6.0, -9.0, 12.0, 3.0, -4.0, 8.0],
            "freq_hz": [90.0, 300.0, 1_234.567, 3_000.0, 6_000.0, 9_000.0],
            "q": [0.7, 2.0, 0.5, 8.0, 1.0, 0.9],
        },
        "tilt": {"slope": 1.5},
    }[eq]
    options = {"bands": 31} if eq == "graphic" else {}
    about = {"sample_rate": 48_000, "heard_hz": 16_000.0, "target": "bright\nand airy"}
    return Preset(eq=eq, options=options, values=values, amount=amount, **about)


def response_db(filters, sample_rate):
    """Response of ``(kind, Hz, dB, Q)``."""
    total = np.zeros(len(FREQS_HZ))
    for kind, hz, db, q in filters:
        numbers = (torch.tensor([x], dtype=torch.float64) for x in (db, hz, q))
        sections = KINDS[kind](*numbers, sample_rate)
        freqs = torch.from_numpy(FREQS_HZ)
        total += biquad.cascade_db(sections[None], freqs, sample_rate)[0].numpy()
    return total


def read_apo(content, sample_rate):
    number = r"(-?\d+\.\d{2})"
    lines = content.decode("ascii").splitlines()
    preamp = float(re.fullmatch(f"Preamp: {number} dB", lines[1])[1])
    form = rf"Filter \d+: ON (PK|LSC|HSC) Fc {number} Hz Gain {number} dB Q (\d+\.\d{{4}})"
    found = [re.fullmatch(form, line).groups() for line in lines[2:]]
    filters = [(kind, *map(float, numbers)) for kind, *numbers in found]
    return preamp + response_db(filters, sample_rate)


def read_graphic_eq(content, sample_rate):
    (line,) = content.decode("ascii").splitlines()
    points = [tuple(map(float, p.split())) for p in line.removeprefix("GraphicEQ: ").split("; ")]
    hz, db = np.array(points).T
    assert len(hz) < 300 and bool((np.diff(hz) > 0).all())
    return np.interp(np.log(FREQS_HZ), np.log(hz), db)


def read_csv(content, sample_rate):
    rows = list(csv.DictReader(io.StringIO(content.decode("ascii"))))
    hz, db = (np.array([float(r[c]) for r in rows]) for c in ("frequency", "equalization"))
    return np.interp(np.log(FREQS_HZ), np.log(hz), db)


def read_ir(content, sample_rate):
    taps, rate = soundfile.read(io.BytesIO(content), always_2d=True)
    assert rate == sample_rate and taps.shape[1] == 1
    turn = np.exp(-2j * np.pi * FREQS_HZ[:, None] / rate * np.arange(len(taps)))
    return 20 * np.log10(np.abs(turn @ taps[:, 0]))


def read_pedalboard(content, sample_rate):
    tree = ast.parse(content.decode("ascii"))
    board = next(node for node in tree.body if isinstance(node, ast.Assign)).value
    imported = {a.name for n in tree.body if isinstance(n, ast.ImportFrom) for a in n.names}
    preamp, filters = 0.0, []
    for call in board.args[0].elts:
        assert call.func.id in imported
        given = {word.arg: ast.literal_eval(word.value) for word in call.keywords}
        if call.func.id == "Gain":
            preamp += given["gain_db"]
        else:
            own = (given["cutoff_frequency_hz"], given["gain_db"], given["q"])
            filters.append((call.func.id, *own))
    return preamp + response_db(filters, sample_rate)


READERS = {
    "apo": read_apo,
    "graphiceq": read_graphic_eq,
    "csv": read_csv,
    "ir": read_ir,
    "pedalboard": read_pedalboard,
}


def test_the_command_knows_every_format():
    assert tuple(FORMATS) == EXPORTS == tuple(READERS)


@pytest.mark.parametrize("sample_rate", [44_100, 48_000])
@pytest.mark.parametrize("eq", ["graphic", "parametric", "tilt"])
@pytest.mark.parametrize("name", list(READERS))
def test_what_is_read_back_has_the_same_response(name, eq, sample_rate):
    export = Export(preset=preset(eq), sample_rate=sample_rate)
    if eq == "tilt" and FORMATS[name].biquads:
        with pytest.raises(UsageError, match="graphiceq, csv, ir"):
            FORMATS[name].make(export)
        return
    found = READERS[name](FORMATS[name].make(export), sample_rate)
    expected = export.curve_db(FREQS_HZ) + export.preamp_db
    assert np.abs(found - expected).max() < CLOSE_DB


@pytest.mark.parametrize("name", list(READERS))
def test_nothing_is_above_0_db_and_the_preamp_is_of_the_whole_curve(name):
    export = Export(preset=preset("parametric"), sample_rate=48_000)
    assert export.preamp_db < -8, "bands add up"
    found = READERS[name](FORMATS[name].make(export), 48_000)
    assert found.max() == pytest.approx(0.0, abs=0.3) and found.max() < 0.06


@pytest.mark.parametrize("name", list(READERS))
@pytest.mark.parametrize("amount", [-1.0, 0.5])
def test_an_amount_scales_the_curve(name, amount):
    export = Export(preset=preset("graphic", amount=0.5), sample_rate=48_000, amount=amount)
    found = READERS[name](FORMATS[name].make(export), 48_000)
    expected = export.curve_db(FREQS_HZ) + export.preamp_db
    # Bells of half the height are no halved bells.
    assert np.abs(found - expected).max() < (0.8 if FORMATS[name].biquads else CLOSE_DB)


def test_a_flat_eq_has_no_filters(tmp_path):
    flat = Preset(
        eq="graphic", values={"gain_db": [0.0] * 10}, sample_rate=48_000, heard_hz=16_000.0
    )
    lines = write_export(flat, "apo", tmp_path / "flat.txt").read_text().splitlines()
    assert lines[1:] == ["Preamp: 0.00 dB"] or lines[1:] == ["Preamp: -0.00 dB"]


def test_the_command_writes_what_the_function_does(tmp_path):
    preset("parametric").save(tmp_path / "p.json")
    for name in EXPORTS:
        out = tmp_path / f"x{FORMATS[name].suffix}"
        done = CliRunner().invoke(
            cli, ["eq", "export", str(tmp_path / "p.json"), name, "-o", str(out)]
        )
        assert done.exit_code == 0 and done.stdout.strip() == str(out)
        assert out.read_bytes() == FORMATS[name].make(
            Export(preset=preset("parametric"), sample_rate=48_000)
        )
    missing = ["eq", "export", str(tmp_path / "p.json"), "apo", "-o", str(tmp_path / "no" / "x")]
    assert CliRunner().invoke(cli, missing).exit_code == 2


def test_results_have_exports_beside_them(tmp_path):
    preset("parametric").save(tmp_path / "p.json")
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).normal(0, 0.1, 44_100), 44_100)
    command = ["eq", "apply", str(tmp_path / "p.json"), str(tmp_path / "a.wav"), "--no-plot"]
    command += ["-o", str(tmp_path / "b.wav"), "--export", "apo", "--export", "ir"]
    done = CliRunner().invoke(cli, command)
    assert done.exit_code == 0, done.output
    assert "44100 Hz" in (tmp_path / "b.apo.txt").read_text()
    assert soundfile.info(tmp_path / "b.ir.wav").samplerate == 44_100
