"""Sounds, words and pictures in one space.

>>> from timbreclip_core import load_model           # doctest: +SKIP
>>> model = load_model("small")                      # doctest: +SKIP
>>> model.embed_audio(x, sample_rate=44_100)         # doctest: +SKIP
>>> model.embed_text(["a warm pad"])                 # doctest: +SKIP

Names are imported when first used, so that listing plugins or printing help never loads torch.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from .effects.words import EffectWords
from .errors import TimbreClipError
from .plugins import EffectEntry, EncoderEntry, Entry, SpaceEntry, hookimpl, hookspec

if TYPE_CHECKING:
    from .effects import load_effect
    from .effects.base import Effect
    from .embedding import Embedding
    from .encoders.base import Encoder, SpectralEncoder
    from .model import Model, load_model
    from .spaces.base import Space
    from .target import Target, parse_target

try:
    __version__ = version("timbreclip-core")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0+unknown"

_LAZY = {
    "Effect": ".effects.base",
    "Embedding": ".embedding",
    "Encoder": ".encoders.base",
    "Model": ".model",
    "Space": ".spaces.base",
    "SpectralEncoder": ".encoders.base",
    "Target": ".target",
    "load_effect": ".effects",
    "load_model": ".model",
    "parse_target": ".target",
}

__all__ = [
    "Effect",
    "EffectEntry",
    "EffectWords",
    "Embedding",
    "Encoder",
    "EncoderEntry",
    "Entry",
    "Model",
    "Space",
    "SpaceEntry",
    "SpectralEncoder",
    "Target",
    "TimbreClipError",
    "__version__",
    "hookimpl",
    "hookspec",
    "load_effect",
    "load_model",
    "parse_target",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
