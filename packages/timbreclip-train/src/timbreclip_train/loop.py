"""The training loop: a generator of steps that can be killed and gone on with at any moment."""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from timbreclip_core.errors import InputError, TimbreClipError, UsageError
from timbreclip_core.files import atomic_path
from timbreclip_core.precision import settle

from .config import TrainConfig, read_config
from .loading import batches
from .log import RunLog
from .processes import Processes
from .recipes import Material, Recipe, recipe_of
from .recipes.groups import check_groups
from .state import BEST, TrainState, last_checkpoint, read_checkpoint

CONFIG, BAD_BATCH = "config.json", "bad-batch.json"


class TrainingError(TimbreClipError):
    """Training cannot go on; the message names the batch."""


@dataclass(frozen=True)
class StepResult:
    """What a step gave.

    Args:
        step: Steps done.
        loss: Of this step.
        notes_per_s: Sounds a second, batches and all, in this step.
        loading: Share of the time of this step that was spent waiting for its batch.
        figures: Of the validation, where there was one after this step.
    """

    step: int
    loss: float
    notes_per_s: float
    loading: float = 0.0
    figures: dict[str, float] = field(default_factory=dict)


def prepare(out: Path, config: TrainConfig) -> Path | None:
    """Make the folder of a run and note its settings; the checkpoint to go on from, if any.

    Raises:
        UsageError: The folder holds a run with other settings.
    """
    out.mkdir(parents=True, exist_ok=True)
    path = out / CONFIG
    if path.is_file() and read_config(path.read_text("utf-8")) != config:
        raise UsageError(
            f"{out} holds a run with other settings ({path}). Use those, or name another folder."
        )
    with atomic_path(path) as temporary:
        temporary.write_text(config.as_json(), "utf-8")
    return last_checkpoint(out)


def load_config(run: Path) -> TrainConfig:
    """Settings of a training.

    Raises:
        InputError: No training in that folder.
    """
    try:
        return read_config((run / CONFIG).read_text("utf-8"))
    except OSError as error:
        raise InputError(f"{run} holds no training: {error}") from error


def load_run(run: Path, which: str = "last") -> tuple[TrainState, dict[str, float]]:
    """A training as it was saved, and the figures of the best weights if they are asked for.

    Args:
        run: Its folder.
        which: ``"last"``, or ``"best"``: the best by ``run.best_by``, or the last if there is no
            best.

    Raises:
        InputError: No training in that folder.
    """
    config = load_config(run)
    path = run / BEST if which == "best" and (run / BEST).is_file() else last_checkpoint(run)
    if path is None:
        raise InputError(f"The training in {run} has no checkpoint yet. Go on with it first.")
    content = read_checkpoint(path)
    state = TrainState(config, recipe_of(config).saved(config, content))
    state.load(content, path)
    return state, dict(content.get("figures", {}))


def figures_of(run: Path, material: Material, which: str = "last") -> dict[str, float]:
    """Figures, on the validation split, of a training as it stands.

    Args:
        run: Folder of the training.
        material: That it learns from.
        which: As in ``load_run``.
    """
    state, _ = load_run(run, which)
    recipe = recipe_of(state.config)(state.config, material)
    recipe.open()
    return recipe.figures(state.frozen(), material.device)


def train(
    config: TrainConfig,
    out: Path,
    material: Material,
    *,
    processes: Processes | None = None,
    loaders: int = 0,
) -> Iterator[StepResult]:
    """Train until ``config.optimiser.steps`` or the patience ends; all must have been prepared.

    The same settings give the same weights on one machine, interrupted or not.

    Args:
        config: All settings.
        out: Folder of the run: settings, log, checkpoints. What it holds is gone on with.
        material: Learnt from are the splits "train" of its datasets, validated on are "valid".
        processes: Who trains together, as ``processes.start`` says; None for this process alone.
        loaders: Processes that make batches ahead.

    Raises:
        TrainingError: The loss is not finite; the batch is named.
        UsageError: ``out`` holds a run with other settings, or something that the settings ask
            for is missing.
    """
    processes = processes or Processes()
    config = _settled(config, processes)
    check_groups(config, processes)
    recipe = recipe_of(config)(config, material)
    recipe.open()
    path = prepare(out, config) if processes.first else None
    content = processes.told(read_checkpoint(path) if path else None)
    state = TrainState(config, recipe.fresh(), processes.device)
    if content is not None:
        state.load(content, path or out)
    yield from _Training(recipe, state, out, processes).steps(loaders)


def _settled(config: TrainConfig, processes: Processes) -> TrainConfig:
    """The settings with the precision that "auto" means here."""
    run = dataclasses.replace(config.run, precision=settle(config.run.precision, processes.device))
    return dataclasses.replace(config, run=run)


class _Training:
    """A training that goes on: its parts, and what is measured between lines of the log."""

    def __init__(self, recipe: Recipe, state: TrainState, out: Path, processes: Processes) -> None:
        self._recipe = recipe
        self._state = state
        self._out = out
        self._processes = processes
        self._log = RunLog(out, state.step) if processes.first else None
        self._timed: list[tuple[float, float]] = []

    def steps(self, loaders: int) -> Iterator[StepResult]:
        state, last = self._state, self._state.config.optimiser.steps
        if not state.over:
            for batch, waited in batches(self._recipe, state.step, last, loaders):
                yield self._step(batch, waited)
                if state.over:
                    break
        if self._log is not None:
            self._log.close()
            state.save(self._out)
        self._processes.wait()

    def _step(self, batch: Any, waited: float) -> StepResult:
        started = time.perf_counter()
        state, run = self._state, self._state.config.run
        seed = run.seed * 1_000_003 + state.step
        torch.manual_seed(seed)
        state.networks.train()
        loss = self._recipe.loss(state.networks, batch, seed, self._processes)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise self._not_finite(value, batch)
        norm = state.update(loss, self._processes)
        took = time.perf_counter() - started + waited
        self._timed.append((took, waited))
        figures = self._validate()
        if state.step % run.log_every == 0 or figures:
            self._write({"loss": value, "gradient": norm}, figures)
        if self._processes.first and state.step % run.checkpoint_every == 0:
            state.save(self._out)
        speed = state.config.optimiser.batch / took
        return StepResult(state.step, value, speed, waited / took, figures)

    def _validate(self) -> dict[str, float]:
        """Figures if a validation is due; the first process makes them, all judge alike."""
        state, config = self._state, self._state.config
        every = config.run.validate_every or self._recipe.epoch
        if state.step % every and state.step != config.optimiser.steps:
            return {}
        figures: dict[str, float] = {}
        if self._processes.first:
            figures = self._recipe.figures(state.frozen(), str(self._processes.device))
        figures = self._processes.told(figures)
        if state.judge(figures) and self._processes.first:
            state.save_best(self._out, figures)
        return figures

    def _write(self, values: dict[str, float], figures: dict[str, float]) -> None:
        took, waited = (sum(times) / len(self._timed) for times in zip(*self._timed, strict=True))
        self._timed.clear()
        if self._log is None:
            return
        temperature = self._state.networks.modules()["temperature"]
        record = {"step": self._state.step, **values}
        record["factor"] = float(temperature.factor().detach())  # type: ignore[operator]
        record["notes_per_s"] = round(self._state.config.optimiser.batch / took, 1)
        record |= {"step_s": round(took, 4), "loading_s": round(waited, 4)}
        self._log.write({**record, **figures})

    def _not_finite(self, loss: float, batch: Any) -> TrainingError:
        notes, texts = self._recipe.contents(batch)
        names = [note.id for note in notes]
        step, path = self._state.step, self._out / BAD_BATCH
        if self._processes.first:
            with atomic_path(path) as temporary:
                content = {"step": step, "notes": names, "texts": texts}
                temporary.write_text(json.dumps(content, indent=2), "utf-8")
        return TrainingError(
            f"The loss of step {step} is {loss}. Its batch, from {names[0]} to {names[-1]}, is "
            f"listed in {path}. Lower optimiser.learning_rate, or look at those notes."
        )
