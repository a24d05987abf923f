"""Audio effects with one knob each, for training, for pictures and for the ear.

``base`` says what an effect is, ``words`` what it does to the words for a sound; each other module
holds one effect, or a tool that several need. Nothing here imports torch until an effect is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .base import Effect

__all__ = ["load_effect"]


def load_effect(name: str, options: Mapping[str, Any] | None = None) -> Effect:
    """An effect by name, of any installed plugin.

    Args:
        name: As ``tclip effect list`` shows.
        options: Values by option name; what is absent has its default.

    Raises:
        UnknownNameError: No plugin has that effect, or it has no such option.
        UsageError: An option's value is wrong.

    >>> load_effect("echo", {"delay_s": 0.5}).delay_s
    0.5
    """
    from ..plugins import EffectEntry, plugin_manager

    return plugin_manager().find(EffectEntry, name).load(options)
