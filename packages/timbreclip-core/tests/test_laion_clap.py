"""LAION CLAP against transformers' own classes, on a tiny random ClapModel in a folder."""

import importlib.util
import json
import socket
import sys
import warnings

import numpy as np
import pytest
import soundfile
import torch

transformers = pytest.importorskip("transformers")

from click.testing import CliRunner  # noqa: E402
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers  # noqa: E402

from timbreclip_core import load_model  # noqa: E402
from timbreclip_core.batch import read_vectors  # noqa: E402
from timbreclip_core.cli.main import cli  # noqa: E402
from timbreclip_core.encoders.clap_source import open_source  # noqa: E402
from timbreclip_core.errors import (  # noqa: E402
    CheckpointError,
    InputError,
    MissingExtraError,
    MissingWeightsError,
    UsageError,
)
from timbreclip_core.model import load_space  # noqa: E402
from timbreclip_core.spaces.clip import LongTextWarning  # noqa: E402

RATE = 48_000
TEXTS = ["bright", "a warm pad", "the sound of a plucked string in a large hall"]
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]


@pytest.fixture(autouse=True)
def offline_and_empty(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError(f"the network was asked for: {args}")

    for name in ("create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setenv("TCLIP_MODELS", str(tmp_path / "models"))


def tokenizer():
    """A byte-level BPE with RoBERTa's special tokens, learnt from a few words."""
    made = Tokenizer(models.BPE(unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    made.train_from_iterator(TEXTS * 5, trainer)
    made.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return made


def write_tiny(folder, fusion=False):
    """The real architecture, some hundred times narrower, as the hub lays it out."""
    torch.manual_seed(0)
    audio = {
        "patch_embeds_hidden_size": 8,
        "hidden_size": 16,
        "depths": [2, 1],
        "num_attention_heads": [1, 2],
        "num_hidden_layers": 2,
        "enable_fusion": fusion,
    }
    text = {
        "vocab_size": 400,
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 40,
    }
    config = transformers.ClapConfig(text_config=text, audio_config=audio, projection_dim=24)
    model = transformers.ClapModel(config).eval()
    for name, tensor in model.state_dict().items():  # as after training: nothing at its start
        if name.endswith("running_mean"):
            tensor.normal_(-20, 5)
        elif name.endswith("running_var"):
            tensor.uniform_(200, 800)
        elif tensor.is_floating_point() and "logit" not in name:
            tensor.add_(0.1 * torch.randn_like(tensor))
    model.save_pretrained(folder)
    truncation = "fusion" if fusion else "rand_trunc"
    extractor = transformers.ClapFeatureExtractor(frequency_min=50, truncation=truncation)
    extractor.save_pretrained(folder)
    tokenizer().save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def fused(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("fused"), fusion=True)


@pytest.fixture(scope="module")
def model(tiny):
    return load_model("laion-clap", weights=tiny)


@pytest.fixture
def sound(note, tmp_path):
    path = tmp_path / "sound.wav"
    soundfile.write(path, note(220, 44_100), 44_100)
    return path


def noise(seconds, seed=0):
    rng = np.random.default_rng(seed)
    return (0.1 * rng.normal(size=int(seconds * RATE))).astype(np.float32)


def reference(folder, audio):
    """The vector as transformers makes it; ``audio`` is not longer than 10 s."""
    extractor = transformers.ClapFeatureExtractor.from_pretrained(folder)
    given = extractor(audio, sampling_rate=RATE, return_tensors="pt")
    features = given["input_features"].float()
    clap = transformers.ClapModel.from_pretrained(folder).eval()
    with torch.no_grad():
        made = clap.get_audio_features(features, is_longer=torch.zeros(1, 1, dtype=torch.bool))
    return features, getattr(made, "pooler_output", made)


@pytest.mark.parametrize("which", ["tiny", "fused"])
@pytest.mark.parametrize("seconds", [0.3, 4.0, 10.0])
def test_spectrogram_and_vector_are_those_of_transformers(request, which, seconds):
    folder = request.getfixturevalue(which)
    audio = noise(seconds)
    features, vector = reference(folder, audio)
    ours = load_model("laion-clap", weights=folder)
    heard = ours.encoder.features(torch.from_numpy(audio)[None])
    assert float((heard - features[:, 0]).abs().max()) < 1e-4
    found = ours.embed_audio(audio, sample_rate=RATE).plain()
    assert float((found - torch.nn.functional.normalize(vector)).abs().max()) < 1e-5


def test_a_pure_tone_has_the_spectrogram_of_transformers_down_to_its_floor(tiny, model):
    audio = np.sin(2 * np.pi * 1_000 * np.arange(10 * RATE) / RATE).astype(np.float32)
    features, _ = reference(tiny, audio)
    heard = model.encoder.features(torch.from_numpy(audio)[None])
    assert float((heard - features[:, 0]).abs().max()) < 1e-4


def test_texts_have_the_vectors_of_transformers(tiny, model):
    clap = transformers.ClapModel.from_pretrained(tiny).eval()
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(tiny / "tokenizer.json"), pad_token="<pad>"
    )
    tokens = fast(TEXTS, padding=True, return_tensors="pt")
    with torch.no_grad():
        made = clap.get_text_features(tokens["input_ids"], tokens["attention_mask"])
    expected = torch.nn.functional.normalize(getattr(made, "pooler_output", made))
    found = model.embed_text(TEXTS)
    assert found.space == model.encoder.spaces["text"]
    assert float((found.plain() - expected).abs().max()) < 1e-5


def test_the_end_of_a_text_too_long_is_left_out_with_a_warning(model):
    with pytest.warns(LongTextWarning, match="reads 38 tokens"):
        model.embed_text("bright " * 60)


@pytest.mark.parametrize("seconds", [3.0, 10.0, 27.0])
def test_the_same_sound_has_the_same_vector_every_time_alone_and_in_a_batch(model, seconds):
    audio = torch.from_numpy(noise(seconds))
    first = model.embed_audio_kinds(audio, sample_rate=RATE)
    again = model.embed_audio_kinds(audio, sample_rate=RATE)
    others = torch.stack([audio.flip(0), audio, 3 * audio])[:, None]
    among = model.embed_audio_kinds(others, sample_rate=RATE)
    for kind in ("text", "timbre"):
        assert torch.equal(first[kind].plain(), again[kind].plain())
        assert float((first[kind].plain() - among[kind].plain()[1:2]).abs().max()) < 1e-5


def test_a_long_sound_is_the_mean_of_its_windows_by_energy(model):
    audio = torch.from_numpy(noise(15.0))
    audio[5 * RATE :] *= 0.5
    windows = torch.stack([audio[: 10 * RATE], audio[5 * RATE :]])
    vectors = model.embed_audio(windows[:, None], sample_rate=RATE).plain()
    mean = (vectors * windows.square().mean(1, keepdim=True)).sum(0, keepdim=True)
    expected = torch.nn.functional.normalize(mean)
    assert float((model.embed_audio(audio, sample_rate=RATE).plain() - expected).abs().max()) < 1e-5


def test_a_file_has_the_vector_of_its_array(model, sound):
    audio, rate = soundfile.read(sound, dtype="float32")
    array = model.embed_audio(audio, sample_rate=rate).plain()
    assert float((array - model.embed_file(sound).plain()).abs().max()) < 1e-4


@pytest.mark.parametrize("audio", [np.ones(1, np.float32), np.full(RATE, 0.5, np.float32)])
def test_a_click_and_a_constant_have_finite_vectors(model, audio):
    assert float(model.embed_audio(audio, sample_rate=RATE).norm()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("rate", [RATE, 44_100])
def test_gradients_flow_to_the_audio(model, rate):
    x = torch.from_numpy(noise(1.0))[:rate].clone().requires_grad_()
    model.similarity(model.embed_audio(x, sample_rate=rate), "bright").sum().backward()
    assert torch.isfinite(x.grad).all()
    assert float(x.grad.abs().max()) > 0


def test_half_the_power_spectrogram_is_half_the_sound_squared(model):
    x = torch.from_numpy(noise(2.0))[None]
    power = model.encoder.spectrogram(x)
    assert len(model.encoder.freqs_hz) == power.shape[1]
    quieter = model.encoder(0.5 * x)["text"]
    assert float((model.encoder.from_power(0.25 * power)["text"] - quieter).abs().max()) < 1e-5


def test_an_installed_model_is_the_folder_that_it_came_from(tiny, model, tmp_path):
    done = CliRunner().invoke(cli, ["models", "install", "laion-clap", str(tiny)])
    assert done.exit_code == 0, done.output
    installed = load_model("laion-clap")
    assert installed.checkpoint.root == tmp_path / "models" / "laion-clap"
    audio = noise(1.0)
    assert torch.equal(
        installed.embed_audio(audio, sample_rate=RATE).plain(),
        model.embed_audio(audio, sample_rate=RATE).plain(),
    )
    found, known = installed.embed_text(TEXTS), model.embed_text(TEXTS)
    assert found.space == known.space
    assert float((found.plain() - known.plain()).abs().max()) < 1e-6
    assert load_space("laion-clap").embed_text(TEXTS).space == known.space


def test_a_hub_id_is_found_in_the_hubs_cache_only(tiny, model, tmp_path, monkeypatch):
    from huggingface_hub import constants

    cache = tmp_path / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    with pytest.raises(MissingWeightsError, match="tclip models install laion-clap:some/clap"):
        load_model("laion-clap:some/clap")
    snapshot = cache / "models--some--clap" / "snapshots" / "a1b2"
    snapshot.parent.mkdir(parents=True)
    snapshot.symlink_to(tiny)
    (cache / "models--some--clap" / "refs").mkdir()
    (cache / "models--some--clap" / "refs" / "main").write_text("a1b2")
    found = load_model("laion-clap:some/clap")
    assert found.id == model.id
    texts = found.embed_text("bright").plain() - model.embed_text("bright").plain()
    assert float(texts.abs().max()) < 1e-6
    with pytest.raises(UsageError, match="OWNER/NAME"):
        load_model("laion-clap:nothing")


@pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="not installed")
@pytest.mark.parametrize("which", ["tiny", "fused"])
def test_through_openvino_the_vectors_are_the_same(request, which):
    folder = request.getfixturevalue(which)
    exact = load_model("laion-clap", weights=folder)
    ours = load_model("laion-clap", weights=folder, device="openvino")
    for batch in (1, 3):
        x = np.stack([noise(2.0, seed) for seed in range(batch)])[:, None]
        expected = exact.embed_audio(x, sample_rate=RATE).plain()
        found = ours.embed_audio(x, sample_rate=RATE).plain()
        assert float((found - expected).abs().max()) < 1e-5


def test_two_sets_of_weights_are_two_spaces(model, fused):
    assert load_model("laion-clap", weights=fused).encoder.spaces != model.encoder.spaces


def test_what_is_no_such_model_says_what_is_wrong(tiny, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="holds neither"):
        load_model("laion-clap", weights=tmp_path)
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in tiny.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    (copy / "tokenizer.json").write_text("{}")
    with pytest.raises(CheckpointError, match="cannot be read as a tokenizer"):
        load_model("laion-clap", weights=copy).embed_text("bright")
    hearing = json.loads((copy / "preprocessor_config.json").read_text())
    (copy / "preprocessor_config.json").write_text(json.dumps({**hearing, "feature_size": 80}))
    with pytest.raises(CheckpointError, match="80 bands"):
        load_model("laion-clap", weights=copy)
    settings = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**settings, "projection_dim": 30}))
    (copy / "preprocessor_config.json").write_text(json.dumps(hearing))
    with pytest.raises(CheckpointError, match="no such ClapModel"):
        load_model("laion-clap", weights=copy)
    (copy / "config.json").write_text(json.dumps({**settings, "model_type": "bert"}))
    with pytest.raises(CheckpointError, match="'bert', no ClapModel"):
        load_model("laion-clap", weights=copy)
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError, match=r"timbreclip-core\[clap\]"):
        load_model("laion-clap", weights=tiny)


def test_weights_as_a_pickle_load_too(tiny, model, tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in tiny.iterdir():
        if file.suffix == ".json":
            (copy / file.name).write_bytes(file.read_bytes())
    from safetensors.torch import load_file

    torch.save(load_file(tiny / "model.safetensors"), copy / "pytorch_model.bin")
    audio = noise(1.0)
    a, b = (
        m.embed_audio(audio, sample_rate=RATE).plain()
        for m in (model, load_model("laion-clap", weights=copy))
    )
    assert torch.equal(a, b)
    assert open_source(copy).weights.name == "pytorch_model.bin"


def run(*args):
    with warnings.catch_warnings():
        return CliRunner().invoke(cli, [str(a) for a in args])


def test_rank_similarity_and_embed_work_as_with_any_model(tiny, sound, tmp_path):
    name = f"laion-clap={tiny}"
    ranked = run("rank", sound, "bright", "a warm pad", "-m", name, "--json")
    assert ranked.exit_code == 0, ranked.output
    words = json.loads(ranked.stdout)["words"]
    assert {w["word"] for w in words} == {"bright", "a warm pad"}
    alike = run("similarity", sound, sound, "-m", name)
    assert float(alike.stdout) == pytest.approx(1, abs=1e-3)
    out = tmp_path / "v.safetensors"
    assert run("embed", sound, "-o", out, "-m", name).exit_code == 0
    content = read_vectors(out)
    assert content.info["model"].startswith("laion-clap@")
    assert content.vectors.shape == (1, 24)


def test_text_driven_eq_runs_through_it(tiny, sound, tmp_path):
    pytest.importorskip("timbreclip_eq")
    out = tmp_path / "dark.wav"
    how = ("--eq", "tilt", "--restarts", "1", "--no-plot", "--json")
    done = run("eq", sound, "-p", "dark", "-o", out, "-m", f"laion-clap={tiny}", *how)
    assert done.exit_code == 0, done.output
    made, rate = soundfile.read(out)
    assert rate == 44_100
    assert np.isfinite(made).all()
