"""What ``tclip data render`` writes: FLAC files of several notes, and ``manifest.jsonl``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from timbreclip_core.errors import InputError

from ..splits import split_of
from ..text import normalise_name
from .base import Note, NoteDataset, Problem, attributes

MANIFEST = "manifest.jsonl"
SETTINGS = "settings.json"
QUALITIES = "descriptors/qualities.json"
TAG_WORDS = 3
_INFO = ("name", "source", "collection", "author", "licence")


class Rendered(NoteDataset):
    """One folder of ``tclip data render``, or a folder with several of them in it.

    Splits follow the presets' collections. Title, category and tags are in plain lower-case
    words; what the author wrote as name is in ``info``. Qualities are there once
    ``tclip data describe`` has measured them.
    """

    name = "rendered"

    def scan(self) -> Iterator[Note | Problem]:
        manifests = [self.root / MANIFEST]
        if not manifests[0].is_file():
            manifests = sorted(self.root.glob(f"*/{MANIFEST}"))
        if not manifests:
            yield Problem(str(self.root), "holds nothing that tclip data render wrote", fatal=True)
        for settings in sorted(self.root.glob(f"*/{SETTINGS}")):
            if not (settings.parent / MANIFEST).is_file():
                what = "its rendering was not finished. Run the same tclip data render again"
                yield Problem(settings.parent.name, what)
        try:
            qualities = _read_qualities(self.root / QUALITIES)
        except ValueError as error:
            yield Problem(QUALITIES, f"{error}. Delete it and run tclip data describe again")
            qualities = {}
        for manifest in manifests:
            yield from self._scan_manifest(manifest, qualities)

    def _scan_manifest(
        self, manifest: Path, qualities: dict[str, list[str]]
    ) -> Iterator[Note | Problem]:
        prefix = manifest.parent.relative_to(self.root)
        texts: dict[str, tuple[Any, Any]] = {}
        with manifest.open(encoding="utf-8") as stream:
            for number, line in enumerate(stream, start=1):
                where = f"{(prefix / MANIFEST).as_posix()}, line {number}"
                try:
                    yield _note(json.loads(line), prefix, texts, qualities)
                except KeyError as error:
                    yield Problem(where, f"has no {error}")
                except (InputError, ValueError, TypeError, AttributeError) as error:
                    yield Problem(where, str(error))


def _read_qualities(path: Path) -> dict[str, list[str]]:
    """Measured words by patch; none if nobody has measured.

    Raises:
        ValueError: The file is damaged.
    """
    if not path.is_file():
        return {}
    found = json.loads(path.read_text("utf-8"))
    if not isinstance(found, dict) or not all(isinstance(v, list) for v in found.values()):
        raise ValueError("holds no words by patch")
    return found


def _note(
    row: dict[str, Any],
    prefix: Path,
    texts: dict[str, tuple[Any, Any]],
    qualities: dict[str, list[str]],
) -> Note:
    shared = f"{row['id']} {row.get('hold_s')}"
    if shared not in texts:
        # The notes of a patch share one record.
        info = {key: str(row[key]) for key in _INFO if row[key]}
        hold = {"hold_s": str(row["hold_s"])} if "hold_s" in row else {}
        texts[shared] = (_text(row, qualities.get(row["id"], ())), info | hold)
    text, info = texts[shared]
    return Note(
        id=f"{row['id']}/{row['pitch']}/{row['velocity']}",
        patch=row["id"],
        audio=(prefix / row["file"]).as_posix(),
        split=split_of(row["source"], row["collection"]),
        pitch=None if row["unpitched"] else row["pitch"],
        velocity=row["velocity"],
        sample_rate=row["sample_rate"],
        start=row["offset"],
        frames=row["frames"],
        text=text,
        info=info,
    )


def _text(row: dict[str, Any], qualities: Iterable[str]) -> dict[str, tuple[str, ...]]:
    words = [normalise_name(tag) for tag in row["tags"]]
    return attributes(
        title=normalise_name(row["name"]) or row["name"],
        category=normalise_name(row["category"] or ""),
        tags=[tag for tag in words if len(tag.split()) <= TAG_WORDS],
        qualities=qualities,
        # Authors' remarks, such as "works best with upper pitches", arrive as tags.
        description=[tag for tag in words if len(tag.split()) > TAG_WORDS],
    )
