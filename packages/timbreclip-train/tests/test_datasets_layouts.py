"""The layouts of NSynth, Surge, ALV, plain folders and renderings, as files made here."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from timbreclip_core.errors import InputError
from timbreclip_train.datasets import open_dataset
from timbreclip_train.datasets.folder import describe, pitch_in
from timbreclip_train.datasets.surge import PAPER_PITCHES, parse_folder
from timbreclip_train.rendering.base import NotePlan, Preset
from timbreclip_train.rendering.storage import (
    Settings,
    ShardResult,
    make_shards,
    merge_shards,
    open_folder,
    store_preset,
    write_shard,
)
from timbreclip_train.testing import ConformanceError, check_dataset

SURGE_CSV = Path(__file__).parent / "data" / "surge_patches.csv"
ALV_PITCHES = range(12, 103, 6)


def tone(pitch, rate, seconds=0.1):
    t = np.arange(int(rate * seconds)) / rate
    return 0.5 * np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * t)


def write(path, pitch, rate, channels=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.stack([tone(pitch, rate)] * channels, axis=1), rate)


def problems(name, root, **options):
    return [str(p) for p in open_dataset(name, root).validate(**options)]


# --- NSynth ---------------------------------------------------------------------------------

NSYNTH = {
    "train": [("bass_synthetic_033", "bass", "synthetic", ["dark", "nonlinear_env"])],
    "valid": [("keyboard_electronic_001", "keyboard", "electronic", ["fast_decay"])],
    "test": [
        ("keyboard_electronic_001", "keyboard", "electronic", ["fast_decay"]),
        ("synth_lead_synthetic_011", "synth_lead", "synthetic", []),
    ],
}


def example(instrument, family, source, qualities, pitch, velocity):
    return {
        "note": 1,
        "note_str": f"{instrument}-{pitch:03d}-{velocity:03d}",
        "instrument": 1,
        "instrument_str": instrument,
        "instrument_family": 0,
        "instrument_family_str": family,
        "instrument_source": 0,
        "instrument_source_str": source,
        "pitch": pitch,
        "velocity": velocity,
        "sample_rate": 16_000,
        "qualities": [0] * 10,
        "qualities_str": qualities,
    }


@pytest.fixture
def nsynth(tmp_path):
    for number, (split, instruments) in enumerate(NSYNTH.items()):
        rows = [
            example(*instrument, pitch, 25 + 25 * number)
            for instrument in instruments
            for pitch in (36, 60)
        ]
        folder = tmp_path / f"nsynth-{split}"
        for row in rows:
            write(folder / "audio" / f"{row['note_str']}.wav", row["pitch"], 16_000)
        (folder / "examples.json").write_text(json.dumps({r["note_str"]: r for r in rows}))
    return tmp_path


def test_nsynth_has_its_official_splits_and_three_kinds_of_text(nsynth):
    dataset = open_dataset("nsynth", nsynth)
    check_dataset(dataset)
    assert {s: len(dataset.in_split(s)) for s in NSYNTH} == {"train": 2, "valid": 2, "test": 4}
    first = dataset[0]
    assert first.id == "bass_synthetic_033-036-025"
    assert (first.pitch, first.velocity, first.sample_rate) == (36, 25, 16_000)
    assert first.text == {
        "family": ("bass",),
        "source": ("synthetic",),
        "qualities": ("dark", "nonlinear envelope"),
    }
    assert dataset[-1].text == {"family": ("synth lead",), "source": ("synthetic",)}
    samples, rate = dataset.read(first)
    assert (samples.shape, rate) == ((1, 1_600), 16_000)


def test_an_instrument_that_nsynth_has_in_two_splits_is_two_patches(nsynth):
    patches = open_dataset("nsynth", nsynth).patches
    assert {"valid/keyboard_electronic_001", "test/keyboard_electronic_001"} <= patches.keys()
    assert all(len({n.split for n in notes}) == 1 for notes in patches.values())


def test_a_part_of_nsynth_is_enough_and_none_is_an_error(nsynth, tmp_path_factory):
    only = tmp_path_factory.mktemp("only")
    (nsynth / "nsynth-test").rename(only / "nsynth-test")
    assert len(open_dataset("nsynth", only)) == 4
    with pytest.raises(InputError, match="none of the folders nsynth-train"):
        open_dataset("nsynth", tmp_path_factory.mktemp("empty")).patches  # noqa: B018


def test_broken_nsynth_is_named_file_by_file(nsynth):
    audio = nsynth / "nsynth-test" / "audio"
    (audio / "keyboard_electronic_001-036-075.wav").unlink()
    write(audio / "keyboard_electronic_001-060-075.wav", 60, 44_100)
    (audio / "synth_lead_synthetic_011-036-075.wav").write_bytes(b"RIFF")
    found = problems("nsynth", nsynth)
    assert len(found) == 3
    assert "036-075.wav: the file is missing" in found[0]
    assert "has 44100 Hz and must have 16000" in found[1]
    assert "damaged or is not audio" in found[2]


def test_nsynth_with_bad_json_names_the_file_and_is_refused(nsynth):
    (nsynth / "nsynth-valid" / "examples.json").write_text('{"a": ')
    assert problems("nsynth", nsynth)[0].startswith("nsynth-valid/examples.json: cannot be read")
    with pytest.raises(InputError, match=r"nsynth-valid/examples\.json"):
        len(open_dataset("nsynth", nsynth))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"pitch": 128}, "pitch must be"),
        ({"pitch": None, "instrument_family_str": "kazoo"}, "no family 'kazoo'"),
        ({"instrument_source_str": "alien"}, "no source 'alien'"),
        ({"qualities_str": ["wet"]}, "no quality 'wet'"),
        ({"sample_rate": 44_100}, "must be 16000 Hz, not 44100"),
    ],
)
def test_a_wrong_entry_of_nsynth_is_left_out_and_named(nsynth, change, said):
    path = nsynth / "nsynth-train" / "examples.json"
    content = json.loads(path.read_text())
    content["bass_synthetic_033-060-025"].update(change)
    path.write_text(json.dumps(content))
    found = problems("nsynth", nsynth)
    assert len(found) == 1
    assert "bass_synthetic_033-060-025" in found[0]
    assert said in found[0]
    with pytest.warns(UserWarning, match="1 entries"):
        assert len(open_dataset("nsynth", nsynth)) == 7


def test_ids_that_come_twice_in_nsynth_and_missing_fields_are_named(nsynth):
    path = nsynth / "nsynth-train" / "examples.json"
    text = path.read_text()
    row = json.dumps(json.loads(text)["bass_synthetic_033-036-025"])
    path.write_text(f'{text[:-1]}, "bass_synthetic_033-036-025": {row}, "x": {{}}, "y": 3}}')
    found = problems("nsynth", nsynth)
    assert any("bass_synthetic_033-036-025: there are two notes" in p for p in found)
    assert any("x: has no 'sample_rate'" in p for p in found)
    assert len(found) == 3


# --- Surge ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def surge_rows():
    with SURGE_CSV.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_names_of_surge_give_the_counts_of_the_paper(surge_rows):
    said = [parse_folder(row["folder"]) for row in surge_rows]
    assert len(said) == 2084
    assert len({s.category for s in said}) == 31
    assert len({s.title for s in said}) == 1783
    assert len({(s.title, s.category) for s in said}) == 1816
    assert {s.velocity for s in said} == {64}


def perfect(labels, k):
    """Macro mean over unique texts of the share of their patches that fits into the first k."""
    counts = np.unique(labels, return_counts=True)[1]
    return 100 * np.mean(np.minimum(k, counts) / counts)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("title", (95.416, 99.749, 99.959, 100.0)),
        ("both", (95.702, 99.815, 99.960, 100.0)),
        ("category", (12.446, 29.435, 45.608, 80.501)),
    ],
)
def test_names_of_surge_give_the_perfect_rows_of_the_paper(surge_rows, kind, expected):
    said = [parse_folder(row["folder"]) for row in surge_rows]
    labels = {
        "title": [s.title for s in said],
        "both": [f"{s.title}|{s.category}" for s in said],
        "category": [s.category for s in said],
    }[kind]
    assert [perfect(labels, k) for k in (1, 5, 10, 50)] == pytest.approx(expected, abs=5e-4)


def plain(title):
    """Letters and digits: the archive has no others in its names."""
    return re.sub(r"[^A-Za-z0-9]+", "", title.replace("µ", "u"))


def test_names_of_surge_agree_with_the_list_of_presets(surge_rows):
    for row in surge_rows:
        said = parse_folder(row["folder"])
        assert said.bank == row["bank"]
        assert said.author == row["author"].removesuffix(" (MPE)")
        assert plain(row["title"]).startswith(plain(said.title))
        inner = said.folder.removeprefix("MPE ") if "(MPE)" in row["author"] else said.folder
        assert inner == row["category_folder"].replace("-", " ")


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("surge-patches-factory-Basses-Bass-1-velocity64", ("", "Basses", "Bass")),
        (
            "surge-patches-3rdparty-Psiome-Send-Sound-Atmospheres-Ambient-Duda-velocity64",
            ("Psiome Send Sound", "Atmospheres", "Ambient Duda"),
        ),
        (
            "surge-patches-3rdparty-Bluelight-Keys-Donna-s-Glass-Hammers-velocity64",
            ("Bluelight", "Keys", "Donna's Glass Hammers"),
        ),
        (
            "surge-patches-3rdparty-Roger-Linn-MPE-Keys-LS-Wurly-velocity64",
            ("Roger Linn", "MPE", "LS Wurly"),
        ),
        (
            "surge-patches-3rdparty-Jacky-Ligon-String-Machines-String-Machine-10-velocity64",
            ("Jacky Ligon", "String", "String Machine"),
        ),
    ],
)
def test_a_surge_folder_is_author_category_and_title(folder, expected):
    said = parse_folder(folder)
    assert (said.author, said.category, said.title) == expected


@pytest.mark.parametrize(
    "folder",
    [
        "surge-patches-Basses-Bass-velocity64",
        "surge-patches-3rdparty-Nobody-Basses-Bass-velocity64",
        "surge-patches-factory-Basses-velocity64",
    ],
)
def test_other_folders_are_no_surge_presets(folder):
    with pytest.raises(InputError):
        parse_folder(folder)


@pytest.fixture
def surge(tmp_path):
    for name in ("factory-Basses-Bass-1", "factory-Basses-Bass-2", "3rdparty-Emu-Leads-Fat"):
        for pitch in (24, 25, 36):
            file = tmp_path / "surge" / f"surge-patches-{name}-velocity64" / f"{pitch}.ogg"
            write(file, pitch + 36, 44_100, channels=2)
    return tmp_path


def test_the_surge_archive_is_read_and_is_all_for_testing(surge):
    dataset = open_dataset("surge", surge)
    check_dataset(dataset)
    assert {n.split for n in dataset} == {"test"}
    assert len(dataset.patches) == 3
    assert [n.pitch for n in dataset][:3] == [24, 25, 36]
    assert sum(n.pitch in PAPER_PITCHES for n in dataset) == 6
    bass = [n for n in dataset if n.text["title"] == ("Bass",)]
    assert len({n.patch for n in bass}) == 2
    assert bass[0].text == {"title": ("Bass",), "category": ("Basses",)}
    assert dataset.read(bass[0])[0].shape[0] == 2
    inner = open_dataset("surge", surge / "surge")
    assert [n.id for n in inner] == [n.id for n in dataset]


def test_broken_surge_is_named(surge):
    base = surge / "surge"
    (base / "surge-patches-mystery").mkdir()
    (base / "surge-patches-factory-Pads-Empty-velocity64").mkdir()
    patch = base / "surge-patches-factory-Basses-Bass-1-velocity64"
    (patch / "._24.ogg").write_bytes(b"left by another system")
    (patch / "loud.ogg").write_bytes(b"")
    (patch / "200.ogg").write_bytes(b"")
    (patch / "24.ogg").write_bytes(b"OggS")
    found = problems("surge", surge)
    assert len(found) == 5
    for said in ("mystery", "Empty-velocity64: has no .ogg", "loud.ogg: is not named", "200"):
        assert any(said in p for p in found), said
    assert "24.ogg" in found[-1]
    with pytest.raises(InputError, match="no folders surge-patches"):
        len(open_dataset("surge", base / "surge-patches-mystery"))


# --- ALV: recordings of presets with a manifest ---------------------------------------------

ALV = (
    ("Warm Strings", "Strings", "Ensemble", "Warm;Analog;Slow", "A lush string machine."),
    ("Acid Squelch", "Bass", "Acid Bass", "Dirty;Resonant", ""),
    ("Glass Bells", "Keys", "Bells", "Bright", "FM bells, long decay"),
)


def alv_rows():
    for number, (title, kind, subtype, tags, description) in enumerate(ALV):
        for pitch in ALV_PITCHES:
            yield {
                "file": f"audio/{number:04d}/{pitch:03d}.wav",
                "patch": f"{number:04d}",
                "title": title,
                "type": kind,
                "subtype": subtype,
                "tags": tags,
                "description": description,
                "pitch": pitch,
                "velocity": 64,
                "sample_rate": 44_100,
            }


def write_csv(path, rows):
    rows = list(rows)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def alv(tmp_path):
    rows = list(alv_rows())
    write_csv(tmp_path / "manifest.csv", rows)
    for row in rows:
        write(tmp_path / row["file"], row["pitch"], 44_100, channels=2)
    return tmp_path


def test_alv_in_the_form_of_the_paper_is_read(alv):
    dataset = open_dataset("patches", alv)
    check_dataset(dataset)
    assert {len(notes) for notes in dataset.patches.values()} == {16}
    assert dataset[0].text == {
        "title": ("Warm Strings",),
        "category": ("Strings", "Ensemble"),
        "tags": ("Warm", "Analog", "Slow"),
        "description": ("A lush string machine.",),
    }
    assert "description" not in dataset[16].text
    assert (dataset[0].pitch, dataset[0].velocity) == (12, 64)


def test_a_manifest_in_json_lines_says_the_same(alv):
    from_csv = open_dataset("patches", alv).notes
    rows = [{**row, "tags": row["tags"].split(";")} for row in alv_rows()]
    (alv / "manifest.csv").unlink()
    (alv / "manifest.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert open_dataset("patches", alv).notes == from_csv


def test_adding_patches_to_a_manifest_moves_none(alv):
    before = {n.patch: n.split for n in open_dataset("patches", alv)}
    new = [{**row, "patch": f"9{row['patch']}", "file": f"9{row['file']}"} for row in alv_rows()]
    write_csv(alv / "manifest.csv", [*new, *alv_rows()])
    after = {n.patch: n.split for n in open_dataset("patches", alv)}
    assert len(after) == 6
    assert before.items() <= after.items()


def test_a_column_of_splits_overrules_the_hash_and_must_keep_patches_whole(alv):
    rows = [{**row, "split": "test"} for row in alv_rows()]
    write_csv(alv / "manifest.csv", rows)
    assert {n.split for n in open_dataset("patches", alv)} == {"test"}
    rows[0]["split"] = "train"
    write_csv(alv / "manifest.csv", rows)
    with pytest.raises(InputError, match="0000: the patch is in the splits train and test"):
        len(open_dataset("patches", alv))


def test_several_notes_may_lie_in_one_file(tmp_path):
    soundfile.write(tmp_path / "all.flac", np.concatenate([tone(60, 8_000), tone(72, 8_000)]), 8000)
    rows = [
        {"file": "all.flac", "patch": "p", "title": "x", "start": start, "frames": 800}
        for start in (0, 800)
    ]
    write_csv(tmp_path / "manifest.csv", rows)
    dataset = open_dataset("patches", tmp_path)
    check_dataset(dataset)
    np.testing.assert_allclose(dataset.read(dataset[1])[0][0], tone(72, 8_000), atol=1e-4)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"file": ""}, "has no file"),
        ({"patch": " "}, "has no patch"),
        ({"file": "../secret.wav"}, "does not stay below"),
        ({"file": "/etc/secret.wav"}, "does not stay below"),
        ({"pitch": "C4"}, "pitch must be a whole number, not 'C4'"),
        ({"pitch": 130}, "pitch must be a whole number, 0 to 127"),
        ({"velocity": "soft"}, "velocity must be"),
        ({"split": "training"}, "split is one of"),
        ({"file": "audio/0000/012.wav"}, "two notes with this id"),
        ({"sample_rate": 48_000}, "has 44100 Hz and must have 48000"),
        ({"file": "audio/gone.wav"}, "the file is missing"),
        ({"title": "Other Strings"}, "several titles: Other Strings, Warm Strings"),
    ],
)
def test_a_wrong_row_of_a_manifest_is_named(alv, change, said):
    rows = [{**row, "split": "train"} for row in alv_rows()]
    rows[5].update(change)
    write_csv(alv / "manifest.csv", rows)
    found = problems("patches", alv)
    assert len(found) == 1
    assert said in found[0]


def test_rows_that_are_no_rows_are_named_with_their_line(alv):
    with (alv / "manifest.csv").open("a") as stream:
        stream.write("only,two\r\n")
    assert "line 50: has not as many fields" in problems("patches", alv)[0]
    (alv / "manifest.csv").unlink()
    lines = [json.dumps(row) for row in alv_rows()]
    lines[3:5] = ["{broken", "[1, 2]"]
    (alv / "manifest.jsonl").write_text("\n".join(lines))
    found = problems("patches", alv)
    assert found[0].startswith("manifest.jsonl, line 4: is not JSON")
    assert found[1].startswith("manifest.jsonl, line 5: is not an object")


def test_a_misspelt_column_is_asked_about_and_a_new_one_is_kept(alv):
    write_csv(alv / "manifest.csv", [{**r, "titel": "x", "author": "Me"} for r in alv_rows()])
    assert problems("patches", alv) == [
        "manifest.csv: the column 'titel' is not known. Is it 'title'?"
    ]
    with pytest.warns(UserWarning):
        assert open_dataset("patches", alv)[0].info == {"titel": "x", "author": "Me"}


def test_a_folder_without_one_manifest_is_refused(alv):
    (alv / "manifest.jsonl").write_text("{}")
    with pytest.raises(InputError, match=r"one of manifest\.csv and manifest\.jsonl, and has 2"):
        len(open_dataset("patches", alv))
    (alv / "manifest.jsonl").unlink()
    (alv / "manifest.csv").write_text("path,name\na.wav,b\n")
    with pytest.raises(InputError, match="no column file and patch"):
        len(open_dataset("patches", alv))
    (alv / "manifest.csv").write_bytes(b"file,patch\n\xff\xfe,b\n")
    with pytest.raises(InputError, match="UTF-8"):
        len(open_dataset("patches", alv))


# --- any folder -----------------------------------------------------------------------------


def test_names_of_files_and_folders_are_all_that_a_folder_says(tmp_path):
    names = (
        "Keys/Electric/Soft EPno_C3.wav",
        "Keys/Electric/Soft EPno_C4.wav",
        "drums/kick 01.wav",
        "drums/kick 02.wav",
        "lone.flac",
    )
    for name in names:
        write(tmp_path / name, 60, 22_050)
    (tmp_path / ".trash").mkdir()
    write(tmp_path / ".trash" / "old.wav", 60, 22_050)
    (tmp_path / "readme.txt").write_text("not a sound")
    dataset = open_dataset("folder", tmp_path)
    check_dataset(dataset)
    assert [n.audio for n in dataset] == sorted(names)
    assert [len(v) for v in dataset.patches.values()] == [2, 2, 1]
    first = dataset[0]
    assert (first.pitch, first.text["category"], first.text["tags"]) == (
        48,
        ("electric",),
        ("keys",),
    )
    assert "piano" in first.text["title"][0]


@pytest.mark.parametrize(
    ("name", "pitch"),
    [
        ("Piano_C4", 60),
        ("A0", 21),
        ("pad Eb3 v2", 51),
        ("F#-1", 6),
        ("C4 C5", 72),
        ("kick 12", None),
        ("Amaj7", None),
        ("c4", None),
        ("Cello", None),
        ("G9", 127),
        ("A9", None),
    ],
)
def test_a_pitch_in_a_name_counts_middle_c_as_c4(name, pitch):
    assert pitch_in(name) == pitch
    assert describe(f"{name}.wav").pitch == pitch


# --- renderings -----------------------------------------------------------------------------


def render(folder, collection, names, finish=True):
    """Write presets as the driver of ``tclip data render`` does."""
    settings = Settings(sample_rate=32_000)
    presets = [
        Preset(
            id=f"{collection}-{i}",
            source="soundfont",
            collection=collection,
            name=name,
            category="Synth Lead",
            tags=("Saw Wave", "Works best in the upper octaves"),
            author="Somebody",
            licence="MIT",
            unpitched=name.startswith("Kick"),
        )
        for i, name in enumerate(names)
    ]
    folder.mkdir(parents=True)
    open_folder(folder, settings, "soundfont")
    shards = make_shards(presets, 2)
    plan = NotePlan(pitches=(48, 60), velocities=(100,), hold_s=0.1, release_s=0.0)
    for shard in shards:
        total = ShardResult(shard.key)
        for preset in shard.presets:
            notes = plan.melodic(preset.id)
            audio = [np.stack([tone(n.pitch, 32_000)] * 2).astype(np.float32) for n in notes]
            total.notes += store_preset(folder, preset, notes, audio, settings).notes
        write_shard(folder, shard, total)
    if finish:
        dict(merge_shards(folder, shards))


def test_what_the_renderer_writes_is_read(tmp_path):
    render(tmp_path / "out", "TimGM6mb", ["0012-SlowStr 2", "Kick 1"])
    dataset = open_dataset("rendered", tmp_path / "out")
    check_dataset(dataset)
    assert len(dataset) == 4
    assert {n.split for n in dataset} == {"test"}  # the collection's, from data/splits.toml
    first, kick = dataset[0], dataset[2]
    assert first.text == {
        "title": ("slow strings",),
        "category": ("synth lead",),
        "tags": ("saw wave",),
        "description": ("works best in the upper octaves",),
    }
    assert first.info["name"] == "0012-SlowStr 2"
    assert (first.pitch, kick.pitch, kick.velocity) == (48, None, 100)
    samples, rate = dataset.read(dataset[1])
    assert rate == 32_000
    peak = np.abs(np.fft.rfft(samples[0])).argmax() * rate / samples.shape[1]
    assert peak == pytest.approx(261.6, abs=rate / samples.shape[1])


def test_several_renderings_make_one_dataset_and_unfinished_ones_are_named(tmp_path):
    render(tmp_path / "one", "Bank A", ["Saw Lead"])
    render(tmp_path / "two", "Bank B", ["Soft Pad"])
    render(tmp_path / "three", "Bank C", ["Bell"], finish=False)
    dataset = open_dataset("rendered", tmp_path)
    with pytest.warns(UserWarning, match="three: its rendering was not finished"):
        assert [n.patch for n in dataset] == ["Bank A-0"] * 2 + ["Bank B-0"] * 2
    assert dataset[0].audio.startswith("one/audio/")


def test_broken_renderings_are_named(tmp_path):
    render(tmp_path / "out", "Bank A", ["Saw Lead", "Soft Pad"])
    manifest = tmp_path / "out" / "manifest.jsonl"
    lines = manifest.read_text().splitlines()
    row = json.loads(lines[0])
    del row["collection"]
    outside = json.dumps({**json.loads(lines[3]), "file": "../../x.flac"})
    manifest.write_text("\n".join([json.dumps(row), lines[1], "{", outside]) + "\n")
    found = problems("rendered", tmp_path / "out")
    assert "line 1: has no 'collection'" in found[0]
    assert "line 3" in found[1]
    assert "does not stay below" in found[2]
    for file in (tmp_path / "out").glob("audio/*/*.flac"):
        file.unlink()
    assert "the file is missing" in problems("rendered", tmp_path / "out")[3]
    with pytest.raises(InputError, match="nothing that tclip data render wrote"):
        len(open_dataset("rendered", tmp_path / "out" / "audio"))


def test_a_dataset_with_faults_does_not_conform(nsynth):
    (nsynth / "nsynth-test" / "audio" / "keyboard_electronic_001-036-075.wav").unlink()
    with pytest.raises(ConformanceError, match="the file is missing"):
        check_dataset(open_dataset("nsynth", nsynth))
