"""Files come back as they were, but for the sound."""

from __future__ import annotations

import struct

import numpy as np
import pytest
import soundfile
import torch

from timbreclip_core.errors import EmptyAudioError, InputError, UsageError
from timbreclip_eq.riff import copy_chunks
from timbreclip_eq.soundfiles import read_sound, write_sound

KINDS = [
    ("wav", "PCM_U8"),
    ("wav", "PCM_16"),
    ("wav", "PCM_24"),
    ("wav", "PCM_32"),
    ("wav", "FLOAT"),
    ("wav", "DOUBLE"),
    ("flac", "PCM_16"),
    ("flac", "PCM_24"),
    ("aiff", "PCM_16"),
    ("aiff", "PCM_24"),
    ("aiff", "FLOAT"),
]


def write(path, subtype="PCM_16", rate=44_100, channels=2, samples=2_000, level=0.3):
    data = level * np.random.default_rng(0).standard_normal((samples, channels))
    soundfile.write(path, data.clip(-1, 1), rate, subtype=subtype)
    return path


@pytest.mark.parametrize(("suffix", "subtype"), KINDS)
def test_a_file_written_back_is_bit_for_bit_the_same_sound(tmp_path, suffix, subtype):
    source = write(tmp_path / f"a.{suffix}", subtype)
    content = read_sound(source)
    gain_db, written = write_sound(tmp_path / f"b.{suffix}", content.audio, content)
    assert (gain_db, written) == (0, subtype)
    before, after = (soundfile.info(tmp_path / f"{n}.{suffix}") for n in "ab")
    for field in ("samplerate", "channels", "frames", "format", "subtype", "endian"):
        assert getattr(before, field) == getattr(after, field)
    one, two = (soundfile.read(tmp_path / f"{n}.{suffix}", dtype="float64")[0] for n in "ab")
    np.testing.assert_array_equal(one, two)


def test_full_scale_survives_integers(tmp_path):
    source = write(tmp_path / "a.wav")
    content = read_sound(source)
    edge = torch.tensor([[1.0, -1.0, 0.5]]).repeat(2, 1)
    write_sound(tmp_path / "b.wav", edge, content)
    data, _ = soundfile.read(tmp_path / "b.wav", dtype="int16")
    assert data[:, 0].tolist() == [32_767, -32_768, 16_384]


@pytest.mark.parametrize("suffix", ["ogg", "mp3"])
def test_lossy_files_are_not_above_full_scale_once_decoded(tmp_path, suffix):
    source = tmp_path / f"a.{suffix}"
    rate = 44_100
    soundfile.write(source, 0.9 * np.sign(np.sin(np.arange(20_000) / 30)), rate)
    content = read_sound(source)
    loud = torch.sign(torch.sin(torch.arange(20_000) / 30))[None]
    gain_db, _ = write_sound(tmp_path / f"b.{suffix}", loud, content)
    decoded, _ = soundfile.read(tmp_path / f"b.{suffix}")
    assert abs(decoded).max() <= 1
    assert gain_db < 0
    assert soundfile.info(tmp_path / f"b.{suffix}").subtype == content.subtype


@pytest.mark.parametrize(
    ("source", "subtype", "target", "wanted"),
    [
        ("a.wav", "FLOAT", "b.flac", "PCM_24"),
        ("a.wav", "PCM_16", "b.flac", "PCM_16"),
        ("a.flac", "PCM_24", "b.wav", "PCM_24"),
        ("a.wav", "PCM_24", "b.ogg", "VORBIS"),
        ("a.ogg", "VORBIS", "b.wav", "PCM_24"),
        ("a.mp3", "MPEG_LAYER_III", "b.wav", "PCM_24"),
        ("a.wav", "PCM_16", "b.mp3", "MPEG_LAYER_III"),
    ],
)
def test_another_suffix_is_another_container(tmp_path, source, subtype, target, wanted):
    content = read_sound(write(tmp_path / source, subtype))
    _, written = write_sound(tmp_path / target, content.audio, content)
    assert written == wanted
    assert soundfile.info(tmp_path / target).subtype == wanted


@pytest.mark.parametrize("suffix", ["wav", "flac", "aiff", "ogg"])
def test_tags_are_kept(tmp_path, suffix):
    with soundfile.SoundFile(tmp_path / f"a.{suffix}", "w", 44_100, 1) as f:
        f.title, f.artist = "Kick", "Somebody"
        f.write(np.zeros(500) + 0.1)
    content = read_sound(tmp_path / f"a.{suffix}")
    write_sound(tmp_path / f"b.{suffix}", content.audio, content)
    with soundfile.SoundFile(tmp_path / f"b.{suffix}") as f:
        assert f.title == "Kick"
        assert f.artist == "Somebody"


def chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def with_chunks(path, *chunks: bytes) -> None:
    data = path.read_bytes() + b"".join(chunks)
    path.write_bytes(data[:4] + struct.pack("<I", len(data) - 8) + data[8:])


def test_loop_points_and_cue_points_of_a_wav_are_kept(tmp_path):
    source = write(tmp_path / "a.wav", samples=333, channels=1)
    loop = struct.pack("<9I6I", 0, 0, 0, 60, 0, 0, 0, 1, 0, 0, 0, 10, 300, 0, 0)
    names = b"adtl" + chunk(b"labl", struct.pack("<I", 1) + b"verse\0")
    with_chunks(source, chunk(b"smpl", loop), chunk(b"odd ", b"x" * 7), chunk(b"LIST", names))
    content = read_sound(source)
    write_sound(tmp_path / "b.wav", content.audio, content)
    data = (tmp_path / "b.wav").read_bytes()
    assert chunk(b"smpl", loop) in data
    assert chunk(b"LIST", names) in data
    assert b"odd " not in data
    assert struct.unpack("<I", data[4:8])[0] == len(data) - 8
    again = read_sound(tmp_path / "b.wav")
    assert torch.equal(again.audio, content.audio)


def test_chunks_are_left_alone_where_there_are_none(tmp_path):
    source = write(tmp_path / "a.flac")
    target = write(tmp_path / "b.wav")
    before = target.read_bytes()
    copy_chunks(source, target)
    assert target.read_bytes() == before


def test_a_truncated_chunk_list_does_no_harm(tmp_path):
    source, target = write(tmp_path / "a.wav"), write(tmp_path / "b.wav")
    source.write_bytes(source.read_bytes() + b"smpl\xff\xff\xff\x0f1234")
    copy_chunks(source, target)
    assert soundfile.read(target)[0].shape == (2_000, 2)


def test_bad_files_are_input_errors(tmp_path):
    (tmp_path / "text.wav").write_text("no audio")
    soundfile.write(tmp_path / "empty.wav", np.zeros((0, 1)), 44_100)
    soundfile.write(tmp_path / "nan.wav", np.full(10, np.nan), 44_100, subtype="FLOAT")
    for name in ("text.wav", "nan.wav", "missing.wav"):
        with pytest.raises(InputError):
            read_sound(tmp_path / name)
    with pytest.raises(EmptyAudioError):
        read_sound(tmp_path / "empty.wav")


def test_unknown_suffixes_and_impossible_formats_are_refused(tmp_path):
    content = read_sound(write(tmp_path / "a.wav", channels=12))
    with pytest.raises(UsageError, match="must end in"):
        write_sound(tmp_path / "b.xyz", content.audio, content)
    with pytest.raises(InputError, match="12 channels"):
        write_sound(tmp_path / "b.flac", content.audio, content)
    assert [p.name for p in tmp_path.iterdir()] == ["a.wav"]
