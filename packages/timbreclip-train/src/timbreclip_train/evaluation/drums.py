"""Which drum a note is of, from its title; the classes are data, ``drums.toml``."""

from __future__ import annotations

import functools
import tomllib
from importlib.resources import files

from .. import text
from ..datasets.base import Note

KITS = ("drums", "percussion")


@functools.cache
def class_of_concept() -> dict[str, str]:
    """Drum class by percussion concept."""
    content = files(__package__).joinpath("drums.toml").read_text("utf-8")
    classes: dict[str, list[str]] = tomllib.loads(content)["classes"]
    return {concept: name for name, concepts in classes.items() for concept in concepts}


def in_kit(note: Note) -> bool:
    """Whether a note is of a drum kit or of hand percussion, by its category."""
    return any(category in KITS for category in note.text.get("category", ()))


def drum_class(note: Note) -> str | None:
    """The class of a note of a kit; None for other notes, and for drums of no class."""
    titles = note.text.get("title", ())
    return _class_of_title(titles[0]) if titles and in_kit(note) else None


@functools.cache
def _class_of_title(title: str) -> str | None:
    concept = text.canonical(title, "percussion")
    if concept is None:
        # "kick tama superstar": the first concept that the name speaks of.
        patterns = ((name, text.concept(name).pattern) for name in text.concept_names("percussion"))
        concept = next((name for name, p in patterns if p and p.search(title)), None)
    return class_of_concept().get(concept or "")
