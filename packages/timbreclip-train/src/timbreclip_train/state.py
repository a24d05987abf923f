"""What a training holds and saves: networks, optimiser, learning rate, and the step it is at."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn

from timbreclip_core.errors import CheckpointError
from timbreclip_core.files import atomic_path

from .config import OptimiserConfig, TrainConfig
from .networks import Networks
from .processes import Processes

CHECKPOINT, BEST = "checkpoint.pt", "best.pt"
NUMBERED = "checkpoint-{:08d}.pt"
START_SHARE, END_SHARE = 0.04, 1e-3
OPTIMISERS = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}


def rate_share(step: int, steps: int, warm_up: float) -> float:
    """Learning rate of a step relative to its highest: half a cosine up, half a cosine down.

    Source: Smith and Topin 2019 (one cycle).
    """
    rise = max(1.0, warm_up * steps)
    if step < rise:
        low, high, done = START_SHARE, 1.0, step / rise
    else:
        low, high, done = END_SHARE, 1.0, 1 - (step - rise) / max(1.0, steps - rise)
    return low + (high - low) * (1 - math.cos(math.pi * min(max(done, 0.0), 1.0))) / 2


def score(figures: Mapping[str, float], best_by: str) -> float | None:
    """Mean of the figures that decide which weights are the best; None unless all are there.

    Args:
        figures: Of a validation.
        best_by: As ``RunConfig.best_by``.

    >>> score({"category": 0.5, "valid_loss": 2.0}, "category, -valid_loss")
    -0.75
    """
    names = [name.strip() for name in best_by.split(",") if name.strip()]
    found = [(figures.get(name.lstrip("-")), -1 if name.startswith("-") else 1) for name in names]
    values = [sign * value for value, sign in found if value is not None]
    if not names or len(values) < len(names) or not all(map(math.isfinite, values)):
        return None
    return sum(values) / len(values)


class TrainState:
    """Networks and optimiser of one training.

    Args:
        config: All settings.
        networks: Fresh ones; moved to the device.
        device: Where they are trained.

    Attributes:
        step: Steps done.
        best: The best score of a validation so far, None before there was one.
        stale: Validations since then.
    """

    def __init__(
        self, config: TrainConfig, networks: Networks, device: torch.device | None = None
    ) -> None:
        self.config = config
        self.networks = networks
        self.step = 0
        self.best: float | None = None
        self.stale = 0
        if device is not None and device.type != "cpu":
            networks.to(device)
        self.average = {
            name: {k: v.detach().clone() for k, v in module.state_dict().items()}
            for name, module in self._averaged().items()
        }
        self.optimiser = _optimiser(config.optimiser, networks)

    def _averaged(self) -> dict[str, nn.Module]:
        modules = self.networks.modules()
        return {name: modules[name] for name in self.networks.averaged}

    def frozen(self) -> Networks:
        """Networks with the running mean of the weights (Polyak and Juditsky 1992)."""
        return self.networks.frozen(self.average)

    def _move_average(self) -> None:
        # Early weights are far off: the mean starts short and grows to its full length.
        kept = min(self.config.run.average, (1 + self.step) / (10 + self.step))
        for name, module in self._averaged().items():
            for key, value in module.state_dict().items():
                mean = self.average[name][key]
                if value.is_floating_point():
                    mean.lerp_(value, 1 - kept)
                else:
                    mean.copy_(value)

    def trained(self) -> list[Tensor]:
        """Every parameter that is trained."""
        return [p for group in self.optimiser.param_groups for p in group["params"]]

    def update(self, loss: Tensor, processes: Processes | None = None) -> float:
        """One step down the gradient of ``loss``; returns the gradient's norm."""
        config = self.config.optimiser
        one_cycle = config.schedule == "one-cycle"
        share = rate_share(self.step, config.steps, config.warm_up) if one_cycle else 1.0
        for group in self.optimiser.param_groups:
            group["lr"] = config.learning_rate * share * group["share"]
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self._share_gradients(processes or Processes())
        norm = nn.utils.clip_grad_norm_(self.trained(), config.clip or math.inf)
        self.optimiser.step()
        self.step += 1
        self._move_average()
        return float(norm)

    def _share_gradients(self, processes: Processes) -> None:
        """Every process has the gradient of its own share of the sounds, and of all else whole."""
        parts = {id(p) for p in self.networks.encoder.parameters()}
        given = [p for p in self.trained() if p.grad is not None]
        processes.sum_into(p.grad for p in given if id(p) in parts)  # type: ignore[misc]
        whole = [p.grad for p in given if id(p) not in parts]
        processes.sum_into(whole, 1 / processes.count)  # type: ignore[arg-type]

    def judge(self, figures: Mapping[str, float]) -> bool:
        """Note how good a validation was; True if it was the best so far."""
        found = score(figures, self.config.run.best_by)
        if found is None:
            return False
        better = self.best is None or found > self.best
        self.best, self.stale = (found, 0) if better else (self.best, self.stale + 1)
        return better

    @property
    def over(self) -> bool:
        """Whether all steps are done, or nothing has been gained for too long."""
        patience = self.config.run.patience
        return self.step >= self.config.optimiser.steps or 0 < patience <= self.stale

    def content(self) -> dict[str, Any]:
        """All that a checkpoint holds."""
        return {
            "step": self.step,
            "best": self.best,
            "stale": self.stale,
            "optimiser": self.optimiser.state_dict(),
            "random": torch.get_rng_state(),
            "average": self.average,
            **self.networks.state(),
        }

    def save(self, folder: Path) -> None:
        """Write the checkpoint as a whole, and keep as many of the earlier ones as wanted."""
        path = folder / NUMBERED.format(self.step)
        with atomic_path(path) as temporary:
            torch.save(self.content(), temporary)
        with atomic_path(folder / CHECKPOINT) as temporary:
            _same_file(path, temporary)
        for old in _numbered(folder)[: -self.config.run.keep]:
            old.unlink(missing_ok=True)

    def save_best(self, folder: Path, figures: Mapping[str, float]) -> None:
        """Write what the best weights are, with their figures."""
        with atomic_path(folder / BEST) as temporary:
            torch.save({**self.content(), "figures": dict(figures)}, temporary)

    def load(self, content: Mapping[str, Any], path: Path) -> None:
        """Go on from what ``read_checkpoint`` has read.

        Raises:
            CheckpointError: It is of another network.
        """
        try:
            self.networks.load(content)
            self.optimiser.load_state_dict(content["optimiser"])
            torch.set_rng_state(content["random"])
            for name, mean in content["average"].items():
                for key, value in mean.items():
                    self.average[name][key].copy_(value)
            self.step = int(content["step"])
            # Checkpoints of earlier versions have no best.
            self.best, self.stale = content.get("best"), int(content.get("stale", 0))
        except (RuntimeError, LookupError, ValueError) as error:
            raise _unusable(path, error) from error


def _optimiser(config: OptimiserConfig, networks: Networks) -> torch.optim.Optimizer:
    groups: list[Any] = networks.groups()
    if config.name == "adam":
        # Adam's own decay is another thing than AdamW's: it is left at none.
        groups = [{**group, "weight_decay": 0.0} for group in groups]
    return OPTIMISERS[config.name](groups)


def _numbered(folder: Path) -> list[Path]:
    return sorted(folder.glob("checkpoint-*.pt"))


def _same_file(path: Path, other: Path) -> None:
    """One more name for a file; a copy where the file system has no such thing."""
    with contextlib.suppress(OSError):
        other.unlink(missing_ok=True)
        os.link(path, other)
        return
    shutil.copyfile(path, other)


def last_checkpoint(folder: Path) -> Path | None:
    """The checkpoint to go on from: the last, or the last of those kept if it was deleted."""
    if (folder / CHECKPOINT).is_file():
        return folder / CHECKPOINT
    kept = _numbered(folder)
    return kept[-1] if kept else None


def read_checkpoint(path: Path) -> dict[str, Any]:
    """What a checkpoint holds, on the CPU.

    Raises:
        CheckpointError: It is damaged.
    """
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, LookupError, ValueError, EOFError, OSError, UnpicklingError) as error:
        raise _unusable(path, error) from error
    return content


def _unusable(path: Path, error: Exception) -> CheckpointError:
    return CheckpointError(
        f"{path} cannot be gone on from: {error} Delete it to go on from the one before, or "
        "delete the folder to start again."
    )
