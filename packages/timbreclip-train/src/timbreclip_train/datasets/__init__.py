"""Collections of notes: one interface, one module each.

Names are imported when first used: listing datasets loads neither numpy nor torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .base import Note, NoteDataset, Problem, attributes, hash_split
    from .opening import open_dataset

_LAZY = {
    "Note": ".base",
    "NoteDataset": ".base",
    "Problem": ".base",
    "attributes": ".base",
    "hash_split": ".base",
    "open_dataset": ".opening",
}

__all__ = ["Note", "NoteDataset", "Problem", "attributes", "hash_split", "open_dataset"]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
