"""``tclip embed``: sounds to vectors in a file."""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import UsageError
from .options import echo_json, json_option, model_option

SUFFIXES = (".safetensors", ".npy", ".parquet")


@click.command("embed")
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILES")
@click.option(
    "-o",
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="Where to write: .safetensors, .npy (names go beside it, as .json) or .parquet.",
)
@click.option(
    "--kind",
    default="text",
    show_default=True,
    help='"text" to compare with words, "timbre" to compare with sounds.',
)
@click.option(
    "-j", "--jobs", type=click.IntRange(min=1), help="Threads, a core each.  [default: all cores]"
)
@model_option
@json_option
@click.pass_context
def embed_command(
    ctx: click.Context,
    inputs: tuple[Path, ...],
    out: Path,
    kind: str,
    jobs: int | None,
    as_json: bool,
    **model: str,
) -> None:
    """Embed FILES (and the sound files in folders) into one file of unit vectors.

    Names, model id, space and hash go with the vectors. A file that cannot be read is reported
    and left out; the exit code is then 1.
    """
    if out.suffix not in SUFFIXES:
        raise UsageError(f"--out must end in {', '.join(SUFFIXES)}, not {out.suffix!r}.")
    from ..batch import embed_to_file

    report = embed_to_file(inputs, out, kind=kind, jobs=jobs, **model)
    if as_json:
        echo_json(report)
    else:
        click.echo(f"{report['embedded']} sounds, {report['dim']} numbers each: {out}")
    ctx.exit(1 if report["failed"] else 0)
