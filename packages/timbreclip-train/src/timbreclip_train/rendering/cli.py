"""``tclip data render`` and ``tclip data sources``."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from timbreclip_core.cli.options import echo_json, json_option
from timbreclip_core.errors import TimbreClipError, UsageError
from timbreclip_core.plugins import plugin_manager

from ..entries import RendererEntry
from .base import MissingSynthError, NotePlan
from .registry import load_renderer

if TYPE_CHECKING:
    from .driver import Summary
    from .storage import Settings

ALL = "all"


class Numbers(click.ParamType):
    """Whole numbers separated by commas, each in a range."""

    name = "numbers"

    def __init__(self, low: int, high: int) -> None:
        self._low, self._high = low, high

    def convert(self, value: object, param: object, ctx: object) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        try:
            found = tuple(int(part) for part in str(value).split(","))
        except ValueError:
            found = ()
        if not found or not all(self._low <= n <= self._high for n in found):
            self.fail(f"{value!r} must be numbers from {self._low} to {self._high}, as 60,72")
        return found


def _note_options(command: click.decorators.FC) -> click.decorators.FC:
    rates = click.IntRange(8_000, 192_000)
    for option in (
        click.option("--stored-rate", type=rates, help="Of the files, Hz.  [default: 32000]"),
        click.option("--rate", type=rates, help="Of the synthesiser, Hz.  [default: 44100]"),
        click.option("--release", type=click.FloatRange(0, 60), help="Seconds after note-off."),
        click.option(
            "--hold", type=click.FloatRange(0, 60, min_open=True), help="Seconds to note-off."
        ),
        click.option("--velocity", type=Numbers(1, 127), help="Of all notes; several as 100,50."),
        click.option("--per-patch", type=click.IntRange(1, 128), help="How many, evenly spread."),
        click.option("--notes", type=Numbers(0, 127), help="These MIDI pitches, as 24,36,48."),
    ):
        command = option(command)
    return command


@click.command("render")
@click.argument("source")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True)
@_note_options
@click.option("--jobs", type=click.IntRange(1), help="Processes.  [default: one a processor]")
@click.option("--limit", type=click.IntRange(1), help="Only so many presets, evenly spread.")
@click.option("--retry-failed", is_flag=True, help="Try presets that failed before again.")
@click.option("--set", "changes", multiple=True, metavar="NAME=VALUE", help="Option of the source.")
@json_option
@click.pass_context
def render(
    ctx: click.Context,
    source: str,
    out: Path,
    jobs: int | None,
    limit: int | None,
    changes: tuple[str, ...],
    as_json: bool,
    **options: Any,
) -> None:
    """Render the presets of SOURCE, or of `all` sources, into OUT/SOURCE.

    Kill it at any time and run the same command again: it goes on where it was, and the files end
    up the same. Silent and failing presets are left out and listed in silent.jsonl and
    failed.jsonl. `tclip data sources` shows the sources and what each needs.
    """
    jobs = jobs or _processors()
    amount = {"jobs": jobs, "limit": limit, "retry_failed": options.pop("retry_failed")}
    summaries, complete = _render_each(
        _names(source), out, _settings(options), amount, _options(changes)
    )
    if as_json:
        echo_json([asdict(s) for s in summaries])
    else:
        click.echo(_table(summaries))
    ctx.exit(0 if complete else 1)


def _processors() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _settings(options: dict[str, Any]) -> Settings:
    """Settings with what the user gave; all others keep their default."""
    from .storage import Settings

    if options["notes"] and options["per_patch"]:
        raise UsageError("Give --notes or --per-patch, not both.")
    plan = {
        "pitches": options["notes"],
        "per_patch": options["per_patch"],
        "velocities": options["velocity"],
        "drum_velocities": options["velocity"],
        "hold_s": options["hold"],
        "release_s": options["release"],
    }
    rates = {"sample_rate": options["rate"], "stored_rate": options["stored_rate"]}
    return Settings(plan=NotePlan(**_without_none(plan)), **_without_none(rates))


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _options(changes: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for change in changes:
        name, equals, value = change.partition("=")
        if not (equals and name):
            raise UsageError(f"Write an option as NAME=VALUE, not {change!r}.")
        found[name.strip()] = value.strip()
    return found


def _names(source: str) -> list[str]:
    if source != ALL:
        return [plugin_manager().find(RendererEntry, source).name]
    return [r.entry.name for r in plugin_manager().entries(RendererEntry)]


def _render_each(
    names: list[str],
    out: Path,
    settings: Settings,
    amount: dict[str, Any],
    options: dict[str, str],
) -> tuple[list[Summary], bool]:
    """Render source by source; one that is missing or fails does not stop the others."""
    from tqdm import tqdm

    from .driver import render_source

    summaries, complete = [], True
    for name in names:
        load = partial(load_renderer, name, options)
        with tqdm(desc=name, unit="preset") as bar:

            def show(done: int, total: int, bar: tqdm = bar) -> None:
                bar.total = total
                if bar.n == 0:
                    bar.initial = done
                bar.update(done - bar.n)

            try:
                summaries.append(
                    render_source(name, load, out / name, settings, on_presets=show, **amount)
                )
            except TimbreClipError as error:
                if len(names) == 1:
                    raise
                complete = False
                bar.write(f"{name} is left out: {error}", file=bar.fp)
    return summaries, complete and all(s.audible for s in summaries)


def _table(summaries: Iterable[Summary]) -> str:
    lines = ["source       presets  audible  silent  failed    notes       MB   time"]
    for s in summaries:
        minutes, seconds = divmod(round(s.seconds), 60)
        lines.append(
            f"{s.source:12} {s.presets:7} {s.audible:8} {s.silent:7} {s.failed:7} {s.notes:8} "
            f"{s.bytes / 1e6:8.0f} {minutes:3}:{seconds:02}"
        )
    return "\n".join(lines)


@click.command("sources")
@json_option
def sources(as_json: bool) -> None:
    """What `tclip data render` can play, with licence, and what is missing for it here."""
    rows = []
    for found in plugin_manager().entries(RendererEntry):
        entry = found.entry
        try:
            entry.load({}).check()
            missing = ""
        except MissingSynthError as error:
            missing = str(error)
        rows.append(
            {
                "name": entry.name,
                "summary": entry.summary,
                "licence": entry.licence,
                "needs": list(entry.needs),
                "missing": missing,
                "distribution": found.distribution,
            }
        )
    if as_json:
        echo_json(rows)
        return
    for row in rows:
        click.echo(f"{row['name']:13}{row['summary']}\n{'':13}{row['licence']}")
        if row["missing"]:
            click.echo(f"{'':13}{row['missing']}")


VERBS = (render, sources)
