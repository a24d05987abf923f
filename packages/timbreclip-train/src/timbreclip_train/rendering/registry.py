"""The sources of this package, as plugins see them; importing it loads no synthesiser."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from functools import partial

from timbreclip_train.entries import RendererEntry

from .base import Renderer

_SOURCES = (
    (
        "soundfont",
        "soundfont:SoundFontRenderer",
        "SoundFonts: General MIDI instruments, and drum kits key by key.",
        "MIT, Apache-2.0, GPL-2.0-only, CC-BY-SA-4.0, CC-BY-SA-3.0; by font",
        (
            "libfluidsynth3",
            "fluid-soundfont-gm",
            "fluid-soundfont-gs",
            "musescore-general-soundfont",
            "timgm6mb-soundfont",
            "opl3-soundfont",
            "avldrums.lv2-soundfont",
            "denemo-data",
        ),
    ),
    (
        "tonejs",
        "tonejs:ToneJsRenderer",
        "Twenty recorded instruments, in packages of npm.",
        "CC-BY-3.0",
        (),
    ),
    (
        "zynaddsubfx",
        "zynaddsubfx:ZynAddSubFXRenderer",
        "The banks of ZynAddSubFX and Yoshimi.",
        "GPL-2.0-or-later and others; by preset",
        ("zynaddsubfx-lv2", "zynaddsubfx-data", "yoshimi-data", "gcc", "libc6-dev", "lv2-dev"),
    ),
    (
        "dssi",
        "dssi:DssiRenderer",
        "amsynth and WhySynth with all their banks.",
        "GPL-2.0-or-later; WhySynth's patches: public domain",
        ("amsynth", "whysynth", "gcc", "libc6-dev", "dssi-dev", "ladspa-sdk", "libasound2-dev"),
    ),
    (
        "hydrogen",
        "folders:HydrogenRenderer",
        "Hydrogen's drum kits, a note a velocity layer.",
        "GPL-2.0, CC-BY-3.0, CC-BY-SA-3.0, CC0-1.0; by kit",
        ("hydrogen-drumkits",),
    ),
    (
        "sonic-pi",
        "folders:SonicPiRenderer",
        "Sonic Pi's samples.",
        "CC0-1.0",
        ("sonic-pi-samples",),
    ),
    (
        "mda",
        "mda:MdaRenderer",
        "The presets of the mda synthesisers JX10, DX10, EPiano and Piano.",
        "GPL-3.0-or-later",
        ("mda-lv2", "gcc", "libc6-dev", "lv2-dev"),
    ),
    (
        "freepats",
        "freepats:FreepatsRenderer",
        "Freepats' General MIDI instruments and drums, played by TiMidity++.",
        "GPL-2.0-or-later with composition exception",
        ("timidity", "freepats"),
    ),
    (
        "lmms",
        "lmms:LmmsRenderer",
        "LMMS: DrumSynth recipes and presets of its synthesisers.",
        "GPL-2.0-or-later",
        ("lmms", "lmms-common", "gcc", "libc6-dev", "util-linux"),
    ),
    (
        "synth",
        "parametric:ParametricRenderer",
        "The repository's own parametric synthesiser; labels are exact.",
        "Apache-2.0",
        (),
    ),
)


def _load(target: str, options: Mapping[str, str] | None = None) -> Renderer:
    module, name = target.split(":")
    return getattr(importlib.import_module(f".{module}", __package__), name)(options)


def own_renderers() -> Iterator[RendererEntry]:
    """A record for each source."""
    for name, target, summary, licence, needs in _SOURCES:
        yield RendererEntry(
            name=name, summary=summary, licence=licence, needs=needs, load=partial(_load, target)
        )


def load_renderer(name: str, options: Mapping[str, str]) -> Renderer:
    """Make the renderer of that name, of whatever plugin; what worker processes call.

    Raises:
        UnknownNameError: If no plugin has it.
    """
    from timbreclip_core.plugins import plugin_manager

    return plugin_manager().find(RendererEntry, name).load(options)
