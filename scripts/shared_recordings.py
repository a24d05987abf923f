"""Which presets of a SoundFont play recordings that another one has, too?

    .venv/bin/python scripts/shared_recordings.py FONT.sf2 OTHER.sf2...

Run it on a font that is to be learnt from, against those of the test and validation splits. What
it finds belongs into ``shared`` of ``timbreclip_train/rendering/soundfont.py``, unless the share is
small: even waves cross zero alike by chance.

A recording is known again by the distances between its zero crossings: every row of ``RUN``
successive distances is looked up among those of the other fonts. Levels, cuts and loops do not
change them; another sample rate does. Few or even distances (clicks, single periods) say nothing
and are passed over. SF3 files, whose samples are compressed, are not read.
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from timbreclip_core.errors import InputError
from timbreclip_train.rendering.sf2 import SoundFont

RUN = 14
UNEVEN = 1.5  # frames, standard deviation
SHARE = 0.1  # of a recording's rows that are known


def recordings(path: Path) -> dict[str, NDArray[np.int16]]:
    """Samples of an SF2 file by name."""
    data = path.read_bytes()
    start, size = _find(data, b"smpl")
    frames = np.frombuffer(data, "<i2", size // 2, start)
    start, size = _find(data, b"shdr")
    headers = (data[i : i + 46] for i in range(start, start + size - 46, 46))
    return {
        h[:20].split(b"\0")[0].decode("latin-1").strip(): frames[
            slice(*struct.unpack_from("<II", h, 20))
        ]
        for h in headers
    }


def _find(data: bytes, name: bytes) -> tuple[int, int]:
    """Where a chunk inside one of the file's lists begins, and its bytes."""
    at = 12
    while at + 8 <= len(data):
        found, size = struct.unpack_from("<4sI", data, at)
        if found == name:
            return at + 8, size
        at += 12 if found == b"LIST" else 8 + size + size % 2
    raise InputError(f"This SoundFont has no {name.decode()} records.")


def fingerprint(frames: NDArray[np.int16]) -> set[bytes]:
    crossings = np.flatnonzero(np.diff(np.signbit(frames)))
    distances = np.diff(crossings).astype(np.uint16)
    if len(distances) < RUN:
        return set()
    rows = np.lib.stride_tricks.sliding_window_view(distances, RUN)
    return {row.tobytes() for row in rows[rows.std(1) > UNEVEN]}


def main(font: Path, others: list[Path]) -> None:
    known = {
        row
        for other in others
        for frames in recordings(other).values()
        for row in fingerprint(frames)
    }
    shares = {}
    for name, frames in recordings(font).items():
        rows = fingerprint(frames)
        if rows and len(rows & known) >= SHARE * len(rows):
            shares[name] = len(rows & known) / len(rows)
    content = SoundFont(font)
    for preset in content.presets:
        played = sorted({layer.sample for layer in content.layers(preset)} & shares.keys())
        if played:
            listed = ", ".join(f"{name} ({shares[name]:.0%})" for name in played)
            print(f"{preset.bank}:{preset.program} {preset.name}: {listed}")
    print(f"{len(shares)} shared recordings")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), [Path(p) for p in sys.argv[2:]])
