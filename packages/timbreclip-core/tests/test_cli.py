"""The commands as a user types them."""

import json
import os
import subprocess
import sys

import pytest
import torch
from click.testing import CliRunner

from timbreclip_core.batch import read_vectors
from timbreclip_core.cli.main import cli
from timbreclip_core.errors import InputError


def tclip(*args, **kwargs):
    return CliRunner().invoke(cli, [str(a) for a in args], **kwargs)


@pytest.mark.parametrize("suffix", [".safetensors", ".npy", ".parquet"])
def test_embed_writes_vectors_names_and_what_made_them(sounds, tmp_path, small, suffix):
    out = tmp_path / f"vectors{suffix}"
    done = tclip("embed", sounds / "a.wav", sounds / "b.flac", "-o", out, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["embedded"] == 2
    content = read_vectors(out)
    assert [n.rsplit("/")[-1] for n in content.names] == ["a.wav", "b.flac"]
    assert content.info["model"] == small.id
    assert content.info["precision"] == "float32"
    assert content.vectors.space == small.encoder.spaces["text"]
    expected = small.embed_file(sounds / "a.wav").plain()
    assert torch.equal(content.vectors[:1].plain(), expected)


def test_embed_goes_on_past_bad_files_and_ends_with_1(sounds, tmp_path):
    out = tmp_path / "v.safetensors"
    done = tclip("embed", sounds, "-o", out, "--json", "--kind", "timbre")
    assert done.exit_code == 1
    report = json.loads(done.stdout)
    assert report["embedded"] == 3
    failed = {f["file"].rsplit("/")[-1] for f in report["failed"]}
    assert failed == {"broken.wav", "empty.wav", "silent.wav"}
    assert "broken.wav" in done.stderr
    assert len(read_vectors(out).names) == 3


def test_embed_writes_nothing_when_nothing_can_be_embedded(sounds, tmp_path):
    out = tmp_path / "v.npy"
    assert tclip("embed", sounds / "silent.wav", "-o", out).exit_code == 1
    assert not list(tmp_path.glob("*.npy"))


def test_embed_keeps_an_older_file_when_it_fails(sounds, tmp_path):
    out = tmp_path / "v.npy"
    tclip("embed", sounds / "a.wav", "-o", out)
    before = out.read_bytes()
    tclip("embed", sounds / "silent.wav", "-o", out)
    assert out.read_bytes() == before


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["embed", "{a}", "-o", "{tmp}/v.txt"], 2, ".safetensors"),
        (["embed", "{a}", "-o", "{tmp}/no/v.npy"], 1, "does not exist"),
        (["embed", "-o", "{tmp}/v.npy"], 2, "FILES"),
        (["embed", "{tmp}/gone.wav", "-o", "{tmp}/v.npy"], 1, "There is no file"),
        (["embed", "{a}", "-o", "{tmp}/v.npy", "--kind", "smell"], 2, "text, timbre"),
        (["rank", "{a}"], 2, "WORDS"),
        (["rank", "{a}", ""], 2, "empty"),
        (["rank", "{tmp}/gone.wav", "piano"], 1, "There is no file"),
        (["rank", "{a}", "piano", "--template", "no place"], 2, "{}"),
        (["rank", "{a}", "piano", "--model", "smal"], 2, "Did you mean 'small'"),
        (["rank", "{a}", "piano", "--model", "wav2clip"], 1, "tclip models install"),
        (["similarity", "{a}"], 2, "SECOND"),
        (["similarity", "{a}", "gone.wav"], 1, "There is no file"),
        (["models", "install", "wav2clip"], 2, "--download"),
        (["models", "install", "nonsense", "{a}"], 2, "Unknown model"),
        (["models", "install", "small", "{a}"], 2, "comes with its package"),
    ],
)
def test_wrong_use_ends_with_2_and_failure_with_1(sounds, tmp_path, monkeypatch, args, code, says):
    monkeypatch.setenv("TCLIP_MODELS", str(tmp_path / "models"))
    places = {"a": sounds / "a.wav", "tmp": tmp_path}
    done = tclip(*(a.format(**places) if a != "{}" else a for a in args))
    assert done.exit_code == code, done.output
    assert says in done.stderr
    assert "Traceback" not in done.output


def test_rank_prints_the_best_word_first(sounds):
    done = tclip("rank", sounds / "a.wav", "piano", "snare drum", "white noise", "--json")
    rows = json.loads(done.stdout)["words"]
    cosines = [r["cosine"] for r in rows]
    assert cosines == sorted(cosines, reverse=True)
    assert sum(r["share"] for r in rows) == pytest.approx(1)
    assert all(0 <= r["fits_percent"] <= 100 for r in rows)
    table = tclip("rank", sounds / "a.wav", "piano", "snare drum", "white noise").stdout
    assert table.splitlines()[1].startswith(rows[0]["word"])


def test_similarity_of_a_sound_with_itself_is_one(sounds):
    done = tclip("similarity", sounds / "a.wav", sounds / "a.wav", "--json")
    record = json.loads(done.stdout)
    assert record["cosine"] == pytest.approx(1, abs=1e-5)
    assert record["kind"] == "timbre"
    assert (
        json.loads(tclip("similarity", sounds / "a.wav", "warm", "--json").stdout)["kind"] == "text"
    )


def test_models_lists_what_is_here_and_what_is_not(tmp_path, monkeypatch):
    monkeypatch.setenv("TCLIP_MODELS", str(tmp_path))
    rows = {(r["kind"], r["name"]): r for r in json.loads(tclip("models", "--json").stdout)}
    assert rows["encoder", "small"]["path"]
    assert rows["encoder", "wav2clip"]["path"] is None
    assert rows["encoder", "wav2clip"]["space"] == "clip-vit-b-32"
    assert "tclip models install wav2clip" in tclip("models").stdout


def test_a_file_of_another_hash_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setenv("TCLIP_MODELS", str(tmp_path / "models"))
    (tmp_path / "w.pt").write_bytes(b"other bytes")
    done = tclip("models", "install", "wav2clip", tmp_path / "w.pt", "--sha256", "00" * 32)
    assert done.exit_code == 1
    assert "SHA-256" in done.stderr
    assert not (tmp_path / "models" / "wav2clip").exists()


def test_reading_vectors_from_something_else_is_a_clear_error(tmp_path):
    for name in ("x.safetensors", "x.npy", "x.parquet"):
        (tmp_path / name).write_bytes(b"not vectors")
        with pytest.raises(InputError, match="no file of vectors"):
            read_vectors(tmp_path / name)


def test_a_reader_that_stops_early_is_no_error(sounds):
    command = f'"{sys.executable}" -m timbreclip_core models list --json | head -1'
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, env=os.environ
    )
    assert "Traceback" not in done.stderr


def test_threads_that_wait_are_set_up_before_torch_unless_the_user_did():
    """libgomp reads its environment once, when torch is imported."""
    code = (
        "import os, sys\n"
        "from timbreclip_core.cli.main import cli\n"
        "assert 'torch' not in sys.modules\n"
        "cli(['plugins'], standalone_mode=False)\n"
        "print('spins', os.environ['GOMP_SPINCOUNT'])"
    )
    for own, expected in ((None, "1000"), ("7", "7")):
        env = {k: v for k, v in os.environ.items() if k != "GOMP_SPINCOUNT"}
        env |= {"GOMP_SPINCOUNT": own} if own else {}
        done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert f"spins {expected}" in done.stdout
