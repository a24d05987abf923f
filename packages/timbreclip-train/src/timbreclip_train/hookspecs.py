"""The hooks that timbreclip-train owns."""

from __future__ import annotations

from collections.abc import Iterable

from timbreclip_core.plugins import hookspec

from .entries import AugmentationEntry, DatasetEntry, RendererEntry


@hookspec
def tclip_datasets() -> Iterable[DatasetEntry]:
    """Collections of labelled notes."""
    return ()


@hookspec
def tclip_augmentations() -> Iterable[AugmentationEntry]:
    """Changes to training sounds, with the words that change with them."""
    return ()


@hookspec
def tclip_renderers() -> Iterable[RendererEntry]:
    """Sources of notes that are rendered on this machine."""
    return ()
