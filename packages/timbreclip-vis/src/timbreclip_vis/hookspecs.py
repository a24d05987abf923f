"""The hook that timbreclip-vis owns."""

from __future__ import annotations

from collections.abc import Iterable

from timbreclip_core import hookspec

from .entries import ImageBackendEntry


@hookspec
def tclip_image_backends() -> Iterable[ImageBackendEntry]:
    """Ways to turn weighted prompts into pictures."""
    return ()
