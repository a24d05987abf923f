"""The hooks that core owns. eq, vis and train add theirs in ``tclip_addhooks(pm)``."""

from __future__ import annotations

from collections.abc import Iterable

import click

from .plugins import EffectEntry, EncoderEntry, SpaceEntry, hookspec


@hookspec
def tclip_encoders() -> Iterable[EncoderEntry]:
    """Audio encoders."""
    return ()


@hookspec
def tclip_spaces() -> Iterable[SpaceEntry]:
    """Spaces: what turns text, and maybe images, into vectors."""
    return ()


@hookspec
def tclip_effects() -> Iterable[EffectEntry]:
    """Audio effects with one knob."""
    return ()


@hookspec
def tclip_commands(cli: click.Group) -> None:
    """Attach commands to ``tclip``, or verbs to its group ``eval``."""
