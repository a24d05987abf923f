"""``tclip eq``: equalise sounds by words."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click_default_group import DefaultGroup

from timbreclip_core.cli.options import echo_json, json_option, model_option, target_options
from timbreclip_core.errors import UsageError

from .cli_options import chosen, name_and_value, search_options

if TYPE_CHECKING:
    from timbreclip_core.model import Model

    from .base import EQ
    from .fit import Fitter
    from .search import SearchConfig

F = TypeVar("F", bound=Callable[..., Any])
PATH = click.Path(path_type=Path)
EXPORTS = ("apo", "graphiceq", "csv", "ir", "pedalboard")  # of exports.FORMATS, without torch


def _fit_options(command: F) -> F:
    """Adds what decides the fit: ``search_options``, ``eq_name``, ``eq_options``, ``recipe``."""
    for option in (
        search_options,
        click.option(
            "--preset",
            "recipe",
            type=click.Choice(["default", "paper"]),
            default="default",
            show_default=True,
            help="How to search; paper: 5,000 steps of Adam at 1e-2.",
        ),
        click.option(
            "-O", "--option", "eq_options", multiple=True, metavar="NAME=VALUE", help="Of the EQ."
        ),
        click.option(
            "--eq",
            "eq_name",
            default="graphic",
            show_default=True,
            metavar="NAME",
            help="An EQ of `tclip eq list`.",
        ),
    ):
        command = option(command)
    return command


def _render_options(command: F) -> F:
    """Adds ``amount``, ``match_loudness``, ``pair``, ``plot``, ``exports``."""
    for option in (
        click.option(
            "--export",
            "exports",
            multiple=True,
            type=click.Choice(EXPORTS),
            help="Write the EQ beside each result for another program.",
        ),
        click.option("--plot/--no-plot", default=True, help="Draw a picture beside each result."),
        click.option(
            "--ab",
            "pair",
            is_flag=True,
            help="Write a pair to compare beside each result: before and after, equally loud.",
        ),
        click.option(
            "--match-loudness/--no-match-loudness",
            default=True,
            show_default=True,
            help="Keep the loudness of the source (BS.1770) as far as the peaks allow.",
        ),
        click.option(
            "--amount",
            type=click.FloatRange(-1, 2),
            default=1.0,
            show_default=True,
            help="Factor of the curve in dB; below 0 is the opposite.",
        ),
    ):
        command = option(command)
    return command


@click.group("eq", cls=DefaultGroup, default="run")
def eq_command() -> None:
    """Equalise sounds by words: tclip eq IN.wav -p bright -o OUT.wav"""


@eq_command.command("run")
@click.argument("files", nargs=-1, required=True, type=PATH)
@click.option("-o", "--out", required=True, type=PATH, help="A file, or a folder for many.")
@target_options
@_fit_options
@_render_options
@click.option("--save-preset", is_flag=True, help="Write NAME.eq.json beside each result.")
@model_option
@json_option
def run_files(files: tuple[Path, ...], out: Path, as_json: bool, **options: Any) -> None:
    """Find an EQ for each of FILES, apply it, write the result; the default verb.

    The sound keeps its sample rate, channels, length, sample format and tags. It never clips: a
    gain below 0 dB, the preamp, is applied where the EQ would go above full scale.
    """
    from . import job, plot

    if options["plot"]:
        plot.import_beside()
    fitter = _fitter(options)
    tasks = job.plan(_expand(files), out)
    writing = job.Writing(**_named(options, "amount match_loudness pair plot save_preset exports"))
    _report(job.fit_and_render(tasks, fitter, writing), len(tasks), as_json)


@eq_command.command("fit")
@click.argument("files", nargs=-1, required=True, type=PATH)
@click.option("-o", "--out", required=True, type=PATH, help="The preset, a .json file.")
@target_options
@_fit_options
@model_option
@json_option
def fit_files(files: tuple[Path, ...], out: Path, as_json: bool, **options: Any) -> None:
    """Find one EQ for all of FILES together and write it as a preset."""
    from . import job

    if not out.parent.is_dir():
        raise UsageError(f"The folder {str(out.parent)!r} does not exist. Make it first.")
    results, failed = job.fit_together(_expand(files), _fitter(options))
    preset = results[0].preset
    preset.save(out)
    record = {
        "preset": str(out),
        **preset.as_dict(),
        "bands": preset.bands(),
        "similarity": [r.similarity for r in results],
        "warnings": list(dict.fromkeys(w for r in results for w in r.warnings)),
        "failed": failed,
    }
    if as_json:
        echo_json(record)
    else:
        click.echo(f"{preset.target} -> {out}\n{job.bands_text(record['bands'])}")
    _complain(record, failed)


@eq_command.command("apply")
@click.argument("preset_file", metavar="PRESET", type=PATH)
@click.argument("files", nargs=-1, required=True, type=PATH)
@click.option("-o", "--out", required=True, type=PATH, help="A file, or a folder for many.")
@_render_options
@json_option
def apply_files(
    preset_file: Path, files: tuple[Path, ...], out: Path, as_json: bool, **options: Any
) -> None:
    """Apply the EQ of PRESET to FILES, without a model."""
    from . import job
    from .preset import load_preset

    preset = load_preset(preset_file)
    tasks = job.plan(_expand(files), out)
    _report(job.apply_preset(tasks, preset, job.Writing(**options)), len(tasks), as_json)


@eq_command.command("grid")
@click.argument("files", nargs=-1, required=True, type=PATH)
@click.option("-o", "--out", required=True, type=PATH, help="The picture: .png, .pdf or .svg.")
@click.option("-p", "--prompt", "prompts", multiple=True, required=True, help="A column each.")
@_fit_options
@model_option
@json_option
def grid(
    files: tuple[Path, ...], out: Path, prompts: tuple[str, ...], as_json: bool, **options: Any
) -> None:
    """Draw what every prompt makes of every one of FILES, in one picture."""
    from tqdm import tqdm

    from timbreclip_core.target import parse_target

    from .fit import Fitter
    from .grid import Row, fit_rows, save_grid

    if not out.parent.is_dir() or out.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise UsageError(f"{out} must be a .png, .pdf or .svg in a folder that exists.")
    eq, model, config = _search(options)
    fitters = [Fitter(eq, model, parse_target([prompt]), config) for prompt in prompts]
    sounds = _expand(files)
    found = list(tqdm(fit_rows(sounds, fitters), total=len(sounds), unit="file", disable=None))
    rows = [row for row in found if isinstance(row, Row)]
    failed = [record for record in found if not isinstance(record, Row)]
    if rows:
        save_grid(out, rows, prompts)
    if as_json:
        records = [row.as_record(prompts) for row in rows]
        echo_json({"picture": str(out) if rows else None, "rows": records, "failed": failed})
    elif rows:
        click.echo(out)
    _complain({"warnings": []}, failed)


@eq_command.command("export")
@click.argument("preset_file", metavar="PRESET", type=PATH)
@click.argument("name", metavar="FORMAT", type=click.Choice(EXPORTS))
@click.option("-o", "--out", required=True, type=PATH, help="The file.")
@click.option("--sample-rate", type=click.IntRange(1_000), help="Hz; default: of the sound fitted.")
@click.option("--amount", type=click.FloatRange(-1, 2), default=1.0, show_default=True)
def export_preset(
    preset_file: Path, name: str, out: Path, sample_rate: int | None, amount: float
) -> None:
    """Write PRESET for another program.

    FORMAT is apo (Equalizer APO, REW), graphiceq (Equalizer APO's GraphicEQ, Wavelet), csv, ir (an
    impulse response) or pedalboard (Python). All hold a preamp that keeps the curve below 0 dB.
    """
    from .exports import write_export
    from .preset import load_preset

    if not out.parent.is_dir():
        raise UsageError(f"The folder {str(out.parent)!r} does not exist. Make it first.")
    click.echo(write_export(load_preset(preset_file), name, out, sample_rate, amount))


@eq_command.command("show")
@click.argument("preset_file", metavar="PRESET", type=PATH)
@click.option("--sample-rate", type=click.IntRange(1_000), help="Hz; default: of the sound fitted.")
@json_option
def show_preset(preset_file: Path, sample_rate: int | None, as_json: bool) -> None:
    """Print what is in PRESET."""
    from . import job
    from .preset import load_preset

    preset = load_preset(preset_file)
    bands = preset.bands(sample_rate)
    if as_json:
        echo_json({**preset.as_dict(), "bands": bands})
        return
    click.echo(
        f"target {preset.target}\nEQ     {preset.eq}\nmodel  {preset.model}\n"
        f"heard  up to {preset.heard_hz:.0f} Hz\n{job.bands_text(bands, preset.amount)}"
    )


@eq_command.command("list")
@json_option
def list_eqs(as_json: bool) -> None:
    """List the EQs of the installed plugins, with their options."""
    import dataclasses

    from timbreclip_core.plugins import plugin_manager

    from .entries import EQEntry

    rows: list[dict[str, Any]] = []
    for found in plugin_manager().entries(EQEntry):
        entry = found.entry
        fields = dataclasses.fields(entry.options) if entry.options else ()
        options = {f.name: f.default for f in fields}
        row: dict[str, Any] = {"name": entry.name, "summary": entry.summary, "options": options}
        rows.append({**row, "distribution": found.distribution})
    if as_json:
        echo_json(rows)
        return
    for row in rows:
        click.echo(f"{row['name']:14}{row['summary']} ({row['distribution']})")
        for name, default in row["options"].items():
            click.echo(f"{'':14}-O {name}={default}")


def _fitter(options: dict[str, Any]) -> Fitter:
    """What the options of a fit ask for; wrong ones fail before the model is loaded."""
    from timbreclip_core.target import parse_target

    from .fit import Fitter

    target = parse_target(options["prompts"], options["likes"], options["source_weight"])
    eq, model, config = _search(options)
    return Fitter(eq, model, target, config)


def _search(options: dict[str, Any]) -> tuple[EQ, Model, SearchConfig]:
    """What is turned, what listens, and how it is searched."""
    import dataclasses

    from timbreclip_core.model import load_model

    from .entries import load_eq
    from .search import PRESETS

    eq = load_eq(options["eq_name"], dict(name_and_value(text) for text in options["eq_options"]))
    config = dataclasses.replace(PRESETS[options["recipe"]], **chosen(options))
    model = load_model(
        options["model_name"], device=options["device"], precision=options["precision"]
    )
    return eq, model, config


def _named(options: dict[str, Any], names: str) -> dict[str, Any]:
    return {name: options[name] for name in names.split()}


def _expand(files: tuple[Path, ...]) -> list[Path]:
    from timbreclip_core.batch import sound_files

    return sound_files(files)


def _report(records: Iterable[dict[str, Any]], total: int, as_json: bool) -> None:
    """Print records as they come, errors to stderr; exit 1 if one failed."""
    from tqdm import tqdm

    from . import job

    done: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    for record in tqdm(records, total=total, unit="file", disable=None):
        (failed if "error" in record else done).append(record)
        if not as_json and "error" not in record:
            click.echo(job.describe(record))
        if "error" not in record:
            _complain(record, [])
    if as_json:
        echo_json({"results": done, "failed": failed})
    _complain({"warnings": []}, failed)


def _complain(record: dict[str, Any], failed: list[dict[str, Any]]) -> None:
    """Warnings and failures to stderr; exit 1 on a failure."""
    for sentence in record["warnings"]:
        click.echo(f"Warning: {sentence}", err=True)
    for bad in failed:
        click.echo(f"Failed: {bad['file']}: {bad['error']}", err=True)
    if failed:
        click.get_current_context().exit(1)
