"""``tclip effect``: the effects there are, and hearing them."""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import UsageError
from ..plugins import EffectEntry, plugin_manager
from .options import echo_json, json_option


@click.group("effect")
def effect_command() -> None:
    """List audio effects, apply one to a file."""


@effect_command.command("list")
@json_option
def list_effects(as_json: bool) -> None:
    """Effects: what the level does, and which words become more or less true."""
    rows = [
        {
            "name": found.entry.name,
            "summary": found.entry.summary,
            "more": list(found.entry.words.more),
            "less": list(found.entry.words.less),
            "distribution": found.distribution,
        }
        for found in plugin_manager().entries(EffectEntry)
    ]
    if as_json:
        echo_json(rows)
        return
    for row in rows:
        more, less = ", ".join(row["more"]), ", ".join(row["less"])
        click.echo(f"{row['name']:12}{row['summary']}\n{'':12}more {more}\n{'':12}less {less}")


@effect_command.command("apply")
@click.argument("source", type=click.Path(path_type=Path), metavar="IN")
@click.option("-e", "--effect", "name", required=True, help="As `tclip effect list` shows.")
@click.option(
    "-l",
    "--level",
    type=float,
    default=0.5,
    show_default=True,
    help="From 0, no change, to 1.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="A parameter of the effect, as --set delay_s=0.5; may be repeated.",
)
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="File to write.")
@json_option
def apply_effect(
    source: Path, name: str, level: float, settings: tuple[str, ...], out: Path, as_json: bool
) -> None:
    """Write the sound IN with an effect.

    Sample rate, channels, length and bit depth stay. Reverb and echo do not make the file longer:
    what sounds on after its end is cut off. What would clip is turned down, and by how much is
    reported.
    """
    effect = plugin_manager().find(EffectEntry, name).load(_options(settings))
    from ..effects.files import apply_to_file

    report = apply_to_file(effect, level, source, out)
    if as_json:
        echo_json({"out": str(out), "effect": name, "level": level, **report})
        return
    turned = f", turned down by {-report['gain_db']:.1f} dB" if report["gain_db"] < 0 else ""
    click.echo(f"{out}: {name} at {level:g}, {report['sample_rate']} Hz{turned}")


def _options(settings: tuple[str, ...]) -> dict[str, str]:
    options = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not (equals and name):
            raise UsageError(f"Write a parameter as NAME=VALUE, not {setting!r}.")
        options[name.strip()] = value.strip()
    return options
