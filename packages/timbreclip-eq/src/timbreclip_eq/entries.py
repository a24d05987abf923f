"""The record of an EQ, and finding one by name; nothing here imports torch."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, get_type_hints

from timbreclip_core.errors import UnknownNameError, UsageError
from timbreclip_core.plugins import Entry, plugin_manager

if TYPE_CHECKING:
    from .base import EQ


@dataclass(frozen=True, kw_only=True)
class EQEntry(Entry):
    """A parametrisation of an equaliser; ``load(options=None)`` returns an ``EQ``.

    Args:
        options: A frozen dataclass with defaults, handed to ``load`` with the user's values; None
            if there is nothing to choose.
    """

    hook: ClassVar[str] = "tclip_eqs"
    kind: ClassVar[str] = "EQ"

    options: type | None = None


def load_eq(name: str, options: Mapping[str, Any] | None = None) -> EQ:
    """An EQ by name.

    Args:
        name: As ``tclip eq list`` shows.
        options: Values by option name; strings are read as the option's type.

    Raises:
        UnknownNameError: No plugin has that EQ, or it has no such option.
        UsageError: An option's value is wrong.
    """
    entry = plugin_manager().find(EQEntry, name)
    eq = entry.load(make_options(entry, options or {}))
    eq.name = name
    return eq


def make_options(entry: EQEntry, values: Mapping[str, Any]) -> Any:
    """The options of an entry from plain values, or None if it has none."""
    fields = {f.name for f in dataclasses.fields(entry.options)} if entry.options else set()
    for name in values:
        if name not in fields:
            raise UnknownNameError(f"option of the EQ {entry.name!r}", name, fields)
    if entry.options is None:
        return None
    hints = get_type_hints(entry.options)
    return entry.options(**{k: _cast(k, v, hints[k]) for k, v in values.items()})


def _cast(name: str, value: Any, wanted: Any) -> Any:
    kinds = wanted.__args__ if isinstance(wanted, types.UnionType) else (wanted,)
    if not isinstance(value, str) or str in kinds:
        return value
    for kind in kinds:
        if kind in (int, float):
            try:
                return kind(value)
            except ValueError:
                continue
        if kind is bool and value.lower() in ("true", "false"):
            return value.lower() == "true"
    raise UsageError(f"The option {name} cannot be {value!r}: {wanted.__name__} is wanted.")
