"""Pictures from timbre."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .entries import ImageBackendEntry

if TYPE_CHECKING:
    from .base import ImageBackend
    from .keywords import keyword_weights

_LAZY = {"ImageBackend": ".base", "keyword_weights": ".keywords"}
__all__ = ["ImageBackend", "ImageBackendEntry", "keyword_weights"]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
