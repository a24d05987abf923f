"""The words of LAION CLAP (Wu et al. 2023), through transformers' ClapModel."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..encoders.base import TEXT
from ..encoders.clap_source import NAME, ClapSource, open_source
from ..errors import CheckpointError
from ..text_encoder import open_tokenizer
from .base import Space
from .clip import LongTextWarning

TEXTS_AT_ONCE = 64


class ClapWords(Space):
    """Texts through the RoBERTa of a ClapModel and its projection.

    Args:
        config: A ``ClapConfig``.
        tokenizer: As ``open_tokenizer`` gives it.
        space_id: Of the ``"text"`` vectors of the same ClapModel's audio side.
    """

    name = NAME

    def __init__(self, config: Any, tokenizer: Any, space_id: str) -> None:
        from transformers.models.clap.modeling_clap import ClapProjectionLayer, ClapTextModel

        super().__init__()
        text = config.text_config
        self.space_id, self.dim = space_id, int(config.projection_dim)
        self.text_model = ClapTextModel(text).eval().requires_grad_(False)
        self.text_projection = ClapProjectionLayer(text).eval().requires_grad_(False)
        self._tokenizer = tokenizer
        self._padding = int(text.pad_token_id)
        # RoBERTa counts positions from the one after its padding's number.
        self._longest = int(text.max_position_embeddings) - self._padding - 1

    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        """Texts to vectors ``(batch, dim)``.

        Warns ``LongTextWarning`` where the end of a text is left out.
        """
        starts = range(0, len(texts), TEXTS_AT_ONCE)
        return torch.cat([self._encode(texts[s : s + TEXTS_AT_ONCE]) for s in starts])

    def _encode(self, texts: Sequence[str]) -> Tensor:
        rows = [self._tokens(text) for text in texts]
        width = max(map(len, rows))
        device = self.text_projection.linear1.weight.device
        ids = torch.full((len(rows), width), self._padding, device=device)
        mask = torch.zeros_like(ids)
        for i, row in enumerate(rows):
            ids[i, : len(row)], mask[i, : len(row)] = torch.tensor(row, device=device), 1
        pooled = self.text_model(input_ids=ids, attention_mask=mask).pooler_output
        return self.text_projection(pooled)

    def _tokens(self, text: str) -> list[int]:
        ids = self._tokenizer.encode(text).ids
        if len(ids) > self._longest:
            warnings.warn(
                f"{self.name} reads {self._longest} tokens; the end of this text is left out: "
                f"{text[:60]!r}...",
                LongTextWarning,
                stacklevel=5,
            )
            ids = [*ids[: self._longest - 1], ids[-1]]
        return ids


def load(path: Path, device: str = "cpu") -> ClapWords:
    """Read the text side of a ClapModel; frozen, in float32.

    Args:
        path: A folder as the hub lays it out, its file of weights, or a model folder.
        device: As torch names it.

    Raises:
        CheckpointError: Damaged, or of another model.
        MissingExtraError: transformers is not installed.
    """
    source = open_source(path)
    words = ClapWords(source.config(), _tokenizer(source), source.space_id(TEXT))
    source.fill(words, "text_model", "text_projection")
    for part in (words.text_model, words.text_projection):
        part.to(torch.device(device))
    return words


def _tokenizer(source: ClapSource) -> Any:
    try:
        return open_tokenizer(source.tokenizer)
    except Exception as error:  # tokenizers raises Exception itself
        raise CheckpointError(
            f"{source.tokenizer} cannot be read as a tokenizer ({error}). transformers makes one: "
            "AutoTokenizer.from_pretrained(...).save_pretrained(FOLDER)"
        ) from error
