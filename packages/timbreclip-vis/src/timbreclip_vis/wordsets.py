"""Keywords and templates that ship with the package, or that a user keeps in a file."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from pathlib import Path

from timbreclip_core.errors import InputError, UnknownNameError, UsageError

from .glyph.axes import axis_words

SLOT = "{keyword}"


@cache
def _data() -> dict[str, dict]:
    return json.loads(files(__package__).joinpath("data/keywords.json").read_text("utf-8"))


def keyword_sets() -> dict[str, tuple[str, ...]]:
    """Words by the name of their set; ``glyph`` holds the words of the glyph's axes."""
    sets = {name: tuple(words) for name, words in _data()["sets"].items()}
    return {"glyph": axis_words(), **sets}


def template_presets() -> dict[str, str]:
    """Templates by name."""
    return dict(_data()["templates"])


def keywords_of(name: str) -> tuple[str, ...]:
    """The words of a set, or of a text file with one a line (# starts a comment).

    Raises:
        UnknownNameError: Neither a set nor a file.
        InputError: The file cannot be read.
        UsageError: The file holds no words.
    """
    sets = keyword_sets()
    if name in sets:
        return sets[name]
    if not Path(name).is_file():
        raise UnknownNameError("set of keywords", name, sets, "Or give a text file, one a line.")
    try:
        lines = Path(name).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{name} is no text file of keywords: {error}") from error
    words = [line.partition("#")[0].strip() for line in lines]
    if not any(words):
        raise UsageError(f"{name} holds no keywords: write one a line.")
    return tuple(word for word in words if word)


def template_of(text: str) -> str:
    """A preset by its name, or the text itself.

    Raises:
        UsageError: Neither a preset nor a text with ``{keyword}``.

    >>> template_of("flower")
    'A {keyword} flower'
    """
    presets = template_presets()
    template = presets.get(text, text)
    if SLOT not in template:
        known = ", ".join(presets)
        raise UsageError(
            f"The template {text!r} needs {SLOT} where the keyword goes, or be one of {known}."
        )
    return template


def fill_template(template: str, keyword: str) -> str:
    """The prompt of a keyword."""
    return template.replace(SLOT, keyword)
