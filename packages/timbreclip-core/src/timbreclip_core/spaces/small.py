"""The words of the bundled model: a contextual text encoder and a linear layer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from ..checkpoints import open_checkpoint
from ..errors import CheckpointError
from ..text_encoder import TextEncoder, TextShape, open_tokenizer
from .base import Space

WEIGHTS, TOKENIZER = "text.safetensors", "tokenizer.json"


class SmallSpace(Space):
    """Texts, through a sentence encoder, projected to where the audio encoder puts sounds.

    Args:
        text_encoder: Frozen.
        projection: Linear layer from its width to ``dim``, without bias.
        space_id: Id of the ``"text"`` vectors of the audio encoder trained with it.
    """

    name = "small"

    def __init__(self, text_encoder: TextEncoder, projection: nn.Linear, space_id: str) -> None:
        super().__init__()
        self.text_encoder = text_encoder.eval().requires_grad_(False)
        self.projection = projection.requires_grad_(False)
        self.space_id = space_id
        self.dim = projection.out_features

    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        return self.projection(self.text_encoder.encode(texts))


def load(path: Path, device: str = "cpu") -> SmallSpace:
    """Read the text side of a model folder.

    The options in ``config["space"]`` are ``file``, ``tokenizer``, ``space_id``, ``dim`` and
    ``shape`` (of ``TextShape``).

    Raises:
        CheckpointError: Not the folder of such a model.
    """
    checkpoint = open_checkpoint(path)
    options = checkpoint.config["space"] or {}
    try:
        shape = TextShape(**options["shape"])
        tokenizer = open_tokenizer(checkpoint.file(options["tokenizer"]))
        state = checkpoint.tensors(options["file"])
        encoder = TextEncoder(shape, tokenizer)
        projection = nn.Linear(shape.width, options["dim"], bias=False)
        projection.weight.data.copy_(state.pop("projection.weight"))
        encoder.load_state_dict(state)
        space_id = str(options["space_id"])
    except (KeyError, TypeError, RuntimeError) as error:
        raise CheckpointError(f"{path} has no text side for 'small': {error}") from error
    return SmallSpace(encoder.to(torch.device(device)), projection.to(device), space_id)
