"""Any folder of sounds; what they are called is all that is known of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from ..text import normalise_name
from .base import Note, NoteDataset, Problem, attributes, hash_split

SUFFIXES = (
    *(".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc"),
    *(".caf", ".w64", ".rf64", ".au", ".snd"),
)
_PITCH = re.compile(r"(?:^|[\s_.-])([A-G])([#b]?)(-?\d)(?=$|[\s_.-])")
_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


class Folder(NoteDataset):
    """All sound files below a folder, in the order of their names.

    The title comes from the file's name, the category from its folder, tags from the folders
    above. Files of one folder whose names differ only in numbers and pitches are one patch.
    """

    name = "folder"

    def scan(self) -> Iterator[Note | Problem]:
        for path in sorted(self.root.rglob("*")):
            relative = path.relative_to(self.root)
            hidden = any(part.startswith(".") for part in relative.parts)
            if path.suffix.lower() in SUFFIXES and not hidden and path.is_file():
                yield describe(relative.as_posix())


def describe(audio: str) -> Note:
    """What the path of a sound, relative to the folder, says of it.

    >>> describe("Keys/Electric/0012 Soft E.Piano_C4.wav").pitch
    60
    """
    path = PurePosixPath(audio)
    title = normalise_name(_PITCH.sub(" ", path.stem))
    above = [normalise_name(part) for part in path.parent.parts]
    patch = "/".join([*path.parent.parts, title or path.stem])
    return Note(
        id=audio,
        patch=patch,
        audio=audio,
        split=hash_split(patch),
        pitch=pitch_in(path.stem),
        text=attributes(title=title, category=above[-1:], tags=above[-2::-1]),
    )


def pitch_in(name: str) -> int | None:
    """The MIDI note that a file name ends with or holds, with middle C as C4; None without one.

    >>> pitch_in("Piano_F#3"), pitch_in("take C-1 soft"), pitch_in("Bass 12")
    (54, 0, None)
    """
    found = _PITCH.findall(name)
    if not found:
        return None
    letter, accidental, octave = found[-1]
    pitch = 12 * (int(octave) + 1) + _STEPS[letter] + {"#": 1, "b": -1, "": 0}[accidental]
    return pitch if 0 <= pitch <= 127 else None
