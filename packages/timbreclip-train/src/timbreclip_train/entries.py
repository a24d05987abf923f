"""The records that plugins of timbreclip-train yield; importing them never imports torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from timbreclip_core.plugins import Entry


@dataclass(frozen=True, kw_only=True)
class Archive:
    """A file that a dataset can be unpacked from, where its licence allows to fetch it.

    Args:
        part: Name of the part of the dataset that it holds, such as ``"test"``.
        file: Name of the file; its ending says how it is packed: ``.tar``, ``.tar.gz``, ``.zip``.
        urls: Addresses, tried in this order.
        checksum: ``"sha256:HEX"`` or ``"md5:HEX"`` as published; empty if none is.
    """

    part: str
    file: str
    urls: tuple[str, ...]
    checksum: str = ""


@dataclass(frozen=True, kw_only=True)
class DatasetEntry(Entry):
    """A collection of notes with labels; ``load(root: Path)`` returns a ``NoteDataset``.

    Args:
        licence: SPDX identifier of the sounds, or words where there is none.
        citation: Whom to name when using it; empty if nobody asks.
        size: What it takes on disk, in words; empty if that is up to the user.
        source: Where a person gets it.
        archives: What ``tclip data download`` may fetch; empty where the licence forbids it.
    """

    hook: ClassVar[str] = "tclip_datasets"
    kind: ClassVar[str] = "dataset"

    licence: str
    citation: str = ""
    size: str = ""
    source: str = ""
    archives: tuple[Archive, ...] = ()


@dataclass(frozen=True, kw_only=True)
class AugmentationEntry(Entry):
    """A change to training sounds; ``load()`` returns an ``Augmentation``.

    Args:
        words: Timbre words whose truth it changes, such as ``("bright", "dark")``.
        unavailable: Why it cannot be loaded here; empty if it can.
    """

    hook: ClassVar[str] = "tclip_augmentations"
    kind: ClassVar[str] = "augmentation"

    words: tuple[str, ...] = ()
    unavailable: str = ""


@dataclass(frozen=True, kw_only=True)
class RendererEntry(Entry):
    """A source of notes made on this machine; ``load(options)`` returns a ``Renderer``.

    Args:
        licence: SPDX identifier of what it plays, or words.
        needs: Debian packages or programs that must be installed; empty for none.
    """

    hook: ClassVar[str] = "tclip_renderers"
    kind: ClassVar[str] = "renderer"

    licence: str
    needs: tuple[str, ...] = ()
