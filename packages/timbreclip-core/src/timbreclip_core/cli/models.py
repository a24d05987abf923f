"""``tclip models``: which models there are, and putting their weights in place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click_default_group import DefaultGroup

from ..errors import InputError, UnknownNameError, UsageError
from ..plugins import EncoderEntry, ModelEntry, SpaceEntry, plugin_manager
from .options import echo_json, json_option


@click.group("models", cls=DefaultGroup, default="list", default_if_no_args=True)
def models_command() -> None:
    """List models, install their weights."""


@models_command.command("list")
@json_option
def list_models(as_json: bool) -> None:
    """Models with space, sample rate, size, licence, and whether the weights are here."""
    rows = [_row(r.entry, r.distribution) for r in _all()]
    if as_json:
        echo_json(rows)
        return
    for row in rows:
        name = f"{row['name']}:{row['choices']}" if row["must_choose"] else row["name"]
        here = row["path"] or f"not here: tclip models install {name} FILE"
        rate = f", {row['sample_rate']} Hz" if row["sample_rate"] else ""
        size = "" if row["size_mb"] is None else f", {row['size_mb']:.0f} MB"
        space = f"space {row['space']}" if row["space"] else "no words"
        click.echo(
            f"{row['kind']:8}{row['name']:16}{space}{rate}{size}, {row['licence']}\n"
            f"        {row['summary']}\n        {here}"
        )


@models_command.command("install")
@click.argument("name")
@click.argument("source", required=False, type=click.Path(path_type=Path))
@click.option("--download", is_flag=True, help="Fetch the published weights first.")
@click.option("--sha256", "expected", metavar="HEX", help="Refuse a file with another SHA-256.")
def install_model(name: str, source: Path | None, download: bool, expected: str | None) -> None:
    """Put the weights of NAME in place, from the file SOURCE or by --download.

    SOURCE may be a folder as the Hugging Face hub lays it out; what else the model needs then lies
    beside its weights.

    The folder is TCLIP_MODELS, or else the user's data folder. The file's hash is printed and
    recorded.
    """
    from ..checkpoints import check_chosen, home, published_weights
    from ..download import fetched
    from ..files import sha256

    entry = _find(name)
    check_chosen(entry)
    if (source is None) == (not download):
        raise UsageError("Name the file to install, or give --download; one of the two.")
    if entry.install is None:
        raise UsageError(f"{name} comes with its package: there is nothing to install.")
    with fetched(entry.weights.url if download else None, source) as file:
        file = published_weights(file)
        found = sha256(file)
        if expected and found != expected.lower():
            raise InputError(f"The SHA-256 of {file} is {found}, not {expected}. Nothing is done.")
        folder = home(entry)
        entry.install(file, folder)
    click.echo(f"{name} is in {folder}\nsha256 {found}")


def _all() -> list[Any]:
    manager = plugin_manager()
    return [*manager.entries(EncoderEntry), *manager.entries(SpaceEntry)]


def _find(name: str) -> ModelEntry:
    known = {r.entry.name: type(r.entry) for r in reversed(_all())}
    if (base := name.partition(":")[0]) not in known:
        raise UnknownNameError("model", name, known)
    return plugin_manager().find(known[base], name)


def _row(entry: ModelEntry, distribution: str) -> dict[str, Any]:
    from ..checkpoints import installed

    path = installed(entry)
    encoder = entry if isinstance(entry, EncoderEntry) else None
    return {
        "kind": entry.kind,
        "name": entry.name,
        "summary": entry.summary,
        "space": encoder.space if encoder else entry.name,
        "sample_rate": encoder.sample_rate if encoder else None,
        "size_mb": entry.weights.size_mb,
        "licence": entry.weights.licence,
        "choices": entry.choices,
        "must_choose": entry.must_choose,
        "source": entry.weights.source,
        "path": str(path) if path else None,
        "distribution": distribution,
    }
