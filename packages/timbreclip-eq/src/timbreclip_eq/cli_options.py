"""Options that ``tclip eq`` and ``tclip eval eq`` share; nothing here imports torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from timbreclip_core.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])
SEARCH = ("loss", "restarts", "seed", "size_penalty", "smoothness_penalty")


def search_options(command: F) -> F:
    """Adds what decides the search, by the names of ``SEARCH``; None leaves the default."""
    for option in (
        click.option(
            "--smoothness-penalty",
            type=click.FloatRange(0),
            help="Loss of a curve that rises or falls by 12 dB per octave everywhere.",
        ),
        click.option(
            "--size-penalty",
            type=click.FloatRange(0),
            help="Loss of a curve that is 12 dB everywhere.",
        ),
        click.option("--seed", type=int, default=0, show_default=True, help="Of the restarts."),
        click.option("--restarts", type=click.IntRange(1), help="Starting points of the search."),
        click.option(
            "--loss",
            type=click.Choice(["cosine", "directional"]),
            help="Distance to the target, or direction of the move towards it.",
        ),
    ):
        command = option(command)
    return command


def chosen(options: Mapping[str, Any]) -> dict[str, Any]:
    """What of ``search_options`` was given, for a ``SearchConfig``."""
    return {name: options[name] for name in SEARCH if options[name] is not None}


def name_and_value(text: str) -> tuple[str, str]:
    """``NAME=VALUE`` in two.

    Raises:
        UsageError: It has no ``=``.
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"An option of an EQ is NAME=VALUE, not {text!r}.")
    return name.strip(), value.strip()
