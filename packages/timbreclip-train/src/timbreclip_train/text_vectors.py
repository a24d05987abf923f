"""Vectors of the training texts from a frozen encoder of texts: computed once, kept on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import normalize

from timbreclip_core.files import atomic_path
from timbreclip_core.spaces.base import Space
from timbreclip_core.word_vectors import WordVectors

from .minilm import SOURCE, load_minilm

TEXTS_AT_ONCE = 512
TEXTS_A_PART = 16 * TEXTS_AT_ONCE  # a killed run loses no more than these


@dataclass(frozen=True)
class Words:
    """A frozen encoder of texts.

    Args:
        source: Names it and its weights: vectors of the same source are comparable.
        width: Numbers in a vector.
        encode: Texts to vectors ``(texts, width)``, of any length.
        beside: Vectors of their words, which stand after those and are not kept on disk.
    """

    source: str
    width: int
    encode: Callable[[Sequence[str]], Tensor]
    beside: WordVectors | None = None


def minilm_words(beside: WordVectors | None = None) -> Words:
    """The sentence encoder that the bundled model is made of, with vectors of words or without."""
    encoder = load_minilm()
    return Words(SOURCE, encoder.shape.width, encoder.encode, beside)


def space_words(space: Space) -> Words:
    """The words of a space, such as CLIP's."""
    # Two files of weights may have one space id: what they say of a text tells them apart.
    with torch.no_grad():
        said = normalize(space.encode_texts(["the sound of a violin"]), dim=1)
    digest = hashlib.sha256(said.cpu().half().numpy().tobytes()).hexdigest()[:12]
    return Words(f"{space.space_id} {digest}", space.dim, space.encode_texts)


def text_key(text: str) -> str:
    """Equal for texts that tokenizers which ignore case number alike."""
    return " ".join(text.lower().split())


def _file(folder: Path, source: str, keys: Sequence[str]) -> Path:
    digest = hashlib.sha256(json.dumps([source, *keys]).encode()).hexdigest()[:12]
    return folder / f"texts-{digest}.safetensors"


def encode_missing(
    folder: Path, texts: Sequence[str], words: Words | None = None
) -> Iterator[tuple[int, int]]:
    """Encode texts unless they have been; yields how many are done, and of how many.

    Args:
        folder: Where vectors are kept; made if absent.
        texts: All that a training may say.
        words: What encodes them; ``minilm_words`` if None.
    """
    folder.mkdir(parents=True, exist_ok=True)
    keys = list(dict.fromkeys(map(text_key, texts)))
    path = _file(folder, words.source if words else SOURCE, keys)
    if path.is_file():
        return
    words = words or minilm_words()
    known = _of_other_files(folder, words.source, keys)
    missing = [key for key in keys if key not in known]
    parts = []
    for begin in range(0, len(missing), TEXTS_A_PART):
        part = missing[begin : begin + TEXTS_A_PART]
        for start in range(0, len(part), TEXTS_AT_ONCE):
            some = part[start : start + TEXTS_AT_ONCE]
            known.update(zip(some, _encode(words, some), strict=True))
            yield len(known), len(keys)
        if len(part) < len(keys):
            parts.append(_file(folder, words.source, part))
            _save(parts[-1], words.source, part, known)
    _save(path, words.source, keys, known)
    for own in parts:
        own.unlink()


def _save(path: Path, source: str, keys: Sequence[str], known: dict[str, Tensor]) -> None:
    with atomic_path(path) as temporary:
        about = {"source": source, "texts": json.dumps(keys)}
        save_file({"vectors": torch.stack([known[key] for key in keys])}, temporary, about)


def _of_other_files(folder: Path, source: str, keys: Sequence[str]) -> dict[str, Tensor]:
    """Vectors of those texts that were encoded for another training, or before a kill."""
    wanted, known = set(keys), dict[str, Tensor]()
    for path in sorted(folder.glob("texts-*.safetensors")):
        with safe_open(path, "pt") as stream:
            about = stream.metadata() or {}
            if about.get("source") == source:
                rows = zip(json.loads(about["texts"]), stream.get_tensor("vectors"), strict=True)
                known.update((key, row) for key, row in rows if key in wanted)
    return known


def _encode(words: Words, keys: Sequence[str]) -> Tensor:
    with torch.no_grad():
        return normalize(words.encode(keys), dim=1).cpu()


class TextVectors:
    """Vectors of texts, ``(texts, width)``, of unit length before those of their words.

    Training reads those of ``encode_missing`` alone: a vector depends on its batch mates by some
    1e-7, and a training that is gone on with must give the same weights to the last bit.

    Args:
        folder: Where vectors are kept.
        texts: All that a training may say, as given to ``encode_missing``; others are encoded
            when they are asked for.
        words: What encodes them; ``minilm_words`` if None.
    """

    def __init__(
        self, folder: Path | None = None, texts: Sequence[str] = (), words: Words | None = None
    ) -> None:
        self._words = words or minilm_words()
        self._known: dict[str, Tensor] = {}
        keys = list(dict.fromkeys(map(text_key, texts)))
        if folder is not None and keys:
            for _ in encode_missing(folder, texts, self._words):
                pass
            self._add(keys, load_file(_file(folder, self._words.source, keys))["vectors"])

    @property
    def width(self) -> int:
        """Numbers in a vector."""
        beside = self._words.beside
        return self._words.width + (beside.width if beside else 0)

    def __call__(self, texts: Sequence[str]) -> Tensor:
        keys = [text_key(text) for text in texts]
        if new := [key for key in dict.fromkeys(keys) if key not in self._known]:
            self._add(new, _encode(self._words, new))
        return torch.stack([self._known[key] for key in keys])

    def _add(self, keys: Sequence[str], vectors: Tensor) -> None:
        if beside := self._words.beside:
            vectors = torch.cat([vectors, beside.encode(keys)], 1)
        self._known.update(zip(keys, vectors, strict=True))


def blurred(vectors: Tensor, noise: float) -> Tensor:
    """Vectors with a random one of length ``noise`` added to each.

    Source: Nukrai et al. 2022 (CapDec), who add noise to the vectors of texts so that others near
    them are taken alike.
    """
    return vectors + noise * normalize(torch.randn_like(vectors), dim=1) if noise else vectors
