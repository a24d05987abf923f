"""Notes that share files: decoded in one pass, and as they are when read alone."""

import numpy as np
import pytest
import soundfile

from timbreclip_core import load_model
from timbreclip_core.errors import TimbreClipError
from timbreclip_train.datasets import reading
from timbreclip_train.datasets.opening import open_dataset
from timbreclip_train.evaluation import hearing
from timbreclip_train.evaluation.hearing import hear
from timbreclip_train.evaluation.store import VectorStore, model_source

RATE = 32_000
LENGTH = 16_000


@pytest.fixture
def root(tmp_path):
    """Two FLAC files of five notes each, the last of one cut short, and a file that is none."""
    rng = np.random.default_rng(0)
    lines = ["file,patch,title,start,frames"]
    for name, channels in (("a.flac", 2), ("b.flac", 1)):
        length = 5 * LENGTH if name == "a.flac" else 5 * LENGTH - 100
        samples = (0.1 * rng.standard_normal((length, channels))).clip(-1, 1)
        soundfile.write(tmp_path / name, samples, RATE)
        lines += [f"{name},{name},{name[0]},{i * LENGTH},{LENGTH}" for i in (3, 0, 4, 1)]
    (tmp_path / "c.flac").write_bytes(b"no sound")
    lines.append("c.flac,c,c,0,100")
    lines.append("a.flac,whole,whole,5,")
    (tmp_path / "manifest.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def outcome(read, *args):
    try:
        return read(*args)
    except TimbreClipError as error:
        return error


@pytest.mark.parametrize(("gap", "at_once"), [(1 << 17, 1 << 21), (0, 1 << 21), (1 << 17, 1)])
def test_clips_of_a_file_are_those_that_are_read_alone(root, monkeypatch, gap, at_once):
    monkeypatch.setattr(reading, "FRAMES_PASSED_OVER", gap)
    monkeypatch.setattr(reading, "FRAMES_AT_ONCE", at_once)
    dataset = open_dataset("patches", root)
    found = {note.id: clip for note, clip in reading.read_clips(dataset, dataset.notes)}
    assert len(found) == len(dataset.notes) == 10
    for note in dataset.notes:
        alone = outcome(dataset.read, note)
        if isinstance(alone, TimbreClipError):
            assert str(found[note.id]) == str(alone)
        else:
            assert found[note.id][1] == alone[1]
            assert (found[note.id][0] == alone[0]).all()
    failed = {note for note, clip in found.items() if isinstance(clip, TimbreClipError)}
    assert failed == {f"b.flac@{4 * LENGTH}", "c.flac"}


def test_one_bad_sample_costs_one_note(root):
    samples = np.full((3 * LENGTH, 1), 0.1, np.float32)
    samples[LENGTH + 5] = np.nan
    soundfile.write(root / "d.wav", samples, RATE, subtype="FLOAT")
    rows = [f"d.wav,d,d,{i * LENGTH},{LENGTH}" for i in range(3)]
    (root / "manifest.csv").write_text("\n".join(["file,patch,title,start,frames", *rows]) + "\n")
    dataset = open_dataset("patches", root)
    found = [clip for _, clip in reading.read_clips(dataset, dataset.notes)]
    assert [isinstance(clip, TimbreClipError) for clip in found] == [False, True, False]
    assert "NaN" in str(found[1])


def test_a_dataset_that_reads_in_its_own_way_is_asked(root):
    dataset = open_dataset("patches", root)

    class Halved(type(dataset)):
        def read(self, note):
            samples, rate = super().read(note)
            return samples / 2, rate

    own = Halved(root)
    note = next(n for n in own.notes if n.audio == "a.flac")
    ((_, clip),) = reading.read_clips(own, [note])
    assert (clip[0] == dataset.read(note)[0] / 2).all()


def test_the_number_of_threads_changes_nothing_and_batches_are_those_of_one_note(
    root, tmp_path, monkeypatch
):
    monkeypatch.setattr(hearing, "NOTES_AT_ONCE", 3)
    model, dataset = load_model("small"), open_dataset("patches", root)
    found = []
    for jobs in (1, 3):
        store = VectorStore(model_source(model), tmp_path / str(jobs))
        found.append(hear(dataset, dataset.notes, model, store=store, jobs=jobs, progress=False))
    for kind, vectors in found[0].vectors.items():
        assert (vectors == found[1].vectors[kind]).all()
    assert [n.id for n, _ in found[0].failed] == [n.id for n, _ in found[1].failed]
    for note, vector in zip(found[0].notes, found[0].vectors["text"], strict=True):
        samples, rate = dataset.read(note)
        alone = model.embed_audio(samples, sample_rate=rate).plain().numpy()[0]
        assert np.abs(vector - alone).max() < 1e-5


def test_what_is_heard_is_kept_as_it_comes(root, tmp_path, monkeypatch):
    monkeypatch.setattr(hearing, "NOTES_AT_ONCE", 1)
    monkeypatch.setattr(hearing, "NOTES_KEPT_AT_ONCE", 2)
    model, dataset = load_model("small"), open_dataset("patches", root)
    calls = []

    def dies(*args):
        calls.append(args)
        if len(calls) > 6:
            raise KeyboardInterrupt
        return group(*args)

    group = hearing.hear_group
    monkeypatch.setattr(hearing, "hear_group", dies)
    store = VectorStore(model_source(model), tmp_path)
    with pytest.raises(KeyboardInterrupt):
        hear(dataset, dataset.notes, model, store=store, jobs=1, progress=False)
    vectors, failures = store.load(store.keys(dataset, dataset.notes), "text")
    assert len(vectors) + len(failures) >= 4
