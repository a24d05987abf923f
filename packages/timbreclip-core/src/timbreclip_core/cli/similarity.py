"""``tclip similarity``: how alike two sounds, or a sound and a text, are."""

from __future__ import annotations

from pathlib import Path

import click

from .options import echo_json, json_option, model_option


@click.command("similarity")
@click.argument("first")
@click.argument("second")
@model_option
@json_option
def similarity_command(
    first: str, second: str, model_name: str, device: str, precision: str, as_json: bool
) -> None:
    """Cosine of FIRST and SECOND: two sound files, or one file and a text.

    Two sounds are compared by their "timbre" vectors, a sound and a text by "text" vectors. A
    cosine is 1 for the same direction and near 0 for unrelated ones; it is no percentage.
    """
    from ..model import load_model

    model = load_model(model_name, device=device, precision=precision)
    sounds = [Path(item).is_file() or _looks_like_file(item) for item in (first, second)]
    kind = model.kind_for_sounds() if all(sounds) else "text"
    a, b = (
        model.embed_file(item, kind=kind) if sound else model.embed_text(item)
        for item, sound in zip((first, second), sounds, strict=True)
    )
    cosine = float(model.similarity(a, b))
    if as_json:
        record = {"first": first, "second": second, "cosine": cosine, "kind": kind}
        echo_json({**record, "model": model.id, "precision": precision})
    else:
        click.echo(f"{cosine:.4f}")


def _looks_like_file(item: str) -> bool:
    """A mistyped path must not be taken for a text."""
    return Path(item).suffix.lower() in {".wav", ".flac", ".ogg", ".aif", ".aiff", ".mp3"}
