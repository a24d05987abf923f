"""What core itself registers: its encoders, spaces and commands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .effects.words import WORDS
from .plugins import EffectEntry, EncoderEntry, SpaceEntry, Weights, hookimpl

if TYPE_CHECKING:
    from .effects.base import Effect
    from .encoders.base import Encoder
    from .spaces.base import Space

BUNDLED = Path(__file__).parent / "models"
_SMALL = Weights(
    licence="Apache-2.0",
    size_mb=38.0,
    source="this package",
    bundled=BUNDLED / "small",
)
WAV2CLIP_URL = (
    "https://github.com/descriptinc/lyrebird-wav2clip/releases/download/v0.1.0-alpha/Wav2CLIP.pt"
)
LAION_CLAP, CLAP_CHOICES = "laion/clap-htsat-unfused", "OWNER/NAME"

# Name -> module and class in ``effects``, and what its level does.
_EFFECTS = {
    "low-pass": ("low_pass", "LowPass", "Cuts the highs: from 20 kHz at level 0 to 250 Hz at 1."),
    "high-pass": ("high_pass", "HighPass", "Cuts the lows: from 20 Hz at level 0 to 3 kHz at 1."),
    "distortion": ("distortion", "Distortion", "Soft clipping, up to 40 times overdriven."),
    "bitcrush": ("bitcrush", "Bitcrush", "From 16 bits and 48 kHz down to 3 bits and 6 kHz."),
    "chorus": ("chorus", "Chorus", "Two voices detuned by 26 cents; half of the sound at 1."),
    "tremolo": ("tremolo", "Tremolo", "Loudness swings at 5 Hz, down to silence at 1."),
    "vibrato": ("vibrato", "Vibrato", "Pitch swings at 5.5 Hz, by 100 cents both ways at 1."),
    "reverb": ("reverb", "Reverb", "A hall of 1.8 s; 70 % of the sound at 1."),
    "echo": ("echo", "Echo", "Repeats every 0.25 s; the first at 0.7 of the sound at 1."),
}


def _load_effect(module: str, kind: str, options: Mapping[str, Any] | None = None) -> Effect:
    from .effects.base import make_effect

    return make_effect(getattr(import_module(f".effects.{module}", __package__), kind), options)


def _load_small(path: Path, device: str) -> Encoder:
    from .encoders.folding import folded
    from .encoders.small import load

    return folded(load(path, device))


def _load_small_space(path: Path, device: str) -> Space:
    from .spaces.small import load

    return load(path, device)


def _load_wav2clip(path: Path, device: str) -> Encoder:
    from .encoders.folding import folded
    from .encoders.wav2clip import load

    return folded(load(path, device))


def _install_wav2clip(source: Path, folder: Path) -> None:
    from .encoders.wav2clip import install

    install(source, folder)


def _load_clip(path: Path, device: str) -> Space:
    from .spaces.clip import load

    return load(path, device)


def _install_clip(source: Path, folder: Path) -> None:
    from .spaces.clip import install

    install(source, folder)


def _choose_clip(choice: str) -> SpaceEntry:
    from .spaces.clip import choose

    return choose(choice)


def _load_laion_clap(path: Path, device: str) -> Encoder:
    from .encoders.laion_clap import load

    return load(path, device)


def _load_laion_clap_words(path: Path, device: str) -> Space:
    from .spaces.laion_clap import load

    return load(path, device)


def _install_laion_clap(source: Path, folder: Path) -> None:
    from .encoders.clap_source import install

    install(source, folder)


def _find_laion_clap(choice: str | None = None) -> Path | None:
    from .encoders.clap_source import chosen, in_cache

    return in_cache(LAION_CLAP) if choice is None else chosen(choice)


def _laion_clap(choice: str | None = None) -> dict[str, Any]:
    """What the entries of its two sides have in common, for one ClapModel of the hub."""
    hub_id = choice or LAION_CLAP
    if choice is not None:
        _find_laion_clap(choice)  # a choice that is none is an error at once
    known = choice is None
    return {
        "name": "laion-clap" if choice is None else f"laion-clap:{choice}",
        "install": _install_laion_clap,
        "find": partial(_find_laion_clap, choice),
        "weights": Weights(
            licence="Apache-2.0" if known else "as published",
            size_mb=615.0 if known else None,
            source=f"the hub repository {hub_id} (the whole folder)",
            url=f"hf-hub:{hub_id}/*",
        ),
    }


def _laion_clap_encoder(choice: str | None = None) -> EncoderEntry:
    shared = _laion_clap(choice)
    return EncoderEntry(
        **shared,
        summary="LAION CLAP, through transformers' ClapModel: sounds and sentences, 48 kHz.",
        load=_load_laion_clap,
        choose=_laion_clap_encoder if choice is None else None,
        choices=CLAP_CHOICES if choice is None else "",
        space=shared["name"],
        sample_rate=48_000,
    )


def _laion_clap_space(choice: str | None = None) -> SpaceEntry:
    return SpaceEntry(
        **_laion_clap(choice),
        summary="Words of LAION CLAP: RoBERTa, 512 numbers.",
        load=_load_laion_clap_words,
        choose=_laion_clap_space if choice is None else None,
        choices=CLAP_CHOICES if choice is None else "",
        dim=512,
    )


@hookimpl
def tclip_encoders() -> Iterator[EncoderEntry]:
    yield EncoderEntry(
        name="small",
        summary="The bundled model: timbre words and sounds, 32 kHz.",
        load=_load_small,
        space="small",
        sample_rate=32_000,
        weights=_SMALL,
    )
    yield EncoderEntry(
        name="wav2clip",
        summary="Wav2CLIP, where TimbreCLIP starts: ResNet-18 into CLIP's space, 16 kHz.",
        load=_load_wav2clip,
        install=_install_wav2clip,
        space="clip-vit-b-32",
        sample_rate=16_000,
        weights=Weights(licence="MIT", size_mb=49.0, source=WAV2CLIP_URL, url=WAV2CLIP_URL),
    )
    yield _laion_clap_encoder()


@hookimpl
def tclip_spaces() -> Iterator[SpaceEntry]:
    yield SpaceEntry(
        name="small",
        summary="Words of the bundled model: a contextual text encoder, 512 numbers.",
        load=_load_small_space,
        dim=512,
        weights=_SMALL,
    )
    yield SpaceEntry(
        name="clip-vit-b-32",
        summary="OpenAI's CLIP ViT-B/32: words and pictures, 512 numbers.",
        load=_load_clip,
        install=_install_clip,
        dim=512,
        weights=Weights(
            licence="MIT",
            size_mb=605.0,
            source="the hub repository timm/vit_base_patch32_clip_224.openai "
            "(open_clip_model.safetensors)",
            url="hf-hub:timm/vit_base_patch32_clip_224.openai",
        ),
    )
    yield SpaceEntry(
        name="open-clip",
        summary="Any CLIP of open_clip, such as open-clip:ViT-L-14@datacomp_xl_s13b_b90k.",
        load=_load_clip,
        choose=_choose_clip,
        choices="ARCH@TAG_OR_FILE",
        dim=None,
        weights=Weights(licence="as published", size_mb=None, source="the Hugging Face hub"),
    )
    yield _laion_clap_space()


@hookimpl
def tclip_effects() -> Iterator[EffectEntry]:
    for name, (module, kind, summary) in _EFFECTS.items():
        yield EffectEntry(
            name=name,
            summary=summary,
            load=partial(_load_effect, module, kind),
            words=WORDS[name],
        )
