"""SoundFonts: what a file says of itself, and the sound of it.

The tests write a very small font: sines as melodic presets, a kit of three keys, two of them equal.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from timbreclip_core.errors import InputError
from timbreclip_train.rendering import fluid, soundfont
from timbreclip_train.rendering.base import MissingSynthError, NotePlan, NoteSpec
from timbreclip_train.rendering.general_midi import percussion_map
from timbreclip_train.rendering.sf2 import SoundFont
from timbreclip_train.rendering.soundfont import SoundFontRenderer, sample_name

RATE = 22_050
KEY_RANGE, SAMPLE_MODE, INSTRUMENT, SAMPLE, ROOT_KEY = 43, 54, 41, 53, 58
LOOP = 1


def chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def text(value: str, size: int) -> bytes:
    return value.encode().ljust(size, b"\0")


def keys(low: int, high: int) -> tuple[int, int]:
    return KEY_RANGE, low | high << 8


class Zones:
    """Bags and generators of presets or instruments, as they pile up."""

    def __init__(self) -> None:
        self.starts: list[int] = []
        self.bags: list[int] = []
        self.gens: list[tuple[int, int]] = []

    def add(self, zones: list[list[tuple[int, int]]]) -> int:
        self.starts.append(len(self.bags))
        for zone in zones:
            self.bags.append(len(self.gens))
            self.gens += zone
        return len(self.starts) - 1

    def chunks(self, letter: bytes) -> list[bytes]:
        ends = [*self.bags, len(self.gens)]
        return [
            chunk(letter + b"bag", b"".join(struct.pack("<HH", e, 0) for e in ends)),
            chunk(letter + b"mod", bytes(10)),
            chunk(letter + b"gen", b"".join(struct.pack("<HH", *g) for g in self.gens) + bytes(4)),
        ]


def directory(kits: int, wave: int, noise: range) -> bytes:
    """The records of ``write_soundfont``'s font: frames of its wave, and where its noise lies."""
    instruments, presets = Zones(), Zones()
    sine = instruments.add([[(SAMPLE_MODE, LOOP), (SAMPLE, 0)]])
    drum = instruments.add([[(ROOT_KEY, 60), (SAMPLE, 1)]])
    presets.add([[(INSTRUMENT, sine)]])
    presets.add([[keys(60, 62), (INSTRUMENT, sine)]])
    presets.add(
        [
            [keys(36, 36), (INSTRUMENT, drum)],
            [keys(38, 38), (INSTRUMENT, sine)],
            [keys(40, 40), (INSTRUMENT, drum)],
        ]
    )
    named = [("Warm Sine", 24, 0), ("Narrow", 25, 0), ("Standard", 0, kits), ("EOP", 0, 0)]
    starts = [*presets.starts, len(presets.bags)]
    phdr = b"".join(
        text(name, 20) + struct.pack("<HHHIII", program, bank, start, 0, 0, 0)
        for (name, program, bank), start in zip(named, starts, strict=True)
    )
    inst = b"".join(
        text(name, 20) + struct.pack("<H", start)
        for name, start in zip(
            ("Sine", "Noise", "EOI"), [*instruments.starts, len(instruments.bags)], strict=True
        )
    )
    period = RATE // 441
    shdr = b"".join(
        text(name, 20) + struct.pack("<IIIIIBbHH", *ends, RATE, root, 0, 0, kind)
        for name, ends, root, kind in (
            ("Sine", (0, wave, 10 * period, 400 * period), 69, 1),
            ("Noise", (noise.start, noise.stop, noise.start, noise.start + 100), 60, 1),
            ("EOS", (0, 0, 0, 0), 0, 0),
        )
    )
    return b"".join(
        [
            chunk(b"phdr", phdr),
            *presets.chunks(b"p"),
            chunk(b"inst", inst),
            *instruments.chunks(b"i"),
            chunk(b"shdr", shdr),
        ]
    )


def write_soundfont(path: Path, kits: int = 128) -> Path:
    """Bank 0: program 24 "Warm Sine", 25 "Narrow" (keys 60 to 62). Bank ``kits``: program 0
    "Standard" with 36 and 40 the same sound, 38 another."""
    wave = (12_000 * np.sin(2 * np.pi * 441.0 * np.arange(RATE) / RATE)).astype("<i2")
    noise = np.random.default_rng(0).integers(-9000, 9000, 4000).astype("<i2")
    gap = np.zeros(46, "<i2")
    samples = np.concatenate([wave, gap, noise, gap]).tobytes()
    noise_at = len(wave) + len(gap)

    pdta = directory(kits, len(wave), range(noise_at, noise_at + len(noise)))
    info = chunk(b"ifil", struct.pack("<HH", 2, 1)) + chunk(b"isng", b"EMU8000\0")
    info += chunk(b"INAM", b"test\0\0")
    body = chunk(b"LIST", b"INFO" + info)
    body += chunk(b"LIST", b"sdta" + chunk(b"smpl", samples))
    body += chunk(b"LIST", b"pdta" + pdta)
    path.write_bytes(chunk(b"RIFF", b"sfbk" + body))
    return path


@pytest.fixture
def font(tmp_path: Path) -> Path:
    return write_soundfont(tmp_path / "tiny.sf2")


@pytest.fixture
def renderer(font: Path) -> SoundFontRenderer:
    return SoundFontRenderer({"font": str(font)})


@pytest.fixture
def playing(renderer: SoundFontRenderer) -> SoundFontRenderer:
    try:
        renderer.check()
    except MissingSynthError as error:
        pytest.skip(str(error))
    return renderer


def test_presets_of_a_file_come_sorted_by_bank_and_program(font: Path) -> None:
    found = [(p.bank, p.program, p.name) for p in SoundFont(font).presets]
    assert found == [(0, 24, "Warm Sine"), (0, 25, "Narrow"), (128, 0, "Standard")]


def test_layers_carry_key_ranges_and_sample_names(font: Path) -> None:
    sf = SoundFont(font)
    kit = sf.layers(sf.presets[2])
    assert [(la.keys, la.sample) for la in kit] == [
        ((36, 36), "Noise"),
        ((38, 38), "Sine"),
        ((40, 40), "Noise"),
    ]
    assert sf.layers(sf.presets[0])[0].keys == (0, 127)


def test_keys_with_the_same_sound_have_the_same_signature(font: Path) -> None:
    sf = SoundFont(font)
    kit = sf.layers(sf.presets[2])
    assert sf.key_signature(kit, 36) == sf.key_signature(kit, 40)
    assert sf.key_signature(kit, 36) != sf.key_signature(kit, 38)
    assert sf.key_signature(kit, 37) == ()


@pytest.mark.parametrize("content", [b"", b"RIFF\0\0\0\0WAVE", b"RIFF\0\0\0\0sfbk"])
def test_a_file_that_is_no_soundfont_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.sf2"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"broken\.sf2"):
        SoundFont(path)


def test_a_kit_becomes_one_preset_for_each_distinct_sound(renderer: SoundFontRenderer) -> None:
    melodic, drums = [], []
    for preset in renderer.presets():
        (drums if preset.unpitched else melodic).append(preset)
    assert [(p.name, p.category) for p in melodic] == [
        ("Warm Sine", "guitar"),
        ("Narrow", "guitar"),
    ]
    assert [p.payload["key"] for p in drums] == [36, 38]
    assert [p.name for p in drums] == ["bass drum 1", "acoustic snare"]
    assert {p.collection for p in drums} == {"tiny/Standard"}
    assert drums[0].category == "drums" and drums[0].tags == ("Standard kit",)


def test_notes_stay_within_the_keys_of_a_preset(renderer: SoundFontRenderer) -> None:
    narrow = renderer.presets()[1]
    notes = renderer.notes(narrow, NotePlan())
    assert {n.pitch for n in notes} <= {60, 61, 62}
    assert len({(n.pitch, n.velocity) for n in notes}) == len(notes)


def test_the_orchestra_kit_has_names_of_its_own() -> None:
    assert percussion_map()[41] == ("low floor tom", "drums")
    assert percussion_map("orchestra")[41] == ("Timpani F", "percussion")
    assert percussion_map("orchestra")[60] == percussion_map()[60]
    assert percussion_map()[60][1] == "percussion"


@pytest.mark.parametrize(
    ("sample", "words"),
    [
        ("MSnr-crush long 1", "Marching Snare crush long"),
        ("58_84_BELLTAP1", "Marching Cymbals bell tap"),
        ("55_28_TNR4_SHELL", "Marching Tenor Drum shell"),
        ("Ride1(L)", "Ride"),
        ("808", "808"),
    ],
)
def test_sample_names_become_words(sample: str, words: str) -> None:
    assert sample_name(sample) == words


def test_a_note_has_the_pitch_of_its_key(playing: SoundFontRenderer) -> None:
    sine = playing.presets()[0]
    for pitch in (57, 69, 81):
        note = NoteSpec(pitch=pitch, velocity=100, hold_s=1.0, release_s=0.1)
        audio = playing.render(sine, [note], 32_000)[0]
        assert audio.shape == (2, 35_200)
        spectrum = np.abs(np.fft.rfft(audio[0, :32_000] * np.hanning(32_000)))
        # The sample is 441 Hz, said to be A4: 4 cents above; a bin is 1 Hz.
        assert abs(int(spectrum.argmax()) - 441.0 * 2 ** ((pitch - 69) / 12)) < 1.5


def test_a_preset_sounds_the_same_whatever_was_played_before(playing: SoundFontRenderer) -> None:
    presets = playing.presets()
    plan = NotePlan(per_patch=3, hold_s=0.31, release_s=0.17, drum_hold_s=0.13)
    there = [playing.render(p, playing.notes(p, plan), 44_100) for p in presets]
    back = [playing.render(p, playing.notes(p, plan), 44_100) for p in presets[::-1]][::-1]
    for first, second in zip(there, back, strict=True):
        for a, b in zip(first, second, strict=True):
            np.testing.assert_array_equal(a, b)


def test_velocity_makes_a_note_louder(playing: SoundFontRenderer) -> None:
    sine = playing.presets()[0]
    soft, loud = (
        playing.render(sine, [NoteSpec(pitch=69, velocity=v, hold_s=0.5, release_s=0.0)], 32_000)[0]
        for v in (40, 120)
    )
    assert np.abs(loud).max() > 2 * np.abs(soft).max()


def test_a_font_that_is_not_there_is_named() -> None:
    try:
        fluid.library()
    except MissingSynthError as error:
        pytest.skip(str(error))
    with pytest.raises(InputError, match="nowhere"):
        SoundFontRenderer({"font": "/nowhere/x.sf2"}).check()


def test_more_fonts_come_after_those_of_debian(tmp_path: Path) -> None:
    (tmp_path / "debian" / "sf2").mkdir(parents=True)
    (tmp_path / "more").mkdir()
    write_soundfont(tmp_path / "debian" / "sf2" / "FluidR3_GS.sf2")
    write_soundfont(tmp_path / "more" / "sonivox.sf2")
    root = {"root": str(tmp_path / "debian")}
    alone = SoundFontRenderer(root).presets()
    both = SoundFontRenderer({**root, "more": str(tmp_path / "more")}).presets()
    assert both[: len(alone)] == alone and len(both) == 2 * len(alone)
    assert {(p.collection, p.licence) for p in both if not p.unpitched} == {
        ("FluidR3_GS", "MIT"),
        ("sonivox", "Apache-2.0"),
    }
    one = SoundFontRenderer({**root, "more": str(tmp_path / "more" / "sonivox.sf2")}).presets()
    assert one == both


@pytest.mark.parametrize(
    "sample, left", [("Noise", {24, 25, 38}), ("S*", {36}), ("Sine 2", {24, 25, 36, 38})]
)
def test_what_plays_a_recording_of_a_test_font_is_left_out(
    font: Path, monkeypatch: pytest.MonkeyPatch, sample: str, left: set[int]
) -> None:
    known = soundfont.Known(font.name, "", "", "", shared=(sample,))
    monkeypatch.setattr(soundfont, "KNOWN_ELSEWHERE", (known,))
    found = SoundFontRenderer({"font": str(font)}).presets()
    assert {p.payload.get("key", p.payload["program"]) for p in found} == left


def test_presets_that_are_not_what_general_midi_calls_them_are_left_out(
    font: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = SoundFontRenderer({"font": str(font)}).presets()
    banks = {p.payload["bank"] for p in everything if not p.unpitched}
    known = soundfont.Known(font.name, "", "", "", left_out=tuple(f"{b}:*" for b in banks))
    monkeypatch.setattr(soundfont, "KNOWN_ELSEWHERE", (known,))
    found = SoundFontRenderer({"font": str(font)}).presets()
    assert banks and found == [p for p in everything if p.unpitched]


def test_kits_that_a_font_has_a_second_time_are_no_melodic_presets(tmp_path: Path) -> None:
    font = write_soundfont(tmp_path / "xg.sf2", kits=120)
    found = SoundFontRenderer({"font": str(font)}).presets()
    assert [p.name for p in found] == ["Warm Sine", "Narrow"]


def test_recordings_are_the_samples_by_name(font: Path) -> None:
    found = SoundFont(font).recordings()
    assert {name: len(frames) for name, frames in found.items()} == {"Sine": RATE, "Noise": 4000}
    wave = 12_000 * np.sin(2 * np.pi * 441.0 * np.arange(RATE) / RATE)
    assert np.abs(found["Sine"] - wave).max() < 1
    packed = font.rename(font.with_suffix(".sf3"))
    with pytest.raises(InputError, match="compressed"):
        SoundFont(packed).recordings()


def test_a_folder_without_a_font_is_named(tmp_path: Path) -> None:
    try:
        fluid.library()
    except MissingSynthError as error:
        pytest.skip(str(error))
    with pytest.raises(InputError, match=tmp_path.name):
        SoundFontRenderer({"more": str(tmp_path)}).check()
