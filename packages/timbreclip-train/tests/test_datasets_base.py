"""Notes, splits by patch, and what a dataset does with entries that are wrong."""

import hashlib
import re
import string
import warnings

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from timbreclip_core.errors import InputError
from timbreclip_train.datasets import Note, NoteDataset, Problem, attributes, hash_split
from timbreclip_train.datasets.base import is_inside


def note(**changes):
    return Note(**{"id": "a", "patch": "p", "audio": "a.wav", "split": "train", **changes})


class Listed(NoteDataset):
    """Whatever the test says is there."""

    name = "listed"
    found = ()

    def scan(self):
        yield from self.found


def listed(root, *found):
    dataset = Listed(root)
    dataset.found = found
    return dataset


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"id": ""}, "needs an id"),
        ({"patch": ""}, "needs an id and a patch"),
        ({"split": "training"}, "not 'training'"),
        ({"pitch": 128}, "0 to 127, not 128"),
        ({"pitch": -1}, "not -1"),
        ({"pitch": 60.0}, "not 60.0"),
        ({"velocity": 0}, "1 to 127, not 0"),
        ({"start": -1}, "0 or more, not -1"),
        ({"frames": 0}, "1 or more, not 0"),
        ({"text": {"colour": ("red",)}}, "not 'colour'"),
        ({"text": {"title": "warm pad"}}, "not 'warm pad'"),
        ({"text": {"title": ()}}, "title must be a tuple"),
        ({"text": {"title": (" warm",)}}, "stripped"),
        ({"text": {"tags": ("warm", "warm")}}, "tags must be a tuple of different"),
        ({"audio": "../a.wav"}, "'../a.wav' does not stay below"),
        ({"audio": "/etc/a.wav"}, "does not stay below"),
        ({"audio": "x\\a.wav"}, "does not stay below"),
        ({"audio": "C:/a.wav"}, "does not stay below"),
    ],
)
def test_a_note_out_of_range_is_refused_with_its_value(changes, said):
    with pytest.raises(InputError, match=re.escape(said)):
        note(**changes)


@given(st.lists(st.text()), st.text())
def test_attributes_always_make_texts_that_a_note_takes(tags, title):
    made = note(text=attributes(title=title, tags=tags, category=None))
    assert "category" not in made.text
    assert all(" ".join(t.split()) == t for texts in made.text.values() for t in texts)


@given(st.text(alphabet=string.printable))
def test_a_path_that_is_inside_stays_inside(tmp_path_factory, path):
    if is_inside(path):
        root = tmp_path_factory.getbasetemp() / "root"
        assert (root / path).resolve().is_relative_to(root.resolve())


@given(st.lists(st.text(min_size=1), unique=True, min_size=1), st.data())
def test_adding_patches_moves_no_other_to_another_split(patches, data):
    before = {p: hash_split(p) for p in patches}
    more = data.draw(st.lists(st.text(min_size=1)))
    after = {p: hash_split(p) for p in [*more, *patches]}
    assert {p: after[p] for p in patches} == before


def test_shares_of_a_hash_split_come_out():
    patches = [f"patch {i}" for i in range(20_000)]
    splits = [hash_split(p) for p in patches]
    assert splits.count("train") / 20_000 == pytest.approx(0.9, abs=4 * 0.0021)
    three = [hash_split(p, (("train", 0.5), ("valid", 0.25), ("test", 0.25))) for p in patches]
    assert three.count("test") / 20_000 == pytest.approx(0.25, abs=4 * 0.0031)


def test_entries_that_cannot_be_used_are_left_out_with_a_warning(tmp_path):
    twice = [note(), note(), note(id="b"), Problem("line 7", "is no note")]
    with pytest.warns(UserWarning, match="2 entries .* a: there are two notes"):
        notes = listed(tmp_path, *twice).notes
    assert [n.id for n in notes] == ["a", "b"]


def test_a_sound_dataset_opens_without_warnings(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(listed(tmp_path, note())) == 1


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([], "no usable notes"),
        ([note(), note(id="b", split="valid")], "p: the patch is in the splits train and valid"),
        ([note(), Problem("labels.json", "is not JSON", fatal=True)], "labels.json: is not JSON"),
    ],
)
def test_a_dataset_that_cannot_be_used_says_why(tmp_path, found, said):
    dataset = listed(tmp_path, *found)
    with pytest.raises(InputError, match=said):
        _ = dataset.notes
    assert [p for p in dataset.validate() if p.fatal]


def test_a_missing_root_is_an_error(tmp_path):
    with pytest.raises(InputError, match="no folder"):
        Listed(tmp_path / "nowhere")


def write(path, samples, rate=8_000):
    soundfile.write(path, samples, rate, subtype="PCM_16")


def test_a_note_is_the_frames_it_names(tmp_path):
    samples = np.arange(-4_000, 4_000) / 8_000
    write(tmp_path / "a.wav", np.stack([samples, -samples], axis=1))
    read, rate = listed(tmp_path).read(note(start=100, frames=50))
    assert (read.shape, read.dtype, rate) == ((2, 50), np.float32, 8_000)
    np.testing.assert_allclose(read[0], samples[100:150], atol=1 / 32768)
    np.testing.assert_allclose(read[1], -samples[100:150], atol=1 / 32768)
    whole, _ = listed(tmp_path).read(note(start=100))
    assert whole.shape == (2, 7_900)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"audio": "b.wav"}, "missing"),
        ({"audio": "text.wav"}, "not audio"),
        ({"audio": "empty.wav"}, "0 frames"),
        ({"sample_rate": 16_000}, "has 8000 Hz and must have 16000"),
        ({"start": 7_990, "frames": 11}, "8000 frames; a needs 8001"),
        ({"start": 8_000}, "8000 frames"),
    ],
)
def test_what_is_wrong_with_a_file_is_found_without_and_by_reading(tmp_path, changes, said):
    write(tmp_path / "a.wav", np.full(8_000, 0.5))
    write(tmp_path / "empty.wav", np.zeros(0))
    (tmp_path / "text.wav").write_text("these are no samples")
    wrong = note(**changes)
    dataset = listed(tmp_path, wrong)
    problems = list(dataset.validate())
    assert len(problems) == 1
    assert said in problems[0].what
    assert problems[0].where == wrong.audio
    with pytest.raises(InputError):
        dataset.read(wrong)


def test_damage_inside_a_file_is_found_by_decoding(tmp_path):
    rng = np.random.default_rng(0)
    soundfile.write(tmp_path / "a.flac", rng.uniform(-0.5, 0.5, 20_000), 8_000)
    data = bytearray((tmp_path / "a.flac").read_bytes())
    data[len(data) // 2 : len(data) // 2 + 2_000] = bytes(2_000)
    (tmp_path / "a.flac").write_bytes(data)
    soundfile.write(tmp_path / "b.wav", np.array([0.1, np.nan]), 8_000, subtype="FLOAT")
    notes = [note(audio="a.flac"), note(id="b", audio="b.wav")]
    assert not list(listed(tmp_path, *notes).validate())
    assert {p.where for p in listed(tmp_path, *notes).validate(decode=True)} == {"a.flac", "b.wav"}


def test_checksums_of_the_folder_are_compared(tmp_path):
    write(tmp_path / "a.wav", np.full(80, 0.5))
    digest = hashlib.sha256((tmp_path / "a.wav").read_bytes()).hexdigest()
    sums = tmp_path / "SHA256SUMS"
    sums.write_text(f"{digest}  a.wav\n{digest} *./gone.wav\n")
    assert [str(p) for p in listed(tmp_path, note()).validate()] == [
        "gone.wav: is named in SHA256SUMS and is missing"
    ]
    write(tmp_path / "a.wav", np.full(80, 0.25))
    assert any("a.wav: its SHA-256" in str(p) for p in listed(tmp_path, note()).validate())
    sums.write_text("nonsense\n")
    assert any(p.where == "SHA256SUMS" for p in listed(tmp_path, note()).validate())


def test_statistics_count_what_is_there(tmp_path):
    write(tmp_path / "a.wav", np.full(8_000, 0.5))
    text = attributes(title="Pad", tags=["warm", "slow"])
    found = [
        note(id="1", pitch=36, velocity=64, text=text),
        note(id="2", pitch=48, velocity=64, text=text, frames=4_000),
        note(id="3", patch="q", split="valid", text=attributes(title="Lead")),
    ]
    stats = listed(tmp_path, *found).stats(seconds=True)
    assert (stats.notes, stats.patches, stats.seconds) == (3, 2, 2.5)
    assert stats.splits == {
        "train": {"notes": 2, "patches": 1},
        "valid": {"notes": 1, "patches": 1},
    }
    assert (stats.pitches, stats.velocities) == ({36: 1, 48: 1}, {64: 2})
    assert stats.texts == {
        "title": {"notes": 3, "different": 2},
        "tags": {"notes": 2, "different": 2},
    }
