"""General MIDI for SoundFonts: families of programs, and what the keys of a kit are."""

from __future__ import annotations

import functools
import tomllib
from importlib.resources import files
from typing import Any

from timbreclip_train.text import gm_percussion, gm_program


@functools.cache
def _kits() -> dict[str, Any]:
    text = files("timbreclip_train").joinpath("data/percussion_kits.toml").read_text("utf-8")
    return tomllib.loads(text)


def program_name(program: int) -> str:
    """Instrument of a program, 0 to 127."""
    return gm_program(program).name


def family(program: int) -> str:
    """One of the sixteen families."""
    return gm_program(program).family


@functools.cache
def percussion_map(kit: str = "standard") -> dict[int, tuple[str, str]]:
    """Key to (instrument, ``drums`` or ``percussion``).

    Args:
        kit: ``standard``, ``orchestra`` (Roland GS) or ``avldrums``, which has a map of its own.
    """
    if kit == "avldrums":
        return _table(kit)
    found = {
        key: (entry.name, "drums" if key in _kits()["drum_set"] else "percussion")
        for key in range(128)
        if (entry := gm_percussion(key))
    }
    found |= _table("gs")
    return found | _table("orchestra") if kit == "orchestra" else found


def _table(name: str) -> dict[int, tuple[str, str]]:
    return {
        int(key): (instrument, kind)
        for kind, keys in _kits()[name].items()
        for key, instrument in keys.items()
    }
