"""``tclip eval suite``: the whole bar table by one command."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import click

from timbreclip_core.cli.options import echo_json, json_option, model_option

from .options import data_options, hear_options


@click.command("suite")
@data_options
@click.option(
    "-o", "--out", required=True, type=click.Path(path_type=Path), help="Folder for the tables."
)
@click.option(
    "--sounds",
    type=click.IntRange(0),
    default=10,
    show_default=True,
    help="For the EQ; 0 leaves it out.",
)
@click.option("--words", type=click.IntRange(1), help="For the EQ, draw so many words, not all.")
@click.option("--copies", type=click.IntRange(1), default=1000, show_default=True)
@model_option
@json_option
def suite_command(
    out: Path, sounds: int, words: int | None, copies: int, as_json: bool, **rest: Any
) -> None:
    """Every measure that has a bar, from vectors computed once: suite.md and suite.json.

    For models that are finished: never choose between models by the test split.
    """
    from .bars import markdown
    from .suite import Suite, SuiteConfig, run_suite

    start = time.perf_counter()
    asked = hear_options(rest)
    embedded = time.perf_counter() - start
    config = SuiteConfig(
        sounds=sounds, words=words, copies=copies, cache=asked.cache, jobs=asked.jobs
    )
    suite = Suite(asked.dataset, asked.heard, asked.model, config)
    record = {"dataset": rest["dataset_name"], "split": rest["split"]}
    record |= run_suite(suite, lambda name: click.echo(name, err=True))
    record["seconds"] = {"embedding": embedded, **record["seconds"]}
    _write(out, "suite.json", json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    _write(out, "suite.md", markdown(record))
    if as_json:
        echo_json(record)
    else:
        click.echo(markdown(record), nl=False)


def _write(folder: Path, name: str, text: str) -> None:
    from timbreclip_core.files import atomic_path

    folder.mkdir(parents=True, exist_ok=True)
    with atomic_path(folder / name) as temporary:
        temporary.write_text(text, "utf-8")
