"""What timbreclip-train registers; cheap to import."""

from __future__ import annotations

from typing import TYPE_CHECKING

from timbreclip_core.plugins import hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator

    import click
    import pluggy

    from timbreclip_core.plugins import EncoderEntry

    from .entries import AugmentationEntry, DatasetEntry, RendererEntry


def tclip_addhooks(pm: pluggy.PluginManager) -> None:
    """Add this package's hooks to core's manager."""
    from . import hookspecs

    pm.add_hookspecs(hookspecs)


@hookimpl
def tclip_commands(cli: click.Group) -> None:
    from timbreclip_core.cli.evaluate import eval_command

    from .augmentations.cli import augmentations
    from .cli import train
    from .cli_compare import compare_command
    from .data_cli import data
    from .evaluation.cli import COMMANDS
    from .teachers.cli import teach

    train.add_command(augmentations)
    train.add_command(compare_command)
    train.add_command(teach)
    cli.add_command(train)
    cli.add_command(data)
    for command in COMMANDS:
        eval_command.add_command(command)


@hookimpl
def tclip_encoders() -> Iterator[EncoderEntry]:
    from .teachers.records import own_entries

    yield from own_entries()


@hookimpl
def tclip_datasets() -> Iterator[DatasetEntry]:
    from .datasets.records import own_entries

    yield from own_entries()


@hookimpl
def tclip_renderers() -> Iterator[RendererEntry]:
    from .rendering.registry import own_renderers

    yield from own_renderers()


@hookimpl
def tclip_augmentations() -> Iterator[AugmentationEntry]:
    from .augmentations.records import own_entries

    yield from own_entries()
