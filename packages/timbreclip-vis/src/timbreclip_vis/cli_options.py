"""Options that the verbs of ``tclip vis`` share, and what they build."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from timbreclip_core.errors import UsageError
from timbreclip_core.templates import template_names

if TYPE_CHECKING:
    from .entries import ImageBackendEntry
    from .painter import Painter
    from .scheme import Scheme

F = TypeVar("F", bound=Callable[..., Any])
PATH = click.Path(path_type=Path)
WEIGHTINGS = ("softmax", "similarity", "raw")  # of keywords.WEIGHTINGS, without torch


def weight_options(command: F) -> F:
    """Adds what decides the weights: ``keywords``, ``keyword_set``, ``weighting`` ..."""
    for option in (
        click.option(
            "--sentences",
            type=click.Choice(template_names()),
            default="sound",
            show_default=True,
            help="Sentences around a keyword when it is compared with a sound; none: the paper's.",
        ),
        click.option("--top-k", type=int, help="Only the closest so many keywords take part."),
        click.option(
            "--temperature", type=float, default=0.05, show_default=True, help="Of the softmax."
        ),
        click.option(
            "--weighting",
            type=click.Choice(WEIGHTINGS),
            help="From closeness to weights; raw: the paper's formula as it is. "
            "Default: softmax; with the backend glyph, similarity for sounds, raw for changes.",
        ),
        click.option(
            "--keywords",
            "keyword_set",
            metavar="SET|FILE",
            help="A set of `tclip vis keywords`, or a text file with one a line.",
        ),
        click.option("-k", "--keyword", "keywords", multiple=True, help="May be repeated."),
    ):
        command = option(command)
    return command


def picture_options(command: F) -> F:
    """Adds what makes the picture: ``template``, ``mixing``, ``backend``, ``settings`` ..."""
    for option in (
        click.option("--seed", type=int, default=0, show_default=True, help="Of the pictures."),
        click.option(
            "-O",
            "--option",
            "settings",
            multiple=True,
            metavar="NAME=VALUE",
            help="Of the backend, as `tclip vis list` shows.",
        ),
        click.option(
            "-b",
            "--backend",
            default="glyph",
            show_default=True,
            metavar="NAME",
            help="A backend of `tclip vis list`.",
        ),
        click.option(
            "--mixing",
            type=click.Choice(["linear", "slerp"]),
            default="linear",
            show_default=True,
            help="How prompts are averaged.",
        ),
        click.option(
            "--template",
            metavar="NAME|TEXT",
            help="A template of `tclip vis keywords`, or a text with {keyword} in it.",
        ),
    ):
        command = option(command)
    return command


def make_painter(options: dict[str, Any], *, of_changes: bool = False) -> Painter:
    """What the options ask for; wrong ones fail before a model is loaded.

    Args:
        options: Of ``weight_options``, ``picture_options`` and core's ``model_option``.
        of_changes: It will draw changes of sounds: by default, by adjectives.
    """
    from timbreclip_core.model import load_model

    from .entries import find_backend, load_backend
    from .painter import Painter
    from .wordsets import template_of

    entry = find_backend(options["backend"])
    usual = "paper-effects" if of_changes and entry.template != "plain" else entry.template
    scheme = make_scheme(
        {**options, "weighting": options["weighting"] or _weighting(entry, of_changes)},
        keyword_set="adjectives" if of_changes else entry.keywords,
        template=template_of(options["template"] or usual),
    )
    backend = load_backend(
        options["backend"], dict(_pair(s) for s in options["settings"]), options["device"]
    )
    model = load_model(
        options["model_name"], device=options["device"], precision=options["precision"]
    )
    return Painter(model, backend, scheme)


def make_scheme(options: dict[str, Any], *, keyword_set: str, template: str) -> Scheme:
    """The scheme of ``weight_options`` and, where it is among the options, ``mixing``."""
    from .scheme import Scheme
    from .wordsets import keywords_of

    chosen = list(options["keywords"])
    if options["keyword_set"]:
        chosen += keywords_of(options["keyword_set"])
    names = ("weighting", "temperature", "top_k", "mixing", "sentences")
    given = {name: options[name] for name in names if name in options}
    return Scheme(
        keywords=tuple(chosen) or keywords_of(keyword_set),
        template=template,
        **{name: value for name, value in given.items() if value is not None},
    )


def _weighting(entry: ImageBackendEntry, of_changes: bool) -> str:
    return entry.change_weighting if of_changes else entry.weighting


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (equals and name.strip()):
        raise UsageError(f"An option of a backend is NAME=VALUE, not {text!r}.")
    return name.strip(), value.strip()


def report(
    records: Any, total: int, describe: Callable[[dict[str, Any]], str], as_json: bool
) -> None:
    """Print records as they come, failures to stderr; exit 1 if one failed."""
    from tqdm import tqdm

    from timbreclip_core.cli.options import echo_json

    done: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    for record in tqdm(records, total=total, unit="picture", disable=None):
        (failed if "error" in record else done).append(record)
        if not as_json and "error" not in record:
            click.echo(describe(record))
    if as_json:
        echo_json({"results": done, "failed": failed})
    for bad in failed:
        click.echo(f"Failed: {bad['file']}: {bad['error']}", err=True)
    if failed:
        click.get_current_context().exit(1)
