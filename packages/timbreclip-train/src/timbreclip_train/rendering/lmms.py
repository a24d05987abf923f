"""LMMS: its DrumSynth recipes and the presets of its own small synthesisers.

``lmms render`` plays a project file without screen or sound card; a project with one track is
written for each preset.
"""

from __future__ import annotations

import math
import os
import re
import shutil
import subprocess
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from . import hosts
from .base import Audio, MissingSynthError, NotePlan, NoteSpec, Preset, Renderer, RenderError
from .freepats import cut_notes
from .names import slug

SOURCE = "lmms"
ROOT = Path("/usr/share/lmms")
PACKAGES = ("lmms", "lmms-common")
LICENCE = "GPL-2.0-or-later"
TICKS_A_BAR, SECONDS_A_BAR = 192, 2.0
RATE = 44_100
"""The lowest rate that ``lmms render`` offers."""
GAP_S = 1.0
GRID_S = 0.25
TIMEOUT_S = 120
ATTEMPTS = 5
"""One start in a hundred crashes, whatever is played."""
LOWEST_KEY_PITCH = 12
"""LMMS numbers its keys from the C an octave above MIDI note 0."""
RECIPE_KEY = 60

# ZynAddSubFX's presets are the banks of its own source; SID and Vibed never play twice the same.
SYNTHS = (
    "AudioFileProcessor",
    "BitInvader",
    "Kicker",
    "LB302",
    "Monstro",
    "Nescaline",
    "OpulenZ",
    "Organic",
    "TripleOscillator",
    "Watsyn",
)
# Folders of DrumSynth recipes, as words.
_FOLDERS = {
    "acoustic": "acoustic",
    "cr78": "CR-78",
    "cr8000": "CR-8000",
    "effects": "effects",
    "electro": "electronic",
    "farfisa": "Farfisa",
    "ferraro": "",
    "instrument": "",
    "jorgensohn": "",
    "latin": "latin",
    "linn": "LinnDrum",
    "magnetboy": "",
    "misc": "",
    "misc_bass": "bass",
    "misc_claps": "clap",
    "misc_electro": "electronic",
    "misc_fx": "effects",
    "misc_hats": "hi-hat",
    "misc_perc": "percussion",
    "misc_synth": "synth",
    "r_n_b": "R&B",
    "tr606": "TR-606",
    "tr77": "TR-77",
    "tr808": "TR-808",
    "tr909": "TR-909",
}
_CATEGORIES = {
    "effects": "sound effects",
    "misc_fx": "sound effects",
    "latin": "percussion",
    "misc_perc": "percussion",
    "misc_bass": "bass",
    "misc_synth": "synth effects",
    "instrument": "synth effects",
}


class LmmsRenderer(Renderer):
    """DrumSynth recipes (``.ds``) and instrument presets (``.xpf``).

    Args:
        options: ``root``: another data folder of LMMS.
    """

    def __init__(self, options: Mapping[str, str] | None = None) -> None:
        self._root = Path((options or {}).get("root", ROOT))

    def check(self) -> None:
        if shutil.which("lmms") is None or not (self._root / "samples/drumsynth").is_dir():
            raise MissingSynthError("LMMS", PACKAGES)
        hosts.build_host(hosts.FIXED_SEED)

    def presets(self) -> list[Preset]:
        drums = self._root / "samples" / "drumsynth"
        recipes = [_recipe(path, drums) for path in sorted(drums.glob("*/*.ds"))]
        folders = (self._root / "presets" / synth for synth in SYNTHS)
        return recipes + [_preset(p) for folder in folders for p in sorted(folder.glob("*.xpf"))]

    def notes(self, preset: Preset, plan: NotePlan) -> list[NoteSpec]:
        if preset.unpitched:
            # A recipe is one recording: velocity would only scale it.
            return plan.drum(RECIPE_KEY, (100,))
        return plan.melodic(preset.id)

    def render(self, preset: Preset, notes: list[NoteSpec], sample_rate: int) -> list[Audio]:
        payload = preset.payload
        if "recipe" in payload:
            track, version = _recipe_track(payload["recipe"]), "1.2.2"
        else:
            track, version = _preset_track(Path(payload["preset"]))
        text, starts_s = project(track, version, notes, fixed_key=preset.unpitched)
        with tempfile.TemporaryDirectory() as folder:
            data, rate = _render(text, Path(folder), max(sample_rate, RATE))
        if rate != sample_rate:
            data = soxr.resample(data, rate, sample_rate, quality="VHQ")
        return cut_notes(data, notes, starts_s, sample_rate)


def _recipe(path: Path, root: Path) -> Preset:
    group = path.parent.name
    words = re.sub(r"[_-]+", " ", path.stem).strip()
    machine = _FOLDERS.get(group, group)
    return Preset(
        id=f"lmms-drumsynth-{slug(group)}-{slug(path.stem)}",
        source=SOURCE,
        collection=f"drumsynth/{group}",
        name=words,
        category=_CATEGORIES.get(group, "drums"),
        tags=(machine,) if machine else (),
        licence=LICENCE,
        payload={"recipe": path.relative_to(root.parent).as_posix()},
        unpitched=True,
    )


def _preset(path: Path) -> Preset:
    words = re.sub(r"[_-]+", " ", path.stem)
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", words).strip()
    drum = path.parent.name == "Kicker" or name.startswith("Drums ")
    return Preset(
        id=f"lmms-{slug(path.parent.name)}-{slug(path.stem)}",
        source=SOURCE,
        collection=path.parent.name,
        name=name.removeprefix("Drums "),
        category="drums" if drum else None,
        licence=LICENCE,
        payload={"preset": str(path)},
        unpitched=drum,
    )


def _recipe_track(sample: str) -> str:
    return (
        '<instrumenttrack vol="100" pan="0" pitch="0" basenote="57" fxch="0" usemasterpitch="1">'
        '<instrument name="audiofileprocessor"><audiofileprocessor '
        f'src={quoteattr(sample)} amp="100" sframe="0" lframe="0" eframe="1" looped="0" '
        'reversed="0" interp="1" stutter="0"/></instrument></instrumenttrack>'
    )


def _preset_track(path: Path) -> tuple[str, str]:
    """The instrument of a preset file, and the version of LMMS that wrote it."""
    try:
        root = ET.parse(path).getroot()
    except (ET.ParseError, OSError) as error:
        raise RenderError(f"{path} is damaged: {error}") from error
    track = root.find(".//instrumenttrack")
    if track is None:
        raise RenderError(f"{path} holds no instrument.")
    # LMMS brings old settings up to date by the version that a project names.
    return ET.tostring(track, encoding="unicode"), root.get("creatorversion", "1.2.2")


def project(
    track: str, version: str, notes: list[NoteSpec], *, fixed_key: bool
) -> tuple[str, list[float]]:
    """A project file with one track that plays the notes one after another.

    Args:
        track: The ``instrumenttrack`` element.
        version: Of LMMS, that the track was written for.
        notes: What to play.
        fixed_key: Whether the sound is played at its own pitch (LMMS's A4), whatever the note.
    Returns:
        The XML, and where each note starts, seconds.
    """
    ticks_a_second = TICKS_A_BAR / SECONDS_A_BAR
    lines, starts, now = [], [], 0.0
    for note in notes:
        starts.append(now)
        key = 57 if fixed_key else note.pitch - LOWEST_KEY_PITCH
        lines.append(
            f'<note key="{key}" vol="{note.velocity}" pan="0" '
            f'pos="{round(now * ticks_a_second)}" len="{round(note.hold_s * ticks_a_second)}"/>'
        )
        length = note.hold_s + note.release_s + GAP_S
        now += math.ceil(length / GRID_S) * GRID_S
    bars = math.ceil(now / SECONDS_A_BAR)
    return (
        '<?xml version="1.0"?>\n<!DOCTYPE lmms-project>\n'
        f'<lmms-project version="1.0" creator="LMMS" creatorversion="{version}" type="song">'
        '<head timesig_numerator="4" timesig_denominator="4" bpm="120" masterpitch="0" '
        'mastervol="100"/><song><trackcontainer type="song" visible="1">'
        f'<track type="0" name="timbreclip" muted="0" solo="0">{track}'
        f'<pattern type="1" pos="0" len="{bars * TICKS_A_BAR}" muted="0" steps="16">'
        f"{''.join(lines)}</pattern></track></trackcontainer></song></lmms-project>\n",
        starts,
    )


def _render(text: str, folder: Path, sample_rate: int) -> tuple[NDArray[np.float32], int]:
    score, sound = folder / "notes.mmp", folder / "notes.wav"
    score.write_text(text, "utf-8")
    # With more than one thread, which of them draws the next random number is a matter of luck.
    processors = sorted(os.sched_getaffinity(0))
    command = ["taskset", "--cpu-list", str(processors[os.getpid() % len(processors)]), "lmms"]
    command += ["--allowroot"] if os.geteuid() == 0 else []
    command += ["render", str(score)]
    command += ["-f", "wav", "-a", "-s", str(sample_rate), "-o", str(sound)]
    # It keeps settings in HOME, and is a program with windows.
    environment = {**os.environ, "HOME": str(folder), "QT_QPA_PLATFORM": "offscreen"}
    environment["LD_PRELOAD"] = str(hosts.build_host(hosts.FIXED_SEED))
    for _ in range(ATTEMPTS):
        try:
            done = subprocess.run(
                command, capture_output=True, check=False, timeout=TIMEOUT_S, env=environment
            )
        except subprocess.TimeoutExpired:
            raise RenderError(f"lmms took more than {TIMEOUT_S} s.") from None
        if done.returncode == 0 and sound.is_file():
            return soundfile.read(sound, dtype="float32", always_2d=True)
    raise RenderError(f"lmms failed {ATTEMPTS} times, at last with status {done.returncode}.")
