"""Datasets, rendering, training and evaluation for TimbreCLIP.

Names are imported when first used, so that listing plugins or printing help never loads torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .entries import Archive, AugmentationEntry, DatasetEntry, RendererEntry

if TYPE_CHECKING:
    from .config import TrainConfig, load_preset
    from .loop import train

_LAZY = {
    "TrainConfig": ".config",
    "load_preset": ".config",
    "train": ".loop",
}

__all__ = [
    "Archive",
    "AugmentationEntry",
    "DatasetEntry",
    "RendererEntry",
    "TrainConfig",
    "load_preset",
    "train",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
