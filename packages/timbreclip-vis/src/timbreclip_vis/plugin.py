"""What timbreclip-vis registers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from timbreclip_core import hookimpl

from .entries import ImageBackendEntry
from .options import GlyphOptions

if TYPE_CHECKING:
    from .base import ImageBackend


def tclip_addhooks(pm: Any) -> None:
    """Add this package's hooks."""
    from . import hookspecs

    pm.add_hookspecs(hookspecs)


def _load_glyph(options: GlyphOptions | None, device: str) -> ImageBackend:
    from .glyph.backend import load

    return load(options, device)


@hookimpl
def tclip_image_backends() -> Iterator[ImageBackendEntry]:
    yield ImageBackendEntry(
        name="glyph",
        summary="Shapes and colours that people match with sounds; needs no download.",
        load=_load_glyph,
        options=GlyphOptions,
        keywords="glyph",
        template="plain",
        weighting="similarity",
    )


@hookimpl
def tclip_commands(cli: Any) -> None:
    """``tclip vis``."""
    from .cli import vis_command

    cli.add_command(vis_command)
