"""The encoders of this package, as ``tclip models`` shows them; cheap to import."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from timbreclip_core.plugins import EncoderEntry, Weights

if TYPE_CHECKING:
    from timbreclip_core.encoders.base import Encoder


def _load_aisfx(path: Path, device: str) -> Encoder:
    from .aisfx import load

    return load(path, device)


def _install_aisfx(source: Path, folder: Path) -> None:
    from .aisfx import install

    install(source, folder)


def own_entries() -> Iterator[EncoderEntry]:
    """Encoders that serve as teachers."""
    yield EncoderEntry(
        name="aisfx",
        summary="Sound effects, sounds against sounds only (Ma and Lerch 2022); a teacher.",
        load=_load_aisfx,
        install=_install_aisfx,
        space="",
        sample_rate=44_100,
        weights=Weights(
            licence="CC-BY-4.0",
            size_mb=23.0,
            source="the wheel that `pip download --no-deps aisfx==0.1.2` fetches",
        ),
    )
