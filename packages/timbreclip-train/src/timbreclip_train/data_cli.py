"""``tclip data``: datasets, and making them."""

from __future__ import annotations

import click

from .datasets.cli import VERBS
from .rendering.cli import VERBS as RENDER_VERBS


@click.group("data")
def data() -> None:
    """Datasets of notes with text: look at them, check, download, render, cache."""


for verb in (*VERBS, *RENDER_VERBS):
    data.add_command(verb)
