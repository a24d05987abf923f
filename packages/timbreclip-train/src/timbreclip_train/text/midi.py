"""General MIDI level 1: programs, families, percussion keys.

Source: MIDI Association, General MIDI 1 Sound Set; keys 27 to 34 and 82 to 87 as in the Roland GS
and General MIDI 2 percussion maps.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from timbreclip_core.errors import UsageError

from .tables import read_table

GM_FAMILIES = (
    "piano",
    "chromatic percussion",
    "organ",
    "guitar",
    "bass",
    "strings",
    "ensemble",
    "brass",
    "reed",
    "pipe",
    "synth lead",
    "synth pad",
    "synth effects",
    "ethnic",
    "percussive",
    "sound effects",
)


@dataclass(frozen=True)
class GMInstrument:
    """One sound of General MIDI.

    Attributes:
        number: Program 0 to 127, or percussion key 27 to 87.
        name: As in the standard, lower case.
        family: One of `GM_FAMILIES`; ``drums`` for a percussion key.
        concepts: Names of the concepts that it is, the closest first.
    """

    number: int
    name: str
    family: str
    concepts: tuple[str, ...]


@cache
def _table(name: str) -> dict[int, GMInstrument]:
    return {
        int(number): GMInstrument(int(number), label, family, tuple(concepts.split("; ")))
        for number, label, family, concepts in read_table(name, 4)
    }


def gm_program(program: int) -> GMInstrument:
    """The instrument of a program number, counted from 0.

    Raises:
        UsageError: If the number is not 0 to 127.

    >>> gm_program(0).name, gm_program(127).family
    ('acoustic grand piano', 'sound effects')
    """
    try:
        return _table("gm_programs.tsv")[program]
    except KeyError:
        raise UsageError(f"A General MIDI program is 0 to 127, not {program}.") from None


def gm_percussion(key: int) -> GMInstrument | None:
    """The drum of a key of the percussion channel; None where the map has no drum.

    >>> gm_percussion(36).name, gm_percussion(36).concepts[0], gm_percussion(5)
    ('bass drum 1', 'kick', None)
    """
    return _table("gm_percussion.tsv").get(key)
