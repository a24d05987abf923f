"""``tclip vis``: what a sound looks like."""

from __future__ import annotations

from pathlib import Path

import click
from click_default_group import DefaultGroup

from timbreclip_core.cli.options import echo_json, json_option, model_option
from timbreclip_core.plugins import plugin_manager

from .entries import ImageBackendEntry


@click.group("vis", cls=DefaultGroup, default="weights")
def vis_command() -> None:
    """From sounds to pictures: so far the weights of keywords that will mix them."""


@vis_command.command("list")
@json_option
def list_backends(as_json: bool) -> None:
    """Image backends of the installed plugins."""
    found = plugin_manager().entries(ImageBackendEntry)
    rows = [
        {"name": r.entry.name, "summary": r.entry.summary, "distribution": r.distribution}
        for r in found
    ]
    if as_json:
        echo_json(rows)
        return
    for row in rows:
        click.echo(f"{row['name']:16}{row['summary']} ({row['distribution']})")
    if not rows:
        click.echo("No image backend is installed.", err=True)


@vis_command.command("weights")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("-k", "--keyword", "keywords", multiple=True, required=True, help="Repeat it.")
@click.option(
    "--weighting",
    type=click.Choice(["softmax", "similarity", "raw"]),
    default="softmax",
    show_default=True,
)
@click.option("--temperature", type=float, default=0.05, show_default=True, help="Of the softmax.")
@model_option
@json_option
def show_weights(
    file: Path,
    keywords: tuple[str, ...],
    weighting: str,
    temperature: float,
    model_name: str,
    device: str,
    precision: str,
    as_json: bool,
) -> None:
    """Weights with which keywords would mix into the picture of FILE."""
    from timbreclip_core import load_model

    from .keywords import keyword_weights

    model = load_model(model_name, device=device, precision=precision)
    vector = model.embed_file(file)
    row = keyword_weights(model, vector, keywords, weighting=weighting, temperature=temperature)[
        0
    ].tolist()
    pairs = sorted(zip(keywords, row, strict=True), key=lambda pair: -pair[1])
    if as_json:
        echo_json({"file": str(file), "model": model.id, "weights": dict(pairs)})
        return
    for keyword, weight in pairs:
        click.echo(f"{keyword:24}{weight:7.3f}")
