"""``tclip train compare``."""

from __future__ import annotations

from pathlib import Path

import click

from timbreclip_core.cli.options import echo_json, json_option

RUN = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command("compare")
@click.argument("folders", metavar="RUN...", nargs=-1, required=True, type=RUN)
@click.option(
    "--format", "form", type=click.Choice(["text", "markdown"]), default="text", show_default=True
)
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), help="Draw the curves.")
@click.option(
    "--figure",
    "figures",
    multiple=True,
    help="A figure to draw; those of run.best_by if not given.",
)
@json_option
def compare_command(
    folders: tuple[Path, ...],
    form: str,
    plot: Path | None,
    figures: tuple[str, ...],
    as_json: bool,
) -> None:
    """What trainings gave, beside each other: an ablation table.

    The best validation of each RUN counts, by its setting run.best_by. Trainings that differ in
    nothing but the seed are one column: mean and standard deviation over them.
    """
    from .comparing import compare, draw_curves, read_run, record_of, table

    runs = [read_run(folder) for folder in folders]
    groups = compare(runs)
    if plot is not None:
        chosen = figures or tuple(
            name.strip(" -") for name in runs[0].best_by.split(",") if name.strip()
        )
        draw_curves(groups, plot, chosen)
        click.echo(f"Picture: {plot}", err=True)
    if as_json:
        echo_json(record_of(groups))
        return
    click.echo(table(groups, form == "markdown"))
