"""Mixing encoded prompts by weights."""

from __future__ import annotations

import torch
from torch import Tensor

from timbreclip_core.errors import UsageError

Conditioning = dict[str, Tensor]
"""Encoded prompts, or mixtures of them: tensors by name, the first axis of each the items."""

MIXINGS = ("linear", "slerp")
_PARALLEL = 1e-6  # radians below which an arc is a line


def mix(conditioning: Conditioning, weights: Tensor, mixing: str = "linear") -> Conditioning:
    """Weighted mixtures of encoded prompts.

    A row of weights with a single 1 gives that very prompt, bit for bit.

    Args:
        conditioning: ``(prompts, ...)`` each.
        weights: ``(pictures, prompts)``, finite.
        mixing: ``"linear"``: ``t = sum_i w_i t_i``. ``"slerp"``: the weighted mean on the sphere,
            token by token, with the mean length; built up prompt by prompt in the order of falling
            weight (the order matters little), which keeps the length of what is mixed.

    Returns:
        ``(pictures, ...)`` each, of the dtype of the prompts.

    Raises:
        UsageError: Weights that are not finite or not one a prompt; for ``"slerp"``, negative
            ones or a sum of 0; an unknown mixing.

    Source: Jonason & Sturm, TimbreCLIP, "Timbre to Image Generation"; K. Shoemake, Animating
    rotation with quaternion curves, SIGGRAPH (1985).
    """
    if mixing not in MIXINGS:
        raise UsageError(f"mixing must be one of {', '.join(MIXINGS)}, not {mixing!r}.")
    prompts = {len(values) for values in conditioning.values()}
    if weights.ndim != 2 or prompts != {weights.shape[1]}:
        raise UsageError(
            f"Weights of shape {tuple(weights.shape)} do not fit {max(prompts, default=0)} prompts."
        )
    if not bool(torch.isfinite(weights).all()):
        raise UsageError("A weight is NaN or infinite. Use other keywords or another weighting.")
    if mixing == "slerp" and not bool((weights >= 0).all() & (weights.sum(-1) > 0).all()):
        raise UsageError("slerp needs weights of 0 or more, not all 0: use softmax or similarity.")
    work = _linear if mixing == "linear" else _slerp
    return {name: work(values, weights) for name, values in conditioning.items()}


def _linear(values: Tensor, weights: Tensor) -> Tensor:
    rows = weights.to(values.device, torch.promote_types(values.dtype, torch.float32))
    return torch.stack([_row(values, row) for row in rows])


def _row(values: Tensor, row: Tensor) -> Tensor:
    """One mixture; a row at a time, so that it does not depend on the others."""
    return torch.tensordot(row, values.to(row.dtype), 1).to(values.dtype)


def _slerp(values: Tensor, weights: Tensor) -> Tensor:
    rows = weights.to(values.device, torch.promote_types(values.dtype, torch.float32))
    return torch.stack([_arc_mean(values, row) for row in rows])


def _arc_mean(values: Tensor, row: Tensor) -> Tensor:
    order = row.argsort(descending=True, stable=True)
    total, mean = row[order[0]], values[order[0]].to(row.dtype)
    for index in order[1:]:
        if row[index] == 0:
            break
        total = total + row[index]
        mean = slerp(mean, values[index].to(row.dtype), row[index] / total)
    return mean.to(values.dtype)


def slerp(first: Tensor, second: Tensor, part: Tensor | float) -> Tensor:
    """From ``first`` (part 0) to ``second`` (part 1) along the arc between them.

    Directions go along the great circle, lengths along a line; where the two are parallel or one
    is zero, it is a line. The last axis holds the vectors.

    >>> slerp(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), 0.5)
    tensor([0.7071, 0.7071])
    """
    lengths = [torch.linalg.vector_norm(v, dim=-1, keepdim=True) for v in (first, second)]
    units = [torch.nn.functional.normalize(v, dim=-1) for v in (first, second)]
    angle = (units[0] * units[1]).sum(-1, keepdim=True).clamp(-1, 1).acos()
    on_arc = (((1 - part) * angle).sin() * units[0] + (part * angle).sin() * units[1]) / angle.sin()
    line = first + part * (second - first)
    straight = (angle.sin().abs() < _PARALLEL) | (lengths[0] == 0) | (lengths[1] == 0)
    return torch.where(straight, line, on_arc * (lengths[0] + part * (lengths[1] - lengths[0])))
