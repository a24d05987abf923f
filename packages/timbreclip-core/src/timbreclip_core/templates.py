"""Prompt templates: sentences around a word, kept as data with a version."""

from __future__ import annotations

import functools
import json
from importlib.resources import files


@functools.cache
def _sets() -> dict[str, tuple[str, ...]]:
    text = files(__package__).joinpath("data/templates.json").read_text("utf-8")
    return {name: tuple(items) for name, items in json.loads(text)["sets"].items()}


def template_names() -> list[str]:
    """Names of the sets."""
    return sorted(_sets())


def templates(name: str) -> tuple[str, ...]:
    """Sentences of a set, each with ``{}`` where the word goes."""
    return _sets()[name]


def fill(template: str, word: str) -> str:
    """A sentence with the word in place.

    >>> fill("a {} sound", "warm")
    'a warm sound'
    """
    return template.replace("{}", word)
