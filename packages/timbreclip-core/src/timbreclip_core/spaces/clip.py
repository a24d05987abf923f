"""CLIP spaces (Radford et al. 2021) through open_clip: words and pictures of any architecture.

Nothing here reaches for the network: weights come from a model folder, a file or the cache that
open_clip's own downloads leave on this machine.
"""

from __future__ import annotations

import functools
import json
import os
import pickle
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..checkpoints import Checkpoint, open_checkpoint, write_checkpoint
from ..errors import (
    CheckpointError,
    InputError,
    MissingExtraError,
    MissingWeightsError,
    UnknownNameError,
    UsageError,
)
from ..files import sha256
from ..plugins import SpaceEntry, Weights
from .base import Space

if TYPE_CHECKING:
    from PIL.Image import Image

WEIGHTS = "clip.safetensors"
OPEN_CLIP = "open-clip"
TEXTS_AT_ONCE, IMAGES_AT_ONCE = 256, 32
HUB_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")


class LongTextWarning(UserWarning):
    """A text has more tokens than the model reads; the rest of it is not heard."""


@dataclass(frozen=True, kw_only=True)
class ClipSpec:
    """Which CLIP: what a file of weights does not say of itself.

    Args:
        name: Name of the space's entry.
        arch: Architecture, as open_clip names it.
        space_id: Names architecture and weights; None names them by the file's hash.
        quick_gelu: OpenAI's approximation of GELU, where ``arch`` does not have it already.
        preprocess: What open_clip's default for pictures is to be changed in, such as ``mean``.
    """

    name: str
    arch: str
    space_id: str | None = None
    quick_gelu: bool = False
    preprocess: Mapping[str, Any] | None = None


VIT_B_32 = ClipSpec(name="clip-vit-b-32", arch="ViT-B-32-quickgelu", space_id="clip-vit-b-32")


class ClipSpace(Space):
    """Words and pictures through the two towers of a CLIP.

    Args:
        model: As open_clip makes it; frozen here.
        tokenizer: As open_clip makes it.
        name: Of the entry.
        space_id: Names architecture and weights.
        dim: Numbers in a vector.
    """

    can_see = True

    def __init__(self, model: Any, tokenizer: Any, name: str, space_id: str, dim: int) -> None:
        super().__init__()
        transform = _open_clip().transform
        self.name, self.space_id, self.dim = name, space_id, dim
        self.model = model.eval().requires_grad_(False)
        self._tokenizer = tokenizer
        settings = transform.PreprocessCfg(**model.visual.preprocess_cfg)
        self._preprocess = transform.image_transform_v2(settings, is_train=False)

    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        """Texts to vectors ``(batch, dim)``.

        Warns ``LongTextWarning`` where the model's context (77 tokens for most) cuts a text off.
        """
        texts = list(texts)
        self._warn_of_long(texts)
        tokens = self._tokenizer(texts).to(self._device)
        parts = [self.model.encode_text(t) for t in tokens.split(TEXTS_AT_ONCE)]
        return torch.cat(parts).float()

    def encode_images(self, images: Sequence[Image]) -> Tensor:
        """Pictures of any size and mode to vectors ``(batch, dim)``."""
        parts = []
        for start in range(0, len(images), IMAGES_AT_ONCE):
            batch = [self._preprocess(i) for i in images[start : start + IMAGES_AT_ONCE]]
            parts.append(self.model.encode_image(torch.stack(batch).to(self._device)))
        return torch.cat(parts).float()

    @property
    def _device(self) -> torch.device:
        return next(self.model.parameters()).device

    def _warn_of_long(self, texts: list[str]) -> None:
        context = self._tokenizer.context_length
        # With room for one token more, a text that was not cut ends in padding, as no text does.
        longer = self._tokenizer([*texts, ""], context_length=context + 1)[:, -1]
        for text, last in zip(texts, longer[:-1], strict=True):
            if last != longer[-1]:
                warnings.warn(
                    f"{self.name} reads {context} tokens; the end of this text is left out: "
                    f"{text[:60]!r}...",
                    LongTextWarning,
                    stacklevel=4,
                )


def load(path: Path, device: str = "cpu", spec: ClipSpec | None = None) -> ClipSpace:
    """Read a model folder, or a file of weights with what ``spec`` says of it; in float32.

    Args:
        path: The folder or file.
        device: As torch names it.
        spec: What it must be; for a file, CLIP ViT-B/32 if None.

    Raises:
        CheckpointError: Damaged, or weights of another architecture.
        MissingExtraError: open_clip is not installed.
        MissingWeightsError: The architecture needs more files, and they are not here.
    """
    open_clip = _open_clip()
    if path.is_dir():
        checkpoint = open_checkpoint(path)
        file, own = _spec_of(checkpoint)
        if spec is not None and spec.arch != own.arch:
            raise CheckpointError(f"{path} holds weights of {own.arch}, not of {spec.arch}.")
        spec = replace(own, name=spec.name if spec else own.name)
    else:
        file, spec = path, _with_id(spec or VIT_B_32, path)
    tokenizer, model = _tokenizer(spec), _build(file, spec)
    dim = int(open_clip.get_model_config(spec.arch)["embed_dim"])
    return ClipSpace(model.to(torch.device(device)), tokenizer, spec.name, str(spec.space_id), dim)


def install(source: Path, folder: Path, spec: ClipSpec = VIT_B_32) -> None:
    """Turn a file of weights (safetensors, or a pickle of tensors) into a model folder.

    The SHA-256 of the file is kept in its config.

    Raises:
        CheckpointError, MissingExtraError: As ``load``; nothing is written then.
    """
    _open_clip()
    spec = _with_id(spec, source)
    model = _build(source, spec)
    preprocess = {k: v for k, v in model.visual.preprocess_cfg.items() if k != "size"}
    space = {
        "name": spec.name.partition(":")[0],
        "file": WEIGHTS,
        "space_id": spec.space_id,
        "arch": spec.arch,
        "quick_gelu": spec.quick_gelu,
        "preprocess": preprocess,
    }
    config = {
        "name": spec.name,
        "licence": "as published",
        "encoder": None,
        "space": space,
        "source": {"file": source.name, "sha256": sha256(source)},
    }
    write_checkpoint(folder, config, {WEIGHTS: model.state_dict()})


def choose(choice: str) -> SpaceEntry:
    """The entry of ``open-clip:ARCH@TAG`` or ``open-clip:ARCH@FILE``.

    Args:
        choice: An architecture of open_clip, and the tag of published weights or the path of a
            file or model folder.

    Raises:
        UsageError: Not of that form; its subclass ``UnknownNameError``: no such architecture, or
            neither a tag of it nor a path.
    """
    open_clip = _open_clip()
    arch, _, weights = choice.partition("@")
    if not arch or not weights:
        raise UsageError(f"Write {OPEN_CLIP}:ARCH@TAG or {OPEN_CLIP}:ARCH@FILE, not {choice!r}.")
    if arch not in open_clip.list_models():
        raise UnknownNameError("open_clip architecture", arch, open_clip.list_models())
    name, path = f"{OPEN_CLIP}:{choice}", Path(weights)
    published = open_clip.get_pretrained_cfg(arch, weights)
    if not published and not path.exists():
        tags = open_clip.list_pretrained_tags_by_model(arch)
        raise UnknownNameError(f"tag or file of {arch} weights", weights, tags)
    spec = _published_spec(name, arch, weights, published) if published else None
    spec = spec or ClipSpec(name=name, arch=arch, preprocess=_config_beside(path))
    find = functools.partial(_in_cache, published) if published else lambda: path
    return SpaceEntry(
        name=name,
        summary=f"{arch} of open_clip, weights {weights}.",
        load=functools.partial(load, spec=spec),
        install=functools.partial(install, spec=spec) if published else None,
        dim=int(open_clip.get_model_config(arch)["embed_dim"]),
        weights=_published_weights(published),
        find=find,
    )


def _published_spec(name: str, arch: str, tag: str, published: Mapping[str, Any]) -> ClipSpec:
    quick_gelu = bool(published.get("quick_gelu"))
    known = ("mean", "std", "interpolation", "resize_mode")
    openai = quick_gelu and arch in ("ViT-B-32", "ViT-B-32-quickgelu") and tag.lower() == "openai"
    return ClipSpec(
        name=name,
        arch=arch,
        space_id=VIT_B_32.space_id if openai else f"{OPEN_CLIP}/{arch}@{tag.lower()}",
        quick_gelu=quick_gelu,
        preprocess={k: published[k] for k in known if k in published},
    )


def _published_weights(published: Mapping[str, Any]) -> Weights:
    repository = published.get("hf_hub", "").rstrip("/")
    url = f"hf-hub:{repository}" if repository else published.get("url") or None
    return Weights(
        licence="as published",
        size_mb=None,
        source=f"the hub repository {repository}" if repository else url or "the file named",
        url=url,
    )


def _in_cache(published: Mapping[str, Any]) -> Path | None:
    """What an earlier download by open_clip left in the hub's cache."""
    from huggingface_hub import try_to_load_from_cache

    repository, file = os.path.split(published.get("hf_hub", ""))
    for name in (file,) if file else HUB_FILES:
        found = try_to_load_from_cache(repository, name) if repository else None
        if isinstance(found, str):
            return Path(found)
    return None


def _config_beside(path: Path) -> Mapping[str, Any] | None:
    """How pictures are prepared, where the file lies in a copy of a hub repository."""
    try:
        config = json.loads((path.parent / "open_clip_config.json").read_text("utf-8"))
        return dict(config["preprocess_cfg"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _spec_of(checkpoint: Checkpoint) -> tuple[Path, ClipSpec]:
    options = checkpoint.config["space"] or {}
    try:
        spec = ClipSpec(
            name=options["name"],
            arch=options["arch"],
            space_id=options["space_id"],
            quick_gelu=options.get("quick_gelu", False),
            preprocess=options.get("preprocess"),
        )
        return checkpoint.file(options["file"]), spec
    except KeyError as error:
        raise CheckpointError(f"{checkpoint.root} has no CLIP side: {error} is missing.") from error


def _with_id(spec: ClipSpec, path: Path) -> ClipSpec:
    if spec.space_id is not None:
        return spec
    _require_file(path)
    return replace(spec, space_id=f"{OPEN_CLIP}/{spec.arch}@sha256:{sha256(path)[:16]}")


def _require_file(path: Path) -> None:
    if not path.is_file():
        raise InputError(f"There is no file {str(path)!r} to load weights from.")


def _build(file: Path, spec: ClipSpec) -> Any:
    """The model with its weights, every tensor of them needed and used."""
    from safetensors import SafetensorError

    _require_file(file)
    broken = (SafetensorError, pickle.UnpicklingError, EOFError, LookupError, TypeError, ValueError)
    try:
        with _offline(spec):
            return _open_clip().create_model(
                spec.arch,
                pretrained=str(file.absolute()),
                force_quick_gelu=spec.quick_gelu,
                force_preprocess_cfg=dict(spec.preprocess or {}),
            )
    except (RuntimeError, AttributeError, AssertionError, *broken) as error:
        raise CheckpointError(
            f"{file} holds no weights of {spec.arch} as a plain state dict (safetensors, or a "
            f"pickle of tensors): {_first_line(error)}"
        ) from error


def _tokenizer(spec: ClipSpec) -> Any:
    open_clip = _open_clip()
    if spec.arch not in open_clip.list_models():
        raise UnknownNameError("open_clip architecture", spec.arch, open_clip.list_models())
    with _offline(spec):
        return open_clip.get_tokenizer(spec.arch)


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def _open_clip() -> ModuleType:
    try:
        import open_clip
    except ImportError as error:
        raise MissingExtraError("open_clip", "clip") from error
    return open_clip


@contextmanager
def _offline(spec: ClipSpec) -> Iterator[None]:
    """Forbid the hub's library every request; what is in its cache can be read.

    Raises:
        MissingWeightsError: What was asked for is not in the cache.
    """
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    except OSError as error:
        text = _open_clip().get_model_config(spec.arch)["text_cfg"]
        wanted = {text.get("hf_tokenizer_name"), text.get("hf_model_name")} - {None}
        raise MissingWeightsError(
            f"{spec.arch} needs {' and '.join(sorted(wanted))} of the Hugging Face hub, not in its "
            f"cache on this machine. Run: hf download {' '.join(sorted(wanted))}"
        ) from error
    finally:
        constants.HF_HUB_OFFLINE = before
