"""Write the sounds of examples/ with the repository's own synthesiser. Same bytes every time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import soundfile

from timbreclip_train.rendering.synth import render, sample_patch

FOLDER = Path(__file__).resolve().parent.parent / "examples"


@dataclass(frozen=True)
class Example:
    """One file: which patch, which note, which format."""

    name: str
    family: str
    pitch: int
    hold_s: float
    release_s: float
    sample_rate: int
    subtype: str
    seed: int = 1


EXAMPLES = (
    Example("pluck.wav", "synth pluck", 57, 1.0, 1.0, 44_100, "PCM_24"),
    Example("bell.wav", "bell", 72, 2.0, 1.0, 48_000, "PCM_24"),
    Example("pad.flac", "pad", 52, 3.0, 1.0, 48_000, "PCM_16"),
    Example("bass.wav", "synth bass", 33, 1.0, 0.5, 44_100, "PCM_16"),
    Example("guitar.wav", "guitar", 52, 2.0, 1.0, 44_100, "PCM_16"),
    Example("organ.ogg", "organ", 60, 2.0, 0.5, 44_100, "VORBIS"),
    Example("snare.wav", "snare", 60, 0.3, 0.3, 44_100, "PCM_16"),
    Example("cymbal.wav", "cymbal", 60, 1.0, 1.0, 48_000, "FLOAT"),
)


def main() -> None:
    """Render and write them all."""
    FOLDER.mkdir(exist_ok=True)
    for e in EXAMPLES:
        patch = sample_patch(e.seed, [e.family])
        audio = render(patch, e.pitch, 100, e.hold_s, e.release_s, e.sample_rate)
        soundfile.write(FOLDER / e.name, audio.T, e.sample_rate, subtype=e.subtype)


if __name__ == "__main__":
    main()
