"""``tclip data describe``."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from timbreclip_core.cli.options import echo_json, json_option

from ..datasets.cli import root_option
from ..datasets.opening import open_dataset

if TYPE_CHECKING:
    from ..datasets.base import NoteDataset
    from .checking import Agreement
    from .corpus import Described

PER_PATCH = 4


@click.command("describe")
@click.argument("name")
@root_option
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the descriptors.  [default: descriptors in the dataset's]",
)
@click.option(
    "--per-patch",
    type=click.IntRange(0),
    default=PER_PATCH,
    show_default=True,
    help="At most so many notes of each patch, spread over pitch and velocity; 0 for all.",
)
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Processes.")
@click.option(
    "--reference",
    type=click.Path(dir_okay=False, path_type=Path),
    help="What is usual, from another dataset's reference.json; else from the training notes.",
)
@click.option("--check", is_flag=True, help="Compare with the exact labels of the source synth.")
@json_option
def describe(
    name: str,
    root: Path | None,
    out: Path | None,
    per_patch: int,
    jobs: int,
    reference: Path | None,
    check: bool,
    as_json: bool,
) -> None:
    """Measure the notes of NAME, and say in words what each patch is, relative to the corpus.

    Goes on where it was stopped, and measures again only what changed. The dataset `rendered`
    then gives each patch these words as qualities.
    """
    from .checking import check_on_synth
    from .corpus import put_into_words
    from .describing import FOLDER
    from .reference import Reference

    usual = None if reference is None else Reference.load(reference)
    dataset = open_dataset(name, root)
    folder = out or dataset.root / FOLDER
    _measure(dataset, folder, per_patch, jobs)
    described = put_into_words(dataset, folder, usual)
    if check:
        found = check_on_synth(described)
        echo_json([_without_nan(asdict(row)) for row in found]) if as_json else _show_check(found)
    elif as_json:
        echo_json(_facts(described, folder))
    else:
        _show(described, folder)


def _measure(dataset: NoteDataset, folder: Path, per_patch: int, jobs: int) -> None:
    from tqdm import tqdm

    from .describing import describe_notes, pick_notes

    notes = pick_notes(dataset, per_patch)
    with tqdm(total=len(notes), unit="note", disable=None) as bar:
        for step in describe_notes(dataset, notes, folder, jobs):
            if bar.n == 0:
                bar.initial = step.done
            bar.update(step.done - bar.n)
            for note, why in step.failed:
                bar.write(f"{note} is left out: {why}", file=bar.fp)


def _facts(described: Described, folder: Path) -> dict[str, Any]:
    from .attributes import attributes

    shares = described.shares
    rows = [
        {
            "name": a.name,
            "label": a.label,
            "share": shares[a.name],
            "thresholds": described.reference.thresholds(a),
        }
        for a in attributes()
    ]
    return {
        "folder": str(folder),
        "notes": len(described.notes),
        "patches": len(described.patches),
        "fitted_to": described.reference.notes,
        "attributes": rows,
    }


def _show(described: Described, folder: Path) -> None:
    facts = _facts(described, folder)
    click.echo("attribute         patches  holds from (relative ones: for C4)")
    for row in facts["attributes"]:
        said = ", ".join(map(_in_units, row["thresholds"]))
        click.echo(f"{row['name']:16} {100 * row['share']:7.1f}%  {said}")
    click.echo(
        f"{facts['notes']} notes of {facts['patches']} patches in {folder}; what is usual comes "
        f"from {facts['fitted_to']} notes"
    )


def _in_units(threshold: dict[str, Any]) -> str:
    values = threshold["at"]
    value = values.get("C4", values.get("any pitch"))
    name, side = threshold["descriptor"], threshold["side"]
    if name == "centroid_octaves":
        return f"centroid {side} {1000 * 2**value:.0f} Hz"
    if name == "log_attack_time":
        return f"attack {side} {1000 * 10**value:.0f} ms"
    return f"{name} {side} {value:.3g}"


def _show_check(found: list[Agreement]) -> None:
    click.echo("attribute         patches tagged    AUC  precision recall unclear  tags")
    for row in found:
        precision = "-" if math.isnan(row.precision) else f"{row.precision:.2f}"
        click.echo(
            f"{row.name:16} {row.patches:8} {row.tagged:6.2f} {row.auc:6.3f} {precision:>10} "
            f"{row.recall:6.2f} {row.unclear:7.2f}  {', '.join(row.tags)}"
        )


def _without_nan(row: dict[str, Any]) -> dict[str, Any]:
    """JSON has no NaN."""
    return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in row.items()}


VERBS = (describe,)
