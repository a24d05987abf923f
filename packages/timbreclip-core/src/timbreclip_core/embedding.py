"""Vectors that know their space, so that vectors of two spaces never meet unnoticed."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from .errors import SpaceMismatchError

# What becomes of the label, by the name of the function; all else keeps it while the vectors have
# as many numbers as before.
# fmt: off
_PRODUCTS = {
    "matmul", "__matmul__", "__rmatmul__", "mm", "bmm", "mv", "dot", "vdot", "inner", "outer",
    "einsum", "tensordot", "linear", "addmm", "addmv", "baddbmm", "bilinear", "kron", "cdist",
    "pdist", "pairwise_distance", "cosine_similarity", "cov", "corrcoef", "multi_dot",
    "chain_matmul", "scaled_dot_product_attention"
}
_SWAPS = {
    "T", "mT", "H", "mH", "t", "adjoint", "transpose", "swapaxes", "swapdims", "permute"
}
_REDUCTIONS = {
    "sum", "nansum", "mean", "nanmean", "prod", "amax", "amin", "max", "min", "median", "std",
    "var", "norm", "logsumexp", "linalg_norm", "linalg_vector_norm"
}
# fmt: on


class Embedding(Tensor):
    """Unit vectors ``(batch, dim)`` with the id of their space in ``.space``.

    It is a ``torch.Tensor`` in every respect; arithmetic between two spaces raises
    ``SpaceMismatchError``, ``a @ b.T`` included. Sums, slices and stacks of vectors keep the label;
    similarities, norms and whatever else is no vector of the space are plain tensors.
    """

    space: str
    _axis = -1  # where the vectors lie: -2 after a transpose

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
        return (_restored, (self.plain(), self.space, self._axis))

    def __deepcopy__(self, memo: dict[int, Any]) -> Embedding:
        if id(self) not in memo:
            values = copy.deepcopy(self.plain(), memo)
            memo[id(self)] = _restored(values, self.space, self._axis)
        return memo[id(self)]

    @classmethod
    def __torch_function__(
        cls,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        inputs = list(_labelled_in((args, kwargs)))
        for other in inputs[1:]:
            if other.space != inputs[0].space:
                raise SpaceMismatchError(inputs[0].space, other.space)
        with torch._C.DisableTorchFunctionSubclass():
            first = inputs[0] if inputs and inputs[0].ndim else None
            # An operation in place may change the very shape that is asked for.
            axis = _axis_after(_name(func), args, kwargs, first) if first is not None else None
            dim = first.shape[first._axis] if first is not None else 0
            result = func(*args, **kwargs)
            return _relabelled(result, inputs[0].space, axis, dim) if inputs else result


def _restored(values: Tensor, space: str, axis: int) -> Embedding:
    vectors = Embedding.of(values, space)
    vectors._axis = axis
    return vectors


def _labelled_in(value: Any) -> Iterable[Embedding]:
    if isinstance(value, Embedding):
        if hasattr(value, "space"):
            yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _labelled_in(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _labelled_in(item)


def _name(func: Callable[..., Any]) -> str:
    name = getattr(func, "__name__", "")
    if name == "__get__":  # a property, such as .T
        return getattr(getattr(func, "__self__", None), "__name__", "")
    return name


def _axis_after(
    name: str, args: tuple[Any, ...], kwargs: dict[str, Any], x: Embedding
) -> int | None:
    """Where the vectors of ``x`` lie in the result of a function; None if they are gone."""
    numbers = _whole_numbers((args[1:], kwargs))
    if name in _PRODUCTS:
        return None
    if name in _REDUCTIONS:
        return None if x._axis % x.ndim in {n % x.ndim for n in numbers} else x._axis
    if name in _SWAPS and x.ndim > 1:
        last = x.ndim - 1
        if name == "permute":
            moved = numbers[-1] % x.ndim != last
        else:
            moved = not numbers or last in {n % x.ndim for n in numbers}
        return -3 - x._axis if moved else x._axis
    return x._axis


def _whole_numbers(value: Any) -> list[int]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [n for item in value for n in _whole_numbers(item)]
    return [value] if isinstance(value, int) and not isinstance(value, bool) else []


def _relabelled(result: Any, space: str, axis: int | None, dim: int) -> Any:
    """``result`` with every tensor in it labelled that holds vectors, and no other."""
    if isinstance(result, list | tuple):
        return type(result)([_relabelled(item, space, axis, dim) for item in result])
    if isinstance(result, Iterator):
        return (_relabelled(item, space, axis, dim) for item in result)
    if not isinstance(result, Tensor) or isinstance(result, torch.nn.Parameter):
        return result
    if axis is None or result.ndim < -axis or result.shape[axis] != dim:
        return result.as_subclass(Tensor)
    if not result.is_floating_point():
        return result.as_subclass(Tensor)
    if isinstance(result, Embedding) and hasattr(result, "space") and result._axis == axis:
        return result
    return _restored(result, space, axis)


def check_same_space(first: Tensor, second: Tensor, hint: str = "") -> None:
    """Raise ``SpaceMismatchError`` if both are labelled and differ, or if their sizes differ."""
    a, b = getattr(first, "space", None), getattr(second, "space", None)
    if a is not None and b is not None and a != b:
        raise SpaceMismatchError(a, b, hint)
    if first.shape[-1] != second.shape[-1]:
        raise SpaceMismatchError(f"of {first.shape[-1]} numbers", f"of {second.shape[-1]}", hint)
