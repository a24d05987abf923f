"""Which transforms torchaudio-augmentations has; data only, since listing them reads it."""

from __future__ import annotations

from dataclasses import dataclass

SOX_REASON = "it needs torchaudio.sox_effects, which torchaudio 2.9 removed; timbreclip needs 2.11"


@dataclass(frozen=True, kw_only=True)
class Transform:
    """A transform of the package.

    Args:
        kind: Its class.
        summary: One line for lists.
        sox: Whether it needs SoX.
        needs_rate: Whether its constructor wants ``sample_rate``.
        needs_length: Whether it wants ``n_samples``.
        seconds: What it keeps unless told otherwise.
        longest_s: Longest delay, seconds.
        add: What is true after it.
        remove: What may not be.
    """

    kind: str
    summary: str
    sox: bool = False
    needs_rate: bool = False
    needs_length: bool = False
    seconds: float = 0.0
    longest_s: float = 0.0
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()


_DULLED = ("bright", "brilliant", "crisp", "airy", "sharp", "sparkling", "harsh")
_THINNED = ("warm", "full", "bassy", "boomy", "deep", "heavy", "fat")
_THIRD = "torchaudio-augmentations"

TRANSFORMS = {
    "ta-delay": Transform(
        kind="Delay",
        summary=f"One echo after 0.2 to 0.45 s at half the amplitude ({_THIRD}).",
        needs_rate=True,
        longest_s=0.45,
        add=("echoing", "with an echo"),
        remove=("dry", "tight"),
    ),
    "ta-gain": Transform(kind="Gain", summary=f"A gain from -20 to -1 dB ({_THIRD})."),
    "ta-high-low-pass": Transform(
        kind="HighLowPass",
        summary=f"A low-pass at 2.2 to 4 kHz or a high-pass at 0.2 to 1.2 kHz ({_THIRD}).",
        needs_rate=True,
        # Which of the two it was stays inside: neither may be claimed, both take words away.
        remove=(*_DULLED, *_THINNED, "dark", "muffled", "thin", "tinny"),
    ),
    "ta-high-pass-filter": Transform(
        kind="HighPassFilter",
        summary=f"A high-pass at 0.2 to 1.2 kHz ({_THIRD}).",
        needs_rate=True,
        add=("thin", "with cut lows"),
        remove=_THINNED,
    ),
    "ta-low-pass-filter": Transform(
        kind="LowPassFilter",
        summary=f"A low-pass at 2.2 to 4 kHz ({_THIRD}).",
        needs_rate=True,
        add=("muffled", "with rolled-off highs"),
        remove=_DULLED,
    ),
    "ta-noise": Transform(
        kind="Noise", summary=f"White noise 40 to 80 dB below the sound ({_THIRD})."
    ),
    "ta-polarity-inversion": Transform(
        kind="PolarityInversion", summary=f"The sign of every sample turned ({_THIRD})."
    ),
    "ta-random-resized-crop": Transform(
        kind="RandomResizedCrop",
        summary=f"Two seconds from anywhere in the sound ({_THIRD}).",
        needs_length=True,
        seconds=2.0,
    ),
    "ta-reverse": Transform(
        kind="Reverse",
        summary=f"The sound backwards ({_THIRD}).",
        add=("reversed", "backwards"),
        remove=("plucked", "percussive", "punchy", "snappy", "struck", "fast decay", "fast attack"),
    ),
    "ta-pitch-shift": Transform(
        kind="PitchShift", summary=f"Up to 7 semitones either way ({_THIRD}).", sox=True
    ),
    "ta-reverb": Transform(kind="Reverb", summary=f"Freeverb by SoX ({_THIRD}).", sox=True),
}
