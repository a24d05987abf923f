"""``tclip eval``: retrieval, zero-shot, pitch, comparison; the other verbs are gathered here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from timbreclip_core.cli.options import echo_json, json_option, model_option
from timbreclip_core.errors import InputError, UsageError

from .cli_suite import suite_command
from .cli_words import COMMANDS as WORD_COMMANDS
from .options import data_options, hear_options


@click.command("retrieval")
@data_options
@click.option(
    "--kind", "kinds", multiple=True, help="Kind of text, or several as title+category; repeat it."
)
@click.option("--pooling", type=click.Choice(["min", "mean", "centroid"]), default="min")
@click.option("--templates", "template_set", default="none", show_default=True)
@click.option("--paper-compat", is_flag=True, help="R@(K+1) and labels as in the paper's table 1.")
@click.option("--format", "style", type=click.Choice(["text", "markdown", "latex"]), default="text")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Also write the JSON here.")
@click.option("--ranks", type=click.Path(path_type=Path), help="Measures by query: .parquet, .csv.")
@model_option
@json_option
def retrieval_command(**options: Any) -> None:
    """Text to patch and audio to text, beside random and perfect rows (the paper's table 1)."""
    from timbreclip_core.files import atomic_path

    from .report import as_table
    from .run import KINDS, RetrievalConfig, evaluate, write_ranks

    config = RetrievalConfig(
        kinds=options["kinds"] or KINDS,
        pooling=options["pooling"],
        template_set=options["template_set"],
        paper_compat=options["paper_compat"],
    )
    asked = hear_options(options)
    result = evaluate(
        asked.heard, asked.model, config, progress=lambda text: click.echo(text, err=True)
    )
    record = {"dataset": options["dataset_name"], "split": options["split"], **result.as_record()}
    if options["out"]:
        with atomic_path(options["out"]) as temporary:
            temporary.write_text(json.dumps(record) + "\n", "utf-8")
    if options["ranks"]:
        write_ranks(result, options["ranks"])
    if options["as_json"]:
        echo_json(record)
    else:
        click.echo(as_table(result.blocks, options["style"]))


@click.command("zeroshot")
@data_options
@click.option(
    "--kind", default="category", show_default=True, help="Kind of text that is guessed, or drum."
)
@click.option("--templates", "template_set", default="instrument", show_default=True)
@click.option(
    "--wordings",
    type=click.Choice(["label", "training", "held-out"]),
    default="label",
    show_default=True,
    help="What stands for a class: its label, the ways to say it that training uses, or others.",
)
@click.option(
    "--per",
    type=click.Choice(["patch", "closest", "note"]),
    default="patch",
    show_default=True,
    help="Guess for a patch by its mean or its closest note, or for every note.",
)
@click.option(
    "--calibrated",
    is_flag=True,
    help="Set each class's score against that of the model's reference sounds.",
)
@click.option("--plot", type=click.Path(path_type=Path), help="Draw the confusion matrix: .png.")
@model_option
@json_option
def zeroshot_command(kind: str, template_set: str, plot: Path | None, **rest: Any) -> None:
    """Guess the family, source or category of sounds from words alone."""
    from .labels import guess_labels, label_of
    from .zeroshot import draw_confusion

    asked = hear_options(rest)
    how = {name: rest[name] for name in ("per", "wordings", "calibrated")}
    guesses = guess_labels(asked.heard, asked.model, label_of(kind), template_set, **how)
    if plot:
        draw_confusion(guesses.result, plot, f"{kind}, {asked.model.id}")
    record = {"model": asked.model.id, "kind": kind, **how, **guesses.as_record()}
    if rest["as_json"]:
        echo_json(record)
    else:
        click.echo(_guess_lines(record))


def _guess_lines(record: dict[str, Any]) -> str:
    shown = []
    for name, title in (("accuracy", "accuracy"), ("balanced_accuracy", "balanced")):
        low, high = record["intervals"][name]
        shown.append(f"{title} {record[name]:.1%} [{low:.1%}, {high:.1%}]")
    plural = "notes" if record["per"] == "note" else "patches"
    count = len(record["classes"])
    chance = f"chance {1 / count:.1%}"
    lines = [f"{', '.join(shown)} over {count} classes, {record['items']} {plural} ({chance})"]
    lines += [f"left out: {name}: {reason}" for name, reason in record["refused"].items()]
    return "\n".join(lines)


@click.command("pitch")
@data_options
@model_option
@json_option
def pitch_command(**options: Any) -> None:
    """Does a note find its patch at other pitches, and is the pitch in the vector?

    Beside the model's vectors, statistics of MFCC as a baseline.
    """
    from .pitch import mfcc_store, pitch_robustness

    asked = hear_options(options)
    store = mfcc_store(asked.cache)
    rows = pitch_robustness(asked.heard, asked.dataset, store=store, jobs=asked.jobs)
    if options["as_json"]:
        echo_json({"model": asked.model.id, "rows": rows})
        return
    for row in rows:
        parts = [f"{d} oct R@10 {100 * r['recall@10']:.1f}" for d, r in row["recall"].items()]
        parts.append(f"pitch probe R2 {row['probe_r2']:.2f}")
        parts.append(f"error {row['probe_error_semitones']:.1f} semitones")
        click.echo(f"{row['vectors']:10}" + ", ".join(parts))


@click.command("compare")
@click.argument("first", type=click.Path(path_type=Path))
@click.argument("second", type=click.Path(path_type=Path))
@json_option
def compare_command(first: Path, second: Path, as_json: bool) -> None:
    """SECOND against FIRST, two files of `tclip eval retrieval --out`, by paired bootstrap."""
    rows = compare_records(*(_read_record(path) for path in (first, second)))
    if as_json:
        echo_json(rows)
        return
    for row in rows:
        click.echo(
            f"{row['kind']}, {row['direction']}: first rank {row['difference']:+.2f} "
            f"[{row['low']:+.2f}, {row['high']:+.2f}], p {row['p']:.3g}, {row['queries']} queries"
        )


def _read_record(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is no report of tclip eval retrieval: {error}") from error
    if "ranks" not in record:
        raise InputError(f"{path} is no report of tclip eval retrieval --out.")
    return record


def compare_records(first: dict[str, Any], second: dict[str, Any]) -> list[dict[str, Any]]:
    """Paired differences of the rank of the first relevant document.

    Raises:
        UsageError: The two reports share no queries.
    """
    import numpy as np

    from .ranking import paired_difference

    rows = []
    others = {(b["kind"], b["direction"]): b for b in second["ranks"]}
    for block in first["ranks"]:
        other = others.get((block["kind"], block["direction"]))
        if other is None or other["queries"] != block["queries"]:
            continue
        gap, p = paired_difference(np.array(block["first"]), np.array(other["first"]))
        place = {"kind": block["kind"], "direction": block["direction"]}
        estimate = {"difference": gap.mean, "low": gap.low, "high": gap.high, "p": p}
        rows.append({**place, **estimate, "queries": len(block["queries"])})
    if not rows:
        raise UsageError("The two reports have no block with the same queries.")
    return rows


COMMANDS = (
    retrieval_command,
    zeroshot_command,
    *WORD_COMMANDS,
    pitch_command,
    compare_command,
    suite_command,
)
