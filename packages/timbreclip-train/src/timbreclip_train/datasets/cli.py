"""Verbs of ``tclip data`` about datasets: list, info, validate, stats, cite, sample, download."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from timbreclip_core.cli.options import echo_json, json_option
from timbreclip_core.plugins import plugin_manager

from ..entries import DatasetEntry
from .opening import default_root, find_entry, open_dataset

if TYPE_CHECKING:
    from .base import Note, NoteDataset

root_option = click.option(
    "--root",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of the dataset; else NAME below TCLIP_DATASETS or the user's data folder.",
)


@click.command("list")
@json_option
def list_datasets(as_json: bool) -> None:
    """Datasets of all plugins, with licence and size."""
    rows = [_row(r.entry, r.distribution) for r in plugin_manager().entries(DatasetEntry)]
    if as_json:
        echo_json(rows)
        return
    for row in rows:
        here = f"\n            in {row['root']}" if row["here"] else ""
        size = f", {row['size']}" if row["size"] else ""
        click.echo(f"{row['name']:12}{row['summary']}\n            {row['licence']}{size}{here}")


@click.command("info")
@click.argument("name")
@json_option
def show_info(name: str, as_json: bool) -> None:
    """Licence, size, citation and source of NAME, and what can be downloaded."""
    found = {r.entry.name: r for r in plugin_manager().entries(DatasetEntry)}
    row = _row(find_entry(name), found[name].distribution)
    if as_json:
        echo_json(row)
        return
    for key in ("name", "summary", "licence", "size", "source", "root", "distribution"):
        click.echo(f"{key:14}{row[key] or '-'}")
    for archive in row["archives"]:
        click.echo(f"{'download':14}{archive['part']}: {archive['urls'][0]}")
        click.echo(f"{'':14}checksum: {archive['checksum'] or 'none published'}")
    click.echo(f"\n{row['citation']}" if row["citation"] else "", nl=bool(row["citation"]))


@click.command("validate")
@click.argument("name")
@root_option
@click.option("--decode", is_flag=True, help="Decode every note: slower, finds damage inside.")
@json_option
@click.pass_context
def validate(ctx: click.Context, name: str, root: Path | None, decode: bool, as_json: bool) -> None:
    """List everything that is wrong with NAME on this disk; status 1 if anything is."""
    from tqdm import tqdm

    dataset = open_dataset(name, root)
    progress = partial(tqdm, unit="note", disable=None, leave=False)
    problems = []
    for problem in dataset.validate(decode=decode, progress=progress):
        problems.append(problem)
        if not as_json:
            click.echo(str(problem))
    if as_json:
        echo_json(
            {"name": name, "root": str(dataset.root), "problems": list(map(asdict, problems))}
        )
    else:
        click.echo(f"{len(problems)} problems in {dataset.root}", err=True)
    ctx.exit(1 if problems else 0)


@click.command("stats")
@click.argument("name")
@root_option
@click.option("--seconds", is_flag=True, help="Also the length of all notes: opens every file.")
@json_option
def show_stats(name: str, root: Path | None, seconds: bool, as_json: bool) -> None:
    """Notes, patches, splits, pitches, velocities and texts of NAME."""
    stats = open_dataset(name, root).stats(seconds=seconds)
    if as_json:
        echo_json(asdict(stats))
        return
    click.echo(f"{stats.notes} notes of {stats.patches} patches")
    for split, counts in stats.splits.items():
        click.echo(f"  {split:12}{counts['notes']} notes of {counts['patches']} patches")
    for what, values in (("pitches", stats.pitches), ("velocities", stats.velocities)):
        if values:
            click.echo(f"{len(values)} {what}, {min(values)} to {max(values)}")
    for kind, counts in stats.texts.items():
        click.echo(f"  {kind:12}{counts['different']} different, on {counts['notes']} notes")
    if stats.seconds is not None:
        click.echo(f"{stats.seconds / 3600:.2f} hours")


@click.command("cite")
@click.argument("name")
def cite(name: str) -> None:
    """Whom to name when using NAME, and under which licence it is."""
    entry = find_entry(name)
    click.echo(entry.citation or f"{entry.name}: nobody asks to be cited.")
    click.echo(f"Licence: {entry.licence}")


@click.command("sample")
@click.argument("name")
@root_option
@click.option("-n", "--count", type=click.IntRange(1), default=5, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--split", help="train, valid, test or none; all if not given.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the notes there as WAV files.")
@json_option
def sample(
    name: str,
    root: Path | None,
    count: int,
    seed: int,
    split: str | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Show notes of NAME, each of another patch where there are enough, drawn by a seed."""
    dataset = open_dataset(name, root)
    rows = [_note_row(dataset, note) for note in draw(dataset, count, seed, split)]
    if out is not None:
        for row in rows:
            row["written"] = str(_write(dataset, row["id"], out))
    if as_json:
        echo_json(rows)
        return
    for row in rows:
        said = "; ".join(f"{kind}: {', '.join(texts)}" for kind, texts in row["text"].items())
        click.echo(f"{row['id']}  pitch {row['pitch']}, velocity {row['velocity']}, {row['split']}")
        click.echo(f"    {said or 'no text'}")


@click.command("download")
@click.argument("name")
@root_option
@click.option("--part", "parts", multiple=True, help="Only this part; may be repeated.")
@click.option("--keep", is_flag=True, help="Keep the archives after unpacking.")
def download(name: str, root: Path | None, parts: tuple[str, ...], keep: bool) -> None:
    """Fetch NAME and unpack it, where its licence allows; goes on where it was stopped."""
    from .getting import chosen_archives, get_dataset

    entry = find_entry(name)
    archives = chosen_archives(entry, parts)
    folder = root or default_root(name)
    click.echo(f"{name}: {entry.licence}, {entry.size or 'size unknown'}, to {folder}", err=True)
    with _Bars() as bars:
        for file, names in get_dataset(archives, folder, keep=keep, progress=bars.show):
            click.echo(f"{file}: {', '.join(str(folder / n) for n in names)}")


@click.command("cache")
@click.argument("name")
@click.argument("folder", type=click.Path(path_type=Path))
@root_option
@click.option("--rate", type=int, help="Hz.  [default: 32000]")
@click.option("--channels", type=click.IntRange(1, 2), help="1 mixes to mono.  [default: 2]")
@click.option("--seconds", type=float, help="What is longer is cut.  [default: 4]")
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True)
def cache(name: str, folder: Path, root: Path | None, jobs: int, **given: Any) -> None:
    """Decode the notes of NAME once into FOLDER, for training; goes on where it was stopped.

    Run again it checks every shard, and redoes those that are damaged or of changed files.
    """
    from tqdm import tqdm

    from ..cache import CacheSettings, build_cache

    dataset = open_dataset(name, root)
    names = {"rate": "sample_rate"}
    chosen = {names.get(k, k): v for k, v in given.items() if v is not None}
    new = failed = 0
    with tqdm(total=len(dataset), unit="note", disable=None) as bar:
        for step in build_cache(dataset, folder, CacheSettings(**chosen), jobs=jobs):
            bar.update(step.notes)
            new += not step.kept
            failed += len(step.failed)
            for line in filter(None, [step.damage, *(f"{n}: {why}" for n, why in step.failed)]):
                click.echo(line, err=True)
    click.echo(f"{len(dataset) - failed} notes in {folder}, {new} shards new, {failed} left out.")


VERBS = (list_datasets, show_info, validate, show_stats, cite, sample, download, cache)


def draw(dataset: NoteDataset, count: int, seed: int, split: str | None = None) -> list[Note]:
    """Notes at random: patches first, then a note of each; more than one only if there are few.

    Raises:
        InputError: The split is empty or none.
    """
    import random

    from timbreclip_core.errors import InputError

    chosen = random.Random(seed)
    notes = dataset.notes if split is None else dataset.in_split(split)
    if not notes:
        raise InputError(f"{dataset.root} has no notes in the split {split!r}.")
    groups: dict[str, list[Note]] = {}
    for note in notes:
        groups.setdefault(note.patch, []).append(note)
    queues = [chosen.sample(g, len(g)) for g in chosen.sample(list(groups.values()), len(groups))]
    longest = max(map(len, queues))
    drawn = (queue[turn] for turn in range(longest) for queue in queues if turn < len(queue))
    return [note for note, _ in zip(drawn, range(count), strict=False)]


def _row(entry: DatasetEntry, distribution: str) -> dict[str, Any]:
    root = default_root(entry.name)
    return {
        "name": entry.name,
        "summary": entry.summary,
        "licence": entry.licence,
        "size": entry.size,
        "source": entry.source,
        "citation": entry.citation,
        "archives": [asdict(archive) for archive in entry.archives],
        "root": str(root),
        "here": root.is_dir(),
        "distribution": distribution,
    }


def _note_row(dataset: NoteDataset, note: Note) -> dict[str, Any]:
    path = None if note.audio is None else str(dataset.path(note))
    return {**asdict(note), "text": {k: list(v) for k, v in note.text.items()}, "path": path}


def _write(dataset: NoteDataset, note_id: str, out: Path) -> Path:
    import re

    import soundfile

    from timbreclip_core.files import atomic_path

    note = next(n for n in dataset.notes if n.id == note_id)
    samples, rate = dataset.read(note)
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{re.sub(r'[^A-Za-z0-9._-]+', '_', note_id)}.wav"
    with atomic_path(path) as temporary:
        soundfile.write(temporary, samples.T, rate, subtype="FLOAT")
    return path


class _Bars:
    """One progress bar a file, on stderr."""

    def __enter__(self) -> _Bars:
        self._bar: Any = None
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def show(self, file: str, here: int, total: int | None) -> None:
        from tqdm import tqdm

        if self._bar is None or self._bar.desc != file:
            self.__exit__()
            self._bar = tqdm(desc=file, total=total, unit="B", unit_scale=True, disable=None)
        self._bar.update(here - self._bar.n)
