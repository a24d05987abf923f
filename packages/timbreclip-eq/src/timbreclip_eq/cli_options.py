"""Options that ``tclip eq`` and ``tclip eval eq`` share; nothing here imports torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from timbreclip_core.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])


def search_options(command: F) -> F:
    """Adds --loss, --restarts and --seed: ``loss``, ``restarts``, ``seed``."""
    for option in (
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


def name_and_value(text: str) -> tuple[str, str]:
    """``NAME=VALUE`` in two.

    Raises:
        UsageError: It has no ``=``.
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"An option of an EQ is NAME=VALUE, not {text!r}.")
    return name.strip(), value.strip()
