"""Trainings beside each other: which settings differ, and what their validations gave."""

from __future__ import annotations

import dataclasses
import json
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from timbreclip_core.errors import InputError
from timbreclip_core.files import atomic_path

from .config import TrainConfig
from .log import LOG, OF_STEPS
from .loop import load_config
from .state import score

SEED = "run.seed"
# Where these differ, the trainings are still of the same thing.
NO_MATTER = (SEED, "run.checkpoint_every", "run.keep", "run.log_every")


@dataclass(frozen=True)
class Run:
    """One training, finished or not.

    Args:
        folder: Where it is.
        settings: By ``section.key``.
        records: Lines of its log.
        best_by: As in its settings.
    """

    folder: Path
    settings: dict[str, Any]
    records: tuple[dict[str, float], ...]
    best_by: str

    def best(self) -> dict[str, float]:
        """The step and the figures of the best validation, of the last if none is best."""
        found = [(place, r) for place, r in enumerate(self.records) if _figures(r)]
        if not found:
            return {}
        _, record = max(found, key=lambda item: (self._score(item[1]), item[0]))
        return {"step": record["step"], **_figures(record)}

    def _score(self, record: Mapping[str, float]) -> float:
        found = score(record, self.best_by)
        return -math.inf if found is None else found


@dataclass(frozen=True)
class Group:
    """Trainings that differ in nothing but the seed.

    Args:
        name: A letter.
        settings: Those that not all groups share.
        runs: The trainings.
    """

    name: str
    settings: dict[str, Any]
    runs: tuple[Run, ...]

    def figures(self) -> dict[str, tuple[float, float]]:
        """Mean and standard deviation over the runs, NaN for a single one, by figure."""
        best = [run.best() for run in self.runs]
        shared = [name for name in best[0] if all(name in figures for figures in best)]
        return {name: _spread([figures[name] for figures in best]) for name in shared}


def read_run(folder: Path) -> Run:
    """Settings and log of a training.

    Raises:
        InputError: No training there, or one whose log cannot be read.
    """
    config = load_config(folder)
    try:
        lines = (folder / LOG).read_text("utf-8").splitlines()
        records = tuple(json.loads(line) for line in lines)
    except (OSError, json.JSONDecodeError) as error:
        raise InputError(f"The log of the training in {folder} cannot be read: {error}") from error
    return Run(folder, _flat(config), records, config.run.best_by)


def compare(runs: Sequence[Run]) -> list[Group]:
    """Runs in groups that differ in their settings, in the order given.

    Args:
        runs: At least one.
    """
    groups: dict[str, list[Run]] = {}
    for run in runs:
        own = {k: v for k, v in run.settings.items() if k not in NO_MATTER}
        groups.setdefault(json.dumps(own, sort_keys=True), []).append(run)
    firsts = [members[0].settings for members in groups.values()]
    differ = [
        key
        for key in dict.fromkeys(k for settings in firsts for k in settings)
        if key not in NO_MATTER and any(s.get(key) != firsts[0].get(key) for s in firsts)
    ]
    return [
        Group(_letters(i), {k: members[0].settings.get(k) for k in differ}, tuple(members))
        for i, members in enumerate(groups.values())
    ]


def table(groups: Sequence[Group], markdown: bool = False) -> str:
    """Figures in rows, groups in columns; below it the settings that tell the groups apart."""
    figures = [group.figures() for group in groups]
    names = list(dict.fromkeys(name for found in figures for name in found))
    head = ["figure", *(f"{g.name} ({len(g.runs)})" for g in groups)]
    rows = [[name, *(_said(found.get(name), name) for found in figures)] for name in names]
    body = _markdown(head, rows) if markdown else _aligned(head, rows)
    return "\n".join([*body, "", *_legend(groups, markdown)])


def record_of(groups: Sequence[Group]) -> list[dict[str, Any]]:
    """The same for JSON."""
    return [
        {
            "name": group.name,
            "settings": group.settings,
            "runs": [
                {"folder": str(r.folder), "seed": r.settings[SEED], "best": r.best()}
                for r in group.runs
            ],
            "figures": {
                name: {"mean": mean, "sd": None if math.isnan(sd) else sd}
                for name, (mean, sd) in group.figures().items()
            },
        }
        for group in groups
    ]


def draw_curves(groups: Sequence[Group], path: Path, figures: Sequence[str]) -> None:
    """The loss, and figures of the validations, by step: a colour a group, a line a run.

    Args:
        groups: From ``compare``.
        path: Of the picture.
        figures: Names; those that no run has are left out.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    every = {name for group in groups for run in group.runs for r in run.records for name in r}
    names = ["loss", *(name for name in figures if name in every)]
    across = min(3, len(names))
    down = -(-len(names) // across)
    picture = Figure(figsize=(4.2 * across, 3 * down), layout="constrained")
    FigureCanvasAgg(picture)
    for axes, name in zip(picture.subplots(down, across, squeeze=False).flat, names, strict=False):
        for number, group in enumerate(groups):
            for row, run in enumerate(group.runs):
                label = group.name if row == 0 else None
                axes.plot(*_curve(run, name), color=f"C{number}", linewidth=1, label=label)
        axes.set(title=name, xlabel="step")
        axes.grid(alpha=0.3)
        axes.legend()
    with atomic_path(path) as temporary:
        picture.savefig(temporary, dpi=130)


def _curve(run: Run, name: str) -> tuple[list[float], list[float]]:
    points = [(record["step"], record[name]) for record in run.records if name in record]
    return [step for step, _ in points], [value for _, value in points]


def _flat(config: TrainConfig) -> dict[str, Any]:
    sections = dataclasses.asdict(config)
    return {f"{name}.{key}": v for name, values in sections.items() for key, v in values.items()}


def _figures(record: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in record.items() if name not in OF_STEPS}


def _spread(values: Sequence[float]) -> tuple[float, float]:
    deviation = statistics.stdev(values) if len(values) > 1 else math.nan
    return statistics.fmean(values), deviation


def _letters(number: int) -> str:
    """A to Z, then AA."""
    before, letter = divmod(number, 26)
    return (_letters(before - 1) if before else "") + chr(ord("A") + letter)


def _said(figure: tuple[float, float] | None, name: str) -> str:
    if figure is None:
        return "-"
    mean, deviation = figure
    digits = 0 if name == "step" else 3
    after = "" if math.isnan(deviation) else f" ± {deviation:.{digits}f}"
    return f"{mean:.{digits}f}{after}"


def _aligned(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        yield "  ".join([row[0].ljust(widths[0]), *cells])


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|---|" + "---:|" * (len(head) - 1)
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _legend(groups: Sequence[Group], markdown: bool) -> Iterator[str]:
    for group in groups:
        said = ", ".join(f"{key}={json.dumps(value)}" for key, value in group.settings.items())
        seeds = ", ".join(str(run.settings[SEED]) for run in group.runs)
        line = f"{group.name}: {said or 'all settings alike'}; seeds {seeds}"
        yield f"* {line}" if markdown else line
