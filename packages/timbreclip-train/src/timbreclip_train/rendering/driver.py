"""Rendering a whole source: in parallel, resumable, one bad preset never stops it."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from timbreclip_core.errors import InputError

from .base import Audio, NoteSpec, Preset, Renderer, RenderError
from .storage import (
    Settings,
    Shard,
    ShardResult,
    make_shards,
    merge_shards,
    open_folder,
    read_shard,
    remove_strays,
    store_preset,
    write_shard,
)

SHARD_PRESETS = 16
HANG_S = 1500.0
"""A worker that stays with one preset for so long is killed; hosts give up sooner."""

Load = Callable[[], Renderer]


@dataclass(frozen=True)
class Summary:
    """What a run left on disk, counted over the whole source."""

    source: str
    presets: int
    audible: int
    silent: int
    failed: int
    notes: int
    silent_notes: int
    bytes: int
    seconds: float


@dataclass
class _Worker:
    """One child process and what it is busy with."""

    process: BaseProcess
    connection: Connection
    shard: Shard | None = None
    at: int = 0
    since: float = 0.0


@dataclass
class _Task:
    shard: Shard
    given_up: dict[str, str] = field(default_factory=dict)


def render_source(
    source: str,
    load: Load,
    out: Path,
    settings: Settings,
    *,
    jobs: int = 1,
    limit: int | None = None,
    retry_failed: bool = False,
    on_presets: Callable[[int, int], None] | None = None,
) -> Summary:
    """Render all presets of a source into a folder.

    Killed at any time and called again, it goes on where it was, and the folder ends up with the
    same bytes as after one uninterrupted run.

    Args:
        source: Name, for the settings file.
        load: Makes the renderer; called here and in each worker, so it must be picklable.
        out: Folder; made if it is not there.
        settings: What to play, and how to keep it.
        jobs: Worker processes.
        limit: Only so many presets, evenly spread; for trying things out.
        retry_failed: Whether presets that failed before are tried again.
        on_presets: Called with (presets done now, presets in all) as the run goes on.
    Raises:
        MissingSynthError: If the source is not installed.
        InputError: If the folder holds a run with other settings.
    """
    started = time.monotonic()
    if jobs < 1:
        raise InputError(f"jobs must be at least 1, not {jobs}.")
    renderer = load()
    renderer.check()
    presets = _chosen(renderer.presets(), limit)
    renderer.close()
    open_folder(out, settings, source)
    shards = make_shards(presets, SHARD_PRESETS)
    missing = [s for s in shards if _is_missing(read_shard(out, s), retry_failed)]
    report = on_presets or (lambda done, total: None)
    done = len(presets) - sum(len(s.presets) for s in missing)
    report(done, len(presets))
    for finished in _Pool(load, out, settings, jobs).run(missing):
        done += finished
        report(done, len(presets))
    counts = dict(merge_shards(out, shards))
    if limit is None:
        remove_strays(out, shards)
    return _summary(source, out, shards, counts, time.monotonic() - started)


def _is_missing(result: ShardResult | None, retry_failed: bool) -> bool:
    return result is None or (retry_failed and bool(result.failed))


def _chosen(presets: list[Preset], limit: int | None) -> list[Preset]:
    ids = [p.id for p in presets]
    if len(set(ids)) != len(ids):
        twice = next(i for i in ids if ids.count(i) > 1)
        raise InputError(f"Two presets have the id {twice!r}: the source is broken.")
    if limit is None or limit >= len(presets):
        return presets
    return [presets[i * len(presets) // limit] for i in range(limit)]


def _summary(
    source: str, out: Path, shards: list[Shard], counts: dict[str, int], seconds: float
) -> Summary:
    results = [r for s in shards if (r := read_shard(out, s))]
    audible = {row["id"] for r in results for row in r.notes}
    files = {row["file"] for r in results for row in r.notes}
    failed = len({row["id"] for r in results for row in r.failed})
    presets = sum(len(s.presets) for s in shards)
    return Summary(
        source=source,
        presets=presets,
        audible=len(audible),
        silent=presets - len(audible) - failed,
        failed=failed,
        notes=counts["manifest.jsonl"],
        silent_notes=counts["silent.jsonl"],
        bytes=sum((out / file).stat().st_size for file in files),
        seconds=seconds,
    )


class _Pool:
    """Worker processes that may die; each is told one shard at a time."""

    def __init__(self, load: Load, out: Path, settings: Settings, jobs: int) -> None:
        self._arguments = (load, out, settings)
        self._jobs = jobs
        # Renderers hold threads and libraries that do not survive a fork.
        self._context: Any = multiprocessing.get_context("spawn")
        self._queue: deque[_Task] = deque()
        self._given_up: dict[str, dict[str, str]] = {}

    def run(self, shards: list[Shard]) -> Iterator[int]:
        """Render shards; yields the number of presets that were finished."""
        self._queue.extend(_Task(shard) for shard in shards)
        workers = [self._start() for _ in range(min(self._jobs, len(shards)))]
        try:
            while workers:
                for worker in list(workers):
                    if worker.shard is None and not self._give(worker):
                        workers.remove(worker)
                        self._stop(worker)
                yield from self._listen(workers)
        finally:
            for worker in workers:
                worker.process.kill()
                worker.process.join()

    def _start(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_work, args=(theirs, *self._arguments), daemon=True)
        process.start()
        # With our copy open, the death of the worker would not end the pipe.
        theirs.close()
        return _Worker(process, ours)

    def _give(self, worker: _Worker) -> bool:
        if not self._queue:
            return False
        task = self._queue.popleft()
        worker.shard, worker.at, worker.since = task.shard, 0, time.monotonic()
        self._given_up[task.shard.name] = task.given_up
        worker.connection.send((task.shard, task.given_up))
        return True

    @staticmethod
    def _stop(worker: _Worker) -> None:
        worker.connection.send(None)
        worker.process.join(10)
        worker.process.kill()

    def _listen(self, workers: list[_Worker]) -> Iterator[int]:
        if not workers:
            return
        ready = multiprocessing.connection.wait([w.connection for w in workers], timeout=5)
        for worker in [w for w in workers if w.connection in ready]:
            try:
                kind, value = worker.connection.recv()
            except (EOFError, ConnectionError):
                self._replace(workers, worker, "its process died")
                continue
            if kind == "at":
                worker.at, worker.since = value, time.monotonic()
            elif kind == "error":
                raise value
            else:
                worker.shard = None
                yield value
        for worker in list(workers):
            if worker.shard and time.monotonic() - worker.since > HANG_S:
                self._replace(workers, worker, f"it took more than {HANG_S:.0f} s")

    def _replace(self, workers: list[_Worker], worker: _Worker, reason: str) -> None:
        """Give the shard to a new worker, without the preset that killed this one."""
        worker.process.kill()
        worker.process.join()
        workers.remove(worker)
        if worker.shard is not None:
            culprit = worker.shard.presets[worker.at].id
            code = worker.process.exitcode
            given_up = self._given_up[worker.shard.name] | {culprit: f"{reason} (status {code})"}
            self._queue.appendleft(_Task(worker.shard, given_up))
        workers.append(self._start())


def _work(connection: Connection, load: Load, out: Path, settings: Settings) -> None:
    """Body of a worker process."""
    try:
        renderer = load()
        while (task := connection.recv()) is not None:
            shard, given_up = task
            _render_shard(connection, renderer, shard, given_up, out, settings)
            connection.send(("done", len(shard.presets)))
        renderer.close()
    except (EOFError, BrokenPipeError):
        # The run was killed: nobody listens any more.
        sys.exit(1)
    except Exception as error:  # noqa: BLE001  reported where the user can see it
        connection.send(("error", RenderError(f"{type(error).__name__}: {error}")))


def _render_shard(
    connection: Connection,
    renderer: Renderer,
    shard: Shard,
    given_up: dict[str, str],
    out: Path,
    settings: Settings,
) -> None:
    total = ShardResult(shard.key)
    for number, preset in enumerate(shard.presets):
        connection.send(("at", number))
        try:
            if preset.id in given_up:
                raise RenderError(given_up[preset.id])
            notes, audio = _play(renderer, preset, settings)
            stored = store_preset(out, preset, notes, audio, settings)
        except RenderError as error:
            row = {"id": preset.id, "source": preset.source, "collection": preset.collection}
            total.failed.append({**row, "name": preset.name, "reason": str(error)})
        else:
            total.notes += stored.notes
            total.silent += stored.silent
    write_shard(out, shard, total)


def _play(
    renderer: Renderer, preset: Preset, settings: Settings
) -> tuple[list[NoteSpec], list[Audio]]:
    try:
        notes = renderer.notes(preset, settings.plan)
        return notes, renderer.render(preset, notes, settings.sample_rate)
    except RenderError:
        raise
    except Exception as error:
        # Third-party code may raise anything; it costs one preset.
        raise RenderError(f"{type(error).__name__}: {error}") from error
