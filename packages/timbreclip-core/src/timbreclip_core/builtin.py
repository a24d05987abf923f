"""What core itself registers: its encoders, spaces and commands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from .plugins import EncoderEntry, SpaceEntry, Weights, hookimpl

if TYPE_CHECKING:
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


def _load_small(path: Path, device: str) -> Encoder:
    from .encoders.small import load

    return load(path, device)


def _load_small_space(path: Path, device: str) -> Space:
    from .spaces.small import load

    return load(path, device)


def _load_wav2clip(path: Path, device: str) -> Encoder:
    from .encoders.wav2clip import load

    return load(path, device)


def _install_wav2clip(source: Path, folder: Path) -> None:
    from .encoders.wav2clip import install

    install(source, folder)


def _load_clip(path: Path, device: str) -> Space:
    from .spaces.clip import load

    return load(path, device)


def _install_clip(source: Path, folder: Path) -> None:
    from .spaces.clip import install

    install(source, folder, arch="ViT-B-32-quickgelu", space_id="clip-vit-b-32")


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


@hookimpl
def tclip_spaces() -> Iterator[SpaceEntry]:
    yield SpaceEntry(
        name="small",
        summary="Words of the bundled model: a contextual text encoder, 256 numbers.",
        load=_load_small_space,
        dim=256,
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
