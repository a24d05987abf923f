"""Text-driven equalisation: say how it should sound, get an EQ.

>>> from timbreclip_eq import equalize                                # doctest: +SKIP
>>> found = equalize(x, sample_rate=48_000, target="bright")          # doctest: +SKIP
>>> brighter = found.apply(x, 48_000)                                 # doctest: +SKIP

Names are imported when first used, so that listing plugins or printing help never loads torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .entries import EQEntry
from .params import Param

if TYPE_CHECKING:
    from .base import EQ
    from .curve import CurveEQ
    from .fit import equalize, equalize_many
    from .graphic import GraphicEQ
    from .parametric import ParametricEQ
    from .preset import Preset, load_preset
    from .result import EQResult
    from .search import SearchConfig
    from .tilt import TiltEQ

_LAZY = {
    "CurveEQ": ".curve",
    "EQ": ".base",
    "EQResult": ".result",
    "GraphicEQ": ".graphic",
    "ParametricEQ": ".parametric",
    "Preset": ".preset",
    "SearchConfig": ".search",
    "TiltEQ": ".tilt",
    "equalize": ".fit",
    "equalize_many": ".fit",
    "load_preset": ".preset",
}

__all__ = [
    "EQ",
    "CurveEQ",
    "EQEntry",
    "EQResult",
    "GraphicEQ",
    "Param",
    "ParametricEQ",
    "Preset",
    "SearchConfig",
    "TiltEQ",
    "equalize",
    "equalize_many",
    "load_preset",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
