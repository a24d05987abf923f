"""The augmentations of this package, as plugins list them; cheap to import."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from importlib import import_module
from importlib.util import find_spec

from ..entries import AugmentationEntry
from .third_party_list import SOX_REASON, TRANSFORMS, Transform

_INSTALL = "not installed; run: pip install 'timbreclip-train[augmentations]'"
# Name -> module, class, summary and some of the words.
_OWN = {
    "mono-mix": ("mono_mix", "MonoMix", "A random mix of left and right to mono.", ()),
    "pitch-shift": (
        "pitch_shift",
        "PitchShift",
        "Up to 0.5 semitones either way, 3 for patches; as the paper.",
        (),
    ),
    "peak-normalise": ("normalise", "PeakNormalise", "The largest sample at full scale.", ()),
    "gain": ("gain", "RandomGain", "A gain from -18 to 0 dB.", ()),
    "noise": ("noise", "AddNoise", "White to brown noise, 15 to 60 dB below.", ("noisy", "clean")),
    "band-limit": (
        "band_limit",
        "BandLimit",
        "Nothing above 8 or 4 kHz, as of a lower sample rate.",
        ("muffled", "airy"),
    ),
    "eq-band": (
        "eq_band",
        "EqBand",
        "One of seven regions boosted or cut by 3 to 15 dB.",
        ("boomy", "thin", "boxy", "nasal", "scooped", "harsh", "bright", "muffled", "airy"),
    ),
    "eq-tilt": (
        "eq_tilt",
        "EqTilt",
        "The spectrum tilted by up to 4 dB per octave either way.",
        ("bright", "dark", "thin", "warm"),
    ),
    "effects": (
        "effects",
        "RandomEffect",
        "One of the effects of tclip effect list, at a random level.",
        ("muffled", "thin", "distorted", "chorused", "pulsing", "reverberant", "echoing"),
    ),
}


def _load_own(module: str, kind: str) -> object:
    return getattr(import_module(f".{module}", __package__), kind)()


def _load_third_party(name: str) -> object:
    from .third_party import ThirdParty

    return ThirdParty(name)


def own_entries() -> Iterator[AugmentationEntry]:
    """Our own first, then those of torchaudio-augmentations, installed or not."""
    for name, (module, kind, summary, words) in _OWN.items():
        load = partial(_load_own, module, kind)
        yield AugmentationEntry(name=name, summary=summary, load=load, words=words)
    missing = "" if find_spec("torchaudio_augmentations") else _INSTALL
    for name, transform in TRANSFORMS.items():
        yield AugmentationEntry(
            name=name,
            summary=transform.summary,
            load=partial(_load_third_party, name),
            words=_words(transform),
            unavailable=SOX_REASON if transform.sox else missing,
        )


def _words(transform: Transform) -> tuple[str, ...]:
    return transform.add + transform.remove
