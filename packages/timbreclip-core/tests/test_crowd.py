"""Many files at once: the vectors, errors and order of one after the other."""

import numpy as np
import pytest
import soundfile
import torch

from timbreclip_core import crowd
from timbreclip_core.errors import EmptyAudioError, InputError, SilentAudioError, UsageError
from timbreclip_core.model import Model
from timbreclip_core.windows import Windowing

KINDS = ("text", "timbre")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Forty sounds of many lengths and formats, a silent one, an empty one, one that is none."""
    folder = tmp_path_factory.mktemp("crowd")
    rng = np.random.default_rng(0)
    for i in range(40):
        seconds = (0.3, 2.0, 4.0, 7.5, 11.0)[i % 5]
        rate, channels = (44_100, 48_000, 32_000, 22_050)[i % 4], 1 + i % 3
        decay = np.exp(-np.arange(int(seconds * rate)) / rate)[:, None]
        audio = 0.2 * decay * rng.normal(size=(len(decay), channels))
        suffix, subtype = (("wav", "PCM_16"), ("flac", "PCM_24"), ("wav", "FLOAT"))[i % 3]
        soundfile.write(folder / f"{i:02}.{suffix}", audio, rate, subtype)
    soundfile.write(folder / "05-silent.wav", np.zeros(8_000), 16_000)
    soundfile.write(folder / "06-empty.wav", np.zeros(0), 16_000)
    (folder / "07-broken.wav").write_bytes(b"RIFF not really")
    loud = rng.normal(size=300_000).astype(np.float32)
    loud[250_000] = np.nan  # after windows that were heard already
    soundfile.write(folder / "08-nan.wav", loud, 32_000, "FLOAT")
    return folder


@pytest.fixture(scope="module")
def by_one_thread(small, folder):
    return list(small.embed_files(sorted(folder.iterdir()), jobs=1))


def test_every_file_has_its_own_vectors_or_its_own_error_in_order(small, folder, by_one_thread):
    paths = sorted(folder.iterdir())
    assert [result.path for result in by_one_thread] == paths
    errors = {r.path.name: type(r.error) for r in by_one_thread if r.vectors is None}
    assert errors == {
        "05-silent.wav": SilentAudioError,
        "06-empty.wav": EmptyAudioError,
        "07-broken.wav": InputError,
        "08-nan.wav": InputError,
    }
    for result in by_one_thread[:12]:
        if result.vectors is None:
            continue
        alone = small.embed_file_kinds(result.path)
        for kind in KINDS:
            difference = result.vectors[kind].plain() - alone[kind].plain()
            assert float(difference.abs().max()) < 1e-6
            assert result.vectors[kind].space == small.encoder.spaces[kind]


@pytest.mark.parametrize("jobs", [2, 5])
def test_the_number_of_threads_changes_no_bit(small, folder, by_one_thread, jobs):
    before = torch.get_num_threads()
    results = list(small.embed_files(sorted(folder.iterdir()), jobs=jobs))
    assert torch.get_num_threads() == before
    assert [r.path for r in results] == [r.path for r in by_one_thread]
    for result, expected in zip(results, by_one_thread, strict=True):
        assert (result.vectors is None) == (expected.vectors is None)
        for kind in KINDS if result.vectors else ():
            assert torch.equal(result.vectors[kind].plain(), expected.vectors[kind].plain())


class Counting(torch.nn.Module):
    """Stands for an encoder that lets sounds through at their own length; counts its batches."""

    name, sample_rate, seconds_at_once, published = "counting", 1_000, 12, None
    windowing = Windowing(length=1_000, hop=1_000, fill=False)

    def __init__(self):
        super().__init__()
        self.spaces, self.batches = {"text": "counting"}, []

    def freeze(self):
        return self

    def forward(self, mono):
        self.batches.append(tuple(mono.shape))
        return {"text": torch.nn.functional.normalize(mono[:, :8])}


def test_windows_of_one_length_share_a_batch_and_no_batch_is_larger_than_one_pass(tmp_path):
    lengths = [1_000] * 14 + [500] * 3 + [700] * 5 + [3_000] * 2
    rng = np.random.default_rng(1)
    paths = [tmp_path / f"{i:02}.wav" for i in range(len(lengths))]
    for path, length in zip(paths, lengths, strict=True):
        soundfile.write(path, 0.1 * rng.normal(size=length), 1_000, "FLOAT")
    encoder = Counting()
    assert all(r.vectors for r in Model(encoder).embed_files(paths))
    # 14 whole windows and two times three of the long sounds: 12 at once, the other 8 at the end.
    expected = [(12, 1_000), (1, 500), (1, 500), (1, 500), (5, 700), (8, 1_000)]
    assert sorted(encoder.batches) == sorted(expected)


def test_a_file_of_many_windows_is_never_held_as_a_whole(tmp_path, monkeypatch):
    soundfile.write(tmp_path / "long.wav", 0.1 * np.ones(100_000), 1_000, "PCM_16")
    held, most = [], []
    stream = Windowing.stream

    def watched(self, blocks):
        for window in stream(self, blocks):
            held.append(window)
            yield window

    class Draining(Counting):
        def forward(self, mono):
            most.append(len(held))
            held.clear()
            return super().forward(mono)

    monkeypatch.setattr(Windowing, "stream", watched)
    Model(Draining()).embed_file(tmp_path / "long.wav")
    assert sum(most) == 100
    assert max(most) == 12


def test_a_reader_that_stops_early_ends_the_threads(small, folder, monkeypatch):
    monkeypatch.setattr(crowd, "FILES_AT_ONCE", 2)
    results = small.embed_files(sorted(folder.iterdir()), jobs=2)
    assert next(results).vectors is not None
    before = torch.get_num_threads()
    results.close()
    assert torch.get_num_threads() == before


def test_wrong_kinds_and_jobs_are_errors(small, folder):
    with pytest.raises(UsageError, match="jobs"):
        small.embed_files([], jobs=0)
    with pytest.raises(UsageError, match="colour"):
        list(small.embed_files(sorted(folder.iterdir())[:2], kinds=["colour"]))
    assert list(small.embed_files([])) == []
