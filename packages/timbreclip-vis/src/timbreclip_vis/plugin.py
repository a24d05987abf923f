"""What timbreclip-vis registers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from timbreclip_core import hookimpl

from .entries import ImageBackendEntry
from .options import DiffusersOptions, GlyphOptions

if TYPE_CHECKING:
    from .base import ImageBackend


def tclip_addhooks(pm: Any) -> None:
    """Add this package's hooks."""
    from . import hookspecs

    pm.add_hookspecs(hookspecs)


def _load_glyph(options: GlyphOptions | None, device: str) -> ImageBackend:
    from .glyph.backend import load

    return load(options, device)


def _load_diffusers(options: DiffusersOptions, device: str) -> ImageBackend:
    from .diffusion.backend import load

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
        change_weighting="raw",
    )
    yield ImageBackendEntry(
        name="diffusers",
        summary="Stable Diffusion 1.5, 2, XL, 3 and Flux, from a folder or the hub.",
        load=_load_diffusers,
        options=DiffusersOptions,
    )


@hookimpl
def tclip_commands(cli: Any) -> None:
    """``tclip vis`` and ``tclip plot``."""
    from .cli import vis_command
    from .cli_plot import plot_command

    cli.add_command(vis_command)
    cli.add_command(plot_command)
