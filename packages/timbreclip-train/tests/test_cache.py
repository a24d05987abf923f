"""The cache of decoded notes: its bytes, kills, damage, and reading it."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from timbreclip_core.errors import InputError, UsageError
from timbreclip_train.cache import CacheError, CacheSettings, NoteCache, build_cache, prepare
from timbreclip_train.datasets import open_dataset

SMALL = CacheSettings(sample_rate=8_000, seconds=0.5, shard_notes=4)
RATE = 16_000


def make_sounds(folder, count, seconds=0.3, rate=RATE):
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    t = np.arange(int(seconds * rate)) / rate
    for i in range(count):
        wave = 0.4 * np.sin(2 * np.pi * rng.uniform(100, 2_000) * t) * np.exp(-3 * t)
        channels = 1 + i % 2
        stereo = np.stack([wave, -0.5 * wave][:channels], axis=1)
        soundfile.write(folder / f"{i:04d} sound {i}.wav", stereo, rate, subtype="FLOAT")
    return folder


@pytest.fixture
def dataset(tmp_path):
    return open_dataset("folder", make_sounds(tmp_path / "sounds", 10))


def build(dataset, folder, settings=SMALL, **options):
    return list(build_cache(dataset, folder, settings, **options))


def contents(folder):
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


def test_a_cache_holds_every_note_resampled_as_files_are(dataset, tmp_path):
    steps = build(dataset, tmp_path / "cache")
    assert [(s.shard, s.notes, s.kept) for s in steps] == [
        ("shard-00000", 4, False),
        ("shard-00001", 4, False),
        ("shard-00002", 2, False),
    ]
    cache = NoteCache(tmp_path / "cache")
    assert cache.ids == [n.id for n in dataset]
    assert (len(cache), cache.failed, cache.dataset) == (10, {}, "folder")
    for position, note in enumerate(dataset):
        samples, rate = dataset.read(note)
        wanted = soxr.resample(samples.T, rate, 8_000, quality="VHQ").T
        stored = cache.note(position) * cache.scales[position]
        assert stored.shape == wanted.shape
        # Half a step of 16 bits, relative to the note's own peak.
        np.testing.assert_allclose(stored, wanted, atol=0.51 * np.abs(wanted).max() / 32767)
    assert not list(cache.verify())


def test_a_batch_has_one_length_and_one_number_of_channels(dataset, tmp_path):
    build(dataset, tmp_path / "cache")
    cache = NoteCache(tmp_path / "cache")
    batch = cache.read([3, 0, 3])
    assert (batch.shape, batch.dtype) == ((3, 2, 4_000), np.int16)
    np.testing.assert_array_equal(batch[0], batch[2])
    np.testing.assert_array_equal(batch[1, 0], batch[1, 1])  # mono
    np.testing.assert_array_equal(batch[0, :, :2_400], cache.note(3))
    assert not batch[:, :, 2_400:].any()
    short = cache.audio([3], frames=100)
    assert (short.shape, short.dtype) == ((1, 2, 100), np.float32)
    np.testing.assert_array_equal(short[0], cache.note(3)[:, :100] * cache.scales[3])
    assert cache.positions[cache.ids[7]] == 7
    assert cache.frames.tolist() == [2_400] * 10


def test_one_channel_is_the_mean_and_long_notes_are_cut(dataset, tmp_path):
    build(dataset, tmp_path / "c", CacheSettings(sample_rate=RATE, channels=1, seconds=0.1))
    cache = NoteCache(tmp_path / "c")
    samples, _ = dataset.read(dataset[1])
    assert samples.shape[0] == 2
    stored = cache.note(1) * cache.scales[1]
    np.testing.assert_allclose(stored[0], samples.mean(0)[:1_600], atol=1e-5)


@given(
    st.integers(1, 4),
    st.floats(1e-4, 30.0),
    st.integers(0, 99),
)
@settings(max_examples=30, deadline=None)
def test_what_is_stored_fills_16_bits_and_comes_back(channels, peak, seed):
    rng = np.random.default_rng(seed)
    samples = rng.uniform(-1, 1, (channels, 500)).astype(np.float32)
    samples *= np.float32(peak / np.abs(samples).max())
    stored, scale = prepare(samples, 8_000, SMALL)
    wanted = samples if channels <= 2 else samples.mean(0, keepdims=True)
    assert np.abs(stored.astype(np.int64)).max() == 32767
    np.testing.assert_allclose(stored * scale, wanted, atol=0.51 * np.abs(wanted).max() / 32767)


def test_the_same_notes_give_the_same_bytes_wherever_they_lie_and_however_many_jobs(tmp_path):
    results = []
    for name, jobs in (("one", 1), ("two", 3)):
        dataset = open_dataset("folder", make_sounds(tmp_path / name, 10))
        (dataset.root / "0002 sound 2.wav").write_bytes(b"RIFF")
        build(dataset, tmp_path / f"{name} cache", jobs=jobs)
        results.append(contents(tmp_path / f"{name} cache"))
    assert results[0] == results[1]


def test_notes_that_cannot_be_read_or_are_silent_are_left_out_and_named(dataset, tmp_path):
    root = dataset.root
    (root / "0001 sound 1.wav").write_bytes(b"RIFF")
    soundfile.write(root / "0005 sound 5.wav", np.zeros(4_000), RATE)
    for i in (8, 9):
        (root / f"{i:04d} sound {i}.wav").write_bytes(b"")
    _ = dataset.notes
    (root / "0004 sound 4.wav").unlink()
    failed = dict(f for step in build(dataset, tmp_path / "cache") for f in step.failed)
    cache = NoteCache(tmp_path / "cache")
    assert failed == cache.failed
    assert [name[:4] for name in failed] == ["0001", "0004", "0005", "0008", "0009"]
    assert "silent" in failed["0005 sound 5.wav"]
    assert "no file" in failed["0004 sound 4.wav"]
    assert [i[:4] for i in cache.ids] == ["0000", "0002", "0003", "0006", "0007"]
    assert cache.audio([4]).any()


BUILD = """
import sys
from pathlib import Path
from timbreclip_train.cache import CacheSettings, build_cache
from timbreclip_train.datasets import open_dataset
settings = CacheSettings(sample_rate=8_000, seconds=0.5, shard_notes=4)
for step in build_cache(open_dataset("folder", sys.argv[1]), Path(sys.argv[2]), settings):
    pass
"""


def test_a_build_that_was_killed_goes_on_and_ends_with_the_same_bytes(tmp_path):
    sounds = make_sounds(tmp_path / "sounds", 160, seconds=1.0, rate=44_100)
    dataset = open_dataset("folder", sounds)
    folder = tmp_path / "cache"
    for wanted in (2, 9):
        child = subprocess.Popen([sys.executable, "-c", BUILD, str(sounds), str(folder)])
        while len(list(folder.glob("shard-*.json"))) < wanted:
            time.sleep(0.001)
            assert child.poll() is None
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    done = len(list(folder.glob("shard-*.json")))
    assert 9 <= done < 40
    with pytest.raises(CacheError, match=r"is not there\. Build the cache again"):
        NoteCache(folder)
    steps = build(dataset, folder)
    assert sum(step.kept for step in steps) == done
    build(dataset, tmp_path / "uninterrupted")
    assert contents(folder) == contents(tmp_path / "uninterrupted")
    assert len(NoteCache(folder)) == 160


def change_a_sample(folder):
    path = folder / "shard-00001.pcm"
    data = bytearray(path.read_bytes())
    data[1_000] ^= 1
    path.write_bytes(data)


def cut_samples(folder):
    path = folder / "shard-00001.pcm"
    path.write_bytes(path.read_bytes()[:-2])


def lose_samples(folder):
    (folder / "shard-00001.pcm").unlink()


def garble_manifest(folder):
    (folder / "shard-00001.json").write_bytes(b"\xff\x00{")


def change_manifest(folder):
    path = folder / "shard-00001.json"
    content = json.loads(path.read_text())
    content["notes"][0][1] += 2
    path.write_text(json.dumps(content))


def swap_manifest(folder):
    (folder / "shard-00001.json").write_bytes((folder / "shard-00000.json").read_bytes())


DAMAGE = {
    change_a_sample: "samples that were changed",
    cut_samples: "missing or of another length",
    lose_samples: "missing or of another length",
    garble_manifest: "manifest that cannot be read",
    change_manifest: "manifest that was changed",
    swap_manifest: "of other notes",
}


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda d: d.__name__)
def test_a_damaged_shard_is_named_and_only_it_is_redone(dataset, tmp_path, damage):
    folder = tmp_path / "cache"
    build(dataset, folder)
    whole = contents(folder)
    damage(folder)
    try:
        found = list(NoteCache(folder).verify())
    except CacheError as error:
        found = [str(error)]
    assert len(found) == 1
    assert "shard-00001" in found[0]
    assert DAMAGE[damage] in found[0]
    steps = {s.shard: s for s in build(dataset, folder)}
    assert [s.shard for s in steps.values() if not s.kept] == ["shard-00001"]
    assert DAMAGE[damage] in steps["shard-00001"].damage
    assert contents(folder) == whole


def test_a_damaged_index_is_named_and_rewritten_with_all_shards_kept(dataset, tmp_path):
    folder = tmp_path / "cache"
    build(dataset, folder)
    whole = contents(folder)
    for content in ("{", "[]", '{"format_version": 1}'):
        (folder / "cache.json").write_text(content)
        with pytest.raises(CacheError, match=r"cache\.json is damaged"):
            NoteCache(folder)
        assert all(step.kept for step in build(dataset, folder))
        assert contents(folder) == whole
    newer = {**json.loads(whole["cache.json"]), "format_version": 99}
    (folder / "cache.json").write_text(json.dumps(newer))
    with pytest.raises(CacheError, match="newer"):
        NoteCache(folder)


def test_changed_files_and_new_notes_redo_their_shards_only(dataset, tmp_path):
    folder = tmp_path / "cache"
    build(dataset, folder)
    soundfile.write(dataset.root / "0005 sound 5.wav", np.full(999, 0.25), RATE)
    soundfile.write(dataset.root / "0010 new.wav", np.full(999, 0.25), RATE)
    steps = build(open_dataset("folder", dataset.root), folder)
    assert [s.shard for s in steps if not s.kept] == ["shard-00001", "shard-00002"]
    assert len(NoteCache(folder)) == 11
    build(dataset, folder, notes=dataset.notes[:4])
    assert sorted(p.name for p in folder.iterdir()) == [
        "cache.json",
        "shard-00000.json",
        "shard-00000.pcm",
    ]


def test_other_settings_and_no_notes_and_no_cache_are_refused(dataset, tmp_path):
    build(dataset, tmp_path / "cache")
    with pytest.raises(InputError, match=r"other settings \(channels, sample_rate\)"):
        build(
            dataset,
            tmp_path / "cache",
            CacheSettings(sample_rate=9_000, channels=1, seconds=0.5, shard_notes=4),
        )
    with pytest.raises(InputError, match="no notes"):
        build(dataset, tmp_path / "other", notes=[])
    with pytest.raises(CacheError, match="There is no cache"):
        NoteCache(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="1 or 2 channels, not 3"):
        CacheSettings(channels=3)
    with pytest.raises(UsageError, match="above 0"):
        CacheSettings(seconds=0)
