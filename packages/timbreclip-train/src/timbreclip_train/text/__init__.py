"""Words about sounds: concepts and their wordings, preset names, templates, General MIDI.

Pure Python over data files in ``data/``; nothing here loads torch.
"""

from __future__ import annotations

from timbreclip_core.inflect import inflect, plural, singular

from .concepts import (
    Concept,
    Wording,
    canonical,
    concept,
    concept_names,
    mentions_held_out,
    more_wordings,
    other_words,
    wordings,
)
from .midi import GM_FAMILIES, GMInstrument, gm_percussion, gm_program
from .names import normalise_name, tags_of
from .say import say

__all__ = [
    "GM_FAMILIES",
    "Concept",
    "GMInstrument",
    "Wording",
    "canonical",
    "concept",
    "concept_names",
    "gm_percussion",
    "gm_program",
    "inflect",
    "mentions_held_out",
    "more_wordings",
    "normalise_name",
    "other_words",
    "plural",
    "say",
    "singular",
    "tags_of",
    "wordings",
]
