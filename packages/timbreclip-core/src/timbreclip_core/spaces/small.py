"""The words of the bundled model: a contextual text encoder and a projection."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..checkpoints import Checkpoint, open_checkpoint
from ..errors import CheckpointError
from ..inflect import singular
from ..text_encoder import TextEncoder, TextShape, open_tokenizer, unpacked
from ..word_vectors import WordedEncoder, WordVectors
from .base import Space

SENTENCES, PROJECTION, TOKENIZER = "sentences.safetensors", "words.safetensors", "tokenizer.json"
VOCABULARY, WORD_VECTORS = "vocabulary.txt", "vocabulary.safetensors"
PREFIX = "projection."
"""Of the projection's weights in the file of the sentence encoder, where models up to version 3
have them."""


class Projection(nn.Module):
    """From a sentence encoder's vectors to where the audio encoder puts sounds.

    A linear layer without bias; and added to it, if there are hidden units, a layer of those: a
    linear layer alone cannot part "with cut highs" from "with boosted highs", which differ less in
    the sentence encoder than what they are about.

    Args:
        width: Numbers in a sentence's vector.
        dim: Numbers in a ``"text"`` vector.
        hidden: Units; 0 for the linear layer alone.
        dropout: Share of the units dropped while training.
    """

    def __init__(self, width: int, dim: int, hidden: int = 0, dropout: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(dim, width))
        nn.init.orthogonal_(self.weight)
        self.hidden = hidden
        if hidden:
            self.up, self.down = nn.Linear(width, hidden), nn.Linear(hidden, dim, bias=False)
            self.drop = nn.Dropout(dropout)

    @property
    def dim(self) -> int:
        """Numbers in a ``"text"`` vector."""
        return self.weight.shape[0]

    def forward(self, sentences: Tensor) -> Tensor:
        """Vectors ``(texts, width)`` of any length to ``(texts, dim)``, not of unit length."""
        x = F.normalize(sentences, dim=-1)
        found = F.linear(x, self.weight)
        if not self.hidden:
            return found
        units = F.gelu(self.up(x * x.shape[-1] ** 0.5))
        return found + self.down(self.drop(units))


class Projections(nn.Module):
    """Several projections, each for a network of its own; their vectors stand one after another.

    Args:
        several: Of one input.

    Attributes:
        dim: Numbers in a ``"text"`` vector of all networks together.
    """

    def __init__(self, several: Sequence[Projection]) -> None:
        super().__init__()
        self.several = nn.ModuleList(several)
        self.dim = sum(projection.dim for projection in several)

    def forward(self, sentences: Tensor) -> Tensor:
        """Vectors ``(texts, width)`` of any length to ``(texts, dim)``, of unit length."""
        share = len(self.several) ** -0.5
        found = [share * F.normalize(project(sentences), dim=-1) for project in self.several]
        return torch.cat(found, -1)


class SmallSpace(Space):
    """Texts, through a sentence encoder, projected to where the audio encoder puts sounds.

    Args:
        text_encoder: Frozen.
        projection: From its vectors to those of sounds.
        space_id: Id of the ``"text"`` vectors of the audio encoder trained with it.
        near_singular: Whether a plural lies halfway to its singular, and at it if the word vectors
            lack a word of it. The sentence encoder breaks plurals that it seldom saw into pieces,
            and takes them for something else.
    """

    name = "small"

    def __init__(
        self,
        text_encoder: TextEncoder | WordedEncoder,
        projection: Projection | Projections,
        space_id: str,
        near_singular: bool = False,
    ) -> None:
        super().__init__()
        self.text_encoder = text_encoder.eval().requires_grad_(False)
        self.projection = projection.eval().requires_grad_(False)
        self.space_id = space_id
        self.near_singular = near_singular
        self.dim = projection.dim

    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        if not self.near_singular:
            return self._project(texts)
        singulars = {i: one for i, t in enumerate(texts) if (one := singular(t)) != t}
        found = self._project([*texts, *singulars.values()])
        own, ones = F.normalize(found).split([len(texts), len(singulars)])
        plurals = torch.tensor(list(singulars), dtype=torch.long, device=own.device)
        known = [self._knows(texts[i]) for i in singulars]
        own = own.index_fill(0, plurals[~torch.tensor(known, dtype=torch.bool)], 0.0)
        return own.index_add(0, plurals, ones)

    def _knows(self, text: str) -> bool:
        encoder = self.text_encoder
        return not isinstance(encoder, WordedEncoder) or encoder.words.know(text)

    def _project(self, texts: Sequence[str]) -> Tensor:
        return self.projection(self.text_encoder.encode(texts))


def open_projections(checkpoint: Checkpoint) -> list[Projection]:
    """What follows the sentence encoder, for each network of a model folder, in float32.

    Raises:
        CheckpointError: Not the folder of such a model.
    """
    options, found = checkpoint.config["space"] or {}, []
    try:
        if "projection" in options:
            named = options["projection"]
            files = [named] if isinstance(named, str) else named
            parts = [checkpoint.tensors(file) for file in files]
        else:
            state = checkpoint.tensors(options["file"])
            own = {k.removeprefix(PREFIX): v for k, v in state.items() if k.startswith(PREFIX)}
            parts = [own]
        for weights in parts:
            dim, width = weights["weight"].shape
            found.append(Projection(width, dim, len(weights.get("up.bias", ()))))
            found[-1].load_state_dict({k: v.float() for k, v in weights.items()})
    except (KeyError, TypeError, RuntimeError) as error:
        raise _without_text(checkpoint, error) from error
    return found


def _without_text(checkpoint: Checkpoint, error: Exception | str) -> CheckpointError:
    return CheckpointError(f"{checkpoint.root} has no text side for 'small': {error}")


def open_word_vectors(checkpoint: Checkpoint) -> WordVectors | None:
    """The word vectors of a model folder; None for models without (versions 1 to 4)."""
    options = checkpoint.config["space"]
    if "words" not in options:
        return None
    state = checkpoint.tensors(options["words"])
    words = checkpoint.file(options["vocabulary"]).read_text("utf-8").split()
    table = WordVectors(words, state["rows"].shape[1])
    table.load_state_dict(state)
    return table


def load(path: Path, device: str = "cpu") -> SmallSpace:
    """Read the text side of a model folder.

    The options in ``config["space"]`` are ``file`` (the sentence encoder), ``projection`` (a file,
    or a list with one for each network), ``tokenizer``, ``space_id``, ``dim``, ``shape`` (of
    ``TextShape``), ``near_singular`` (of ``SmallSpace``), ``words`` and ``vocabulary`` (of
    ``WordVectors``; none if absent).

    Raises:
        CheckpointError: Not the folder of such a model.
    """
    checkpoint = open_checkpoint(path)
    options = checkpoint.config["space"] or {}
    try:
        shape = TextShape(**options["shape"])
        tokenizer = open_tokenizer(checkpoint.file(options["tokenizer"]))
        sentences = TextEncoder(shape, tokenizer)
        state = checkpoint.tensors(options["file"])
        own = {k: v for k, v in state.items() if not k.startswith(PREFIX)}
        sentences.load_state_dict(unpacked(own))
        words = open_word_vectors(checkpoint)
        encoder = WordedEncoder(sentences, words) if words else sentences
        width = shape.width + (words.width if words else 0)
        space_id, dim = str(options["space_id"]), int(options["dim"])
    except (KeyError, TypeError, RuntimeError) as error:
        raise _without_text(checkpoint, error) from error
    several = open_projections(checkpoint)
    if {p.weight.shape[1] for p in several} != {width} or sum(p.dim for p in several) != dim:
        raise _without_text(checkpoint, "its projections are of other sizes")
    projection = several[0] if len(several) == 1 else Projections(several)
    near = bool(options.get("near_singular", False))
    return SmallSpace(encoder.to(torch.device(device)), projection.to(device), space_id, near)
