"""The log of a training: JSON Lines, and TensorBoard's files beside them where it is installed."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from timbreclip_core.files import atomic_path

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

LOG, EVENTS = "log.jsonl", "tensorboard"
# What a line holds besides the figures of a validation.
OF_STEPS = ("step", "loss", "gradient", "factor", "notes_per_s", "step_s", "loading_s")


class RunLog:
    """Writes it; lines after the step that a run goes on from are dropped first.

    Args:
        folder: Of the run.
        step: That it goes on from.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self._path = folder / LOG
        lines = self._path.read_text("utf-8").splitlines() if self._path.is_file() else []
        kept = [line for line in lines if _step_of(line) <= step]
        with atomic_path(self._path) as temporary:
            temporary.write_text("".join(f"{line}\n" for line in kept), "utf-8")
        self._events = _events(folder / EVENTS, step)

    def write(self, record: Mapping[str, Any]) -> None:
        """Add a line; all of its numbers but ``step`` are curves of TensorBoard."""
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(record) + "\n")
        if self._events is None:
            return
        for name, value in record.items():
            if name != "step":
                group = "training" if name in OF_STEPS else "validation"
                self._events.add_scalar(f"{group}/{name}", value, record["step"])
        self._events.flush()

    def close(self) -> None:
        """Nothing more will be written."""
        if self._events is not None:
            self._events.close()


def last_figures(folder: Path) -> dict[str, float]:
    """Figures of the last validation in a run's log."""
    path = folder / LOG
    lines = path.read_text("utf-8").splitlines() if path.is_file() else []
    for line in reversed(lines):
        if found := {k: v for k, v in json.loads(line).items() if k not in OF_STEPS}:
            return found
    return {}


def _events(folder: Path, step: int) -> SummaryWriter | None:
    if find_spec("tensorboard") is None:
        return None
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder), purge_step=step + 1)


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (json.JSONDecodeError, KeyError, TypeError):
        return math.inf
