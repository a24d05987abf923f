"""What a picture file knows of itself: enough to draw it once more."""

from __future__ import annotations

import json
import re
from html import escape, unescape
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from timbreclip_core.errors import InputError, UsageError
from timbreclip_core.files import atomic_path

if TYPE_CHECKING:
    from PIL.Image import Image

    from .painter import Painter

FORMAT, FORMAT_VERSION = "timbreclip-picture", 1
KEY = "timbreclip"
SUFFIXES = (".png", ".svg")
_SVG = re.compile(r'<metadata id="timbreclip">(.*?)</metadata>', re.DOTALL)


def make_record(
    painter: Painter,
    weights: list[float],
    source: dict[str, Any],
    *,
    seed: int,
    change: bool = False,
) -> dict[str, Any]:
    """The record of one picture.

    Args:
        painter: What draws it.
        weights: One a keyword.
        source: Of what it is a picture: names of files, an effect, a time.
        seed: Of the picture.
        change: It shows a change of a sound, not a sound.
    """
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "timbreclip": version("timbreclip-vis"),
        "source": source,
        "model": painter.model.id,
        "backend": painter.backend.name,
        "options": painter.backend.options,
        "seed": seed,
        "change": change,
        **painter.scheme.as_dict(),
        "weights": weights,
    }


def top_keywords(record: dict[str, Any], count: int | None = None) -> list[tuple[str, float]]:
    """Keywords with their weights, the heaviest first."""
    pairs = zip(record["keywords"], record["weights"], strict=True)
    return sorted(pairs, key=lambda pair: -pair[1])[:count]


def caption(record: dict[str, Any], count: int = 3) -> str:
    """The heaviest keywords in a line.

    >>> caption({"keywords": ["a", "b"], "weights": [0.25, 0.75]})
    'b 0.75, a 0.25'
    """
    return ", ".join(f"{word} {weight:.2f}" for word, weight in top_keywords(record, count))


def check_picture_path(path: Path) -> None:
    """Raise ``UsageError`` unless the suffix is that of a picture."""
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{path} must end in {' or '.join(SUFFIXES)}.")


def save_png(path: Path, image: Image, record: dict[str, Any]) -> None:
    """Write a PNG with its record and caption inside."""
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_itxt(KEY, json.dumps(record, ensure_ascii=False))
    info.add_itxt("Description", caption(record))
    with atomic_path(path) as temporary:
        image.save(temporary, format="PNG", pnginfo=info)


def save_svg(path: Path, document: str, record: dict[str, Any]) -> None:
    """Write an SVG document with its record and caption inside."""
    head, start, rest = document.partition("<defs>")
    inside = (
        f"<title>{escape(caption(record))}</title>\n"
        f'<metadata id="timbreclip">{escape(json.dumps(record, ensure_ascii=False))}</metadata>\n'
    )
    with atomic_path(path) as temporary:
        temporary.write_text(head + inside + start + rest, "utf-8")


def read_record(path: Path) -> dict[str, Any]:
    """The record inside a picture.

    Raises:
        InputError: No such file, no picture, or a picture without a record.
    """
    if not path.is_file():
        raise InputError(f"There is no file {str(path)!r}.")
    text = _svg_text(path) if path.suffix.lower() == ".svg" else _png_text(path)
    if text is None:
        raise InputError(f"{path} holds no record of timbreclip: it was made or saved elsewhere.")
    try:
        record = json.loads(text)
        known = record["format"] == FORMAT and len(record["keywords"]) == len(record["weights"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"The record inside {path} is damaged: {error}") from error
    if not known:
        raise InputError(f"The record inside {path} is damaged.")
    if record["format_version"] > FORMAT_VERSION:
        raise InputError(f"{path} was made by a newer timbreclip. Update timbreclip-vis.")
    return record


def is_finished(path: Path, record: dict[str, Any]) -> bool:
    """Whether ``path`` already is the picture of that record."""
    try:
        return read_record(path) == json.loads(json.dumps(record))
    except InputError:
        return False


def _png_text(path: Path) -> str | None:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            image.load()
            return image.info.get(KEY)
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise InputError(f"{path} is no picture that can be read here: {error}") from error


def _svg_text(path: Path) -> str | None:
    try:
        match = _SVG.search(path.read_text("utf-8"))
    except (UnicodeDecodeError, OSError) as error:
        raise InputError(f"{path} is no SVG that can be read here: {error}") from error
    return unescape(match[1]) if match else None
