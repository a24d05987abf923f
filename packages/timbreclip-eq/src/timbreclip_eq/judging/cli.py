"""``tclip eval eq``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from timbreclip_core.cli.options import echo_json, json_option, model_option
from timbreclip_core.errors import UsageError

from ..cli_options import chosen, name_and_value, search_options

if TYPE_CHECKING:
    from ..base import EQ
    from ..fit import Sound
    from .finding import Judged, Table
    from .scores import Verdict
    from .words import HumanCurve

PATH = click.Path(path_type=Path)


@click.command("eq")
@click.argument("files", nargs=-1, type=PATH)
@click.option(
    "--eq",
    "eq_names",
    multiple=True,
    metavar="NAME[,OPTION=VALUE]",
    help="An EQ of `tclip eq list`; may be repeated. All of them if not given.",
)
@click.option(
    "-w",
    "--word",
    "words",
    multiple=True,
    help="Judge these words only; the pairs of antonyms and synonyms if not given.",
)
@click.option("--no-synonyms", is_flag=True, help="Leave the synonyms out, half of the time.")
@click.option("--human", type=PATH, help="People's word curves, JSON: word, lang, num, settings.")
@click.option("--lang", default="en", show_default=True, help="Language of people's words.")
@click.option(
    "--human-words",
    type=click.IntRange(1),
    default=40,
    show_default=True,
    help="How many of people's words, those with most settings first.",
)
@click.option("-o", "--out", type=PATH, help="Folder for pictures, eq.json, and to go on from.")
@search_options
@model_option
@json_option
def eval_eq(files: tuple[Path, ...], out: Path | None, as_json: bool, **options: Any) -> None:
    """Judge text-driven EQs without a model: do they do what the words say?

    Words are fitted on FILES, or on ten made sounds. Then (1) the descriptor that the timbre
    lexicon gives for a word must move its way; (2) opposite words must give opposite curves, like
    words like ones; (3) with --human, curves are compared with those that people made.
    """
    from . import report

    people = _people(options)
    judged = _judged(files, people, options)
    if out:
        _make(out)
    table = _found(judged, out)
    verdicts = _verdicts(judged, table, people, out)
    record = _record(judged, verdicts)
    if out:
        _write(out / "eq.json", record)
    if as_json:
        echo_json(record)
        return
    click.echo(f"model {judged.model.id}, sounds: {', '.join(judged.sounds)}\n")
    click.echo("\n\n".join(report.text(verdict) for verdict in verdicts))


def _people(options: Mapping[str, Any]) -> dict[str, HumanCurve]:
    from .words import read_human

    if not options["human"]:
        return {}
    return read_human(options["human"], options["lang"])


def _judged(
    files: tuple[Path, ...], people: Mapping[str, HumanCurve], options: Mapping[str, Any]
) -> Judged:
    """What the options ask for; wrong ones fail before the model is loaded."""
    import dataclasses

    from timbreclip_core.model import load_model

    from ..search import SearchConfig
    from .finding import Judged

    eqs = _eqs(options["eq_names"])
    words = _words(people, options)
    sounds = _sounds(files)
    config = dataclasses.replace(SearchConfig(), **chosen(options))
    model = load_model(
        options["model_name"], device=options["device"], precision=options["precision"]
    )
    return Judged(eqs, words, sounds, model, config)


def _eqs(names: tuple[str, ...]) -> dict[str, EQ]:
    from timbreclip_core.plugins import plugin_manager

    from ..entries import EQEntry, load_eq

    names = names or tuple(found.entry.name for found in plugin_manager().entries(EQEntry))
    eqs = {}
    for text in names:
        name, *choices = text.split(",")
        eqs[text] = load_eq(name.strip(), dict(name_and_value(choice) for choice in choices))
    return eqs


def _words(people: Mapping[str, HumanCurve], options: Mapping[str, Any]) -> list[str]:
    from .words import antonym_pairs, synonym_pairs

    words = list(options["words"])
    if not words:
        words = [word for pair in antonym_pairs() for word in pair]
        if not options["no_synonyms"]:
            words += [other for _, other in synonym_pairs()]
        known = sorted(people.values(), key=lambda curve: -curve.people)
        words += [curve.word for curve in known[: options["human_words"]]]
    if not all(word.strip() for word in words):
        raise UsageError("A word must not be empty.")
    return list(dict.fromkeys(words))


def _sounds(files: tuple[Path, ...]) -> dict[str, Sound]:
    from timbreclip_core.batch import sound_files

    from ..fit import Sound
    from ..soundfiles import read_sound
    from .sounds import made_sounds

    if not files:
        return made_sounds()
    contents = {str(path): read_sound(path) for path in sound_files(files)}
    return {name: Sound(c.audio, c.sample_rate) for name, c in contents.items()}


def _make(out: Path) -> None:
    if out.is_file() or not out.absolute().parent.is_dir():
        raise UsageError(f"{out} must be a folder in one that exists.")
    out.mkdir(exist_ok=True)


def _found(judged: Judged, out: Path | None) -> Table:
    from tqdm import tqdm

    from .finding import find_all

    table: Table = {name: {} for name in judged.eqs}
    steps = tqdm(find_all(judged, out), total=judged.steps, unit="word", disable=None)
    for eq, word, found in steps:
        steps.set_description(f"{eq} {word}")
        table[eq][word] = found
    return table


def _verdicts(
    judged: Judged, table: Table, people: Mapping[str, HumanCurve], out: Path | None
) -> list[Verdict]:
    from .scores import judge

    verdicts = [judge(name, found, people) for name, found in table.items()]
    if out:
        from .picture import save_curves

        for verdict in verdicts:
            title = f"{verdict.eq}: {judged.model.id}, {len(judged.sounds)} sounds"
            path = out / f"{verdict.eq.replace('=', '-').replace(',', '-')}.png"
            save_curves(path, verdict, table[verdict.eq], people, title)
            click.echo(f"Picture: {path}", err=True)
    return verdicts


def _record(judged: Judged, verdicts: list[Verdict]) -> dict[str, Any]:
    import dataclasses

    return {
        "model": judged.model.id,
        "sounds": list(judged.sounds),
        "search": dataclasses.asdict(judged.config),
        "eqs": [verdict.as_record() for verdict in verdicts],
    }


def _write(path: Path, record: dict[str, Any]) -> None:
    from timbreclip_core.files import atomic_path

    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
