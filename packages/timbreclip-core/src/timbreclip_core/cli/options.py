"""Options that several commands, of all packages, share."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def model_option(command: F) -> F:
    """Adds --model, --device and --precision: ``model_name``, ``device``, ``precision``."""
    for option in (
        click.option(
            "--precision",
            type=click.Choice(["float32", "bfloat16", "auto"]),
            default="float32",
            show_default=True,
            help="bfloat16 is quicker on GPUs and processors with AMX, its vectors differ by about "
            "1e-3; auto is the quicker one here.",
        ),
        click.option(
            "--device",
            default="cpu",
            show_default=True,
            help="As torch names it; or openvino, the processor through OpenVINO.",
        ),
        click.option(
            "-m",
            "--model",
            "model_name",
            default="small",
            show_default=True,
            metavar="NAME|PATH|NAME=PATH",
            help="A model of `tclip models`, a model folder, or a model and its weights.",
        ),
    ):
        command = option(command)
    return command


def json_option(command: F) -> F:
    """Adds --json: ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def target_options(command: F) -> F:
    """Adds -p/--prompt, --like and --source-weight: ``prompts``, ``likes``, ``source_weight``."""
    for option in (
        click.option(
            "--source-weight",
            type=float,
            default=0.0,
            show_default=True,
            help="How much the sound should stay itself.",
        ),
        click.option(
            "--like",
            "likes",
            multiple=True,
            metavar="FILE[:WEIGHT]",
            help="A sound to be like; may be repeated.",
        ),
        click.option(
            "-p",
            "--prompt",
            "prompts",
            multiple=True,
            metavar="TEXT[:WEIGHT]",
            help='What it should be, as "warm" or "harsh:-0.5"; may be repeated.',
        ),
    ):
        command = option(command)
    return command


def echo_json(value: Any) -> None:
    """Print one JSON document to stdout."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))
