"""Many sound files: decoded ahead and heard in batches by threads, the results in order.

Which windows share a batch follows from the order of the files alone: the number of threads changes
no bit of a vector.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from . import audio as au
from .embedding import Embedding
from .errors import InputError, TimbreClipError

if TYPE_CHECKING:
    from .model import Model

FILES_AT_ONCE = 32
FEWEST_AT_ONCE = 4  # fewer are heard as quickly one by one


@dataclass(frozen=True)
class FileResult:
    """What became of one file: ``vectors`` by kind ``(1, dim)``, or the ``error``."""

    path: Path
    vectors: dict[str, Embedding] | None = None
    error: TimbreClipError | None = None


def embed_crowd(
    model: Model, paths: Sequence[Path], kinds: Sequence[str] | None, jobs: int
) -> Iterator[FileResult]:
    """One result a file, in the order given.

    Args:
        model: What hears them.
        paths: Of the files.
        kinds: Of vectors; all if None.
        jobs: Threads, each of which decodes and hears ``FILES_AT_ONCE`` files on a core.
    """
    starts = range(0, len(paths), FILES_AT_ONCE)
    groups = [paths[start : start + FILES_AT_ONCE] for start in starts]
    if jobs == 1 or len(groups) == 1:  # torch's own threads share the work on each batch
        for group in groups:
            yield from embed_group(model, group, kinds)
        return
    with _threads(min(jobs, len(groups))) as pool:
        rest = iter(groups)
        running: deque[Future[list[FileResult]]] = deque()
        try:
            while True:
                for group in islice(rest, jobs + 1 - len(running)):
                    running.append(pool.submit(embed_group, model, group, kinds))
                if not running:
                    return
                yield from running.popleft().result()
        finally:
            for future in running:
                future.cancel()


@contextmanager
def _threads(jobs: int) -> Iterator[ThreadPoolExecutor]:
    """Threads in each of which torch uses one core."""
    before = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(jobs, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield pool
    finally:
        torch.set_num_threads(before)


def embed_group(
    model: Model, paths: Sequence[Path], kinds: Sequence[str] | None
) -> list[FileResult]:
    """One result a file: windows of all of them, of one length, share a batch."""
    sounds, batches = [_Sound(path) for path in paths], _Batches(model, kinds)
    for sound in sounds:
        try:
            for window in model.windows_of_file(sound.path):
                batches.add(sound, window)
        except InputError as error:
            sound.error = error
    batches.finish()
    return [sound.result(model) for sound in sounds]


@dataclass
class _Sound:
    """A file and the sum of its windows' vectors so far, by kind, weighted by their energy."""

    path: Path
    sums: dict[str, Tensor] = field(default_factory=dict)
    error: TimbreClipError | None = None

    def result(self, model: Model) -> FileResult:
        if self.error is not None:
            return FileResult(self.path, error=self.error)
        return FileResult(self.path, {k: model.label(total, k) for k, total in self.sums.items()})


class _Batches:
    """Windows that wait for others of their length; few enough to bound the memory."""

    def __init__(self, model: Model, kinds: Sequence[str] | None) -> None:
        self._model, self._kinds = model, kinds
        self._waiting: dict[int, list[tuple[_Sound, Tensor]]] = {}

    def add(self, sound: _Sound, window: Tensor) -> None:
        waiting = self._waiting.setdefault(len(window), [])
        waiting.append((sound, window))
        if len(waiting) == self._model.windows_at_once(len(window)):
            self._hear(self._waiting.pop(len(window)))

    def finish(self) -> None:
        for waiting in self._waiting.values():
            size = 1 if len(waiting) < FEWEST_AT_ONCE else len(waiting)
            for start in range(0, len(waiting), size):
                self._hear(waiting[start : start + size])
        self._waiting.clear()

    def _hear(self, batch: list[tuple[_Sound, Tensor]]) -> None:
        windows = torch.stack([window for _, window in batch])
        energy = au.energy(windows).to(self._model.device)
        for kind, vectors in self._model.hear(windows, self._kinds).items():
            for (sound, _), weighted in zip(batch, (vectors * energy).split(1), strict=True):
                sound.sums[kind] = sound.sums.get(kind, torch.zeros(())) + weighted
