"""What is true of a training sound, and texts that say it.

Everything that a text may claim is a *fact*: a concept (``synth bass``), a tag (``vibrato``) or a
measured attribute (``bright``). A text is true of a sound that has all of its facts.
"""

from __future__ import annotations

from .facts import (
    category_of,
    drum_of,
    facts_of,
    kind_of,
    measured_facts,
    note_facts,
    title_of,
)
from .ranked import RankedText, draw_ranked, every_ranked, wanted_changes, wanted_order
from .sayings import GROUPS, Saying, Speaker, positives, preferences, words_of
from .vocabulary import Vocabulary, attribute_names, vocabulary

__all__ = [
    "GROUPS",
    "RankedText",
    "Saying",
    "Speaker",
    "Vocabulary",
    "attribute_names",
    "category_of",
    "draw_ranked",
    "drum_of",
    "every_ranked",
    "facts_of",
    "kind_of",
    "measured_facts",
    "note_facts",
    "positives",
    "preferences",
    "title_of",
    "vocabulary",
    "wanted_changes",
    "wanted_order",
    "words_of",
]
