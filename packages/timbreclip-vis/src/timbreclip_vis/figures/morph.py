"""The path between two sounds, as frames of a film."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from timbreclip_core import Embedding
from timbreclip_core.errors import InputError, TimbreClipError, UsageError
from timbreclip_core.files import atomic_path

from ..job import Subject
from ..mixing import slerp

if TYPE_CHECKING:
    from timbreclip_core import Model

FILM_SUFFIXES = (".gif", ".mp4")


def morph_subjects(
    model: Model, first: Path, second: Path, frames: int
) -> Iterator[tuple[str, Subject]]:
    """Vectors from one sound to another along the sphere, both ends included.

    Args:
        model: Hears.
        first: A sound.
        second: A sound.
        frames: At least 2.
    """
    if frames < 2:
        raise UsageError(f"A path has 2 frames or more, not {frames}.")
    start, end = model.embed_file(first), model.embed_file(second)
    for frame in range(frames):
        part = frame / (frames - 1)
        vector = Embedding.of(slerp(start.plain(), end.plain(), part), start.space)
        source = {"file": first.name, "to": second.name, "part": round(part, 6)}
        yield f"frame-{frame}", Subject(vector, source)


def check_film(out: Path) -> None:
    """Raise unless a film of that suffix can be written here.

    Raises:
        InputError: ffmpeg is missing.
    """
    if out.suffix.lower() == ".mp4" and shutil.which("ffmpeg") is None:
        raise InputError("MP4 needs the program ffmpeg. Install it, or write a .gif.")


def save_film(out: Path, pictures: Sequence[Path], *, fps: float, back: bool) -> None:
    """Write a GIF, or an MP4 by ffmpeg; it repeats for ever.

    Args:
        out: Where to write.
        pictures: The frames.
        fps: Frames a second.
        back: Let it run back to its start.
    """
    order = [*pictures, *reversed(pictures[1:-1])] if back else list(pictures)
    with atomic_path(out) as temporary:
        if out.suffix.lower() == ".gif":
            _save_gif(temporary, order, fps)
        else:
            _save_mp4(temporary, order, fps)


def _save_gif(path: Path, pictures: Sequence[Path], fps: float) -> None:
    from PIL import Image

    frames = []
    for picture in pictures:
        with Image.open(picture) as image:
            frames.append(image.convert("RGB"))
    milliseconds = max(20, round(1000 / fps))
    frames[0].save(
        path, format="GIF", save_all=True, append_images=frames[1:], duration=milliseconds, loop=0
    )


def _save_mp4(path: Path, pictures: Sequence[Path], fps: float) -> None:
    from PIL import Image

    with Image.open(pictures[0]) as image:
        size = f"{image.width}x{image.height}"
    command = ["ffmpeg", "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24"]
    command += ["-s", size, "-r", f"{fps:g}", "-i", "-", "-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2"]
    command += ["-pix_fmt", "yuv420p", "-movflags", "+faststart", "-f", "mp4", str(path)]
    frames = b"".join(_pixels(picture) for picture in pictures)
    done = subprocess.run(command, input=frames, capture_output=True, check=False)
    if done.returncode:
        raise TimbreClipError(f"ffmpeg failed: {done.stderr.decode(errors='replace').strip()}")


def _pixels(picture: Path) -> bytes:
    from PIL import Image

    with Image.open(picture) as image:
        return image.convert("RGB").tobytes()
