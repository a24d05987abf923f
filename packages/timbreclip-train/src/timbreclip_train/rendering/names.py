"""File names and identifiers made from what people call their presets."""

from __future__ import annotations

import re
import unicodedata


def slug(text: str) -> str:
    """Lower-case letters and digits joined by hyphens; never empty.

    >>> slug("Choir & Voice (2)")
    'choir-voice-2'
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-") or "x"
