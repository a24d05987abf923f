"""Model folders: where they are, how they are written, and that they are what they claim.

A model is a folder with ``config.json`` and the files it names with their SHA-256: safetensors for
weights, plain files for the rest. ``config.json`` holds::

    format, format_version   "timbreclip", 1
    name, licence            of the model
    encoder                  {"name": entry, ...options of that encoder}
    space                    {"name": entry, ...options of that space}
    files                    {file name: sha256}
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs

from .errors import CheckpointError, InputError, MissingWeightsError, UsageError
from .files import make_readable, sha256
from .plugins import ModelEntry

if TYPE_CHECKING:
    from torch import Tensor

FORMAT, FORMAT_VERSION = "timbreclip", 1
CONFIG = "config.json"
HUB_FILES = ("model.safetensors", "pytorch_model.bin")
# What unpacking a damaged pickle was seen to raise.
_BAD_PICKLE = (
    pickle.UnpicklingError,
    RuntimeError,
    OSError,
    EOFError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    OverflowError,
)


@dataclass(frozen=True)
class Checkpoint:
    """An opened model folder; every file is checked against its hash when it is asked for."""

    root: Path
    config: dict[str, Any]

    @property
    def id(self) -> str:
        """Name and digest, as ``Model.id``."""
        return f"{self.name}@{self.digest}"

    @property
    def name(self) -> str:
        return str(self.config["name"])

    @cached_property
    def digest(self) -> str:
        """First 16 hexadecimal digits of the SHA-256 over all files' hashes and the options."""
        parts = {k: self.config[k] for k in ("files", "encoder", "space")}
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

    def file(self, name: str) -> Path:
        """Path of a file of this model.

        Raises:
            CheckpointError: It is not there, or its bytes are not those that were recorded.
        """
        recorded = self.config["files"].get(name)
        path = self.root / name
        if recorded is None or not path.is_file():
            raise CheckpointError(f"The model {self.root} lacks {name}. Install it again.")
        if sha256(path) != recorded:
            raise CheckpointError(f"{path} is damaged: its SHA-256 differs. Install it again.")
        return path

    def tensors(self, name: str) -> dict[str, Tensor]:
        """Tensors of a safetensors file of this model, on the CPU."""
        from safetensors.torch import load_file

        return load_file(self.file(name))


def open_checkpoint(root: str | Path) -> Checkpoint:
    """Open a model folder.

    Raises:
        CheckpointError: No model folder, or of a format this version does not know.
    """
    root = Path(root)
    try:
        config = json.loads((root / CONFIG).read_text("utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise CheckpointError(f"{root} is no timbreclip model folder: {error}") from error
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        raise CheckpointError(f"{root / CONFIG} does not describe a timbreclip model.")
    if config.get("format_version", 0) > FORMAT_VERSION:
        raise CheckpointError(
            f"{root} was written by a newer timbreclip (format {config['format_version']}). "
            "Run: pip install --upgrade timbreclip-core"
        )
    if missing := {"name", "encoder", "files"} - config.keys():
        raise CheckpointError(f"{root / CONFIG} lacks {', '.join(sorted(missing))}.")
    return Checkpoint(root, {"space": None, **config})


def is_model_folder(path: str | Path) -> bool:
    """Whether a path is a model folder of ours, of whatever version."""
    try:
        config = json.loads((Path(path) / CONFIG).read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and config.get("format") == FORMAT


def published_weights(path: str | Path) -> Path:
    """A file of weights: the path itself, or the one in a folder as the hub lays it out.

    Raises:
        InputError: There is none.
    """
    path = Path(path)
    names = HUB_FILES if path.is_dir() else ("",)
    for candidate in (path / name for name in names):
        if candidate.is_file():
            return candidate
    if path.is_dir():
        raise InputError(f"The folder {str(path)!r} holds neither {' nor '.join(HUB_FILES)}.")
    raise InputError(f"There is no file {str(path)!r}.")


def read_state(path: str | Path) -> dict[str, Tensor]:
    """Tensors by name of a file as its authors published it, on the CPU.

    Args:
        path: safetensors, or a pickle of torch, of which nothing but tensors is unpacked.

    Raises:
        CheckpointError: Damaged, or something else than a flat dictionary of tensors.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if Path(path).suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, *_BAD_PICKLE) as error:
        # torch's own words advise to unpack whatever the file says, which may run code.
        raise CheckpointError(
            f"{path} cannot be read as weights: it is damaged, or holds more than tensors. "
            "Get it again from where it was published."
        ) from error
    if not isinstance(state, dict) or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise CheckpointError(f"{path} holds no flat dictionary of tensors.")
    return dict(state)


def write_checkpoint(
    root: str | Path,
    config: Mapping[str, Any],
    tensors: Mapping[str, Mapping[str, Tensor]],
    files: Mapping[str, Path] | None = None,
) -> Checkpoint:
    """Write a model folder as a whole, or not at all; an existing one is replaced.

    Args:
        root: The folder.
        config: ``name``, ``licence``, ``encoder``, ``space`` and whatever else to keep.
        tensors: Tensors by safetensors file name.
        files: Other files to copy in, by their name in the folder.
    """
    from safetensors.torch import save_file

    root = Path(root)
    root.parent.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix=f".{root.name}-", dir=root.parent))
    try:
        for name, content in tensors.items():
            save_file({k: v.detach().cpu().contiguous() for k, v in content.items()}, new / name)
        for name, source in (files or {}).items():
            shutil.copyfile(source, new / name)
        hashes = {p.name: sha256(p) for p in sorted(new.iterdir())}
        full = {"format": FORMAT, "format_version": FORMAT_VERSION, **config, "files": hashes}
        (new / CONFIG).write_text(json.dumps(full, indent=2) + "\n", "utf-8")
        # safetensors and mkdtemp make things private; an installed model is read by every user.
        for path in (new, *new.iterdir()):
            make_readable(path)
        _replace_folder(root, new)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return open_checkpoint(root)


def _replace_folder(root: Path, new: Path) -> None:
    if not root.exists():
        new.rename(root)
        return
    if not (root / CONFIG).is_file():
        raise InputError(f"{root} exists and is no model folder: it is left alone. Name another.")
    old = Path(tempfile.mkdtemp(prefix=f".{root.name}-old-", dir=root.parent))
    root.rename(old / root.name)
    new.rename(root)
    shutil.rmtree(old)


def models_dir() -> Path:
    """Folder of installed models: ``TCLIP_MODELS``, else the user's data folder."""
    chosen = os.environ.get("TCLIP_MODELS")
    return Path(chosen) if chosen else Path(platformdirs.user_data_dir("timbreclip")) / "models"


def home(entry: ModelEntry) -> Path:
    """Folder that the weights of an entry are installed in."""
    return models_dir().joinpath(*entry.name.split(":", 1))


def installed(entry: ModelEntry) -> Path | None:
    """Folder, or file, with the weights of an entry; None if they are not on this machine."""
    for root in (home(entry), entry.weights.bundled):
        if root is not None and (root / CONFIG).is_file():
            return root
    return entry.find() if entry.find else None


def require(entry: ModelEntry) -> Path:
    """Folder, or file, with the weights of an entry.

    Raises:
        UsageError: The entry stands for many models.
        MissingWeightsError: With the commands that install them.
    """
    root = installed(entry)
    if root is None:
        check_chosen(entry)
        weights, install = entry.weights, f"tclip models install {entry.name}"
        download = f"{install} --download, or " if weights.url else ""
        size = "" if weights.size_mb is None else f"{weights.size_mb:.0f} MB, "
        raise MissingWeightsError(
            f"The weights of {entry.name!r} ({size}{weights.licence}) are not on this machine. "
            f"Run: {download}get them from {weights.source} and run: {install} FILE"
        )
    return root


def check_chosen(entry: ModelEntry) -> None:
    """Raise ``UsageError`` if the entry stands for many models, none of them itself."""
    if entry.must_choose:
        raise UsageError(f"Say which, as in {entry.name}:{entry.choices}")
