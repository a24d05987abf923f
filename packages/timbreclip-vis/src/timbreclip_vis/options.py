"""Options of our own image backends; apart from them, so that listing needs no torch."""

from __future__ import annotations

from dataclasses import dataclass

from timbreclip_core.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class GlyphOptions:
    """Of ``glyph``.

    Args:
        size: Width and height of the pixels' picture.
    """

    size: int = 512

    def __post_init__(self) -> None:
        if not 16 <= self.size <= 8192:
            raise UsageError(f"size must be from 16 to 8192 pixels, not {self.size}.")
