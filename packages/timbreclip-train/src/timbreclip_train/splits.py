"""Which split a rendered preset belongs to; the rules are data, ``data/splits.toml``."""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.resources import files
from typing import Any

SPLITS = ("train", "valid", "test", "none")


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Some collections of a source, and the split that they are in."""

    split: str
    source: str
    collection: tuple[str, ...]
    reason: str

    def fits(self, source: str, collection: str) -> bool:
        return source == self.source and any(fnmatchcase(collection, p) for p in self.collection)


@functools.cache
def rules() -> tuple[Rule, ...]:
    """The rules in their order; the first that fits decides."""
    text = files("timbreclip_train").joinpath("data/splits.toml").read_text("utf-8")
    return tuple(_rule(table) for table in tomllib.loads(text)["rule"])


def _rule(table: dict[str, Any]) -> Rule:
    return Rule(**{**table, "collection": tuple(table["collection"])})


@functools.cache
def split_of(source: str, collection: str) -> str:
    """``train``, ``valid``, ``test`` or ``none``.

    Args:
        source: Name of the renderer.
        collection: Bank, SoundFont or kit, as in the manifest.
    """
    return next((r.split for r in rules() if r.fits(source, collection)), "train")


def keep_guarded(split: str) -> int:
    """Sort key by which, of equal presets, the one that training must not see comes first."""
    return ("test", "none", "valid", "train").index(split)
