"""``tclip data``: datasets, and making them."""

from __future__ import annotations

import click

from .datasets.cli import VERBS
from .measured.cli import VERBS as MEASURE_VERBS
from .rendering.cli import VERBS as RENDER_VERBS


@click.group("data")
def data() -> None:
    """Datasets of notes with text: check, download, render, cache, measure."""


for verb in (*VERBS, *RENDER_VERBS, *MEASURE_VERBS):
    data.add_command(verb)
