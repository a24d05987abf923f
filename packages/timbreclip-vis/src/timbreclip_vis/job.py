"""Drawing many sounds: reading, weighing, painting, writing; one bad file stops none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from timbreclip_core.errors import TimbreClipError, UsageError
from timbreclip_core.model import load_model

from .entries import load_backend
from .painter import Painter
from .record import (
    check_picture_path,
    is_finished,
    make_record,
    read_record,
    save_png,
    save_svg,
)
from .scheme import Scheme


@dataclass(frozen=True)
class Task:
    """A sound and where its picture goes."""

    source: Path
    out: Path


@dataclass(frozen=True)
class Subject:
    """What a picture shows.

    Args:
        vector: ``(1, dim)`` of the sound, or of the change.
        source: For the record: names of files, an effect, a time.
        change: Whether it is a change ``a(f(x)) - a(x)``.
    """

    vector: Tensor
    source: dict[str, Any]
    change: bool = False


def plan(sources: Sequence[Path], out: Path | None) -> list[Task]:
    """Where each picture goes: ``out`` itself, into the folder ``out``, or into this folder.

    Sounds of one name keep apart by a number. A folder is made.

    Raises:
        UsageError: A file for several sounds, or a suffix that no picture has.
    """
    if out is not None and out.suffix and not out.is_dir():
        check_picture_path(out)
        if len(sources) > 1:
            raise UsageError(f"{out} must be a folder, for {len(sources)} sounds.")
        return [Task(sources[0], out)]
    folder = out or Path()
    folder.mkdir(parents=True, exist_ok=True)
    tasks, taken = [], set()
    for source in sources:
        name, number = source.stem, 1
        while name in taken:
            number += 1
            name = f"{source.stem}-{number}"
        taken.add(name)
        tasks.append(Task(source, folder / f"{name}.png"))
    return tasks


def draw_sounds(
    painter: Painter, tasks: Sequence[Task], *, seed: int = 0, images: int = 1
) -> Iterator[dict[str, Any]]:
    """A picture of each sound; one record a sound, in order.

    Args:
        painter: Draws.
        tasks: What, and where to.
        seed: Of the first picture of a sound; the next have the next seeds.
        images: Pictures of each sound; numbered if there are several.

    Yields:
        ``file`` with ``pictures``, a list of a path and the picture's record; or with ``error``.
    """
    for task in tasks:
        try:
            subject = Subject(painter.model.embed_file(task.source), {"file": task.source.name})
            pictures = [
                draw_subject(painter, subject, _numbered(task.out, n, images), seed=seed + n)
                for n in range(images)
            ]
            yield {"file": str(task.source), "pictures": pictures}
        except TimbreClipError as error:
            yield {"file": str(task.source), "error": str(error)}


def _numbered(out: Path, number: int, images: int) -> Path:
    return out if images == 1 else out.with_name(f"{out.stem}-{number + 1}{out.suffix}")


def draw_subject(painter: Painter, subject: Subject, out: Path, *, seed: int = 0) -> dict[str, Any]:
    """Write one picture; if it is there already, with the same record, it is kept.

    Returns:
        ``picture``, its path, ``kept``, and the record.
    """
    weights = painter.weights(subject.vector)
    record = make_record(
        painter, weights[0].tolist(), subject.source, seed=seed, change=subject.change
    )
    kept = is_finished(out, record)
    if not kept:
        write_picture(painter, record, out)
    return {"picture": str(out), "kept": kept, **record}


def write_picture(painter: Painter, record: dict[str, Any], out: Path) -> None:
    """Paint what a record says, and write it with the record inside."""
    weights = torch.tensor([record["weights"]])
    chosen = {"seed": record["seed"], "change": record["change"]}
    if out.suffix.lower() == ".svg":
        save_svg(out, painter.paint_svg(weights, **chosen)[0], record)
    else:
        save_png(out, painter.paint(weights, **chosen)[0], record)


def draw_again(picture: Path, out: Path, *, model_name: str, device: str = "cpu") -> dict[str, Any]:
    """Draw a picture from its own record; the sound is not needed.

    Args:
        picture: A file that holds a record.
        out: Where to write.
        model_name: The model that the picture was made with, or a path to it.
        device: Of the backend, as torch names it.

    Raises:
        UsageError: The model is another one than that of the picture.
    """
    check_picture_path(out)
    record = read_record(picture)
    backend = load_backend(record["backend"], record["options"], device)
    model = load_model(model_name)
    if backend.in_model_space and model.id != record["model"]:
        raise UsageError(
            f"{picture} was made with the model {record['model']}, not with {model.id}. "
            "Give that model with --model."
        )
    names = Scheme.__dataclass_fields__
    scheme = Scheme.from_dict({name: record[name] for name in names})
    write_picture(Painter(model, backend, scheme), record, out)
    return {"picture": str(out), **record}
