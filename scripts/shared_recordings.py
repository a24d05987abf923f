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

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from timbreclip_train.rendering.sf2 import SoundFont

RUN = 14
UNEVEN = 1.5  # frames, standard deviation
SHARE = 0.1  # of a recording's rows that are known


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
        for frames in SoundFont(other).recordings().values()
        for row in fingerprint(frames)
    }
    content, shares = SoundFont(font), {}
    for name, frames in content.recordings().items():
        rows = fingerprint(frames)
        if rows and len(rows & known) >= SHARE * len(rows):
            shares[name] = len(rows & known) / len(rows)
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
