"""Through OpenVINO: the vectors of torch, and nothing sent or written."""

import importlib.util
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from timbreclip_core import load_model
from timbreclip_core.batch import read_vectors
from timbreclip_core.cli.main import cli
from timbreclip_core.encoders.base import Encoder
from timbreclip_core.encoders.folding import folded
from timbreclip_core.encoders.wav2clip import Wav2Clip
from timbreclip_core.errors import MissingExtraError, UsageError
from timbreclip_core.model import Model
from timbreclip_core.windows import Windowing

# Not by importing it, which would call home.
HERE = importlib.util.find_spec("openvino") is not None
needs_openvino = pytest.mark.skipif(not HERE, reason="openvino is not installed")


def test_without_openvino_the_message_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"timbreclip-core\[openvino\]"):
        load_model("small", device="openvino")


def test_another_engine_is_an_error(small):
    with pytest.raises(UsageError, match="torch or openvino"):
        Model(small.encoder, engine="abacus")


@pytest.fixture(scope="module")
def ours():
    if not HERE:
        pytest.skip("openvino is not installed")
    return load_model("small", device="openvino")


@pytest.mark.parametrize("seconds", [0.5, 4.0, 9.0])
@pytest.mark.parametrize("batch", [1, 3])
def test_vectors_are_those_of_torch(small, ours, seconds, batch):
    x = torch.randn(batch, 1, int(44_100 * seconds), generator=torch.Generator().manual_seed(0))
    exact = small.embed_audio_kinds(x, sample_rate=44_100)
    for kind, vectors in ours.embed_audio_kinds(x, sample_rate=44_100).items():
        assert vectors.space == exact[kind].space
        assert float((vectors.plain() - exact[kind].plain()).abs().max()) < 1e-6


@needs_openvino
def test_sounds_of_any_length_go_through_wav2clip():
    torch.manual_seed(0)
    encoder = folded(Wav2Clip().freeze())
    exact, ours = Model(encoder), Model(encoder, engine="openvino")
    for samples in (300, 16_000, 33_333, 170_000):
        x = torch.randn(2, 1, samples, generator=torch.Generator().manual_seed(samples))
        for kind, vectors in ours.embed_audio_kinds(x, sample_rate=16_000).items():
            expected = exact.embed_audio(x, sample_rate=16_000, kind=kind)
            assert float((vectors.plain() * expected.plain()).sum(1).min()) > 0.999999
            assert float((vectors.plain() - expected.plain()).abs().max()) < 1e-5


def test_many_threads_share_one_network(small, ours, sounds):
    paths = [sounds / "a.wav", sounds / "b.flac", sounds / "deep" / "c.wav"] * 30
    results = list(ours.embed_files(paths, jobs=3))
    for result, path in zip(results[:3], paths, strict=False):
        expected = small.embed_file_kinds(path)
        for kind, vectors in expected.items():
            difference = result.vectors[kind].plain() - vectors.plain()
            assert float(difference.abs().max()) < 1e-6


def test_a_gradient_still_flows(small, ours):
    x = torch.randn(32_000, generator=torch.Generator().manual_seed(0)).requires_grad_()
    ours.similarity(ours.embed_audio(x, sample_rate=32_000), "bright").sum().backward()
    assert float(x.grad.abs().max()) > 0


class Lopsided(Encoder):
    """An encoder of a plugin that OpenVINO has no operation for."""

    name, sample_rate = "lopsided", 16_000
    windowing = Windowing(length=16_000, hop=16_000)

    def __init__(self):
        super().__init__()
        self.spaces = {"text": "lopsided"}

    def forward(self, mono):
        return {"text": torch.linalg.eigvals(mono[:, :64].reshape(-1, 8, 8)).real}


@needs_openvino
def test_an_encoder_that_openvino_cannot_run_is_named():
    model = Model(Lopsided(), engine="openvino")
    with pytest.raises(UsageError, match="cannot run lopsided"):
        model.embed_audio(np.ones(16_000, np.float32), sample_rate=16_000)


@needs_openvino
def test_a_file_of_vectors_says_what_made_them(sounds, tmp_path):
    for device, engine in (("cpu", "torch"), ("openvino", "openvino")):
        out = tmp_path / f"{engine}.safetensors"
        done = CliRunner().invoke(
            cli, ["embed", str(sounds / "a.wav"), "-o", str(out), "--device", device, "--json"]
        )
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout)["engine"] == engine
        assert read_vectors(out).info["engine"] == engine


@needs_openvino
def test_nothing_is_sent_and_no_file_is_written(tmp_path):
    code = """
import socket, sys, torch
def refuse(*args, **kwargs):
    raise SystemExit("the network was asked for")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
from timbreclip_core import load_model
model = load_model("small", device="openvino")
model.embed_audio(torch.ones(8000), sample_rate=32_000)
assert "openvino_telemetry" not in sys.modules
"""
    home = tmp_path / "home"
    home.mkdir()
    places = {name: str(home) for name in ("HOME", "USERPROFILE", "TMPDIR", "XDG_CACHE_HOME")}
    done = subprocess.run(
        [sys.executable, "-B", "-c", code], env={**os.environ, **places}, capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()
    assert list(home.rglob("*")) == []
