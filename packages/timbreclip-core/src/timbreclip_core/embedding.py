"""Vectors that know their space, so that vectors of two spaces never meet unnoticed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from .errors import SpaceMismatchError


class Embedding(Tensor):
    """Unit vectors ``(batch, dim)`` with the id of their space in ``.space``.

    It is a ``torch.Tensor`` in every respect; arithmetic between two spaces raises
    ``SpaceMismatchError``. A result keeps the space while its last dimension stays ``dim``, so
    sums and slices of vectors are labelled and a matrix of similarities is a plain tensor.
    """

    space: str

    @staticmethod
    def of(values: Tensor, space: str) -> Embedding:
        """Label ``values`` (..., dim) as vectors of ``space``."""
        labelled = values.as_subclass(Embedding)
        labelled.space = space
        return labelled

    def plain(self) -> Tensor:
        """The same values without the label."""
        return self.as_subclass(Tensor)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return (Embedding.of, (self.plain(), self.space))

    @classmethod
    def __torch_function__(
        cls,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        inputs = [v for v in _flatten((args, kwargs or {})) if hasattr(v, "space")]
        space = inputs[0].space if inputs else ""
        for other in inputs[1:]:
            if other.space != space:
                raise SpaceMismatchError(space, other.space)
        with torch._C.DisableTorchFunctionSubclass():
            result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor) and inputs and not isinstance(result, torch.nn.Parameter):
            dims = {v.shape[-1] for v in inputs if v.ndim}
            if result.ndim and result.shape[-1] in dims and result.is_floating_point():
                return result if getattr(result, "space", None) else Embedding.of(result, space)
            return result.as_subclass(Tensor)
        return result


def _flatten(value: Any) -> Iterable[Embedding]:
    if isinstance(value, Embedding):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _flatten(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _flatten(item)


def check_same_space(first: Tensor, second: Tensor, hint: str = "") -> None:
    """Raise ``SpaceMismatchError`` if both are labelled and differ, or if their sizes differ."""
    a, b = getattr(first, "space", None), getattr(second, "space", None)
    if a is not None and b is not None and a != b:
        raise SpaceMismatchError(a, b, hint)
    if first.shape[-1] != second.shape[-1]:
        raise SpaceMismatchError(f"of {first.shape[-1]} numbers", f"of {second.shape[-1]}", hint)
