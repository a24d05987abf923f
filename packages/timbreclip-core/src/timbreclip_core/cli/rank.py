"""``tclip rank``: which of some words fit a sound best."""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import UsageError
from ..templates import template_names, templates
from .options import echo_json, json_option, model_option


@click.command("rank")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("words", nargs=-1, required=True)
@click.option(
    "--templates",
    "template_set",
    default="sound",
    show_default=True,
    type=click.Choice(template_names()),
    help="Sentences around the words; the mean of their vectors is used.",
)
@click.option("--template", "own", multiple=True, metavar="'a {} sound'", help="Your own sentence.")
@model_option
@json_option
def rank_command(
    file: Path,
    words: tuple[str, ...],
    template_set: str,
    own: tuple[str, ...],
    model_name: str,
    device: str,
    precision: str,
    as_json: bool,
) -> None:
    """Rank WORDS by how well they fit the sound FILE.

    \b
    cosine    of the sound's and the word's vectors; decides the order
    share     of this word among the words you gave, softmax at the model's temperature
    fits      percentage of varied reference sounds that the word fits less well than this
              sound: 50 is a typical sound, 99 a sound the word is made for
    """
    from ..model import load_model
    from ..scores import score_words

    if any("{}" not in template for template in own):
        raise UsageError("A template needs {} where the word goes.")
    model = load_model(model_name, device=device, precision=precision)
    vector = model.embed_file(file)
    scores = score_words(model, vector, words, own or templates(template_set))
    if as_json:
        echo_json({"file": str(file), "model": model.id, "words": scores})
        return
    width = max(len(word) for word in words) + 2
    click.echo(f"{'word':{width}}{'cosine':>8}{'share':>8}{'fits':>8}")
    for s in scores:
        fits = "-" if s["fits_percent"] is None else f"{s['fits_percent']:.0f} %"
        share = f"{100 * s['share']:.0f} %"
        click.echo(f"{s['word']:{width}}{s['cosine']:8.3f}{share:>8}{fits:>8}")
