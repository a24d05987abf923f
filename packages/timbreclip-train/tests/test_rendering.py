"""Rendering: which notes, what is stored, and that nothing stops or changes a run."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import struct
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from timbreclip_core.cli.main import cli
from timbreclip_core.errors import InputError, UsageError
from timbreclip_core.plugins import plugin_manager
from timbreclip_train.entries import RendererEntry
from timbreclip_train.rendering import hosts
from timbreclip_train.rendering.base import MissingSynthError, NotePlan, NoteSpec, Preset
from timbreclip_train.rendering.driver import render_source
from timbreclip_train.rendering.dssi import amsynth_presets, whysynth_presets
from timbreclip_train.rendering.folders import HydrogenRenderer, SonicPiRenderer, kit_presets
from timbreclip_train.rendering.freepats import midi_file
from timbreclip_train.rendering.lmms import project
from timbreclip_train.rendering.mda import port_arguments, read_ports, read_presets
from timbreclip_train.rendering.names import slug
from timbreclip_train.rendering.registry import load_renderer
from timbreclip_train.rendering.storage import Settings, make_shards, store_preset
from timbreclip_train.rendering.zynaddsubfx import ZynAddSubFXRenderer, licence_of
from timbreclip_train.splits import SPLITS, rules, split_of

RATE = 16_000
SHORT = NotePlan(per_patch=3, hold_s=0.2, release_s=0.05, drum_hold_s=0.2)
QUICK = Settings(plan=SHORT, sample_rate=RATE, stored_rate=RATE)


def tree(folder: Path) -> dict[str, str]:
    """Path to hash of every file below a folder."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def manifest(folder: Path, name: str = "manifest.jsonl") -> list[dict]:
    return [json.loads(line) for line in (folder / name).read_text("utf-8").splitlines()]


def synth(patches: int) -> partial:
    return partial(load_renderer, "synth", {"patches": str(patches)})


# Which notes


@given(st.text(max_size=20), st.integers(1, 60))
def test_a_plan_gives_as_many_notes_as_asked_for(preset: str, count: int) -> None:
    notes = NotePlan(per_patch=count).melodic(preset)
    assert 0 < len(notes) <= count
    assert all(33 <= n.pitch <= 87 or count <= 3 for n in notes)
    assert notes == NotePlan(per_patch=count).melodic(preset)


def test_the_default_plan_spreads_over_pitches_and_velocities() -> None:
    for number in range(20):
        notes = NotePlan().melodic(f"preset-{number}")
        assert len(notes) == 12
        assert len({n.pitch for n in notes}) >= 8
        assert len({n.velocity for n in notes}) >= 2


def test_a_collection_covers_every_pitch_of_the_range() -> None:
    heard = {n.pitch for i in range(200) for n in NotePlan().melodic(f"preset-{i}")}
    assert set(range(36, 85)) <= heard


def test_given_pitches_are_played_at_each_velocity() -> None:
    plan = NotePlan(pitches=(24, 36), velocities=(64, 100))
    assert [(n.pitch, n.velocity) for n in plan.melodic("x")] == [
        (24, 64),
        (36, 64),
        (24, 100),
        (36, 100),
    ]


@given(st.text())
def test_a_slug_is_safe_in_file_names(text: str) -> None:
    found = slug(text)
    assert found and set(found) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert slug(found) == found


# What is stored


def preset(**changes: object) -> Preset:
    values = {"id": "a", "source": "s", "collection": "c", "name": "A"} | changes
    return Preset(**values)


def tone(frames: int, level: float = 0.25) -> np.ndarray:
    wave = level * np.sin(2 * np.pi * 440 * np.arange(frames) / RATE)
    return np.stack([wave, -wave]).astype(np.float32)


def test_stored_notes_lie_where_the_manifest_says(tmp_path: Path) -> None:
    notes = [
        NoteSpec(pitch=p, velocity=v, hold_s=0.5, release_s=0.5) for p, v in ((60, 100), (72, 50))
    ]
    audio = [tone(RATE), tone(RATE, 0.1)]
    result = store_preset(tmp_path, preset(), notes, audio, QUICK)
    stored, rate = soundfile.read(tmp_path / result.notes[0]["file"])
    assert rate == RATE and stored.shape == (2 * RATE, 2)
    for row, samples in zip(result.notes, audio, strict=True):
        part = stored[row["offset"] : row["offset"] + row["frames"]].T
        restored = part / 10 ** (row["gain_db"] / 20)
        np.testing.assert_allclose(restored, samples, atol=2e-5)
        assert row["peak"] == pytest.approx(np.abs(samples).max(), rel=1e-3)
    assert np.abs(stored).max() == pytest.approx(10 ** (-1 / 20), abs=1e-3)


def test_silent_notes_are_listed_and_not_stored(tmp_path: Path) -> None:
    notes = [NoteSpec(pitch=p, velocity=100, hold_s=0.5, release_s=0.5) for p in (60, 61, 62)]
    audio = [tone(RATE), np.zeros((2, RATE), np.float32), tone(RATE, 0.25 * 10 ** (-56 / 20))]
    result = store_preset(tmp_path, preset(), notes, audio, QUICK)
    assert [row["pitch"] for row in result.notes] == [60]
    assert [row["pitch"] for row in result.silent] == [61, 62]


def test_a_drum_ends_with_its_sound(tmp_path: Path) -> None:
    note = NoteSpec(pitch=36, velocity=100, hold_s=2.0, release_s=0.0)
    audio = np.zeros((2, 2 * RATE), np.float32)
    audio[:, : RATE // 2] = tone(RATE // 2)
    result = store_preset(tmp_path, preset(unpitched=True), [note], [audio], QUICK)
    assert result.notes[0]["frames"] == pytest.approx(RATE // 2, abs=40)


def test_the_stored_rate_keeps_the_pitch(tmp_path: Path) -> None:
    wanted = Settings(plan=SHORT, sample_rate=RATE, stored_rate=8_000)
    note = NoteSpec(pitch=69, velocity=100, hold_s=1.0, release_s=0.0)
    row = store_preset(tmp_path, preset(), [note], [tone(RATE)], wanted).notes[0]
    stored, rate = soundfile.read(tmp_path / row["file"])
    assert rate == 8_000 and row["frames"] == 8_000
    assert np.abs(np.fft.rfft(stored[:, 0])).argmax() == 440


def test_collections_that_differ_in_case_do_not_share_shards() -> None:
    presets = [
        preset(id=str(i), collection=c)
        for i, c in enumerate(("Choir and Voice", "choir_and_voice"))
    ]
    assert len({shard.name for shard in make_shards(presets, 16)}) == 2


# Runs


def test_a_run_makes_notes_that_the_manifest_describes(tmp_path: Path) -> None:
    summary = render_source("synth", synth(20), tmp_path, QUICK)
    rows = manifest(tmp_path)
    assert summary.notes == len(rows) > 40
    assert summary.audible + summary.silent + summary.failed == summary.presets == 20
    ends: dict[str, int] = {}
    for row in rows:
        assert row["offset"] == ends.get(row["file"], 0)
        ends[row["file"]] = row["offset"] + row["frames"]
        assert row["name"] and row["category"] and row["licence"] == "Apache-2.0"
    assert all(soundfile.info(tmp_path / f).frames == frames for f, frames in ends.items())


def test_two_processes_make_the_same_bytes_as_one(tmp_path: Path) -> None:
    render_source("synth", synth(36), tmp_path / "one", QUICK, jobs=1)
    render_source("synth", synth(36), tmp_path / "two", QUICK, jobs=2)
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(tmp_path: Path) -> None:
    arguments = ["--set", "patches=40", "--per-patch", "2", "--hold", "0.3", "--release", "0.1"]
    code = "from timbreclip_core.cli.main import cli; cli()"
    command = [sys.executable, "-c", code, "data", "render", "synth", "--jobs", "1", *arguments]
    killed = tmp_path / "killed"
    child = subprocess.Popen(
        [*command, "--out", str(killed)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    shards = killed / "synth" / "shards"
    deadline = time.monotonic() + 120
    while not list(shards.glob("[!.]*.json")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    done = len(list(shards.glob("[!.]*.json")))
    assert 0 < done < 3
    assert not (killed / "synth" / "manifest.jsonl").exists()
    # Half a file, as a kill in the middle of writing leaves it.
    (shards / ".synth-half.json").write_text("{")
    subprocess.run([*command, "--out", str(killed)], check=True, capture_output=True)
    subprocess.run([*command, "--out", str(tmp_path / "whole")], check=True, capture_output=True)
    assert tree(killed / "synth") == tree(tmp_path / "whole" / "synth")


def test_a_damaged_shard_alone_is_rendered_again(tmp_path: Path) -> None:
    render_source("synth", synth(36), tmp_path, QUICK)
    before = tree(tmp_path)
    first, second = sorted((tmp_path / "shards").iterdir())[:2]
    first.write_text("{broken")
    row = json.loads(second.read_text())["notes"][0]
    (tmp_path / row["file"]).unlink()
    third = sorted((tmp_path / "shards").iterdir())[2]
    stamp = third.stat().st_mtime_ns
    render_source("synth", synth(36), tmp_path, QUICK)
    assert tree(tmp_path) == before
    assert third.stat().st_mtime_ns == stamp


def test_a_changed_preset_is_rendered_again_and_a_lost_one_removed(tmp_path: Path) -> None:
    render_source("synth", synth(20), tmp_path, QUICK)
    moved = partial(load_renderer, "synth", {"patches": "20", "seed": "4"})
    render_source("synth", moved, tmp_path, QUICK)
    render_source("synth", moved, tmp_path / "fresh", QUICK)
    assert {row["id"] for row in manifest(tmp_path)} <= {f"synth-{i:07d}" for i in range(4, 24)}
    for part in ("audio", "shards"):
        assert tree(tmp_path / part) == tree(tmp_path / "fresh" / part)


def test_other_settings_in_the_same_folder_are_refused(tmp_path: Path) -> None:
    render_source("synth", synth(2), tmp_path, QUICK)
    with pytest.raises(InputError, match="hold_s"):
        render_source("synth", synth(2), tmp_path, Settings(plan=NotePlan(hold_s=1.0)))


BAD_SOURCE = """
import os
import numpy as np
from timbreclip_train.rendering.base import Preset, RenderError, Renderer

FAULTS = {3: "abort", 5: "raise", 6: "refuse", 8: "nan", 9: "short", 10: "silence"}


class Bad(Renderer):
    def check(self):
        pass

    def presets(self):
        return [
            Preset(id=f"p{i:02d}", source="bad", collection="c", name=f"P {i}", payload={"i": i})
            for i in range(24)
        ]

    def render(self, preset, notes, sample_rate):
        fault = FAULTS.get(preset.payload["i"])
        if fault == "abort":
            os.abort()
        if fault == "raise":
            raise ZeroDivisionError("by zero")
        if fault == "refuse":
            raise RenderError("no such sound")
        frames = [sum(n.frames(sample_rate)) for n in notes]
        level = {"nan": np.nan, "silence": 0.0}.get(fault, 0.5)
        audio = [np.full((2, n), level, np.float32) for n in frames]
        return audio[1:] if fault == "short" else audio
"""


def test_a_preset_that_crashes_or_fails_costs_only_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bad_source.py").write_text(BAD_SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    from bad_source import Bad

    summary = render_source("bad", Bad, tmp_path / "out", QUICK)
    failed = {row["id"]: row["reason"] for row in manifest(tmp_path / "out", "failed.jsonl")}
    assert set(failed) == {"p03", "p05", "p06", "p08", "p09"}
    assert "died" in failed["p03"] and "ZeroDivisionError" in failed["p05"]
    assert failed["p06"] == "no such sound" and "NaN" in failed["p08"]
    assert {row["id"] for row in manifest(tmp_path / "out", "silent.jsonl")} == {"p10"}
    assert (summary.audible, summary.silent, summary.failed) == (18, 1, 5)


def test_a_missing_synth_names_the_command_that_installs_it() -> None:
    with pytest.raises(MissingSynthError, match="apt-get install hydrogen-drumkits"):
        HydrogenRenderer({"root": "/nowhere"}).check()
    with pytest.raises(MissingSynthError, match="apt-get install zynaddsubfx-lv2"):
        ZynAddSubFXRenderer({"banks": "/nowhere"}).check()


# The command


def test_sources_are_listed_with_what_they_need() -> None:
    done = CliRunner().invoke(cli, ["data", "sources", "--json"])
    assert done.exit_code == 0, done.output
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert {"soundfont", "zynaddsubfx", "dssi", "synth", "hydrogen", "lmms"} <= set(rows)
    assert rows["synth"]["needs"] == [] and rows["synth"]["missing"] == ""
    assert "zynaddsubfx-lv2" in rows["zynaddsubfx"]["needs"]


def test_every_renderer_loads_and_says_if_it_is_missing() -> None:
    for found in plugin_manager().entries(RendererEntry):
        renderer = found.entry.load({})
        try:
            renderer.check()
        except MissingSynthError as error:
            command = "npm pack" if found.entry.name == "tonejs" else "apt-get install"
            assert command in str(error)


def test_render_prints_a_table_and_writes_below_the_source_name(tmp_path: Path) -> None:
    arguments = ["data", "render", "synth", "--out", str(tmp_path), "--limit", "3", "--jobs", "1"]
    notes = ["--notes", "48,60", "--velocity", "64", "--hold", "0.2", "--release", "0.1"]
    done = CliRunner().invoke(cli, [*arguments, *notes, "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)[0]["presets"] == 3
    rows = manifest(tmp_path / "synth")
    assert {row["velocity"] for row in rows} == {64}
    assert {row["pitch"] for row in rows if not row["unpitched"]} <= {48, 60}


@pytest.mark.parametrize(
    "wrong",
    [
        ["--notes", "60,999"],
        ["--notes", "c4"],
        ["--velocity", "0"],
        ["--notes", "60", "--per-patch", "3"],
    ],
)
def test_wrong_note_options_are_refused(tmp_path: Path, wrong: list[str]) -> None:
    done = CliRunner().invoke(cli, ["data", "render", "synth", "--out", str(tmp_path), *wrong])
    assert done.exit_code == 2
    assert not list(tmp_path.iterdir())


def test_an_unknown_source_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["data", "render", "soundfnt", "--out", str(tmp_path)])
    assert done.exit_code == 2
    assert "soundfont" in done.output


def test_a_source_refuses_options_that_are_no_numbers() -> None:
    with pytest.raises(UsageError, match="patches"):
        load_renderer("synth", {"patches": "many"})


# Splits


def test_every_rule_names_a_split_and_a_known_source() -> None:
    sources = {r.entry.name for r in plugin_manager().entries(RendererEntry)}
    for rule in rules():
        assert rule.split in SPLITS and rule.source in sources and rule.reason


@pytest.mark.parametrize(
    ("source", "collection", "split"),
    [
        ("soundfont", "TimGM6mb", "test"),
        ("soundfont", "TimGM6mb/Jazz", "test"),
        ("soundfont", "sf_GMbank", "none"),
        ("soundfont", "FluidR3_GM/Jazz", "train"),
        ("soundfont", "MuseScore_General_Full", "train"),
        ("soundfont", "OPL-3_FM_128M/Standard", "valid"),
        ("zynaddsubfx", "Cris Owl Alvarez", "test"),
        ("zynaddsubfx", "olivers-100", "test"),
        ("zynaddsubfx", "olivers-other", "test"),
        ("zynaddsubfx", "chip", "test"),
        ("zynaddsubfx", "the_mysterious_bank_3", "valid"),
        ("zynaddsubfx", "Collection", "train"),
        ("dssi", "whysynth/more_K4_interpretations", "test"),
        ("dssi", "whysynth/K4oid", "test"),
        ("dssi", "amsynth/PatriksBank04", "test"),
        ("dssi", "amsynth/PatriksBank05", "test"),
        ("dssi", "amsynth/PatriksBank01", "train"),
        ("hydrogen", "ForzeeStereo", "test"),
        ("hydrogen", "BJA_Pacific", "valid"),
        ("hydrogen", "The Black Pearl 1.0", "train"),
        ("soundfont", "Black_Pearl_4_LV2/Black Pearl", "train"),
    ],
)
def test_collections_are_in_the_split_that_was_promised(
    source: str, collection: str, split: str
) -> None:
    assert split_of(source, collection) == split


# What single sources read


AMSYNTH = """amSynth
<preset> <name> First
<parameter> amp_attack 0.5
<parameter> osc_mix 1
<preset> <name> Same Sound
<parameter> osc_mix 1
<parameter> amp_attack 0.5
<preset> <name> New Preset
<parameter> amp_attack 0.1
EOF
"""


def test_equal_amsynth_presets_stay_on_the_side_that_training_does_not_see(tmp_path: Path) -> None:
    (tmp_path / "BriansBank01.amSynth.bank").write_text(AMSYNTH)
    (tmp_path / "PatriksBank04.bank").write_text(AMSYNTH)
    found = amsynth_presets(tmp_path)
    assert [(p.collection, p.name) for p in found] == [("amsynth/PatriksBank04", "First")]
    assert found[0].payload["parameters"] == {"amp_attack": 0.5, "osc_mix": 1.0}


WHYSYNTH = """# WhySynth patch
WhySynth patch format 1 begin
name Slow%20Strings
comment nice%20(contributed%20by%20Ken%20R)
category Strings
volume 0.5
WhySynth patch end
WhySynth patch format 1 begin
name K4oid:%20Bell
category [K4oid]
volume 0.6
WhySynth patch end
WhySynth patch format 1 begin
name ======%20Conversions
volume 0.7
WhySynth patch end
WhySynth patch format 1 begin
name alias%20test
category [test]
volume 0.8
WhySynth patch end
"""


def test_whysynth_patches_are_read_with_category_and_author(tmp_path: Path) -> None:
    (tmp_path / "current_default_patches.WhySynth").write_text(WHYSYNTH)
    strings, bell = whysynth_presets(tmp_path)
    assert (strings.name, strings.category, strings.author) == ("Slow Strings", "Strings", "Ken R")
    assert strings.collection == "whysynth/current_default_patches"
    assert (bell.name, bell.category) == ("Bell", None)
    assert bell.collection == "whysynth/K4oid"


ZYN = """
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE ZynAddSubFX-data>
<ZynAddSubFX-data version-major="1"><INSTRUMENT><INFO><string name="name">{name}</string>
<string name="author">{author}</string><par name="type" value="12" /></INFO>
<par name="x" value="{value}" /></INSTRUMENT></ZynAddSubFX-data>
"""


def test_zyn_banks_give_distinct_instruments_and_keep_the_guarded_copy(tmp_path: Path) -> None:
    entries = [
        ("Pads", "Warm", "", 1),
        ("Pads", "Warm again", "", 1),
        ("Pads", "Bat 2", "Chip", 2),
        ("chip", "Bat_2", "Chip\nGPL v3", 3),
        ("chip", "Same", "Chip", 4),
        ("Brass", "Same sound", "", 4),
    ]
    for number, (bank, name, author, value) in enumerate(entries):
        (tmp_path / bank).mkdir(exist_ok=True)
        text = ZYN.format(name=name, author=author, value=value)
        (tmp_path / bank / f"{number:04d}-{name}.xiz").write_text(text)
    (tmp_path / "chip" / "0099-broken.xiz").write_text("<oops")
    found = {
        (p.collection, p.name) for p in ZynAddSubFXRenderer({"banks": str(tmp_path)}).presets()
    }
    assert found == {("Pads", "Warm"), ("chip", "Bat_2"), ("chip", "Same")}


KIT = """<?xml version="1.0"?>
<drumkit_info xmlns="http://www.hydrogen-music.org/drumkit"><name>Toy</name><author>A. B.</author>
<license>CC0</license><instrumentList>
<instrument><id>0</id><name>Kick</name><volume>0.5</volume>
 <layer><filename>k1.wav</filename><min>0</min><max>0.5</max><gain>1</gain></layer>
 <layer><filename>k2.wav</filename><min>0.5</min><max>1</max><gain>1</gain></layer></instrument>
<instrument><id>1</id><name>c#3 - Bongo</name><filename>k1.wav</filename></instrument>
<instrument><id>2</id><name>17</name><filename>k1.wav</filename></instrument>
<instrument><id>3</id><name>Gone</name><filename>nowhere.wav</filename></instrument>
</instrumentList></drumkit_info>"""


def test_a_hydrogen_kit_gives_a_note_for_each_layer(tmp_path: Path) -> None:
    folder = tmp_path / "Toy Kit"
    folder.mkdir()
    (folder / "drumkit.xml").write_text(KIT)
    for name, level in (("k1.wav", 0.2), ("k2.wav", 0.8)):
        soundfile.write(folder / name, tone(RATE, level).T, RATE, subtype="FLOAT")
    kick, bongo = kit_presets(folder / "drumkit.xml")
    assert (kick.name, kick.category, kick.collection) == ("Kick", "drums", "Toy Kit")
    assert (bongo.name, bongo.category) == ("Bongo", "percussion")
    renderer = HydrogenRenderer({"root": str(tmp_path)})
    notes = renderer.notes(kick, NotePlan())
    assert [n.velocity for n in notes] == [32, 95]
    soft, loud = renderer.render(kick, notes, RATE)
    assert np.abs(soft).max() == pytest.approx(0.1, rel=1e-3)
    assert np.abs(loud).max() == pytest.approx(0.4, rel=1e-3)


def test_sonic_pi_names_become_words(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "bd_boom.flac", tone(RATE).T, RATE)
    found = SonicPiRenderer({"root": str(tmp_path)}).presets()[0]
    assert (found.name, found.category) == ("bass drum boom", "drums")


@given(st.integers(0, 127), st.integers(1, 127))
@settings(max_examples=20)
def test_midi_files_hold_each_note_at_its_time(pitch: int, velocity: int) -> None:
    notes = [NoteSpec(pitch=pitch, velocity=velocity, hold_s=1.0, release_s=0.5)] * 2
    data, starts_s = midi_file(notes, program=5)
    assert starts_s == [0.0, 2.5]
    assert data[:4] == b"MThd" and struct.unpack(">HHH", data[8:14]) == (0, 1, 480)
    assert struct.unpack(">I", data[18:22])[0] == len(data) - 22
    assert bytes([0xC0, 5]) in data
    # 1 s is 960 ticks, in two bytes of seven bits: 0x87 0x40.
    assert bytes([0x90, pitch, velocity, 0x87, 0x40, 0x80, pitch, 0]) in data


def test_lmms_projects_place_notes_on_the_grid() -> None:
    notes = [NoteSpec(pitch=60, velocity=100, hold_s=2.0, release_s=0.6)] * 2
    text, starts_s = project("<instrumenttrack/>", "1.2.2", notes, fixed_key=False)
    assert starts_s == [0.0, 3.75]
    assert 'key="48" vol="100" pan="0" pos="360" len="192"' in text


MDA_PORTS = '''
 lv2:port [ a lv2:InputPort , lv2:ControlPort ; lv2:index 0 ; lv2:symbol "mix" ;
   lv2:default 0.5 ; rdfs:comment """a [strange] comment""" ] ,
 [ a lv2:OutputPort , lv2:AudioPort ; lv2:index 1 ; lv2:symbol "left_out" ] ,
 [ a lv2:OutputPort , lv2:AudioPort ; lv2:index 2 ; lv2:symbol "right_out" ] ,
 [ a lv2:InputPort , atom:AtomPort ; lv2:index 3 ; lv2:symbol "event_in" ] .
'''
MDA_PRESETS = """<x> a pset:Preset ; rdfs:label "Soft Pad" ;
 lv2:port [ lv2:symbol "mix" ; pset:value 0.25 ] , [ lv2:symbol "cut" ; pset:value 1.0 ] ."""


def test_mda_descriptions_are_read() -> None:
    ports = read_ports(MDA_PORTS)
    assert port_arguments(ports) == ["0:control:0.5", "1:left", "2:right", "3:midi"]
    assert read_presets(MDA_PRESETS) == [("Soft Pad", {"mix": 0.25, "cut": 1.0})]


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        ("Will Godfrey\nGPL V 2 or later", "GPL-2.0-or-later"),
        ("licensed under LGPL v2 or later license", "LGPL-2.0-or-later"),
        ("License: GPLv3", "GPL-3.0-only"),
        ("somebody", "GPL-2.0-or-later"),
    ],
)
def test_licences_in_free_text_are_found(text: str, licence: str) -> None:
    assert licence_of(text) == licence


# Installed synthesisers

PLUGINS = ("zynaddsubfx", "dssi", "mda", "freepats", "lmms", "hydrogen", "sonic-pi", "soundfont")


@pytest.mark.parametrize("name", PLUGINS)
def test_an_installed_source_plays_the_same_notes_again(name: str) -> None:
    renderer = load_renderer(name, {})
    try:
        renderer.check()
    except MissingSynthError as error:
        pytest.skip(str(error))
    presets = renderer.presets()
    assert len({p.id for p in presets}) == len(presets)
    some = presets[:: max(1, len(presets) // 4)]
    plan = NotePlan(per_patch=2, hold_s=0.4, release_s=0.1, drum_hold_s=0.3)
    there = [renderer.render(p, renderer.notes(p, plan), 44_100) for p in some]
    back = [renderer.render(p, renderer.notes(p, plan), 44_100) for p in some[::-1]][::-1]
    renderer.close()
    assert any(np.abs(note).max() > 1e-3 for notes in there for note in notes)
    for first, second in zip(there, back, strict=True):
        for a, b in zip(first, second, strict=True):
            assert a.shape[0] == 2
            np.testing.assert_array_equal(a, b)


CRASHER = """
#include <stdlib.h>
#include <lv2/core/lv2.h>
static float *out, *mode;
static LV2_Handle make(const LV2_Descriptor *d, double r, const char *b,
                       const LV2_Feature *const *f) { return malloc(1); }
static void connect_port(LV2_Handle h, uint32_t port, void *data)
{ if (port == 0) out = data; if (port == 1) mode = data; }
static void run(LV2_Handle h, uint32_t n)
{
    if (*mode == 1) abort();
    if (*mode == 2) for (;;) {}
    for (uint32_t i = 0; i < n; i++) out[i] = *mode;
}
static void cleanup(LV2_Handle h) { free(h); }
static const LV2_Descriptor it = { "urn:crasher", make, connect_port, 0, run, 0, cleanup, 0 };
const LV2_Descriptor *lv2_descriptor(uint32_t i) { return i ? 0 : &it; }
"""


def test_a_host_survives_plugins_that_crash_or_hang(tmp_path: Path) -> None:
    try:
        program = hosts.build_host(hosts.LV2, tmp_path / "cache")
    except MissingSynthError as error:
        pytest.skip(str(error))
    (tmp_path / "crasher.c").write_text(CRASHER)
    plugin = tmp_path / "crasher.so"
    command = ["gcc", "-shared", "-fPIC", "-o", str(plugin), str(tmp_path / "crasher.c")]
    subprocess.run(command, check=True)
    ports = ["0:left", "1:control:0"]
    host = hosts.Host(program, [str(plugin), "urn:crasher", str(RATE), "64", "1", *ports])
    note = [NoteSpec(pitch=60, velocity=100, hold_s=0.1, release_s=0.0)]
    for mode, message in ((1.0, "crashed"), (2.0, "processor time")):
        with pytest.raises(hosts.RenderError, match=message):
            host.play(hosts.Request(controls={1: mode}), note, RATE)
        audio = host.play(hosts.Request(controls={1: 0.5}), note, RATE)[0]
        assert audio.shape == (2, RATE // 10) and (audio[0] == 0.5).all()
    host.close()


def test_a_host_is_built_once(tmp_path: Path) -> None:
    try:
        first = hosts.build_host(hosts.LV2, tmp_path)
    except MissingSynthError as error:
        pytest.skip(str(error))
    stamp = first.stat().st_mtime_ns
    assert hosts.build_host(hosts.LV2, tmp_path) == first
    assert first.stat().st_mtime_ns == stamp
    assert os.access(first, os.X_OK)
