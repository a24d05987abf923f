"""``tclip vis``: what a sound looks like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click_default_group import DefaultGroup

from timbreclip_core.cli.options import echo_json, json_option, model_option
from timbreclip_core.plugins import plugin_manager

from .cli_figures import effect_command, grid_command, morph_command, timeline_command
from .cli_options import PATH, make_painter, make_scheme, picture_options, report, weight_options
from .entries import ImageBackendEntry

USUAL = ("keywords", "template", "weighting", "change_weighting")  # of an entry, in lists


@click.group("vis", cls=DefaultGroup, default="draw")
def vis_command() -> None:
    """What sounds look like: tclip vis IN.wav -o OUT.png"""


@vis_command.command("draw")
@click.argument("files", nargs=-1, required=True, type=PATH)
@click.option(
    "-o", "--out", type=PATH, help="A .png or .svg, or a folder for many; default: this folder."
)
@click.option(
    "--images",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Pictures of each sound, with the next seeds.",
)
@weight_options
@picture_options
@model_option
@json_option
def draw_files(
    files: tuple[Path, ...], out: Path | None, images: int, as_json: bool, **options: Any
) -> None:
    """Draw each of FILES (and the sounds in folders); the default verb.

    Each picture is a mixture of the prompts of some keywords, weighted by how close the sound is to
    each keyword. The heaviest keywords are printed; the picture's own metadata holds all weights
    and what else it takes to draw it again. Run once more, finished pictures are kept.
    """
    from timbreclip_core.batch import sound_files

    from . import job
    from .record import caption

    sources = sound_files(files)
    tasks = job.plan(sources, out)
    painter = make_painter(options)
    records = job.draw_sounds(painter, tasks, seed=options["seed"], images=images)
    report(
        records,
        len(tasks),
        lambda r: "\n".join(f"{p['picture']}: {caption(p)}" for p in r["pictures"]),
        as_json,
    )


@vis_command.command("difference")
@click.argument("dry", type=PATH)
@click.argument("wet", type=PATH)
@click.option("-o", "--out", required=True, type=PATH, help="A .png or .svg.")
@weight_options
@picture_options
@model_option
@json_option
def draw_difference(dry: Path, wet: Path, out: Path, as_json: bool, **options: Any) -> None:
    """Draw what became of the sound DRY in WET: an effect, a mix, another take.

    The picture is that of a(WET) - a(DRY): keywords count that the sound came closer to, the more,
    the more it changed.
    """
    from . import job
    from .record import caption, check_picture_path

    check_picture_path(out)
    painter = make_painter(options, of_changes=True)
    change = painter.model.embed_file(wet) - painter.model.embed_file(dry)
    subject = job.Subject(change, {"dry": dry.name, "wet": wet.name}, change=True)
    record = job.draw_subject(painter, subject, out, seed=options["seed"])
    if as_json:
        echo_json(record)
    else:
        click.echo(f"{out}: {caption(record)}")


@vis_command.command("show")
@click.argument("picture", type=PATH)
@json_option
def show_picture(picture: Path, as_json: bool) -> None:
    """Print what PICTURE says of itself: its sound, keywords, weights, model, seed."""
    from .record import read_record, top_keywords

    record = read_record(picture)
    if as_json:
        echo_json(record)
        return
    for name in ("source", "model", "backend", "options", "template", "seed", "mixing"):
        value = record[name]
        if isinstance(value, dict):
            value = ", ".join(f"{k} {v}" for k, v in value.items()) or "-"
        click.echo(f"{name:12}{value}")
    settings = f"{record['weighting']}, temperature {record['temperature']:g}"
    click.echo(f"{'weighting':12}{settings}, top {record['top_k'] or 'all'}\n")
    for word, weight in top_keywords(record):
        click.echo(f"{word:24}{weight:8.4f}")


@vis_command.command("again")
@click.argument("picture", type=PATH)
@click.option("-o", "--out", required=True, type=PATH, help="A .png or .svg.")
@model_option
@json_option
def draw_again(
    picture: Path, out: Path, model_name: str, device: str, precision: str, as_json: bool
) -> None:
    """Draw PICTURE once more from its own record; the sound is not needed."""
    from . import job

    record = job.draw_again(picture, out, model_name=model_name, device=device)
    if as_json:
        echo_json(record)
    else:
        click.echo(out)


@vis_command.command("keywords")
@click.argument("name", required=False)
@json_option
def list_keywords(name: str | None, as_json: bool) -> None:
    """Sets of keywords and templates; or the words of the set NAME, one a line."""
    from .wordsets import keyword_sets, keywords_of, template_presets

    if name:
        words = keywords_of(name)
        if as_json:
            echo_json(list(words))
        else:
            click.echo("\n".join(words))
        return
    sets, presets = keyword_sets(), template_presets()
    if as_json:
        echo_json({"keywords": {k: list(v) for k, v in sets.items()}, "templates": presets})
        return
    for key, words in sets.items():
        click.echo(f"{key:20}{len(words)} keywords: {', '.join(words[:6])} ...")
    click.echo()
    for key, text in presets.items():
        click.echo(f"{key:20}{text}")


@vis_command.command("list")
@json_option
def list_backends(as_json: bool) -> None:
    """Image backends of the installed plugins, with their options."""
    import dataclasses

    rows: list[dict[str, Any]] = []
    for found in plugin_manager().entries(ImageBackendEntry):
        entry = found.entry
        fields = dataclasses.fields(entry.options) if entry.options else ()
        row: dict[str, Any] = {"name": entry.name, "summary": entry.summary}
        usual = {n: getattr(entry, n) for n in USUAL}
        options = {f.name: f.default for f in fields}
        rows.append({**row, "distribution": found.distribution, **usual, "options": options})
    if as_json:
        echo_json(rows)
        return
    for row in rows:
        click.echo(f"{row['name']:16}{row['summary']} ({row['distribution']})")
        for name, default in row["options"].items():
            click.echo(f"{'':16}-O {name}={default}")
    if not rows:
        click.echo("No image backend is installed.", err=True)


@vis_command.command("weights")
@click.argument("file", type=PATH)
@weight_options
@model_option
@json_option
def show_weights(
    file: Path, model_name: str, device: str, precision: str, as_json: bool, **options: Any
) -> None:
    """Weights with which keywords would mix into the picture of FILE."""
    from timbreclip_core.model import load_model

    from .keywords import keyword_weights

    scheme = make_scheme(options, keyword_set="glyph", template="{keyword}")
    model = load_model(model_name, device=device, precision=precision)
    vector = model.embed_file(file)
    row = keyword_weights(model, vector, scheme.keywords, **scheme.weighing())[0].tolist()
    pairs = sorted(zip(scheme.keywords, row, strict=True), key=lambda pair: -pair[1])
    if as_json:
        echo_json({"file": str(file), "model": model.id, "weights": dict(pairs)})
        return
    for keyword, weight in pairs:
        click.echo(f"{keyword:24}{weight:7.3f}")


for _command in (grid_command, effect_command, morph_command, timeline_command):
    vis_command.add_command(_command)
