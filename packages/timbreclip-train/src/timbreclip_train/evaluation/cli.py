"""``tclip eval retrieval | zeroshot | pitch | compare``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from timbreclip_core.cli.options import echo_json, json_option, model_option
from timbreclip_core.errors import InputError, UsageError


def data_options(command: Any) -> Any:
    """Adds --dataset, --root, --split, --pitch and --cache."""
    for option in (
        click.option("--cache", type=click.Path(path_type=Path), help="Where vectors are kept."),
        click.option("--pitch", "pitches", type=int, multiple=True, help="Only these MIDI notes."),
        click.option("--split", default="test", show_default=True, help='A split, or "all".'),
        click.option("--root", type=click.Path(path_type=Path), help="Folder of the dataset."),
        click.option("--dataset", "dataset_name", required=True, help="See `tclip data list`."),
    ):
        command = option(command)
    return command


def _hear(
    dataset_name: str,
    root: Path | None,
    split: str,
    pitches: tuple[int, ...],
    cache: Path | None,
    model_options: tuple[str, str, str],
) -> tuple[Any, Any]:
    from timbreclip_core import load_model

    from ..datasets.opening import open_dataset
    from .hearing import hear
    from .run import choose_notes
    from .store import VectorStore, model_source

    name, device, precision = model_options
    dataset = open_dataset(dataset_name, root)
    notes = choose_notes(dataset, None if split == "all" else split, pitches)
    model = load_model(name, device=device, precision=precision)
    heard = hear(dataset, notes, model, store=VectorStore(model_source(model), cache))
    if heard.failed:
        shown = "; ".join(reason for _, reason in heard.failed[:3])
        click.echo(f"{len(heard.failed)} notes are left out: {shown} ...", err=True)
    return heard, model


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
    heard, model = _hear_options(options)
    result = evaluate(heard, model, config, progress=lambda text: click.echo(text, err=True))
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


def _hear_options(options: dict[str, Any]) -> tuple[Any, Any]:
    return _hear(
        options["dataset_name"],
        options["root"],
        options["split"],
        options["pitches"],
        options["cache"],
        (options["model_name"], options["device"], options["precision"]),
    )


@click.command("zeroshot")
@data_options
@click.option("--kind", default="category", show_default=True, help="Kind of text that is guessed.")
@click.option("--templates", "template_set", default="instrument", show_default=True)
@click.option("--per-note", is_flag=True, help="Guess for every note, not for every patch.")
@click.option("--plot", type=click.Path(path_type=Path), help="Draw the confusion matrix: .png.")
@model_option
@json_option
def zeroshot_command(
    kind: str, template_set: str, per_note: bool, plot: Path | None, **rest: Any
) -> None:
    """Guess the family, source or category of sounds from words alone."""
    from .labels import guess_labels
    from .zeroshot import draw_confusion

    heard, model = _hear_options(rest)
    result = guess_labels(heard, model, kind, template_set, per_note=per_note)
    if plot:
        draw_confusion(result, plot, f"{kind}, {model.id}")
    record = {
        "model": model.id,
        "kind": kind,
        "per": "note" if per_note else "patch",
        "items": int(result.confusion.sum()),
        "classes": list(result.classes),
        "accuracy": result.accuracy,
        "balanced_accuracy": result.balanced_accuracy,
        "confusion": result.confusion.tolist(),
    }
    if rest["as_json"]:
        echo_json(record)
        return
    plural = "notes" if per_note else "patches"
    click.echo(
        f"accuracy {result.accuracy:.1%}, balanced {result.balanced_accuracy:.1%} over "
        f"{len(result.classes)} classes, {record['items']} {plural} "
        f"(chance {1 / len(result.classes):.1%})"
    )


@click.command("pitch")
@data_options
@model_option
@json_option
def pitch_command(**options: Any) -> None:
    """Does a note find its patch at other pitches, and is the pitch in the vector?

    Beside the model's vectors, statistics of MFCC as a baseline.
    """
    from .labels import pitch_robustness

    heard, model = _hear_options(options)
    rows = pitch_robustness(heard, _dataset(options))
    if options["as_json"]:
        echo_json({"model": model.id, "rows": rows})
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


@click.command("attributes")
@data_options
@click.option("--sounds", type=click.IntRange(1), default=10, show_default=True, help="For the EQ.")
@click.option("--words", type=click.IntRange(1), help="Draw so many words for the EQ, not all.")
@click.option("--no-eq", is_flag=True, help="Leave the EQ out; it takes longest.")
@model_option
@json_option
def attributes_command(sounds: int, words: int | None, no_eq: bool, **rest: Any) -> None:
    """Do words mean what the timbre lexicon says?

    Rank correlation of words with their descriptors, tags, and the direction of a 10-band EQ fitted
    to a word; words seen in training and held-out ones apart.
    """
    from .attributes import correlate, eq_directions, measure_notes, summary, tag_scores
    from .store import VectorStore

    heard, model = _hear_options(rest)
    dataset = _dataset(rest)
    measured = measure_notes(dataset, heard.notes, VectorStore("descriptors-1", rest["cache"]))
    scores = {"correlation": correlate(heard.vectors["text"], model, measured)}
    if not no_eq:
        chosen = _spread_sounds(heard, dataset, model, sounds)
        scores["eq"] = eq_directions(model, chosen, limit=words)
    record: dict[str, Any] = {"model": model.id, "notes": len(heard.notes)}
    for name, found in scores.items():
        record[name] = {**summary(found), "words": [vars(s) for s in found]}
    record["tags"] = _tags(heard, model, tag_scores)
    if rest["as_json"]:
        echo_json(record)
    else:
        click.echo(_attribute_lines(record))


def _dataset(options: dict[str, Any]) -> Any:
    from ..datasets.opening import open_dataset

    return open_dataset(options["dataset_name"], options["root"])


def _tags(heard: Any, model: Any, tag_scores: Any) -> dict[str, Any] | None:
    try:
        return tag_scores(heard, model)
    except UsageError as error:
        click.echo(f"Tags are left out: {error}", err=True)
        return None


def _spread_sounds(heard: Any, dataset: Any, model: Any, count: int) -> list[Any]:
    """Mono notes of patches evenly spread over the dataset, at the encoder's rate."""
    import numpy as np
    import torch

    from timbreclip_core import audio as au

    places = np.linspace(0, len(heard.notes) - 1, min(count, len(heard.notes))).round().astype(int)
    found = []
    for i in places:
        samples, rate = dataset.read(heard.notes[i])
        mono = au.resample(au.to_mono(au.as_batch(samples, rate)), rate, model.encoder.sample_rate)
        found.append(torch.as_tensor(mono[0])[: model.encoder.windowing.length])
    return found


def _attribute_lines(record: dict[str, Any]) -> str:
    lines = []
    titles = {"correlation": "rank correlation", "eq": "EQ moves the right way"}
    for name, title in titles.items():
        if name in record:
            r = record[name]
            lines.append(
                f"{title}: {r['seen']:.3f} over {r['seen_words']} words of training, "
                f"{r['held_out']:.3f} over {r['held_out_words']} held-out words"
            )
            shown = {w["word"]: w["value"] for w in r["words"]}
            picked = [
                w for w in ("bright", "dark", "warm", "muffled", "harsh", "thin") if w in shown
            ]
            lines.append("  " + ", ".join(f"{w} {shown[w]:.2f}" for w in picked))
    if tags := record["tags"]:
        lines.append(
            f"tags: AUC {tags['auc']:.3f}, mAP {tags['map']:.3f} (chance {tags['chance_map']:.3f}) "
            f"over {tags['tags']} tags"
        )
    return "\n".join(lines)


COMMANDS = (
    retrieval_command,
    zeroshot_command,
    attributes_command,
    pitch_command,
    compare_command,
)
