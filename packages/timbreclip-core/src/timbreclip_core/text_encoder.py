"""A small sentence encoder in plain torch: tokens, transformer layers, the mean of the outputs.

The architecture is BERT's (Devlin et al. 2019, post-layer-norm, learnt positions) with mean pooling
as in Sentence-BERT (Reimers and Gurevych 2019); the bundled weights are all-MiniLM-L6-v2.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional as F

TEXTS_AT_ONCE = 64
GROUP = 64
SCALES = ".scales"  # after the name of a matrix in int8


class TruncatedTextWarning(UserWarning):
    """A text was longer than the encoder reads; its end was left out."""


@dataclass(frozen=True, kw_only=True)
class TextShape:
    """Sizes of a text encoder."""

    vocabulary: int = 30_522
    width: int = 384
    layers: int = 6
    heads: int = 12
    hidden: int = 1_536
    max_tokens: int = 256


class TokenTable(nn.Module):
    """Token vectors, as int8 rows with a scale each or as floating rows with scale 1."""

    def __init__(self, vocabulary: int, width: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.rows: Tensor
        self.scale: Tensor
        self.register_buffer("rows", torch.zeros(vocabulary, width, dtype=dtype))
        self.register_buffer("scale", torch.ones(vocabulary, 1))

    def forward(self, ids: Tensor) -> Tensor:
        return self.rows[ids].float() * self.scale[ids]


class Layer(nn.Module):
    """Self-attention, then two dense layers; each added to its input and normalised."""

    def __init__(self, shape: TextShape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.query_key_value = nn.Linear(shape.width, 3 * shape.width)
        self.attended = nn.Linear(shape.width, shape.width)
        self.norm_1 = nn.LayerNorm(shape.width, eps=1e-12)
        self.grow = nn.Linear(shape.width, shape.hidden)
        self.shrink = nn.Linear(shape.hidden, shape.width)
        self.norm_2 = nn.LayerNorm(shape.width, eps=1e-12)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        split = self.query_key_value(x).reshape(batch, tokens, 3, self.heads, -1)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(query, key, value, attn_mask=mask[:, None, None])
        x = self.norm_1(x + self.attended(y.transpose(1, 2).reshape(batch, tokens, width)))
        return self.norm_2(x + self.shrink(F.gelu(self.grow(x))))


class TextEncoder(nn.Module):
    """Texts to vectors ``(batch, width)``, each independent of the others.

    Args:
        shape: Sizes.
        tokenizer: Splits, lower-cases and numbers; adds the marks at both ends.
        table: Type of the token table in memory: ``torch.int8`` or a floating type.
    """

    def __init__(
        self, shape: TextShape, tokenizer: Tokenizer, table: torch.dtype = torch.int8
    ) -> None:
        super().__init__()
        self.shape = shape
        self.tokenizer = tokenizer
        self.tokens = TokenTable(shape.vocabulary, shape.width, table)
        self.positions = nn.Parameter(torch.zeros(shape.max_tokens, shape.width))
        self.norm = nn.LayerNorm(shape.width, eps=1e-12)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Token numbers and where they are real, both ``(batch, tokens)``, to the mean output."""
        x = self.norm(self.tokens(ids) + self.positions[: ids.shape[1]])
        for layer in self.layers:
            x = layer(x, mask)
        weight = mask[..., None].to(x.dtype)
        return (x * weight).sum(1) / weight.sum(1)

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Texts to vectors ``(len(texts), width)``, in their order.

        Warns:
            TruncatedTextWarning: A text has more than ``shape.max_tokens`` tokens.
        """
        numbered = [self._number(text) for text in texts]
        order = sorted(range(len(texts)), key=lambda i: len(numbered[i]))
        device = self.positions.device
        out = torch.zeros(len(texts), self.shape.width, device=device)
        for start in range(0, len(order), TEXTS_AT_ONCE):
            chosen = order[start : start + TEXTS_AT_ONCE]
            rows = [torch.tensor(numbered[i], device=device) for i in chosen]
            ids = nn.utils.rnn.pad_sequence(rows, batch_first=True)
            lengths = torch.tensor([len(r) for r in rows], device=device)
            mask = torch.arange(ids.shape[1], device=device) < lengths[:, None]
            out[torch.tensor(chosen, device=device)] = self(ids, mask)
        return out

    def _number(self, text: str) -> list[int]:
        ids = self.tokenizer.encode(text).ids
        limit = self.shape.max_tokens
        if len(ids) <= limit:
            return ids
        warnings.warn(
            f"A text of {len(ids)} tokens is cut to {limit}: {text[:40]!r}...",
            TruncatedTextWarning,
            stacklevel=4,
        )
        return [*ids[: limit - 1], ids[-1]]


def open_tokenizer(path: Path) -> Tokenizer:
    """A ``tokenizer.json`` with its own padding and truncation switched off."""
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def quantise(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What goes to disk: the token table and matrices in int8, the rest in float16.

    The table has a scale for every row, a matrix one for every 64 weights of a row.
    """
    table = state["tokens.rows"].float() * state["tokens.scale"]
    packed: dict[str, Tensor] = {}
    packed["tokens.rows"], packed["tokens.scale"] = rows_in_int8(table)
    for name, value in state.items():
        if name.startswith("layers.") and value.ndim == 2:
            groups, scale = rows_in_int8(value.float().reshape(-1, _group(value)))
            packed[name] = groups.reshape(value.shape)
            packed[f"{name}{SCALES}"] = scale.reshape(len(value), -1)
        elif name not in packed:
            packed[name] = value.half()
    return packed


def rows_in_int8(rows: Tensor) -> tuple[Tensor, Tensor]:
    """``(rows, width)`` in int8, and each row's scale ``(rows, 1)``."""
    scale = rows.abs().amax(1, keepdim=True).clamp(min=1e-8) / 127
    return (rows / scale).round().to(torch.int8), scale


def unpacked(packed: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What ``quantise`` made, as ``TextEncoder`` takes it; and what had its matrices in float16."""
    state = {name: value for name, value in packed.items() if not name.endswith(SCALES)}
    for name in packed.keys() - state.keys():
        matrix = packed[name.removesuffix(SCALES)]
        groups = matrix.reshape(-1, _group(matrix)).float() * packed[name].reshape(-1, 1)
        state[name.removesuffix(SCALES)] = groups.reshape(matrix.shape)
    return state


def _group(matrix: Tensor) -> int:
    """Weights of a row with one scale: a single large one makes all that share its scale coarse."""
    width = matrix.shape[1]
    return GROUP if width % GROUP == 0 else width
