"""``tclip eq`` as users type it."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import numpy as np
import pyloudnorm
import pytest
import soundfile
from click.testing import CliRunner

from timbreclip_core.cli.main import cli


@pytest.fixture
def tclip(model_folder):
    def run(*words, code=0):
        arguments = [str(w) for w in words]
        if "-p" in arguments:
            arguments += ["--model", str(model_folder)]
        done = CliRunner().invoke(cli, ["eq", *arguments])
        assert done.exit_code == code, done.output
        return done

    return run


@pytest.fixture
def wav(tmp_path, sounds):
    def make(name="in.wav", rate=44_100, channels=2, seconds=0.6, seed=0):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        data = sounds.noise(seconds, rate, channels, seed).numpy().T
        soundfile.write(path, data, rate, subtype="PCM_24")
        return path

    return make


def test_one_file_with_the_default_verb(tclip, wav, tmp_path):
    source, out = wav(), tmp_path / "out.wav"
    done = tclip(source, "-p", "bright", "-o", out)
    a, b = soundfile.info(source), soundfile.info(out)
    assert (a.samplerate, a.channels, a.frames, a.subtype) == (
        b.samplerate,
        b.channels,
        b.frames,
        b.subtype,
    )
    assert out.with_suffix(".png").stat().st_size > 10_000
    assert "similarity" in done.stdout
    assert "1000 Hz" in done.stdout


@pytest.mark.parametrize(("word", "sign"), [("bright", 1), ("dark", -1)])
def test_the_report_of_a_run(tclip, wav, tmp_path, word, sign):
    out = tmp_path / "out.flac"
    done = tclip("run", wav(), "-p", word, "-o", out, "--json", "--save-preset")
    report = json.loads(done.stdout)
    assert report["failed"] == []
    (record,) = report["results"]
    assert sign * (record["centroid_hz"]["after"] - record["centroid_hz"]["before"]) > 0
    assert record["similarity"]["after"] > record["similarity"]["before"]
    assert len(record["bands"]) == 10
    assert record["target"] == word
    assert record["preamp_db"] <= 0
    assert record["search"]["converged"]
    assert record["loudness_lufs"]["before"] is not None
    assert (tmp_path / "out.eq.json").is_file()
    assert soundfile.info(out).subtype == record["subtype"] == "PCM_24"


def test_a_batch_goes_on_past_bad_files_and_exits_with_1(tclip, wav, tmp_path):
    good = [wav(f"g{i}.wav", rate) for i, rate in enumerate((8_000, 44_100, 96_000))]
    bad = tmp_path / "bad.wav"
    bad.write_text("no sound")
    silent = tmp_path / "silent.wav"
    soundfile.write(silent, np.zeros(1_000), 44_100)
    files = [good[0], bad, good[1], silent, tmp_path / "missing.wav", good[2]]
    done = tclip(*files, "-p", "dark", "-o", tmp_path / "out", "--json", "--no-plot", code=1)
    report = json.loads(done.stdout)
    assert [r["file"] for r in report["results"]] == [str(f) for f in good]
    assert [r["file"] for r in report["failed"]] == [str(bad), str(silent), str(files[4])]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["g0.wav", "g1.wav", "g2.wav"]
    assert "silent.wav" in done.stderr
    assert [r["sample_rate"] for r in report["results"]] == [8_000, 44_100, 96_000]


def test_a_folder_is_all_its_sounds_and_equal_names_keep_apart(tclip, wav, tmp_path):
    for folder in "ab":
        (tmp_path / "kit" / folder).mkdir(parents=True, exist_ok=True)
        wav(f"kit/{folder}/kick.wav", seed=ord(folder))
    tclip(tmp_path / "kit", "-p", "dark", "-o", tmp_path / "out", "--no-plot")
    found = sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.wav"))
    assert found == ["a/kick.wav", "b/kick.wav"]


def test_fit_show_and_apply_make_the_sound_of_run(tclip, wav, tmp_path):
    source = wav()
    tclip(source, "-p", "bright", "-o", tmp_path / "direct.wav", "--no-plot")
    preset = tmp_path / "bright.json"
    done = tclip("fit", source, "-p", "bright", "-o", preset, "--json")
    assert json.loads(done.stdout)["bands"][0]["type"] == "peak"
    tclip("apply", preset, source, "-o", tmp_path / "applied.wav")
    direct, _ = soundfile.read(tmp_path / "direct.wav")
    applied, _ = soundfile.read(tmp_path / "applied.wav")
    np.testing.assert_allclose(applied, direct, atol=1e-6)
    assert (tmp_path / "applied.png").is_file()
    shown = tclip("show", preset)
    assert "target bright" in shown.stdout
    assert json.loads(tclip("show", preset, "--json").stdout)["eq"] == "graphic"


def test_one_eq_for_several_files(tclip, wav, tmp_path):
    files = [wav(f"{i}.wav", seed=i) for i in range(3)]
    bad = tmp_path / "bad.wav"
    bad.write_text("x")
    done = tclip("fit", *files, bad, "-p", "dark", "-o", tmp_path / "p.json", "--json", code=1)
    report = json.loads(done.stdout)
    assert len(report["similarity"]) == 3
    assert report["failed"][0]["file"] == str(bad)
    assert (tmp_path / "p.json").is_file()


def test_amounts_scale_and_invert(tclip, wav, tmp_path):
    source = wav()
    tops_db = []
    for amount in (-1, 0, 1, 2):
        out = tmp_path / f"{amount}.wav"
        tclip(source, "-p", "bright", "-o", out, "--amount", amount, "--no-plot")
        data, rate = soundfile.read(out)
        power = (abs(np.fft.rfft(data, axis=0)) ** 2).sum(1)
        freqs = np.linspace(0, rate / 2, len(power))
        top, low = ((freqs > a) & (freqs < b) for a, b in ((4_000, 12_000), (60, 250)))
        tops_db.append(10 * np.log10(power[top].sum() / power[low].sum()))
    assert (np.diff(tops_db) > 1).all()
    flat, original = (soundfile.read(p, dtype="int32")[0] for p in (tmp_path / "0.wav", source))
    np.testing.assert_array_equal(flat, original)


def test_loudness_is_kept_when_asked(tclip, wav, tmp_path):
    done = tclip(
        wav(), "-p", "boomy", "-o", tmp_path / "o.wav", "--match-loudness", "--json", "--no-plot"
    )
    loudness = json.loads(done.stdout)["results"][0]["loudness_lufs"]
    assert loudness["after"] == pytest.approx(loudness["before"], abs=0.1)


def test_loudness_is_kept_unless_it_is_not_wanted(tclip, wav, tmp_path):
    source = wav()
    for words, kept in ((["--no-match-loudness"], False), ([], True)):
        done = tclip(source, "-p", "boomy", "-o", tmp_path / "o.wav", "--json", "--no-plot", *words)
        (record,) = json.loads(done.stdout)["results"]
        loudness = record["loudness_lufs"]
        assert (abs(loudness["after"] - loudness["before"]) < 0.1) is kept
        assert (record["match_db"] == 0) is not kept


@pytest.mark.parametrize(("suffix", "level"), [("wav", 1.0), ("flac", 3.3), ("ogg", 1.0)])
@pytest.mark.parametrize("matched", [True, False])
def test_a_pair_to_compare_is_equally_loud_and_sorts_together(
    tclip, sounds, tmp_path, suffix, level, matched
):
    source, out = tmp_path / f"in.{suffix}", tmp_path / f"out.{suffix}"
    audio = level * sounds.noise(0.7, 44_100, 2).numpy().T
    soundfile.write(source, audio.clip(-1, 1), 44_100)
    words = ["--no-plot", "--json", *([] if matched else ["--no-match-loudness"])]
    done = tclip(source, "-p", "bright", "-o", out, "--ab", *words)
    pair = json.loads(done.stdout)["results"][0]["pair"]
    ending = "wav" if suffix == "ogg" else suffix
    assert pair == [str(tmp_path / f"out.{name}.{ending}") for name in ("A-before", "B-after")]
    found = [soundfile.read(path)[0] for path in pair]
    assert [len(data) for data in found] == [len(audio)] * 2
    assert max(np.abs(data).max() for data in found) <= 1
    meter = pyloudnorm.Meter(44_100)
    first, second = (meter.integrated_loudness(data) for data in found)
    assert first == pytest.approx(second, abs=0.1)
    unchanged, _ = soundfile.read(source)
    gain = np.sqrt((found[0] ** 2).sum() / (unchanged**2).sum())
    assert gain <= 1.0001
    np.testing.assert_allclose(found[0], gain * unchanged, atol=2e-4)


def test_the_same_command_writes_the_same_files(tclip, tmp_path, sounds):
    source = tmp_path / "in.wav"
    soundfile.write(source, sounds.noise(0.5, 44_100).numpy().T, 44_100, subtype="FLOAT")
    written = []
    for name, wait_s in (("a", 1.1), ("b", 0)):
        out = tmp_path / f"{name}.wav"
        tclip(source, "-p", "dark", "-o", out, "--no-plot", "--export", "ir")
        written.append((out.read_bytes(), out.with_suffix(".ir.wav").read_bytes()))
        time.sleep(wait_s)
    assert written[0] == written[1]


def test_options_reach_the_search(tclip, wav, tmp_path):
    source = wav()
    done = tclip(
        source,
        "-p",
        "bright",
        "-p",
        "boomy:0.5",
        "--source-weight",
        "0.2",
        "-O",
        "bands=31",
        "--loss",
        "directional",
        "-o",
        tmp_path / "o.wav",
        "--json",
        "--no-plot",
    )
    (record,) = json.loads(done.stdout)["results"]
    assert len(record["bands"]) == 31
    assert record["target"] == "bright, boomy:0.5, source:0.2"


def test_a_reference_sound_is_a_target(tclip, wav, tmp_path, model_folder):
    wanted = tmp_path / "wanted.wav"
    tclip(wav(), "-p", "boomy", "-o", wanted, "--no-plot")
    words = [tmp_path / "in.wav", "--like", wanted, "-o", tmp_path / "o.wav", "--no-plot"]
    words += ["--json", "--model", model_folder]
    done = CliRunner().invoke(cli, ["eq", *map(str, words)])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["results"][0]["similarity"]["after"] > 0.97


def test_the_eqs_are_listed_with_options(tclip):
    rows = {r["name"]: r for r in json.loads(tclip("list", "--json").stdout)}
    assert rows["graphic"]["options"] == {"bands": 10, "max_gain_db": 12.0}
    assert {"graphic", "parametric", "tilt"} <= set(rows)
    assert "timbreclip-eq" in tclip("list").stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["{in}", "-o", "{tmp}/o.wav"], "needs a prompt"),
        (["{in}", "-p", "bright", "-o", "{in}"], "would be overwritten"),
        (["{in}", "-p", "bright", "-o", "{tmp}/o.xyz"], "must end in"),
        (["{in}", "{in2}", "-p", "bright", "-o", "{tmp}/o.wav"], "must be a folder"),
        (["{in}", "-p", "bright", "-o", "{tmp}/o.wav", "--eq", "grafic"], "'graphic'"),
        (["{in}", "-p", "bright", "-o", "{tmp}/o.wav", "-O", "bands"], "NAME=VALUE"),
        (["{in}", "-p", "bright", "-o", "{tmp}/o.wav", "--amount", "3"], "amount"),
        (["{in}", "-p", "bright"], "--out"),
        (["apply", "{in}", "{in2}", "-o", "{tmp}/o.wav"], "no EQ preset"),
    ],
)
def test_wrong_use_says_what_is_right(wav, tmp_path, words, message):
    names = {"in": wav(), "in2": wav("in2.wav"), "tmp": tmp_path}
    before = names["in"].read_bytes()
    done = CliRunner().invoke(cli, ["eq", *[w.format(**names) for w in words]])
    assert done.exit_code == (1 if "apply" in words else 2)
    assert message in done.stderr
    assert names["in"].read_bytes() == before


def test_listing_and_help_need_no_torch():
    code = (
        "import sys; from timbreclip_core.cli.main import cli\n"
        "for words in (['eq', '--help'], ['eq', 'run', '--help'], ['eq', 'list']):\n"
        "    cli(words, standalone_mode=False)\n"
        "from timbreclip_eq import EQEntry, Param\n"
        "assert not {'torch', 'matplotlib', 'scipy'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
