"""The datasets of this package, as ``tclip data list`` shows them; cheap to import."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..entries import Archive, DatasetEntry

if TYPE_CHECKING:
    from .base import NoteDataset

_NSYNTH_SITES = (
    "https://storage.googleapis.com/download.magenta.tensorflow.org/datasets/nsynth",
    "http://download.magenta.tensorflow.org/datasets/nsynth",
)
_NSYNTH_CITATION = """\
@inproceedings{engel2017neural,
  title = {Neural Audio Synthesis of Musical Notes with {WaveNet} Autoencoders},
  author = {Engel, Jesse and Resnick, Cinjon and Roberts, Adam and Dieleman, Sander and
            Norouzi, Mohammad and Eck, Douglas and Simonyan, Karen},
  booktitle = {Proceedings of the 34th International Conference on Machine Learning},
  pages = {1068--1077},
  year = {2017}
}"""
_SURGE_CITATION = """\
@inproceedings{turian2021one,
  title = {One Billion Audio Sounds from {GPU}-enabled Modular Synthesis},
  author = {Turian, Joseph and Shier, Jordie and Tzanetakis, George and McNally, Kirk and
            Henry, Max},
  booktitle = {Proceedings of the 24th International Conference on Digital Audio Effects},
  year = {2021}
}"""


def _load_nsynth(root: Path) -> NoteDataset:
    from .nsynth import NSynth

    return NSynth(root)


def _load_surge(root: Path) -> NoteDataset:
    from .surge import Surge

    return Surge(root)


def _load_patches(root: Path) -> NoteDataset:
    from .patches import Patches

    return Patches(root)


def _load_folder(root: Path) -> NoteDataset:
    from .folder import Folder

    return Folder(root)


def _load_rendered(root: Path) -> NoteDataset:
    from .rendered import Rendered

    return Rendered(root)


def own_entries() -> Iterator[DatasetEntry]:
    """Published collections first, then layouts that anyone can fill."""
    yield DatasetEntry(
        name="nsynth",
        summary="305,979 notes of 1,006 instruments, 16 kHz: family, source, qualities.",
        load=_load_nsynth,
        licence="CC-BY-4.0",
        citation=_NSYNTH_CITATION,
        size="25 GB packed, 39 GB unpacked",
        source="https://magenta.tensorflow.org/datasets/nsynth (the json/wav archives)",
        archives=tuple(_nsynth_archive(part) for part in ("train", "valid", "test")),
    )
    yield DatasetEntry(
        name="surge",
        summary="2,084 presets of the synthesiser Surge over 88 keys; for evaluation only.",
        load=_load_surge,
        licence="CC-BY-4.0",
        citation=_SURGE_CITATION,
        size="7.6 GB",
        source="https://zenodo.org/records/4677097 (surge-velocity64-2K.tar)",
        archives=(
            Archive(
                part="all",
                file="surge-velocity64-2K.tar",
                urls=("https://zenodo.org/records/4677097/files/surge-velocity64-2K.tar",),
            ),
        ),
    )
    yield DatasetEntry(
        name="patches",
        summary="Your recordings of presets with manifest.csv or manifest.jsonl.",
        load=_load_patches,
        licence="that of your recordings",
        source="a folder of yours; docs/datasets.md shows the manifest and ALV as an example",
    )
    yield DatasetEntry(
        name="folder",
        summary="Any folder of sounds; text from the names of files and folders.",
        load=_load_folder,
        licence="that of your sounds",
        source="a folder of yours",
    )
    yield DatasetEntry(
        name="rendered",
        summary="Notes that tclip data render made from open synthesisers.",
        load=_load_rendered,
        licence="by preset: see info of each note",
        source="tclip data render",
    )


def _nsynth_archive(part: str) -> Archive:
    file = f"nsynth-{part}.jsonwav.tar.gz"
    return Archive(part=part, file=file, urls=tuple(f"{site}/{file}" for site in _NSYNTH_SITES))
