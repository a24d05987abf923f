import json

import pytest
import torch

from timbreclip_core.checkpoints import (
    installed,
    models_dir,
    open_checkpoint,
    require,
    write_checkpoint,
)
from timbreclip_core.errors import CheckpointError, InputError, MissingWeightsError
from timbreclip_core.plugins import EncoderEntry, Weights

CONFIG = {"name": "tiny", "licence": "CC0-1.0", "encoder": {"name": "tiny"}, "space": None}
TENSORS = {"audio.safetensors": {"w": torch.arange(4.0)}}


@pytest.fixture
def folder(tmp_path):
    write_checkpoint(tmp_path / "tiny", CONFIG, TENSORS)
    return tmp_path / "tiny"


def tiny_entry(url=None):
    return EncoderEntry(
        name="tiny",
        summary="",
        load=dict,
        space="small",
        sample_rate=8_000,
        weights=Weights(licence="MIT", size_mb=3, source="a page", url=url),
    )


def test_a_checkpoint_comes_back_as_it_was_written(folder):
    loaded = open_checkpoint(folder)
    assert torch.equal(loaded.tensors("audio.safetensors")["w"], torch.arange(4.0))
    assert loaded.name == "tiny"


def test_other_files_travel_with_the_weights(tmp_path):
    (tmp_path / "words.json").write_text("{}")
    files = {"tokenizer.json": tmp_path / "words.json"}
    loaded = write_checkpoint(tmp_path / "m", CONFIG, TENSORS, files)
    assert loaded.file("tokenizer.json").read_text() == "{}"


def test_a_changed_byte_is_noticed(folder):
    data = bytearray((folder / "audio.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "audio.safetensors").write_bytes(data)
    with pytest.raises(CheckpointError, match="damaged"):
        open_checkpoint(folder).tensors("audio.safetensors")


def test_a_missing_file_is_noticed(folder):
    (folder / "audio.safetensors").unlink()
    with pytest.raises(CheckpointError, match="lacks"):
        open_checkpoint(folder).tensors("audio.safetensors")


def test_the_digest_follows_the_weights_and_not_the_summary(tmp_path):
    first = write_checkpoint(tmp_path / "a", CONFIG, TENSORS)
    same = write_checkpoint(tmp_path / "b", {**CONFIG, "note": "other"}, TENSORS)
    other = write_checkpoint(tmp_path / "c", CONFIG, {"audio.safetensors": {"w": torch.ones(4)}})
    assert first.digest == same.digest != other.digest


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": "other"}'])
def test_a_folder_that_is_no_model_is_refused(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(CheckpointError):
        open_checkpoint(tmp_path)


def test_a_model_of_a_newer_format_says_to_upgrade(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "format_version": 99}))
    with pytest.raises(CheckpointError, match="upgrade"):
        open_checkpoint(folder)


def test_writing_replaces_a_model_but_no_other_folder(tmp_path, folder):
    write_checkpoint(folder, {**CONFIG, "name": "new"}, TENSORS)
    assert open_checkpoint(folder).name == "new"
    (tmp_path / "holiday").mkdir()
    (tmp_path / "holiday" / "photo.jpg").write_text("precious")
    with pytest.raises(InputError, match="left alone"):
        write_checkpoint(tmp_path / "holiday", CONFIG, TENSORS)
    assert (tmp_path / "holiday" / "photo.jpg").read_text() == "precious"
    assert {p.name for p in tmp_path.iterdir()} == {"tiny", "holiday"}


def test_a_failed_write_leaves_nothing_behind(tmp_path):
    with pytest.raises(AttributeError):
        write_checkpoint(tmp_path / "m", CONFIG, {"audio.safetensors": {"w": "no tensor"}})
    assert list(tmp_path.iterdir()) == []


def test_missing_weights_say_how_to_get_them(tmp_path, monkeypatch):
    monkeypatch.setenv("TCLIP_MODELS", str(tmp_path))
    with pytest.raises(MissingWeightsError, match="tclip models install tiny FILE"):
        require(tiny_entry())
    with pytest.raises(MissingWeightsError, match="tclip models install tiny --download"):
        require(tiny_entry(url="https://example.org/tiny.pt"))


def test_weights_in_the_models_folder_are_found(tmp_path, monkeypatch):
    monkeypatch.setenv("TCLIP_MODELS", str(tmp_path))
    assert installed(tiny_entry()) is None
    write_checkpoint(models_dir() / "tiny", CONFIG, TENSORS)
    assert require(tiny_entry()) == tmp_path / "tiny"
