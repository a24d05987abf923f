"""The record of an image backend, and loading one by name; nothing here imports torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, get_type_hints

import click

from timbreclip_core.errors import UnknownNameError, UsageError
from timbreclip_core.plugins import Entry, plugin_manager

if TYPE_CHECKING:
    from .base import ImageBackend


@dataclass(frozen=True, kw_only=True)
class ImageBackendEntry(Entry):
    """A way to turn weighted prompts into pictures.

    ``load(options: Any, device: str) -> ImageBackend``; ``options`` is an instance of the entry's
    ``options``, or None.

    Args:
        options: A frozen dataclass of numbers, strings and booleans with defaults; None if there
            is nothing to choose.
        keywords: The set of keywords that it mixes where a user names none.
        template: The template that it fills where a user gives none.
        weighting: From closeness to weights of sounds, where a user does not say.
        change_weighting: The same of changes of sounds.
    """

    hook: ClassVar[str] = "tclip_image_backends"
    kind: ClassVar[str] = "image backend"

    options: type | None = None
    keywords: str = "instruments"
    template: str = "paper-instruments"
    weighting: str = "softmax"
    change_weighting: str = "softmax"


def find_backend(name: str) -> ImageBackendEntry:
    """The entry of that name.

    Raises:
        UnknownNameError: No plugin has it.
    """
    return plugin_manager().find(ImageBackendEntry, name)


def load_backend(
    name: str, options: Mapping[str, Any] | None = None, device: str = "cpu"
) -> ImageBackend:
    """An image backend by name.

    Args:
        name: As ``tclip vis list`` shows.
        options: Values by option name; strings are read as the option's type.
        device: As torch names it.

    Raises:
        UnknownNameError: No plugin has that backend, or it has no such option.
        UsageError: An option's value is wrong.
        MissingExtraError: A library that it needs is not installed.
    """
    entry = find_backend(name)
    chosen = make_options(entry, options or {})
    backend = entry.load(chosen, device)
    backend.name = name
    backend.options = dataclasses.asdict(chosen) if chosen is not None else {}
    return backend


def make_options(entry: ImageBackendEntry, values: Mapping[str, Any]) -> Any:
    """The options of an entry from plain values, or None if it has none."""
    hints = get_type_hints(entry.options) if entry.options else {}
    for name in values:
        if name not in hints:
            raise UnknownNameError(f"option of the image backend {entry.name!r}", name, hints)
    if entry.options is None:
        return None
    try:
        read = {name: click.types.convert_type(hints[name])(values[name]) for name in values}
    except click.BadParameter as error:
        raise UsageError(f"An option of {entry.name}: {error.message}") from error
    return entry.options(**read)
