"""``tclip``: the root group, which finds plugins' commands and prints every error."""

from __future__ import annotations

import gc
import os
import sys
import warnings
from importlib import import_module
from importlib.metadata import PackageNotFoundError, metadata
from typing import Any

import click

from .. import __version__
from ..errors import MissingExtraError, PluginError, TimbreClipError
from ..plugins import plugin_manager

# Command -> module of this package that defines it under the same name.
OWN = {
    "effect": "effect",
    "embed": "embed",
    "eval": "evaluate",
    "models": "models",
    "plugins": "plugins",
    "rank": "rank",
    "similarity": "similarity",
}
# Command -> extra that brings it, for the message when it is not there.
EXTRAS = {
    "eq": "eq",
    "vis": "vis",
    "plot": "vis",
    "train": "train",
    "data": "train",
}


class TclipGroup(click.Group):
    """Loads our own commands lazily and the plugins' once; turns our errors into messages."""

    _plugins_added = False

    def main(self, *args: Any, **kwargs: Any) -> Any:
        _prepare_process()
        with warnings.catch_warnings():
            warnings.simplefilter("once", UserWarning)
            warnings.showwarning = _show_warning  # type: ignore[assignment]
            return super().main(*args, **kwargs)

    def list_commands(self, ctx: click.Context) -> list[str]:
        self._add_plugins()
        return sorted({*OWN, *super().list_commands(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        # Core's verbs hang on ``eval``, and so may the plugins': it needs them loaded too.
        if cmd_name not in OWN or cmd_name == "eval":
            self._add_plugins()
        if cmd_name in OWN:
            return getattr(import_module(f".{OWN[cmd_name]}", __package__), f"{cmd_name}_command")
        return super().get_command(ctx, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and self.get_command(ctx, args[0]) is None:
            _explain_missing(args[0])
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except TimbreClipError as error:
            click.echo(f"Error: {error}", err=True)
            ctx.exit(error.exit_code)
        except BrokenPipeError:
            # The reader of our output (head, a pager) left: nothing is wrong.
            sys.stderr.close()
            ctx.exit(0)
        except KeyboardInterrupt:
            click.echo("Stopped. What was finished is kept.", err=True)
            ctx.exit(130)

    def _add_plugins(self) -> None:
        if not self._plugins_added:
            self._plugins_added = True
            plugin_manager().add_commands(self)


def _prepare_process() -> None:
    # Read when torch is imported. Its threads wait for one another in a loop, by default for
    # milliseconds: where other programs keep the cores busy, that takes twice the processor's time
    # and twice the user's. Sleeping after 1,000 turns is as quick where nothing else runs.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    # Importing torch makes a million objects that stay: looking through them for garbage at the
    # usual 700 new ones takes a third of a second.
    gc.set_threshold(50_000, 20, 20)


def _explain_missing(command: str) -> None:
    """Raise the error that says how to get a command of a sibling package."""
    extra = EXTRAS.get(command)
    if extra is None or extra not in _extras():
        return
    for plugin in plugin_manager().plugins:
        if plugin.distribution == f"timbreclip-{extra}" and plugin.error:
            raise PluginError(f"tclip {command} is installed but broken: {plugin.error}")
    raise MissingExtraError(f"tclip {command}", extra)


def _extras() -> set[str]:
    """Extras of the installed core, as its own metadata names them."""
    try:
        return set(metadata("timbreclip-core").get_all("Provides-Extra") or ())
    except PackageNotFoundError:
        return set(EXTRAS.values())


def _show_warning(message: Warning | str, category: type[Warning], *_: Any) -> None:
    # Libraries' deprecations are for developers; a user can do nothing about them.
    if issubclass(category, UserWarning):
        click.echo(f"Warning: {message}", err=True)


@click.group(cls=TclipGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="tclip")
def cli() -> None:
    """Sounds, words and pictures in one space.

    Embed sounds, rank words for a sound, equalise by text, draw what a sound looks like.
    Results go to stdout, progress to stderr; --json is for machines.
    """
