"""Adam with bounds, for the paper's recipe and for comparison.

Source: D. Kingma and J. Ba, Adam, ICLR 2015; after each step the point is clamped into the bounds.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .lbfgs import Minimum, Objective, project


@dataclass(frozen=True, kw_only=True)
class AdamConfig:
    """The paper's: 5,000 steps of 1e-2.

    Args:
        steps: Evaluations of the objective, after the first.
        learning_rate: In units of the parameters (0..1 spans a range).
    """

    steps: int = 5_000
    learning_rate: float = 1e-2
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8


def minimise(
    objective: Objective,
    start: Tensor,
    *,
    lower: float | None = None,
    upper: float | None = None,
    config: AdamConfig | None = None,
) -> Minimum:
    """As ``lbfgs.minimise``; each row ends at the best point that it saw."""
    config = config or AdamConfig()
    x = project(start.detach().to(torch.float64), lower, upper)
    rows = torch.arange(len(x))
    mean, square = torch.zeros_like(x), torch.zeros_like(x)
    best, best_loss = x.clone(), torch.full((len(x),), torch.inf, dtype=torch.float64)
    history: list[list[float]] = [[] for _ in rows]
    for step in range(1, config.steps + 2):
        loss, gradient = (v.detach().to(torch.float64) for v in objective(x, rows))
        for trace, value in zip(history, loss.tolist(), strict=True):
            trace.append(value)
        better = loss < best_loss
        best[better], best_loss[better] = x[better], loss[better]
        gradient = torch.nan_to_num(gradient)
        mean = config.beta_1 * mean + (1 - config.beta_1) * gradient
        square = config.beta_2 * square + (1 - config.beta_2) * gradient.square()
        top = mean / (1 - config.beta_1**step)
        bottom = (square / (1 - config.beta_2**step)).sqrt() + config.epsilon
        x = project(x - config.learning_rate * top / bottom, lower, upper)
    count = torch.full((len(x),), config.steps + 1)
    # It has no test of convergence: all its steps were taken, as was asked.
    return Minimum(best, best_loss, count, torch.ones(len(x), dtype=torch.bool), history)
