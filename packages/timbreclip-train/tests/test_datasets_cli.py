"""The verbs of ``tclip data``, and the check that third parties run."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from timbreclip_core import hookimpl
from timbreclip_core.cli.main import cli
from timbreclip_core.errors import InputError, UnknownNameError
from timbreclip_core.plugins import plugin_manager
from timbreclip_train.datasets import Note, NoteDataset, attributes, open_dataset
from timbreclip_train.datasets.opening import VARIABLE, default_root
from timbreclip_train.entries import DatasetEntry
from timbreclip_train.testing import ConformanceError, check_dataset

OWN = {"folder", "nsynth", "patches", "rendered", "surge"}


def tclip(*arguments):
    return CliRunner().invoke(cli, ["data", *map(str, arguments)])


@pytest.fixture
def sounds(tmp_path):
    t = np.arange(4_000) / 16_000
    for folder in ("pads", "leads"):
        (tmp_path / "sounds" / folder).mkdir(parents=True)
        for i, name in enumerate(("warm", "dark", "thin")):
            wave = 0.5 * np.sin(2 * np.pi * 220 * (i + 1) * t)
            soundfile.write(tmp_path / "sounds" / folder / f"{name} {folder}.wav", wave, 16_000)
    return tmp_path / "sounds"


def test_list_and_info_say_licence_size_and_where_to_get_it():
    rows = {r["name"]: r for r in json.loads(tclip("list", "--json").stdout)}
    assert rows.keys() >= OWN
    assert all(r["licence"] and r["source"] for r in rows.values())
    assert (rows["nsynth"]["licence"], len(rows["nsynth"]["archives"])) == ("CC-BY-4.0", 3)
    plain = tclip("list").stdout
    assert all(name in plain for name in OWN)
    info = tclip("info", "surge").stdout
    assert "zenodo.org/records/4677097" in info
    assert "Turian" in info
    assert json.loads(tclip("info", "surge", "--json").stdout)["size"] == "7.6 GB"


def test_cite_names_authors_and_licence():
    said = tclip("cite", "nsynth").stdout
    assert "Engel, Jesse" in said
    assert "CC-BY-4.0" in said
    assert "nobody asks" in tclip("cite", "folder").stdout


def test_an_unknown_dataset_is_wrong_use_and_a_close_name_is_offered():
    done = tclip("info", "nsinth")
    assert done.exit_code == 2
    assert "Did you mean 'nsynth'?" in done.stderr


def test_a_dataset_that_is_not_there_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    assert default_root("nsynth") == tmp_path / "nsynth"
    done = tclip("stats", "nsynth")
    assert done.exit_code == 1
    assert "tclip data download nsynth, give --root or set TCLIP_DATASETS" in done.stderr
    assert "download" not in tclip("stats", "folder").stderr


def test_validate_ends_with_0_or_lists_problems_and_ends_with_1(sounds):
    good = tclip("validate", "folder", "--root", sounds)
    assert (good.exit_code, good.stdout) == (0, "")
    (sounds / "pads" / "warm pads.wav").write_bytes(b"RIFF")
    bad = tclip("validate", "folder", "--root", sounds)
    assert bad.exit_code == 1
    assert bad.stdout.startswith("pads/warm pads.wav: ")
    listed = json.loads(tclip("validate", "folder", "--root", sounds, "--json").stdout)
    assert [p["where"] for p in listed["problems"]] == ["pads/warm pads.wav"]


def test_stats_count_and_measure(sounds):
    done = tclip("stats", "folder", "--root", sounds, "--seconds", "--json")
    stats = json.loads(done.stdout)
    assert (stats["notes"], stats["patches"], stats["seconds"]) == (6, 6, 1.5)
    assert stats["texts"]["category"] == {"notes": 6, "different": 2}
    assert "6 notes of 6 patches" in tclip("stats", "folder", "--root", sounds).stdout


def test_a_sample_is_drawn_by_its_seed_patch_by_patch(sounds, tmp_path):
    ask = ("sample", "folder", "--root", sounds, "-n", 4, "--json")
    first = json.loads(tclip(*ask).stdout)
    assert first == json.loads(tclip(*ask).stdout)
    assert len({row["patch"] for row in first}) == 4
    assert any(first != json.loads(tclip(*ask, "--seed", s).stdout) for s in range(1, 4))
    out = tmp_path / "out"
    rows = json.loads(tclip(*ask, "--out", out).stdout)
    for row in rows:
        written, rate = soundfile.read(row["written"])
        original, _ = soundfile.read(row["path"])
        assert rate == 16_000
        np.testing.assert_array_equal(written, original)
    assert "category: leads" in tclip("sample", "folder", "--root", sounds, "-n", 6).stdout
    none = tclip("sample", "folder", "--root", sounds, "--split", "test")
    assert "no notes in the split 'test'" in none.stderr


def test_only_what_may_be_downloaded_is(tmp_path):
    done = tclip("download", "patches", "--root", tmp_path)
    assert done.exit_code == 2
    assert "not to be downloaded" in done.stderr
    assert "Known: test, train, valid" in tclip("download", "nsynth", "--part", "all").stderr


def test_a_cache_is_built_kept_and_repaired_from_the_command_line(sounds, tmp_path):
    (sounds / "pads" / "broken.wav").write_bytes(b"RIFF")
    ask = ("cache", "folder", tmp_path / "cache", "--root", sounds, "--rate", 8_000)
    first = tclip(*ask)
    assert "6 notes in" in first.stdout
    assert "1 shards new, 1 left out" in first.stdout
    assert "pads/broken.wav: " in first.stderr
    assert "0 shards new" in tclip(*ask).stdout
    (tmp_path / "cache" / "shard-00000.pcm").write_bytes(b"")
    repaired = tclip(*ask)
    assert "shard-00000 has samples that are missing" in repaired.stderr
    assert "1 shards new" in repaired.stdout
    other = tclip(*ask[:-1], 16_000)
    assert other.exit_code == 1
    assert "other settings (sample_rate)" in other.stderr


# --- what third parties call ----------------------------------------------------------------


def test_opening_by_name_finds_every_dataset_of_this_package(sounds):
    names = {r.entry.name for r in plugin_manager().entries(DatasetEntry)}
    assert names >= OWN
    assert open_dataset("folder", sounds).name == "folder"
    with pytest.raises(UnknownNameError):
        open_dataset("nothing", sounds)
    with pytest.raises(InputError, match="no folder"):
        open_dataset("folder", sounds / "nowhere")


class Base(NoteDataset):
    """Six notes, and a fault that a subclass adds."""

    name = "base"

    def scan(self):
        for number, path in enumerate(sorted(self.root.rglob("*.wav"))):
            yield self.note(number, path.relative_to(self.root).as_posix())

    def note(self, number, audio):
        return Note(
            id=str(number),
            patch=audio,
            audio=audio,
            split="train",
            text=attributes(title=Path(audio).stem),
        )


class Renamed(Base):
    count = 0

    def note(self, number, audio):
        Renamed.count += 1
        return Note(id=f"{Renamed.count}", patch=audio, audio=audio, split="train")


class Silent(Base):
    def read(self, note):
        return np.zeros((1, 100), np.float32), 16_000


class Sideways(Base):
    def read(self, note):
        return np.ones((100, 2), np.float32), 16_000


class Doubles(Base):
    def read(self, note):
        return np.ones((2, 100)), 16_000


class Restless(Base):
    def read(self, note):
        return np.random.default_rng().random((1, 100), np.float32), 16_000


class WrongRate(Base):
    def read(self, note):
        return np.ones((1, 100), np.float32), 16_000.5


class Mute(Base):
    def note(self, number, audio):
        return Note(id=str(number), patch=audio, audio=audio, split="train")


@pytest.fixture
def registered():
    """Registers records for the classes of this module, as a plugin would."""
    manager = plugin_manager()
    before = list(manager.plugins)

    def register(*kinds, **fields):
        class Plugin:
            @hookimpl
            def tclip_datasets(self):
                for kind in kinds:
                    given = {"licence": "CC0-1.0", "load": kind, **fields}
                    yield DatasetEntry(name=kind.name, summary="", **given)

        manager.register(Plugin(), "a-test")
        manager._connect(manager.plugins[-1])

    yield register
    for plugin in manager.plugins[len(before) :]:
        manager._pm.unregister(plugin.module)
    manager.plugins[:] = before


def test_a_conforming_dataset_passes(sounds, registered):
    registered(Base)
    check_dataset(Base(sounds))


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (Renamed, "scan() gives other notes"),
        (Silent, "silent"),
        (Sideways, "more channels than samples"),
        (Doubles, "float64"),
        (Restless, "other samples the second time"),
        (WrongRate, "16000.5"),
        (Mute, "no note has any text"),
    ],
)
def test_what_does_not_conform_is_said(sounds, registered, kind, said):
    registered(kind)
    with pytest.raises(ConformanceError) as raised:
        check_dataset(kind(sounds))
    assert said in str(raised.value)


def test_a_dataset_without_a_record_or_a_licence_does_not_conform(sounds, registered):
    with pytest.raises(ConformanceError, match="no DatasetEntry is called 'base'"):
        check_dataset(Base(sounds))
    with pytest.raises(ConformanceError, match="is no NoteDataset"):
        check_dataset(sounds)
    registered(Base, licence=" ", load=Mute)
    with pytest.raises(ConformanceError) as raised:
        check_dataset(Base(sounds))
    assert "no licence" in str(raised.value)
    assert "opens something else" in str(raised.value)
