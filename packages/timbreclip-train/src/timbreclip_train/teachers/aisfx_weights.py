"""Reading the weights of aisfx out of the wheel that carries them, without running its code."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from timbreclip_core.errors import CheckpointError

MEMBER = "aisfx/models/checkpoint.pth"
PREFIX = "embedding_net."
MOST_BYTES = 100_000_000
WIDTHS = (64, 128, 256, 512)
"""Channels of the four blocks of two convolutions."""
BATCH_NORM_EPSILON = 1e-5
_STATISTICS = ("weight", "bias", "running_mean", "running_var")
_BAD_PICKLE = (pickle.UnpicklingError, RuntimeError, EOFError, LookupError, ValueError, TypeError)


def read_published(path: Path) -> dict[str, Tensor]:
    """Tensors of the embedding network, by the names that they were published under.

    Args:
        path: The wheel, or the ``checkpoint.pth`` in it.

    Raises:
        CheckpointError: Neither of the two, or damaged.
    """
    found = _unpickled(_checkpoint_bytes(path), path)
    # What was published is the weights beside the names of the data sets that they learned from.
    state = found[0] if isinstance(found, tuple) and found else found
    if not isinstance(state, dict):
        raise CheckpointError(f"{path} holds no dictionary of tensors.")
    named = {k.removeprefix(PREFIX): v for k, v in state.items() if str(k).startswith(PREFIX)}
    return checked(named, path)


def _checkpoint_bytes(path: Path) -> bytes:
    if path.suffix != ".whl":
        return path.read_bytes()
    try:
        with zipfile.ZipFile(path) as wheel:
            if wheel.getinfo(MEMBER).file_size > MOST_BYTES:
                raise CheckpointError(f"{MEMBER} in {path} is far larger than that of aisfx 0.1.2.")
            return wheel.read(MEMBER)
    except (zipfile.BadZipFile, KeyError, OSError) as error:
        raise CheckpointError(
            f"{path} is no wheel of aisfx, or damaged: {error}. "
            "Run: pip download --no-deps aisfx==0.1.2"
        ) from error


def _unpickled(content: bytes, path: Path) -> object:
    one = np.int64(1)
    scalar = one.__reduce__()[0]
    # The number of each data set was stored as a numpy integer, by a numpy with other module names.
    allowed: list[Any] = [
        (scalar, "numpy.core.multiarray.scalar"),
        (scalar, "numpy._core.multiarray.scalar"),
        np.dtype,
        type(one.dtype),
    ]
    try:
        with torch.serialization.safe_globals(allowed):
            return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except _BAD_PICKLE as error:
        raise CheckpointError(
            f"{path} cannot be read as the weights of aisfx: it is damaged, or holds more than "
            "tensors and numbers. Run: pip download --no-deps aisfx==0.1.2"
        ) from error


def expected_shapes() -> dict[str, tuple[int, ...]]:
    """Shapes of the tensors that the embedding network is made of, by published name."""
    shapes: dict[str, tuple[int, ...]] = {}
    for conv, norm, inputs, outputs in _layers():
        shapes[f"{conv}.weight"] = (outputs, inputs, 3, 3)
        shapes.update((f"{norm}.{name}", (outputs,)) for name in _STATISTICS)
    return shapes


def _layers() -> Iterator[tuple[str, str, int, int]]:
    """Published names of each convolution and its normalisation, and channels in and out."""
    inputs = 1
    for block, outputs in enumerate(WIDTHS, start=1):
        for layer in (1, 2):
            where = f"conv_block{block}"
            yield f"{where}.conv{layer}", f"{where}.bn{layer}", inputs, outputs
            inputs = outputs


def checked(state: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """The tensors that the network needs.

    Raises:
        CheckpointError: One is missing or of another shape.
    """
    wrong = [
        name
        for name, shape in expected_shapes().items()
        if not isinstance(state.get(name), Tensor) or tuple(state[name].shape) != shape
    ]
    if wrong:
        rest = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        listed = ", ".join(wrong[:3]) + rest
        raise CheckpointError(f"{path} holds no aisfx network: {listed} missing or of other shape.")
    return {name: state[name].float().contiguous() for name in expected_shapes()}


def folded(state: Mapping[str, Tensor]) -> list[tuple[Tensor, Tensor]]:
    """Kernel ``(out, in, 3, 3)`` and bias ``(out,)`` of every convolution, in order.

    The normalisation that follows a convolution is linear once its statistics are fixed, and so
    becomes part of it.
    """
    pairs = []
    for conv, norm, _, _ in _layers():
        gain, offset, mean, variance = (state[f"{norm}.{name}"].double() for name in _STATISTICS)
        scale = gain / torch.sqrt(variance + BATCH_NORM_EPSILON)
        kernel = state[f"{conv}.weight"].double() * scale[:, None, None, None]
        pairs.append((kernel.float(), (offset - mean * scale).float()))
    return pairs
