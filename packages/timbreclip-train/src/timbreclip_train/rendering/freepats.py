"""Freepats: sampled General MIDI instruments and drums, played by TiMidity++."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import soundfile

from .base import Audio, MissingSynthError, NotePlan, NoteSpec, Preset, Renderer, RenderError
from .general_midi import family, percussion_map

SOURCE = "freepats"
CONFIG = Path("/etc/timidity/freepats.cfg")
LICENCE = "GPL-2.0-or-later with composition exception"
TICKS_A_BEAT, BEATS_A_SECOND = 480, 2
TICKS_A_SECOND = TICKS_A_BEAT * BEATS_A_SECOND
GAP_S = 1.0
DRUM_CHANNEL = 9
TIMEOUT_S = 120


class FreepatsRenderer(Renderer):
    """The patches that Freepats has.

    Args:
        options: ``config``: another TiMidity configuration.
    """

    def __init__(self, options: Mapping[str, str] | None = None) -> None:
        self._config = Path((options or {}).get("config", CONFIG))

    def check(self) -> None:
        if shutil.which("timidity") is None or not self._config.is_file():
            raise MissingSynthError("Freepats with TiMidity++", ("timidity", "freepats"))

    def presets(self) -> list[Preset]:
        found, drums = [], False
        for line in self._config.read_text("utf-8").splitlines():
            if section := re.match(r"\s*(bank|drumset)\s", line):
                drums = section.group(1) == "drumset"
            elif entry := re.match(r"\s*(\d+)\s+(\S+)\.pat", line):
                found.append(_preset(int(entry.group(1)), entry.group(2), drums))
        return sorted(found, key=lambda p: p.id)

    def notes(self, preset: Preset, plan: NotePlan) -> list[NoteSpec]:
        number = preset.payload["number"]
        return plan.drum(number) if preset.unpitched else plan.melodic(preset.id)

    def render(self, preset: Preset, notes: list[NoteSpec], sample_rate: int) -> list[Audio]:
        program = None if preset.unpitched else preset.payload["number"]
        midi, starts_s = midi_file(notes, program)
        with tempfile.TemporaryDirectory() as folder:
            score, sound = Path(folder) / "notes.mid", Path(folder) / "notes.wav"
            score.write_bytes(midi)
            self._timidity(score, sound, sample_rate)
            data, _ = soundfile.read(sound, dtype="float32", always_2d=True)
        return cut_notes(data, notes, starts_s, sample_rate)

    def _timidity(self, score: Path, sound: Path, sample_rate: int) -> None:
        command = ["timidity", "-c", str(self._config), "-s", str(sample_rate), "-Ow"]
        # No effects, no noise shaping, and not the shortcut that cuts notes when the CPU is slow.
        command += ["--output-24bit", "--reverb=d", "--chorus=d", "--delay=d", "-EFns=0"]
        command += ["--no-fast-decay", "--no-polyphony-reduction", "-o", str(sound), str(score)]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S
            )
        except subprocess.TimeoutExpired:
            raise RenderError(f"timidity took more than {TIMEOUT_S} s.") from None
        if done.returncode or not sound.is_file():
            raise RenderError(f"timidity failed: {done.stderr.strip()[-300:]}")


def cut_notes(
    data: np.ndarray, notes: list[NoteSpec], starts_s: list[float], sample_rate: int
) -> list[Audio]:
    """Notes from one recording of shape (frames, channels), padded where it is too short."""
    found = []
    for note, start_s in zip(notes, starts_s, strict=True):
        out = np.zeros((2, sum(note.frames(sample_rate))), np.float32)
        first = round(start_s * sample_rate)
        part = data[first : first + out.shape[1], [0, -1]].T
        out[:, : part.shape[1]] = part
        found.append(out)
    return found


def _preset(number: int, file: str, drums: bool) -> Preset:
    name = re.sub(r"[_-]{2,}|_", " ", re.sub(r"^\d+_", "", Path(file).name))
    kind = percussion_map().get(number, (name, "percussion"))[1]
    return Preset(
        id=f"freepats-{'drum' if drums else 'tone'}-{number:03d}",
        source=SOURCE,
        collection="freepats/Standard" if drums else "freepats",
        name=name,
        category=kind if drums else family(number),
        tags=("Standard kit",) if drums else (),
        licence=LICENCE,
        payload={"number": number},
        unpitched=drums,
    )


def midi_file(notes: list[NoteSpec], program: int | None) -> tuple[bytes, list[float]]:
    """A Standard MIDI File, format 0, with the notes one after another.

    Args:
        notes: What to play.
        program: General MIDI program, or None for the drum channel.
    Returns:
        The file, and where each note starts, seconds.
    Source: Standard MIDI Files 1.0, MIDI Manufacturers Association, 1996.
    """
    channel = DRUM_CHANNEL if program is None else 0
    events = [(0, bytes([0xB0 | channel, 7, 127])), (0, bytes([0xB0 | channel, 11, 127]))]
    if program is not None:
        events.append((0, bytes([0xC0, program])))
    now, starts = 0, []
    for note in notes:
        starts.append(now / TICKS_A_SECOND)
        off = now + round(note.hold_s * TICKS_A_SECOND)
        end = off + round(note.release_s * TICKS_A_SECOND)
        events.append((now, bytes([0x90 | channel, note.pitch, note.velocity])))
        events.append((off, bytes([0x80 | channel, note.pitch, 0])))
        events.append((end, bytes([0xB0 | channel, 120, 0])))
        now = end + round(GAP_S * TICKS_A_SECOND)
    tempo = round(1_000_000 / BEATS_A_SECOND).to_bytes(3, "big")
    track = b"\x00\xff\x51\x03" + tempo
    before = 0
    for tick, message in events:
        track += _variable(tick - before) + message
        before = tick
    track += _variable(now - before) + b"\xff\x2f\x00"
    head = struct.pack(">4sIHHH", b"MThd", 6, 0, 1, TICKS_A_BEAT)
    return head + struct.pack(">4sI", b"MTrk", len(track)) + track, starts


def _variable(number: int) -> bytes:
    """A variable-length quantity: seven bits a byte, the last without the eighth."""
    parts = [number & 0x7F]
    while number := number >> 7:
        parts.append(0x80 | (number & 0x7F))
    return bytes(reversed(parts))
