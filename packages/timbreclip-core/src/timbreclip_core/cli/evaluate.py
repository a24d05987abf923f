"""``tclip eval``: the group to which packages attach what they can measure."""

from __future__ import annotations

import click


@click.group("eval")
def eval_command() -> None:
    """Measure a model; the verbs come from installed packages.

    timbreclip-train measures retrieval, timbreclip-eq equalisation.
    """
