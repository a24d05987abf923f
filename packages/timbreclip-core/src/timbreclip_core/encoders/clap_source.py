"""Where a ClapModel of transformers lies on this machine: a folder as the hub lays it out, its file
of weights, or a model folder made from them. Nothing here reaches for the network.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ..checkpoints import (
    CONFIG,
    Checkpoint,
    is_model_folder,
    open_checkpoint,
    published_weights,
    read_state,
    write_checkpoint,
)
from ..errors import CheckpointError, InputError, MissingExtraError, UsageError
from ..files import sha256

if TYPE_CHECKING:
    from torch import Tensor, nn

NAME = "laion-clap"
WEIGHTS = "clap.safetensors"
# Name in a model folder of ours -> name in a folder as the hub lays it out.
FILES = {
    "clap.json": CONFIG,
    "preprocessor.json": "preprocessor_config.json",
    "tokenizer.json": "tokenizer.json",
}
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True)
class ClapSource:
    """The files of one ClapModel.

    Args:
        root: What was opened.
        weights: The file of its tensors, audio and text.
        settings: ``config.json`` of the ClapModel.
        hearing: ``preprocessor_config.json``: how its spectrogram is made.
        tokenizer: The tokenizer's file.
        digest: Of the file of weights as it was published, 16 hexadecimal digits.
        published: Whether these are the authors' own files, not a model folder made from them.
    """

    root: Path
    weights: Path
    settings: Mapping[str, Any]
    hearing: Mapping[str, Any]
    tokenizer: Path
    digest: str
    published: bool

    def space_id(self, kind: str) -> str:
        """Name of the space of a kind of vector."""
        return f"{NAME}@{self.digest}" + ("" if kind == "text" else f"/{kind}")

    def config(self) -> Any:
        """The settings as transformers reads them.

        Raises:
            MissingExtraError: transformers is not installed.
            CheckpointError: They are of another model.
        """
        _transformers()
        from transformers import ClapConfig

        if self.settings.get("model_type") != "clap":
            kind = self.settings.get("model_type")
            raise CheckpointError(f"{self.root} holds a model of type {kind!r}, no ClapModel.")
        return ClapConfig.from_dict(dict(self.settings))

    def fill(self, owner: object, *names: str) -> None:
        """Load the weights of some modules of an object, named as in a ClapModel.

        Raises:
            CheckpointError: Tensors are missing, unknown or of other shapes.
        """
        state = read_state(self.weights)
        for name in names:
            module: nn.Module = getattr(owner, name)
            prefix = f"{name}."
            own = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
            expected = module.state_dict()
            # Constants that earlier versions saved and later ones make anew, or the reverse.
            own = {k: v for k, v in own.items() if k in expected or not k.endswith("position_ids")}
            for key in expected.keys() - own.keys():
                if not expected[key].is_floating_point():
                    own[key] = expected[key]
            try:
                module.load_state_dict(own)
            except RuntimeError as error:
                reason = " ".join(str(error).split())[:300]
                raise CheckpointError(f"{self.weights} is no such ClapModel: {reason}") from error


def open_source(path: Path) -> ClapSource:
    """Open a folder or a file of weights.

    Raises:
        CheckpointError: A file is missing or damaged.
    """
    if is_model_folder(path):
        return _of_checkpoint(open_checkpoint(path))
    weights = published_weights(path)
    folder = weights.parent
    return ClapSource(
        root=path,
        weights=weights,
        settings=_read_json(folder / FILES["clap.json"]),
        hearing=_read_json(folder / FILES["preprocessor.json"]),
        tokenizer=folder / FILES["tokenizer.json"],
        digest=sha256(weights)[:16],
        published=True,
    )


def _of_checkpoint(checkpoint: Checkpoint) -> ClapSource:
    options = checkpoint.config["encoder"] or {}
    if options.get("name") != NAME:
        raise CheckpointError(f"{checkpoint.root} holds {options.get('name')!r}, no {NAME}.")
    settings, hearing = (_read_json(checkpoint.file(n)) for n in ("clap.json", "preprocessor.json"))
    return ClapSource(
        root=checkpoint.root,
        weights=checkpoint.file(WEIGHTS),
        settings=settings,
        hearing=hearing,
        tokenizer=checkpoint.file("tokenizer.json"),
        digest=options["digest"],
        published=False,
    )


def install(source: Path, folder: Path) -> None:
    """Turn a file of weights, with the other files beside it, into a model folder.

    Raises:
        CheckpointError, MissingExtraError: Not such files, or transformers is not installed;
            nothing is written then.
    """
    from ..spaces import laion_clap as words
    from . import laion_clap as sounds

    found = open_source(source)
    sounds.load(source)
    words.load(source)
    config = {
        "name": NAME,
        "licence": "as published",
        "encoder": {
            "name": NAME,
            "digest": found.digest,
            "spaces": {kind: found.space_id(kind) for kind in ("text", "timbre")},
        },
        "space": {"name": NAME, "file": WEIGHTS, "space_id": found.space_id("text")},
        "source": {"file": found.weights.name, "sha256": sha256(found.weights)},
    }
    files = {name: found.weights.parent / theirs for name, theirs in FILES.items()}
    write_checkpoint(folder, config, {WEIGHTS: _parts(found.weights)}, files)


def _parts(weights: Path) -> dict[str, Tensor]:
    """The tensors of the two towers; what only training needs is left out."""
    towers = ("audio_model.", "audio_projection.", "text_model.", "text_projection.")
    return {k: v.clone() for k, v in read_state(weights).items() if k.startswith(towers)}


def in_cache(hub_id: str) -> Path | None:
    """The folder that an earlier download left in the hub's cache, if it holds weights."""
    if importlib.util.find_spec("huggingface_hub") is None:
        return None
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(hub_id, CONFIG)
    if not isinstance(found, str):
        return None
    try:
        published_weights(Path(found).parent)
    except InputError:
        return None
    return Path(found).parent


def chosen(choice: str) -> Path | None:
    """What ``laion-clap:CHOICE`` is loaded from: a folder, or a hub id in the hub's cache.

    Raises:
        UsageError: Neither.
    """
    if Path(choice).exists():
        return Path(choice)
    if not _HUB_ID.fullmatch(choice):
        raise UsageError(f"Write {NAME}:OWNER/NAME, as on the hub, or {NAME}=FOLDER.")
    return in_cache(choice)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} does not hold what it should.")
    return content


def _transformers() -> ModuleType:
    try:
        import transformers
    except ImportError as error:
        raise MissingExtraError("transformers", "clap") from error
    return transformers
