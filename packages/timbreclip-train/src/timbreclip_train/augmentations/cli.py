"""``tclip train augmentations``: what changes training sounds, and how their words change."""

from __future__ import annotations

import click

from timbreclip_core.cli.options import echo_json, json_option
from timbreclip_core.plugins import plugin_manager

from ..entries import AugmentationEntry


@click.command("augmentations")
@json_option
def augmentations(as_json: bool) -> None:
    """List the augmentations, and why some cannot be used."""
    rows = [
        {
            "name": found.entry.name,
            "summary": found.entry.summary,
            "words": list(found.entry.words),
            "unavailable": found.entry.unavailable or None,
            "distribution": found.distribution,
        }
        for found in plugin_manager().entries(AugmentationEntry)
    ]
    if as_json:
        echo_json(rows)
        return
    for row in rows:
        click.echo(f"{row['name']:24}{row['summary']}")
        if row["words"]:
            click.echo(f"{'':24}words: {', '.join(row['words'])}")
        if row["unavailable"]:
            click.echo(f"{'':24}unavailable: {row['unavailable']}")
