"""What timbreclip-vis registers."""

from __future__ import annotations

from typing import Any

from timbreclip_core import hookimpl


def tclip_addhooks(pm: Any) -> None:
    """Add this package's hooks."""
    from . import hookspecs

    pm.add_hookspecs(hookspecs)


@hookimpl
def tclip_commands(cli: Any) -> None:
    """``tclip vis``."""
    from .cli import vis_command

    cli.add_command(vis_command)
