"""The teacher aisfx as an encoder, and teachers' vectors computed once over a data set."""

import io
import json
import os
import pickle
import signal
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest
import soundfile
import torch
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from timbreclip_core import load_model
from timbreclip_core.checkpoints import open_checkpoint
from timbreclip_core.cli.main import cli
from timbreclip_core.errors import CheckpointError, InputError, UsageError
from timbreclip_core.files import sha256
from timbreclip_train.datasets import open_dataset
from timbreclip_train.teachers import teach as teaching
from timbreclip_train.teachers.aisfx import (
    BANDS,
    BLOCK_FRAMES,
    LOUDEST_LOG,
    PEAK,
    SAMPLE_RATE,
    install,
    load,
    mel_filters,
)
from timbreclip_train.teachers.aisfx import in_blocks as blocks_of
from timbreclip_train.teachers.aisfx_weights import (
    MEMBER,
    PREFIX,
    expected_shapes,
    folded,
    read_published,
)
from timbreclip_train.teachers.taught import FILE, read_taught
from timbreclip_train.teachers.teach import Teacher, notes_to_teach, teach

torch.set_num_threads(1)


def random_state(seed=0):
    """Tensors of the true shapes, of such sizes that sounds come through."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in expected_shapes().items():
        if len(shape) == 4:
            spread = (2 / (9 * shape[1])) ** 0.5
            state[name] = spread * torch.randn(shape, generator=generator)
        elif name.endswith(("weight", "running_var")):
            state[name] = 0.5 + torch.rand(shape, generator=generator)
        else:
            state[name] = 0.1 * torch.randn(shape, generator=generator)
    return state


def pack(path, content):
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("aisfx/__init__.py", "raise RuntimeError('this code must never run')\n")
        if content is not None:
            wheel.writestr(MEMBER, content)
    return path


def as_published(state):
    """Bytes like those in the wheel: a class head besides, counters, numpy integers."""
    named = {PREFIX + name: tensor for name, tensor in state.items()}
    named[f"{PREFIX}conv_block1.bn1.num_batches_tracked"] = torch.tensor(7)
    named["fc.0.0.weight"] = torch.zeros(4, 512)
    stream = io.BytesIO()
    torch.save((named, {"somewhere": (np.int64(0), 4)}), stream)
    return stream.getvalue()


@pytest.fixture(scope="module")
def state():
    return random_state()


@pytest.fixture(scope="module")
def wheel(state, tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    return pack(folder / "aisfx-0.1.2-py2.py3-none-any.whl", as_published(state))


@pytest.fixture(scope="module")
def model(wheel):
    return load_model("aisfx", weights=wheel)


def sound(seconds, seed=0, rate=SAMPLE_RATE):
    """A decaying chord with noise, float32."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * rate)) / rate
    tones = sum(np.sin(2 * np.pi * f * t) for f in rng.uniform(60, 0.2 * rate, 5))
    audio = tones * np.exp(-t * rng.uniform(0.5, 5)) + 0.02 * rng.standard_normal(len(t))
    return (0.3 * audio / np.abs(audio).max()).astype(np.float32)


def cosine(a, b):
    return torch.nn.functional.cosine_similarity(a.double(), b.double(), dim=-1)


# The weights


def test_tensors_come_out_of_the_wheel_under_their_published_names(wheel, state):
    found = read_published(wheel)
    assert found.keys() == state.keys() == expected_shapes().keys()
    assert all(torch.equal(found[name], state[name]) for name in state)


def test_the_checkpoint_alone_is_read_too(tmp_path, state):
    path = tmp_path / "checkpoint.pth"
    path.write_bytes(as_published(state))
    assert torch.equal(read_published(path)["conv_block4.bn2.bias"], state["conv_block4.bn2.bias"])


class Nasty:
    def __reduce__(self):
        return os.mkdir, ("ran",)


def test_a_checkpoint_with_code_is_refused_and_does_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = pack(tmp_path / "nasty.whl", pickle.dumps((Nasty(), {}), protocol=2))
    with pytest.raises(CheckpointError, match="pip download --no-deps aisfx"):
        read_published(path)
    assert not (tmp_path / "ran").exists()


def test_what_is_no_wheel_of_aisfx_is_refused(tmp_path, state):
    (tmp_path / "text.whl").write_text("no archive")
    pack(tmp_path / "other.whl", None)
    smaller = {**state, "conv_block3.conv2.weight": torch.zeros(256, 256, 1, 1)}
    pack(tmp_path / "shape.whl", as_published(smaller))
    lacking = {name: tensor for name, tensor in state.items() if "block2" not in name}
    pack(tmp_path / "lacks.whl", as_published(lacking))
    faults = {"text": "no wheel", "other": "no wheel", "shape": "block3.conv2", "lacks": "7 more"}
    for name, told in faults.items():
        with pytest.raises(CheckpointError, match=told):
            load(tmp_path / f"{name}.whl")


def test_folding_the_normalisation_into_a_convolution_changes_nothing(state):
    convolution = nn.Conv2d(64, 64, 3, padding=1, bias=False)
    convolution.weight.data = state["conv_block1.conv2.weight"]
    norm = nn.BatchNorm2d(64)
    own = {k.rpartition(".")[2]: v for k, v in state.items() if k.startswith("conv_block1.bn2.")}
    norm.load_state_dict(own | {"num_batches_tracked": torch.tensor(0)})
    x = torch.randn(2, 64, 9, 11)
    kernel, bias = folded(state)[1]
    with torch.no_grad():
        expected = norm.eval()(convolution(x))
        found = nn.functional.conv2d(x, kernel, bias, padding=1)
    assert torch.allclose(found, expected, atol=1e-5)


def test_an_installed_model_names_licence_authors_and_source(wheel, tmp_path, model):
    install(wheel, tmp_path / "aisfx")
    config = open_checkpoint(tmp_path / "aisfx").config
    assert config["licence"] == "CC-BY-4.0" and "Lerch" in config["authors"]
    assert config["source"] == {"file": wheel.name, "sha256": sha256(wheel)}
    audio = sound(1)
    again = load_model(tmp_path / "aisfx")
    found = again.embed_audio(audio, sample_rate=SAMPLE_RATE)
    assert torch.equal(found, model.embed_audio(audio, sample_rate=SAMPLE_RATE))


def test_a_folder_of_another_encoder_is_refused(wheel, tmp_path):
    install(wheel, tmp_path / "aisfx")
    path = tmp_path / "aisfx" / "config.json"
    config = json.loads(path.read_text())
    config["encoder"]["name"] = "other"
    path.write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="'other'"):
        load(tmp_path / "aisfx")


# The front end


def test_mel_bands_have_sum_one_and_are_triangles_over_mel():
    filters = mel_filters().double().numpy()
    assert filters.shape == (BANDS, 1025)
    assert filters.sum(1) == pytest.approx(np.ones(BANDS), abs=1e-5)
    mel = 2_595 * np.log10(1 + np.linspace(0, SAMPLE_RATE / 2, 1025) / 700)
    step = mel[-1] / (BANDS + 1)
    # Band 79 is centred at 80 steps; on both sides the weight falls in proportion to mel.
    inside = np.abs(mel - 80 * step) < step
    height = 1 - np.abs(mel[inside] - 80 * step) / step
    assert filters[79][inside] == pytest.approx(height / height.sum(), abs=1e-6)
    assert not filters[79][~inside].any()


def test_a_frame_is_what_numpy_computes(model):
    audio = sound(0.5)
    frame = audio[9 * 1_024 : 11 * 1_024].astype(float) * PEAK / np.abs(audio).max()
    power = np.abs(np.fft.rfft(frame * np.hanning(2_048))) ** 2
    expected = np.log10(1e4 * mel_filters().double().numpy() @ power + 1) / LOUDEST_LOG
    found = model.encoder.log_mel(torch.from_numpy(audio)[None])[0, 10].numpy()
    assert found == pytest.approx(expected, abs=1e-5)


@given(st.integers(1, 1_000))
@settings(max_examples=30)
def test_every_frame_lies_in_a_block_and_no_block_is_needless(count):
    frames = torch.arange(1, count + 1).float()[None, :, None].expand(1, count, 2)
    blocks = blocks_of(frames)
    assert blocks.shape == (1, max(1, -(-count // BLOCK_FRAMES)), BLOCK_FRAMES, 2)
    assert set(blocks.flatten().tolist()) - {0} == set(range(1, count + 1))


def test_a_note_of_four_seconds_is_two_blocks():
    blocks = blocks_of(torch.arange(173.0)[None, :, None])
    assert blocks[0, :, 0, 0].tolist() == [0, 73]


# The encoder


def test_vectors_have_512_numbers_length_one_and_are_the_same_for_both_kinds(model):
    audio = np.stack([sound(1, seed) for seed in range(3)])[:, None]
    found = model.embed_audio_kinds(audio, sample_rate=SAMPLE_RATE)
    assert set(found) == {"text", "timbre"}
    assert found["text"].shape == (3, 512)
    assert torch.allclose(found["text"].plain().norm(dim=1), torch.ones(3), atol=1e-5)
    assert torch.equal(found["text"], found["timbre"])
    assert cosine(found["text"].plain()[0], found["text"].plain()[1]) < 0.9999


def test_level_does_not_matter_and_neighbours_do_not(model):
    one, other = sound(1), sound(1, 1)
    alone = model.embed_audio(one, sample_rate=SAMPLE_RATE).plain()
    quiet = model.embed_audio(one / 100, sample_rate=SAMPLE_RATE).plain()
    among = model.embed_audio(np.stack([other, one])[:, None], sample_rate=SAMPLE_RATE).plain()
    assert torch.allclose(alone, quiet, atol=1e-5)
    assert torch.allclose(alone[0], among[1], atol=1e-5)


@pytest.mark.parametrize("seconds", [0.001, 0.3, 2.4, 11])
def test_sounds_of_any_length_have_a_vector(model, seconds, tmp_path):
    audio = sound(seconds)
    soundfile.write(tmp_path / "a.wav", audio, SAMPLE_RATE, subtype="FLOAT")
    found = model.embed_audio(audio, sample_rate=SAMPLE_RATE).plain()
    assert torch.isfinite(found).all()
    assert torch.allclose(model.embed_file(tmp_path / "a.wav").plain(), found, atol=1e-5)


def test_gradients_reach_the_sound(model):
    audio = torch.from_numpy(sound(0.5))[None].requires_grad_()
    other = model.embed_audio(sound(0.5, 1), sample_rate=SAMPLE_RATE).plain()
    (model.embed_audio(audio, sample_rate=SAMPLE_RATE).plain() * other).sum().backward()
    assert torch.isfinite(audio.grad).all() and audio.grad.abs().max() > 0


def test_bfloat16_changes_directions_little(wheel, model):
    half = load_model("aisfx", weights=wheel, precision="bfloat16")
    audio = np.stack([sound(4, seed) for seed in range(3)])[:, None]
    exact = model.embed_audio(audio, sample_rate=SAMPLE_RATE).plain()
    assert cosine(half.embed_audio(audio, sample_rate=SAMPLE_RATE).plain(), exact).min() > 0.999


def test_it_has_no_words_and_says_so(model):
    with pytest.raises(UsageError, match="aisfx knows no words"):
        model.embed_text("warm")


def test_the_commands_of_core_install_list_embed_and_compare(wheel, tmp_path, monkeypatch):
    monkeypatch.setenv("TCLIP_MODELS", str(tmp_path / "models"))
    paths = [str(tmp_path / f"{seed}.wav") for seed in range(2)]
    for seed, path in enumerate(paths):
        soundfile.write(path, sound(0.5, seed), SAMPLE_RATE)
    run = CliRunner()
    missing = run.invoke(cli, ["similarity", *paths, "--model", "aisfx"])
    assert missing.exit_code != 0 and "pip download --no-deps aisfx==0.1.2" in missing.output
    assert run.invoke(cli, ["models", "install", "aisfx", str(wheel)]).exit_code == 0
    assert "no words, 44100 Hz" in run.invoke(cli, ["models"]).output
    compared = run.invoke(cli, ["similarity", *paths, "--model", "aisfx", "--json"])
    assert json.loads(compared.stdout)["cosine"] < 0.9999
    out = str(tmp_path / "v.safetensors")
    embedded = run.invoke(cli, ["embed", *paths, "-o", out, "--model", "aisfx", "--json"])
    assert json.loads(embedded.stdout)["dim"] == 512


@pytest.mark.reference
@pytest.mark.parametrize("precision, least", [("float32", 0.99999), ("bfloat16", 0.999)])
def test_vectors_are_those_of_the_published_package(tmp_path, monkeypatch, precision, least):
    pytest.importorskip("essentia")
    theirs = pytest.importorskip("aisfx.inference")
    from aisfx.spectrogram.spectrogram_essentia import compute_spectrogram

    monkeypatch.setattr(torch, "load", lambda path, _load=torch.load, **options: _load(
        path, weights_only=False, **options))  # fmt: skip
    network = theirs.load_bestModel(*theirs.load_weights("cpu"), "cpu")
    monkeypatch.undo()
    ours = load_model("aisfx", weights=theirs.get_path_modelWeights(), precision=precision)
    for seed in range(4):
        audio = sound(4, seed)
        audio *= PEAK / np.abs(audio).max()
        path = str(tmp_path / f"{seed}.wav")
        soundfile.write(path, audio, SAMPLE_RATE, subtype="FLOAT")
        spectrogram = compute_spectrogram(
            path,
            sr=44_100.0,
            block_size=2_048,
            hop_size=1_024,
            n_mels=96,
            f_min=0.0,
            f_max=22_050.0,
        )
        normal = theirs.spectrogram_normalize(spectrogram)
        # A hop of 0.73 of a block puts their two blocks where ours are.
        expected = theirs.model_get_embedding(normal, 0.73, True, network, "cpu").mean(0)
        found = ours.embed_audio(audio, sample_rate=SAMPLE_RATE).plain()[0]
        assert cosine(found, expected) > least


# Teaching

RATE = 16_000


def make_sounds(folder, count, seconds=0.2):
    folder.mkdir(parents=True)
    for i in range(count):
        soundfile.write(folder / f"{i:03d} sound.wav", sound(seconds, i, RATE), RATE)
    return folder


@pytest.fixture
def dataset(tmp_path):
    return open_dataset("folder", make_sounds(tmp_path / "sounds", 10))


@pytest.fixture
def teacher(wheel):
    return Teacher(f"aisfx={wheel}", "float32")


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(teaching, "PART_NOTES", 3)


def test_vectors_are_those_of_the_teacher_in_the_order_of_the_dataset(
    dataset, teacher, tmp_path, model
):
    steps = list(teach(dataset, dataset.notes, tmp_path / "out", teacher))
    assert (steps[-1].done, steps[-1].total) == (10, 10)
    ids, vectors, info = read_taught(tmp_path / "out")
    assert ids == [note.id for note in dataset.notes]
    assert vectors.shape == (10, 512) and vectors.dtype == np.float32
    for note, vector in zip(dataset.notes, vectors, strict=True):
        samples, rate = dataset.read(note)
        expected = model.embed_audio(samples, sample_rate=rate).plain()[0].numpy()
        assert vector == pytest.approx(expected, abs=1e-4)
    assert (info["teacher"], info["dataset"], info["failed"]) == ("aisfx", "folder", {})
    assert info["model"] == model.id and info["kind"] == "timbre"


def test_a_second_run_computes_nothing_and_changes_nothing(dataset, teacher, tmp_path):
    list(teach(dataset, dataset.notes, tmp_path / "out", teacher))
    before = (tmp_path / "out" / FILE).read_bytes()
    steps = list(teach(dataset, dataset.notes, tmp_path / "out", teacher))
    assert [(s.done, s.total) for s in steps] == [(10, 10)]
    assert (tmp_path / "out" / FILE).read_bytes() == before


def test_a_run_that_is_broken_off_goes_on_where_it_was(dataset, teacher, tmp_path, small_parts):
    list(teach(dataset, dataset.notes, tmp_path / "whole", teacher))
    running = teach(dataset, dataset.notes, tmp_path / "out", teacher)
    assert [next(running).done for _ in range(3)] == [0, 3, 6]
    running.close()
    with pytest.raises(InputError, match="no finished vectors"):
        read_taught(tmp_path / "out")
    steps = list(teach(dataset, dataset.notes, tmp_path / "out", teacher))
    assert [s.done for s in steps] == [6, 9, 10]
    (ids, vectors, _), (again, others, _) = (read_taught(tmp_path / n) for n in ("whole", "out"))
    assert ids == again and others == pytest.approx(vectors, abs=1e-5)
    assert [p.name for p in (tmp_path / "out").iterdir()] == [FILE]


@pytest.mark.slow
def test_processes_give_the_same_vectors(dataset, teacher, tmp_path, small_parts):
    list(teach(dataset, dataset.notes, tmp_path / "one", teacher))
    steps = list(teach(dataset, dataset.notes, tmp_path / "two", teacher, jobs=2))
    assert steps[-1].done == 10
    (ids, vectors, _), (again, others, _) = (read_taught(tmp_path / n) for n in ("one", "two"))
    assert ids == again and others == pytest.approx(vectors, abs=1e-5)


def test_bad_notes_are_left_out_with_the_reason(dataset, teacher, tmp_path):
    soundfile.write(tmp_path / "sounds" / "silent.wav", np.zeros(3_200), RATE)
    (tmp_path / "sounds" / "broken.wav").write_bytes(b"RIFF no sound")
    dataset = open_dataset("folder", tmp_path / "sounds")
    steps = list(teach(dataset, dataset.notes, tmp_path / "out", teacher))
    assert steps[-1].done == 12
    ids, vectors, info = read_taught(tmp_path / "out")
    assert len(ids) == len(vectors) == 10
    assert sorted(info["failed"]) == ["broken.wav", "silent.wav"]
    assert "silent" in info["failed"]["silent.wav"]
    assert str(tmp_path) not in json.dumps(info)


def test_a_note_whose_sound_changed_is_heard_again(dataset, teacher, tmp_path):
    list(teach(dataset, dataset.notes, tmp_path / "out", teacher))
    before = read_taught(tmp_path / "out")[1]
    soundfile.write(tmp_path / "sounds" / "004 sound.wav", sound(0.25, 99, RATE), RATE)
    dataset = open_dataset("folder", tmp_path / "sounds")
    steps = list(teach(dataset, dataset.notes, tmp_path / "out", teacher))
    assert [s.done for s in steps] == [9, 10]
    after = read_taught(tmp_path / "out")[1]
    assert [i for i in range(10) if not np.array_equal(before[i], after[i])] == [4]


def test_more_notes_are_added_to_those_that_are_there(dataset, teacher, tmp_path):
    list(teach(dataset, dataset.notes[::2], tmp_path / "out", teacher))
    assert [s.done for s in teach(dataset, dataset.notes[:4], tmp_path / "out", teacher)] == [2, 4]
    names = [int(note[:3]) for note in read_taught(tmp_path / "out")[0]]
    assert names == [0, 1, 2, 3, 4, 6, 8]


def test_a_folder_of_another_teacher_is_left_alone(dataset, teacher, tmp_path, wheel):
    list(teach(dataset, dataset.notes[:2], tmp_path / "out", teacher))
    before = (tmp_path / "out" / FILE).read_bytes()
    other = Teacher(teacher.name, "bfloat16")
    with pytest.raises(InputError, match="Name another folder"):
        list(teach(dataset, dataset.notes, tmp_path / "out", other))
    assert (tmp_path / "out" / FILE).read_bytes() == before


def test_damaged_vectors_are_told_and_computed_again(dataset, teacher, tmp_path):
    list(teach(dataset, dataset.notes[:2], tmp_path / "out", teacher))
    path = tmp_path / "out" / FILE
    path.write_bytes(path.read_bytes()[:-1_000])
    with pytest.raises(InputError, match="no file of a teacher's vectors"):
        read_taught(tmp_path / "out")
    assert [s.done for s in teach(dataset, dataset.notes[:2], tmp_path / "out", teacher)] == [0, 2]
    assert len(read_taught(tmp_path / "out")[0]) == 2


def test_any_encoder_of_core_may_teach(dataset, tmp_path):
    list(teach(dataset, dataset.notes[:2], tmp_path / "out", Teacher("small")))
    ids, vectors, info = read_taught(tmp_path / "out")
    assert len(ids) == 2 and info["teacher"] == "small"
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(2), abs=1e-4)


def write_corpus(folder):
    """A folder as of ``tclip data render``: three patches of six pitches."""
    (folder / "audio").mkdir(parents=True)
    rows = []
    for patch in range(3):
        soundfile.write(folder / "audio" / f"{patch}.flac", sound(0.6, patch, RATE), RATE)
        rows += [
            {
                **{"id": f"synth-{patch}", "source": "synth", "collection": f"c{patch}"},
                **{"name": f"Name {patch}", "category": "pad", "tags": [], "author": ""},
                **{"licence": "CC0-1.0", "unpitched": False, "pitch": 36 + 6 * i, "velocity": 100},
                **{"file": f"audio/{patch}.flac", "offset": 1_600 * i, "frames": 1_600},
                "sample_rate": RATE,
            }
            for i in range(6)
        ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "manifest.jsonl").write_text(text)
    return folder


def test_notes_of_a_patch_are_spread_over_its_pitches(tmp_path):
    dataset = open_dataset("rendered", write_corpus(tmp_path / "corpus"))
    split = dataset.notes[0].split
    patches = [p for p, notes in dataset.patches.items() if notes[0].split == split]
    picked = notes_to_teach(dataset, split, 2)
    assert picked == notes_to_teach(dataset, split, 2)
    for patch in patches:
        low, high = [note.pitch for note in picked if note.patch == patch]
        assert low <= 48 < 54 <= high
    assert len(notes_to_teach(dataset, split, 0)) == 6 * len(patches)
    with pytest.raises(InputError, match="no notes in the split"):
        notes_to_teach(dataset, "none", 2)


def test_the_command_teaches_a_split_and_says_what_it_wrote(tmp_path, wheel):
    corpus = write_corpus(tmp_path / "corpus")
    split = open_dataset("rendered", corpus).notes[0].split
    out = tmp_path / "out"
    options = ["--teacher", f"aisfx={wheel}", "--root", str(corpus), "--split", split]
    options += ["--precision", "bfloat16"]
    done = CliRunner().invoke(
        cli, ["train", "teach", *options, "--out", str(out), "--per-patch", "1", "--json"]
    )
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    ids, vectors, info = read_taught(out)
    assert told["notes"] == len(ids) and told["dim"] == vectors.shape[1] == 512
    assert told["precision"] == info["precision"] == "bfloat16"


@pytest.mark.slow
def test_a_killed_command_goes_on_and_leaves_no_processes(tmp_path, wheel):
    root = make_sounds(tmp_path / "sounds", 400)
    split = open_dataset("folder", root).notes[0].split
    command = [sys.executable, "-m", "timbreclip_core", "train", "teach", "--teacher"]
    command += [f"aisfx={wheel}", "--dataset", "folder", "--root", str(root)]
    command += ["--split", split, "--per-patch", "0", "--out", str(tmp_path / "out")]
    command += ["--jobs", "2", "--json"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    until = time.monotonic() + 120
    while not list((tmp_path / "out").glob("parts/*.safetensors")):
        assert running.poll() is None and time.monotonic() < until
        time.sleep(0.02)
    running.send_signal(signal.SIGKILL)
    # The pipes end when the last of its processes has ended.
    running.communicate(timeout=60)
    assert not (tmp_path / "out" / FILE).exists()
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["notes"] == len(read_taught(tmp_path / "out")[0]) == 400
