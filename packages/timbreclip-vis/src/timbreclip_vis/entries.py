"""The record of an image backend; listing it imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from timbreclip_core.plugins import Entry


@dataclass(frozen=True, kw_only=True)
class ImageBackendEntry(Entry):
    """A way to turn weighted prompts into pictures.

    ``load(options: Mapping[str, str], device: str) -> ImageBackend``.
    """

    hook: ClassVar[str] = "tclip_image_backends"
    kind: ClassVar[str] = "image backend"
