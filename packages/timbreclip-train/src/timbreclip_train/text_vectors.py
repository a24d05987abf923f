"""Vectors of the training texts from the frozen sentence encoder: computed once, kept on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import normalize

from timbreclip_core.files import atomic_path
from timbreclip_core.text_encoder import TextEncoder

from .minilm import SOURCE, load_minilm

TEXTS_AT_ONCE = 512


def _key(text: str) -> str:
    """Texts that the tokenizer numbers alike."""
    return " ".join(text.lower().split())


def _file(folder: Path, keys: Sequence[str]) -> Path:
    digest = hashlib.sha256(json.dumps([SOURCE, *keys]).encode()).hexdigest()[:12]
    return folder / f"texts-{digest}.safetensors"


def encode_missing(folder: Path, texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Encode texts unless they have been; yields how many are done, and of how many.

    Args:
        folder: Where vectors are kept; made if absent.
        texts: All that a training may say.
    """
    folder.mkdir(parents=True, exist_ok=True)
    keys = list(dict.fromkeys(map(_key, texts)))
    path = _file(folder, keys)
    if path.is_file():
        return
    known = _of_other_files(folder, keys)
    missing = [key for key in keys if key not in known]
    encoder = load_minilm()
    for start in range(0, len(missing), TEXTS_AT_ONCE):
        some = missing[start : start + TEXTS_AT_ONCE]
        known.update(zip(some, _encode(encoder, some), strict=True))
        yield len(known), len(keys)
    with atomic_path(path) as temporary:
        about = {"source": SOURCE, "texts": json.dumps(keys)}
        save_file({"vectors": torch.stack([known[key] for key in keys])}, temporary, about)


def _of_other_files(folder: Path, keys: Sequence[str]) -> dict[str, Tensor]:
    """Vectors of those texts that were encoded for another training."""
    wanted, known = set(keys), dict[str, Tensor]()
    for path in sorted(folder.glob("texts-*.safetensors")):
        with safe_open(path, "pt") as stream:
            about = stream.metadata() or {}
            if about.get("source") == SOURCE:
                rows = zip(json.loads(about["texts"]), stream.get_tensor("vectors"), strict=True)
                known.update((key, row) for key, row in rows if key in wanted)
    return known


def _encode(encoder: TextEncoder, keys: Sequence[str]) -> Tensor:
    with torch.no_grad():
        return normalize(encoder.encode(keys), dim=1)


class TextVectors:
    """Vectors of texts, ``(texts, width)``, of unit length.

    Training reads those of ``encode_missing`` alone: a vector depends on its batch mates by some
    1e-7, and a training that is gone on with must give the same weights to the last bit.

    Args:
        folder: Where vectors are kept.
        texts: All that a training may say, as given to ``encode_missing``; others are encoded
            when they are asked for.
    """

    def __init__(self, folder: Path | None = None, texts: Sequence[str] = ()) -> None:
        self._encoder = load_minilm()
        self._known: dict[str, Tensor] = {}
        keys = list(dict.fromkeys(map(_key, texts)))
        if folder is not None and keys:
            for _ in encode_missing(folder, texts):
                pass
            vectors = load_file(_file(folder, keys))["vectors"]
            self._known = dict(zip(keys, vectors, strict=True))

    @property
    def width(self) -> int:
        """Numbers in a vector."""
        return self._encoder.shape.width

    def __call__(self, texts: Sequence[str]) -> Tensor:
        keys = [_key(text) for text in texts]
        if new := [key for key in dict.fromkeys(keys) if key not in self._known]:
            self._known.update(zip(new, _encode(self._encoder, new), strict=True))
        return torch.stack([self._known[key] for key in keys])


def blurred(vectors: Tensor, noise: float) -> Tensor:
    """Vectors with a random one of length ``noise`` added to each.

    Source: Nukrai et al. 2022 (CapDec), who add noise to the vectors of texts so that others near
    them are taken alike.
    """
    return vectors + noise * normalize(torch.randn_like(vectors), dim=1) if noise else vectors
