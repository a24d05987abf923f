"""``tclip plugins``: what is installed, and what is wrong with it."""

from __future__ import annotations

import click

from ..errors import PluginError
from ..plugins import Entry, PluginManager, plugin_manager
from .options import echo_json, json_option


@click.command("plugins")
@json_option
def plugins_command(as_json: bool) -> None:
    """List plugins: distribution, version, hooks, entries, faults.

    TCLIP_PLUGINS=a,b keeps only those third-party plugins; empty keeps none.
    """
    manager = plugin_manager()
    rows = describe(manager)
    clashes = manager.clashes(_kinds())
    if as_json:
        echo_json({"plugins": rows, "clashes": clashes})
    else:
        for row in rows:
            click.echo(_line(row))
    if clashes:
        raise PluginError(" ".join(clashes))


def describe(manager: PluginManager) -> list[dict[str, object]]:
    """One record per plugin: distribution, version, name, hooks, entries by kind, error."""
    entries: dict[str, dict[str, list[str]]] = {}
    for kind in _kinds():
        for found in manager.entries(kind):
            names = entries.setdefault(found.distribution, {}).setdefault(kind.kind, [])
            names.append(found.entry.name)
    return [
        {
            "distribution": plugin.distribution,
            "version": plugin.version,
            "name": plugin.name,
            "hooks": list(plugin.hooks),
            "entries": {} if plugin.error else entries.get(plugin.distribution, {}),
            "error": plugin.error,
        }
        for plugin in manager.plugins
    ]


def _kinds() -> tuple[type[Entry], ...]:
    """Every class of record that has a hook, of all loaded packages."""
    found, queue = [], [Entry]
    while queue:
        kind = queue.pop()
        queue.extend(kind.__subclasses__())
        if getattr(kind, "hook", None):
            found.append(kind)
    return tuple(sorted(found, key=lambda k: k.kind))


def _line(row: dict) -> str:
    if row["error"]:
        return f"{row['distribution']} {row['version']}\n  switched off: {row['error']}"
    kinds = [f"  {kind}: {', '.join(names)}" for kind, names in row["entries"].items()]
    hooks = f"  hooks: {', '.join(row['hooks']) or 'none'}"
    return "\n".join([f"{row['distribution']} {row['version']}", hooks, *kinds])
