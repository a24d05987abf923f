"""What is true of a training sound, and texts that say it.

Everything that a text may claim is a *fact*: a concept (``synth bass``), a tag (``vibrato``) or a
measured attribute (``bright``). A text is true of a sound that has all of its facts.
"""

from __future__ import annotations

from .facts import degrees, facts_of, measured_facts, note_facts, title_of
from .sayings import GROUPS, Saying, Speaker, positives, preferences, words_of
from .vocabulary import Attribute, Vocabulary, attribute_names, vocabulary

__all__ = [
    "GROUPS",
    "Attribute",
    "Saying",
    "Speaker",
    "Vocabulary",
    "attribute_names",
    "degrees",
    "facts_of",
    "measured_facts",
    "note_facts",
    "positives",
    "preferences",
    "title_of",
    "vocabulary",
    "words_of",
]
