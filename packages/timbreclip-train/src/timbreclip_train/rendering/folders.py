"""Recorded sounds that come as files: Hydrogen's drum kits and Sonic Pi's samples."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile
import soxr

from .base import Audio, MissingSynthError, NotePlan, NoteSpec, Preset, Renderer, RenderError
from .names import slug

HYDROGEN, SONIC_PI = "hydrogen", "sonic-pi"
HYDROGEN_ROOT = Path("/usr/share/hydrogen/data/drumkits")
SONIC_PI_ROOT = Path("/usr/share/sonic-pi/samples")
FIRST_KEY = 36
"""Key of a kit's first instrument, as Hydrogen numbers them."""

# From /usr/share/doc/hydrogen-drumkits/copyright; a kit's own file often says less.
_KIT_LICENCES = {
    "Audiophob": "CC0-1.0",
    "BJA_Pacific": "CC-BY-SA-3.0",
    "ColomboAcousticDrumkit": "GPL-2.0-or-later with composition exception",
    "ElectricEmpireKit": "GPL-2.0-or-later",
    "ForzeeStereo": "GPL-2.0-only",
    "Gimme A Hand 1.0": "GPL-2.0-only",
    "HardElectro1": "GPL-2.0-or-later",
    "Millo-Drums_v.1": "GPL-2.0-only",
    "Millo_MultiLayered2": "GPL-2.0-only",
    "Millo_MultiLayered3": "GPL-2.0-only",
    "The Black Pearl 1.0": "GPL-2.0-only",
    "VariBreaks": "GPL-2.0-or-later",
    "circAfrique v4": "CC-BY-SA-3.0",
    "rumpf_kit_z01_h2": "CC-BY-3.0",
}
_IN_A_SET = re.compile(
    r"kick|bass ?drum|snare|tom\b|tom |hat\b|\bhh\b|ohh|cymbal|crash|ride|splash|china|stick|rim"
    r"|clap|hi-hat",
    re.IGNORECASE,
)
_NAMELESS = re.compile(r"(Sample:.*|\W*|\d+|[a-g]#?\d\s*-?\s*)", re.IGNORECASE)
# Prefixes of Sonic Pi's file names.
_GROUPS = {
    "ambi": ("ambient", "ambient"),
    "bass": ("bass", "bass"),
    "bd": ("bass drum", "drums"),
    "drum": ("drum", "drums"),
    "elec": ("electronic", "percussion"),
    "glitch": ("glitch", "sound effects"),
    "guit": ("guitar", "guitar"),
    "loop": ("loop", "loop"),
    "mehackit": ("mehackit", "sound effects"),
    "misc": ("", "sound effects"),
    "perc": ("percussion", "percussion"),
    "sn": ("snare", "drums"),
    "tabla": ("tabla", "percussion"),
    "vinyl": ("vinyl", "sound effects"),
}


def read_sound(path: Path | BinaryIO, sample_rate: int, frames: int) -> Audio:
    """The start of a sound file, or of what was read from one, as (2, frames), padded with silence.

    Raises:
        RenderError: If it cannot be read.
    """
    try:
        with soundfile.SoundFile(path) as f:
            count = int(np.ceil(frames * f.samplerate / sample_rate)) + 1
            data, rate = f.read(count, dtype="float32", always_2d=True), f.samplerate
    except (OSError, soundfile.SoundFileError) as error:
        raise RenderError(f"{path} cannot be read: {error}") from error
    stereo = np.ascontiguousarray(data[:, [0, 1 if data.shape[1] > 1 else 0]])
    if rate != sample_rate:
        stereo = soxr.resample(stereo, rate, sample_rate, quality="VHQ")
    out = np.zeros((2, frames), np.float32)
    out[:, : len(stereo)] = stereo[:frames].T
    return out


class FolderRenderer(Renderer):
    """Sounds that are files already; each velocity may have its own.

    Args:
        source: Name of the renderer.
        root: Where the files are.
        package: Debian package that has them.
    """

    def __init__(self, source: str, root: Path, package: str) -> None:
        self._source, self._root, self._package = source, root, package

    def check(self) -> None:
        if not self._root.is_dir():
            raise MissingSynthError(f"{self._source} ({self._root})", (self._package,))

    def notes(self, preset: Preset, plan: NotePlan) -> list[NoteSpec]:
        velocities = tuple(layer[0] for layer in preset.payload["layers"])
        if preset.payload.get("long"):
            length = plan.hold_s + plan.release_s
            return [
                NoteSpec(pitch=preset.payload["key"], velocity=v, hold_s=length, release_s=0.0)
                for v in velocities
            ]
        return plan.drum(preset.payload["key"], velocities)

    def render(self, preset: Preset, notes: list[NoteSpec], sample_rate: int) -> list[Audio]:
        files = {velocity: (path, gain) for velocity, path, gain in preset.payload["layers"]}
        found = []
        for note in notes:
            path, gain = files[note.velocity]
            frames = sum(note.frames(sample_rate))
            found.append(read_sound(self._root / path, sample_rate, frames) * np.float32(gain))
        return found


class HydrogenRenderer(FolderRenderer):
    """Every instrument of every kit, a note for each of its layers.

    Args:
        options: ``root``: another folder of kits.
    """

    def __init__(self, options: Mapping[str, str] | None = None) -> None:
        root = Path((options or {}).get("root", HYDROGEN_ROOT))
        super().__init__(HYDROGEN, root, "hydrogen-drumkits")

    def presets(self) -> list[Preset]:
        kits = sorted(self._root.glob("*/drumkit.xml"))
        return [preset for kit in kits for preset in kit_presets(kit)]


def kit_presets(path: Path) -> list[Preset]:
    """The instruments of one ``drumkit.xml`` that have a name and a file."""
    try:
        root = ET.parse(path).getroot()
    except ET.ParseError:
        return []
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    kit = path.parent.name
    title = _text(root, "name") or kit
    found = []
    for number, instrument in enumerate(root.iter("instrument")):
        name = re.sub(r"^[a-g]#?\d\s*-\s*", "", _text(instrument, "name"))
        layers = _layers(path.parent, instrument)
        if not layers or _NAMELESS.fullmatch(name):
            continue
        found.append(
            Preset(
                id=f"hydrogen-{slug(kit)}-{number:02d}-{slug(name)}",
                source=HYDROGEN,
                collection=kit,
                name=name,
                category="drums" if _IN_A_SET.search(name) else "percussion",
                tags=(title if "kit" in title.lower() else f"{title} kit",),
                author=_text(root, "author"),
                licence=_KIT_LICENCES.get(kit, _text(root, "license")),
                payload={"layers": layers, "key": FIRST_KEY + number},
                unpitched=True,
            )
        )
    return found


def _text(element: ET.Element, tag: str) -> str:
    return (element.findtext(tag) or "").strip()


def _layers(folder: Path, instrument: ET.Element) -> list[tuple[int, str, float]]:
    """Velocity in the middle of its range, file and gain of each layer, softest first."""
    volume = float(_text(instrument, "volume") or 1)
    found: dict[int, tuple[int, str, float]] = {}
    listed = list(instrument.iter("layer")) or [instrument]
    for layer in listed:
        file = _text(layer, "filename")
        low, high = float(_text(layer, "min") or 0), float(_text(layer, "max") or 1)
        # A single layer is for all velocities: it was most likely struck hard.
        middle = 100 if len(listed) == 1 else round(127 * (low + high) / 2)
        velocity = max(1, min(127, middle))
        if file and (folder / file).is_file() and velocity not in found:
            gain = volume * float(_text(layer, "gain") or 1)
            found[velocity] = (velocity, f"{folder.name}/{file}", gain)
    return [found[v] for v in sorted(found)]


class SonicPiRenderer(FolderRenderer):
    """Sonic Pi's samples, a note each.

    Args:
        options: ``root``: another folder of them.
    """

    def __init__(self, options: Mapping[str, str] | None = None) -> None:
        root = Path((options or {}).get("root", SONIC_PI_ROOT))
        super().__init__(SONIC_PI, root, "sonic-pi-samples")

    def presets(self) -> list[Preset]:
        return [sonic_pi_preset(path) for path in sorted(self._root.glob("*.flac"))]


def sonic_pi_preset(path: Path) -> Preset:
    """A sample described by its file name: ``bd_boom`` is the bass drum "boom"."""
    group, _, rest = path.stem.partition("_")
    words, category = _GROUPS.get(group, (group, "sound effects"))
    telling: Sequence[str] = [w for w in (words, rest.replace("_", " ")) if w]
    return Preset(
        id=f"sonic-pi-{slug(path.stem)}",
        source=SONIC_PI,
        collection=group,
        name=" ".join(telling),
        category=category,
        licence="CC0-1.0",
        payload={"layers": [(100, path.name, 1.0)], "key": 60, "long": True},
        unpitched=True,
    )
