"""Searching the parameters of an EQ by gradient descent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from timbreclip_core.errors import UsageError

from . import adam, lbfgs
from .base import EQ
from .hearing import Hearing
from .objective import MODEST, Aim, Losses, Penalty
from .sketch import sketched, spread_out

OPTIMISERS = ("lbfgs", "adam")
LOSSES = ("cosine", "directional")
# Ten times that of ``lbfgs``: half of the evaluations, and the same loss to four digits.
LOSS_TOLERANCE = 1e-5
POLISH_STEP = 0.02  # of the range: the start is near the end


@dataclass(frozen=True, kw_only=True)
class SearchConfig:
    """How to search.

    Args:
        optimiser: ``"lbfgs"``, or ``"adam"`` as in the paper.
        loss: ``"cosine"``: distance to the target (the paper); ``"directional"``: the sound's move
            against the move from "a sound" to the words.
        restarts: Starting points; None leaves it to the EQ.
        seed: Of the random starting points.
        max_evaluations: Of the loss, per starting point, for L-BFGS.
        steps: Of Adam.
        learning_rate: Of Adam; ranges have length 1.
        size_penalty: Loss of a curve that is 12 dB everywhere.
        smoothness_penalty: Loss of a curve with a slope of 12 dB per octave everywhere.
        polish_evaluations: Of the loss as the true filter gives it, after L-BFGS; 0 for none.
        max_windows: Windows of a long sound that the search hears; the result is always judged on
            the whole sound.
    """

    optimiser: str = "lbfgs"
    loss: str = "cosine"
    restarts: int | None = None
    seed: int = 0
    max_evaluations: int = 120
    steps: int = adam.AdamConfig.steps
    learning_rate: float = adam.AdamConfig.learning_rate
    size_penalty: float = MODEST.size
    smoothness_penalty: float = MODEST.smoothness
    polish_evaluations: int = 12
    max_windows: int = 8

    @property
    def penalty(self) -> Penalty:
        """What is added to the loss."""
        return Penalty(self.size_penalty, self.smoothness_penalty)

    def __post_init__(self) -> None:
        for name, value, known in (
            ("optimiser", self.optimiser, OPTIMISERS),
            ("loss", self.loss, LOSSES),
        ):
            if value not in known:
                raise UsageError(f"{name} must be {' or '.join(known)}, not {value!r}.")
        counts = (self.restarts, self.max_evaluations, self.steps, self.max_windows)
        if any(count is not None and count < 1 for count in counts):
            raise UsageError("restarts, max_evaluations, steps and max_windows must be at least 1.")
        positive = (self.learning_rate, self.size_penalty, self.smoothness_penalty)
        if min(*positive, self.polish_evaluations) < 0:
            raise UsageError(
                "The learning rate, the penalties and polish_evaluations must not be negative."
            )


PRESETS = {
    "default": SearchConfig(),
    "paper": SearchConfig(
        optimiser="adam",
        restarts=1,
        size_penalty=0.0,
        smoothness_penalty=0.0,
        polish_evaluations=0,
    ),
}


@dataclass(frozen=True)
class Candidate:
    """One end of the search, for one problem.

    Attributes:
        unit: ``(size,)``, float64, from 0 to 1.
        loss: With penalties.
        evaluations: Of the loss.
        converged: False if the evaluations ran out.
        history: Loss at the start and after each step.
    """

    unit: Tensor
    loss: float
    evaluations: int
    converged: bool
    history: list[float]


def search(
    eq: EQ, hearing: Hearing, problems: Sequence[Sequence[Aim]], config: SearchConfig
) -> list[list[Candidate]]:
    """Search all problems and starting points in one batch.

    Args:
        eq: The parametrisation.
        hearing: The model.
        problems: Per problem, the aims that share one EQ.
        config: How.

    Returns:
        Per problem, its candidates, best first. The same arguments give the same result.
    """
    start, spent = starting_points(eq, hearing, problems, config)
    count = start.shape[1]
    owners = [p for p in range(len(problems)) for _ in range(count)]
    losses = Losses(eq, hearing, problems, owners, config.penalty)
    found = _minimise(losses, start.flatten(0, 1), config)
    found.evaluations[::count] += spent
    candidates = [
        Candidate(
            found.x[row],
            float(found.loss[row]),
            int(found.evaluations[row]),
            bool(found.converged[row]),
            found.history[row],
        )
        for row in range(len(owners))
    ]
    groups = [candidates[i * count : (i + 1) * count] for i in range(len(problems))]
    return [sorted(group, key=lambda c: c.loss) for group in groups]


def polish(
    eq: EQ,
    hearing: Hearing,
    problems: Sequence[Sequence[Aim]],
    found: Sequence[Sequence[Candidate]],
    config: SearchConfig,
) -> list[list[Candidate]]:
    """Go on from the best candidate of each problem with a finer hearing.

    Args:
        eq: The parametrisation.
        hearing: The finer one, which the aims are for.
        problems: As for ``search``.
        found: Its result.
        config: How; its ``polish_evaluations`` are the most.

    Returns:
        The candidates with the polished one in front; its history goes on from the search's, whose
        losses are those of the coarser hearing.
    """
    losses = Losses(eq, hearing, problems, list(range(len(problems))), config.penalty)
    start = torch.stack([group[0].unit for group in found])
    quick = lbfgs.LBFGSConfig(
        max_evaluations=config.polish_evaluations,
        loss_tolerance=LOSS_TOLERANCE,
        first_step=POLISH_STEP,
    )
    ends = lbfgs.minimise(losses, start, lower=0.0, upper=1.0, config=quick)
    polished = []
    for row, group in enumerate(found):
        best = Candidate(
            ends.x[row],
            float(ends.loss[row]),
            group[0].evaluations + int(ends.evaluations[row]),
            group[0].converged,
            [*group[0].history, *ends.history[row]],
        )
        polished.append([best, *group[1:]])
    return polished


def starting_points(
    eq: EQ, hearing: Hearing, problems: Sequence[Sequence[Aim]], config: SearchConfig
) -> tuple[Tensor, Tensor]:
    """Where each problem's searches start.

    Returns:
        ``(problems, restarts, size)``, float64: near a sketch for an EQ that wants one, then the
        neutral point, then random ones around it; and the evaluations that the sketches took,
        ``(problems,)``. Adam starts without a sketch.
    """
    count = eq.restarts if config.restarts is None else config.restarts
    points = spread_out(eq, count, config.seed).repeat(len(problems), 1, 1)
    if not eq.sketched or config.optimiser != "lbfgs":
        return points, torch.zeros(len(problems), dtype=torch.long)
    first, spent = sketched(eq, hearing, problems, config.penalty, config.seed)
    return torch.cat([first[:, None], points], 1)[:, :count], spent


def _minimise(losses: Losses, start: Tensor, config: SearchConfig) -> lbfgs.Minimum:
    if config.optimiser == "adam":
        how = adam.AdamConfig(steps=config.steps, learning_rate=config.learning_rate)
        return adam.minimise(losses, start, lower=0.0, upper=1.0, config=how)
    quick = lbfgs.LBFGSConfig(max_evaluations=config.max_evaluations, loss_tolerance=LOSS_TOLERANCE)
    return lbfgs.minimise(losses, start, lower=0.0, upper=1.0, config=quick)
