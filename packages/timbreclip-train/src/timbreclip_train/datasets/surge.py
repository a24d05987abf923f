"""The notes of 2084 Surge presets: ``surge-patches-...-velocity64/MIDI.ogg``.

Source: Turian et al., One Billion Audio Sounds from GPU-enabled Modular Synthesis, DAFx 2021.
Titles and categories are counted as in the TimbreCLIP paper: 31 categories, 1783 titles, 1816
titles with category.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from timbreclip_core.errors import InputError

from .base import Note, NoteDataset, Problem, attributes

PAPER_PITCHES = (24, 36, 48, 60, 72, 84, 96, 108)
"""The notes that the TimbreCLIP paper reads; the archive has all of a grand piano."""
AUTHORS = (
    *("Argitoth", "Bluelight", "Damon-Armani", "Dan-Maurer", "Emu", "Giana-Brotherz"),
    *("Inigo-Kennedy", "Jacky-Ligon", "Kuniklo", "Kyurumi", "Luna", "Nick-Moritz", "Noisegeek"),
    *("Psiome-Send-Sound", "Rare-Earth", "Roger-Linn", "Rozzer", "Stefan-Singer", "TNMG"),
    *("Vincent-Zauhar", "Zoozither"),
)
LONG_FOLDERS = (
    *("MPE-Keys", "MPE-Leads", "String-Machines", "Surge-3X81Z", "Surge-D", "Surge-XFS"),
)
"""Folders of presets whose names have more than the one word that the paper takes as category."""
_FOLDER = re.compile(r"surge-patches-(factory|3rdparty)-(.+)-velocity(\d+)")
_INDEX = re.compile(r"(-?\d+)+$")
_FILE = re.compile(r"\D*(\d{1,3})")


@dataclass(frozen=True, kw_only=True)
class SurgeName:
    """What the name of a preset's folder says.

    Args:
        bank: ``factory`` or ``3rdparty``.
        author: Empty for the factory bank.
        category: First word of the preset's folder.
        folder: All of it.
        title: Without the number that tells presets of one name apart.
        velocity: 1 to 127.
    """

    bank: str
    author: str
    category: str
    folder: str
    title: str
    velocity: int


def parse_folder(name: str) -> SurgeName:
    """Read the name of a folder.

    Raises:
        InputError: It is none of a Surge preset, or of an author who is not in ``AUTHORS``.

    >>> parse_folder("surge-patches-3rdparty-Psiome-Send-Sound-Atmospheres-Texture-1-velocity64")
    ... # doctest: +NORMALIZE_WHITESPACE
    SurgeName(bank='3rdparty', author='Psiome Send Sound', category='Atmospheres',
              folder='Atmospheres', title='Texture', velocity=64)
    """
    match = _FOLDER.fullmatch(name)
    if match is None:
        raise InputError(f"{name!r} is not the name of a folder of the Surge dataset.")
    bank, rest, velocity = match.groups()
    author = ""
    if bank == "3rdparty":
        author = next((a for a in AUTHORS if rest.startswith(f"{a}-")), "")
        if not author:
            raise InputError(f"{name!r} is of an author who is not known. Known: {AUTHORS}.")
        rest = rest.removeprefix(f"{author}-")
    category, _, title = rest.partition("-")
    folder = next((f for f in LONG_FOLDERS if rest.startswith(f"{f}-")), category)
    title = _INDEX.sub("", rest[len(folder) + 1 :]) or title
    if not title:
        raise InputError(f"{name!r} has no title after its category.")
    return SurgeName(
        bank=bank,
        author=_words(author),
        category=category,
        folder=_words(folder),
        title=_words(title),
        velocity=int(velocity),
    )


def _words(dashed: str) -> str:
    words = " ".join(dashed.replace("-", " ").split())
    # The archive's names have a dash for every mark, the apostrophe of a genitive too.
    return re.sub(r"(?<=[A-Za-z]) s\b", "'s", words)


class Surge(NoteDataset):
    """All notes of the archive, all of them for testing: they must never be trained on."""

    name = "surge"

    def scan(self) -> Iterator[Note | Problem]:
        folders = sorted(p for p in self._base().glob("surge-patches-*") if p.is_dir())
        if not folders:
            what = "has no folders surge-patches-...-velocity64"
            yield Problem(str(self.root), what, fatal=True)
        for folder in folders:
            yield from self._scan_patch(folder)

    def _base(self) -> Path:
        """The archive unpacks into one folder more."""
        inner = self.root / "surge"
        return inner if inner.is_dir() else self.root

    def _scan_patch(self, folder: Path) -> Iterator[Note | Problem]:
        try:
            said = parse_folder(folder.name)
        except InputError as error:
            yield Problem(folder.name, str(error))
            return
        text = attributes(title=said.title, category=said.category)
        info = {"bank": said.bank, "author": said.author, "folder": said.folder}
        # Names that start with a dot are leftovers of the system that packed the archive.
        files = sorted(p for p in folder.glob("*.ogg") if not p.name.startswith("."))
        if not files:
            yield Problem(folder.name, "has no .ogg files")
        for file in files:
            match = _FILE.fullmatch(file.stem)
            try:
                if match is None:
                    raise InputError("is not named after a MIDI note")
                yield Note(
                    id=f"{folder.name}/{int(match[1])}",
                    patch=folder.name,
                    audio=file.relative_to(self.root).as_posix(),
                    split="test",
                    pitch=int(match[1]),
                    velocity=said.velocity,
                    text=text,
                    info=info,
                )
            except InputError as error:
                yield Problem(f"{folder.name}/{file.name}", str(error))
