"""Batches one after the other, made while the one before is learnt from."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from torch.utils.data import DataLoader, Dataset

if TYPE_CHECKING:
    from .recipes.base import Recipe


class _Steps(Dataset[Any]):
    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe

    def __getitem__(self, step: int) -> Any:
        return self._recipe.batch(step)


def batches(recipe: Recipe, first: int, last: int, loaders: int) -> Iterator[tuple[Any, float]]:
    """Batches and how long each was waited for, s.

    A batch depends on its step alone, and so not on who makes it.

    Args:
        recipe: Makes them.
        first: Step of the first batch.
        last: One past the last.
        loaders: Processes that make them ahead; 0 makes each when it is asked for.
    """
    steps = range(first, last)
    made: Iterator[Any] = map(recipe.batch, steps)
    if loaders:
        made = iter(
            DataLoader(
                _Steps(recipe),
                batch_size=None,
                sampler=steps,
                num_workers=loaders,
                collate_fn=_as_it_is,
            )
        )
    while True:
        started = time.perf_counter()
        batch = next(made, None)
        if batch is None:
            return
        yield batch, time.perf_counter() - started


def _as_it_is(batch: Any) -> Any:
    return batch
