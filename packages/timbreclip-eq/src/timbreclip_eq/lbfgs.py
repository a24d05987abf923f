"""Batched L-BFGS with bounds: many small problems, one objective call, each at its own pace.

Every row is its own problem. In one step of the loop the objective is evaluated once, for all
rows that are not finished, and each row then accepts its trial point or shortens or lengthens its
step: no row waits for another's line search, and finished rows cost nothing.

Sources: J. Nocedal and S. Wright, Numerical Optimization, 2nd ed., algorithms 7.4 (two loops) and
3.5 (Wolfe conditions, here the weak ones, by bisection); D. Bertsekas, Projected Newton methods,
SIAM J. Control 20(2), 1982 (bounds: variables held at a bound leave the direction, the step is
projected).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

# Points (active, dim) and the numbers of their rows (active,) to losses (active,), and gradients.
Objective = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True, kw_only=True)
class LBFGSConfig:
    """When to stop, and how to step.

    Args:
        max_evaluations: Of the objective, per row.
        memory: Pairs of steps and gradient differences that are kept.
        gradient_tolerance: Stop when no entry of the projected gradient is larger.
        loss_tolerance: Stop when two accepted steps in a row each gain less than this, relative to
            the loss or to 1, whichever is larger.
        first_step: Largest change of an entry in the first step.
        armijo: Share of the predicted decrease that a step must reach.
        wolfe: Share of the slope that must be left at most.
    """

    max_evaluations: int = 120
    memory: int = 10
    gradient_tolerance: float = 1e-5
    loss_tolerance: float = 1e-6
    first_step: float = 0.1
    armijo: float = 1e-4
    wolfe: float = 0.9


@dataclass
class Minimum:
    """Where each row ended.

    Attributes:
        x: ``(rows, dim)``.
        loss: ``(rows,)``.
        evaluations: ``(rows,)``.
        converged: ``(rows,)``, False where the evaluations ran out.
        history: Per row, the loss at the start and after each accepted step.
    """

    x: Tensor
    loss: Tensor
    evaluations: Tensor
    converged: Tensor
    history: list[list[float]]


def minimise(
    objective: Objective,
    start: Tensor,
    *,
    lower: float | None = None,
    upper: float | None = None,
    config: LBFGSConfig | None = None,
) -> Minimum:
    """Minimise each row of ``start`` ``(rows, dim)``; float64 inside, deterministic.

    Args:
        objective: Losses and gradients of the rows asked for. A loss that is not finite makes the
            row step back; at the start it ends the row.
        start: Starting points; clamped into the bounds.
        lower: Bound of every entry, or None.
        upper: Bound of every entry, or None.
        config: When to stop.
    """
    x = start.detach().to(torch.float64, copy=True)
    run = _Run(objective, x, lower, upper, config or LBFGSConfig())
    while len(rows := run.active.nonzero().flatten()):
        run.step(rows)
    return run.result()


def project(x: Tensor, lower: float | None, upper: float | None) -> Tensor:
    """``x`` within the bounds."""
    return x if lower is None and upper is None else x.clamp(lower, upper)


@dataclass
class _Run:
    objective: Objective
    x: Tensor
    lower: float | None
    upper: float | None
    config: LBFGSConfig
    history: list[list[float]] = field(init=False)

    def __post_init__(self) -> None:
        self.x = self._project(self.x)
        rows, dim = self.x.shape
        everyone = torch.arange(rows)
        self.loss, self.gradient = self._evaluate(self.x, everyone)
        self.history = [[v] for v in self.loss.tolist()]
        self.evaluations = torch.ones(rows, dtype=torch.long)
        self.active = torch.isfinite(self.loss)
        self.converged = torch.zeros(rows, dtype=torch.bool)
        self.steps = torch.zeros(rows, self.config.memory, dim, dtype=torch.float64)
        self.changes = torch.zeros_like(self.steps)
        self.direction = torch.zeros_like(self.x)
        self.size = torch.ones(rows, dtype=torch.float64)
        self.short = torch.zeros(rows, dtype=torch.float64)
        self.long = torch.full((rows,), torch.inf, dtype=torch.float64)
        self.idle = torch.zeros(rows, dtype=torch.long)
        self._aim(everyone[self.active])

    def step(self, rows: Tensor) -> None:
        """One evaluation for every row that is not finished."""
        size = self.size[rows]
        trial = self._project(self.x[rows] + size[:, None] * self.direction[rows])
        loss, gradient = self._evaluate(trial, rows)
        self.evaluations[rows] += 1
        moved = trial - self.x[rows]
        slope = (self.gradient[rows] * moved).sum(-1)
        fine = torch.isfinite(loss) & (loss <= self.loss[rows] + self.config.armijo * slope)
        clipped = (moved - size[:, None] * self.direction[rows]).abs().amax(-1) > 1e-12
        steep = (gradient * moved).sum(-1) < self.config.wolfe * slope
        extend = fine & steep & ~clipped & (self.evaluations[rows] < self.config.max_evaluations)
        accept = fine & ~extend
        self._accept(rows[accept], trial[accept], loss[accept], gradient[accept])
        self._lengthen(rows[extend])
        self._shorten(rows[~fine], loss[~fine], slope[~fine])
        spent = self.active & (self.evaluations >= self.config.max_evaluations)
        self.active &= ~spent

    def result(self) -> Minimum:
        return Minimum(self.x, self.loss, self.evaluations, self.converged, self.history)

    def _evaluate(self, x: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        loss, gradient = self.objective(x, rows)
        finite = torch.isfinite(gradient).all(-1)
        loss = loss.detach().to(torch.float64).masked_fill(~finite, torch.inf)
        return loss, gradient.detach().to(torch.float64)

    def _project(self, x: Tensor) -> Tensor:
        return project(x, self.lower, self.upper)

    def _projected_gradient(self, rows: Tensor) -> Tensor:
        return self.x[rows] - self._project(self.x[rows] - self.gradient[rows])

    def _accept(self, rows: Tensor, x: Tensor, loss: Tensor, gradient: Tensor) -> None:
        if not len(rows):
            return
        self._remember(rows, x - self.x[rows], gradient - self.gradient[rows])
        gain = self.loss[rows] - loss
        scale = torch.maximum(self.loss[rows].abs(), loss.abs()).clamp(min=1.0)
        small = gain <= self.config.loss_tolerance * scale
        self.idle[rows] = torch.where(small, self.idle[rows] + 1, 0)
        self.x[rows], self.loss[rows], self.gradient[rows] = x, loss, gradient
        for row, value in zip(rows.tolist(), loss.tolist(), strict=True):
            self.history[row].append(value)
        self._finish(rows[self.idle[rows] >= 2])
        self._aim(rows[self.active[rows]])

    def _remember(self, rows: Tensor, step: Tensor, change: Tensor) -> None:
        """Keep a pair; one without positive curvature would spoil the direction."""
        curvature = (step * change).sum(-1)
        good = curvature > 1e-10 * step.norm(dim=-1) * change.norm(dim=-1)
        rows, step, change = rows[good], step[good], change[good]
        self.steps[rows] = torch.cat([self.steps[rows, 1:], step[:, None]], 1)
        self.changes[rows] = torch.cat([self.changes[rows, 1:], change[:, None]], 1)

    def _lengthen(self, rows: Tensor) -> None:
        self.short[rows] = self.size[rows]
        bounded = torch.isfinite(self.long[rows])
        middle = (self.short[rows] + self.long[rows]) / 2
        self.size[rows] = torch.where(bounded, middle, 2 * self.size[rows])

    def _shorten(self, rows: Tensor, loss: Tensor, slope: Tensor) -> None:
        """Towards the minimum of the parabola through the ends, within the bracket."""
        if not len(rows):
            return
        size, short = self.size[rows], self.short[rows]
        self.long[rows] = size
        share = -slope / (2 * (loss - self.loss[rows] - slope))
        share = torch.nan_to_num(share, nan=0.5).clamp(0.1, 0.5)
        self.size[rows] = torch.where(short > 0, (short + size) / 2, share * size)
        lost = rows[self.size[rows] - short < 1e-8]
        fresh = (self.steps[lost] == 0).all(-1).all(-1)
        # A direction that leads nowhere: try the plain gradient once, then give up.
        self._finish(lost[fresh])
        self.steps[lost[~fresh]] = 0
        self._aim(lost[~fresh])

    def _finish(self, rows: Tensor) -> None:
        self.active[rows] = False
        self.converged[rows] = True

    def _aim(self, rows: Tensor) -> None:
        """New direction and step for rows that stand at a new point."""
        done = self._projected_gradient(rows).abs().amax(-1) <= self.config.gradient_tolerance
        self._finish(rows[done])
        rows = rows[~done]
        if not len(rows):
            return
        gradient, x = self.gradient[rows], self.x[rows]
        free = torch.ones_like(x, dtype=torch.bool)
        if self.lower is not None:
            free &= ~((x <= self.lower) & (gradient > 0))
        if self.upper is not None:
            free &= ~((x >= self.upper) & (gradient < 0))
        gradient = gradient * free
        mask = free[:, None]
        pairs = self.steps[rows] * mask, self.changes[rows] * mask
        direction, known = _two_loops(gradient, *pairs)
        direction = direction * free
        downhill = (direction * gradient).sum(-1)
        good = known & (downhill < -1e-12 * direction.norm(dim=-1) * gradient.norm(dim=-1))
        largest = gradient.abs().amax(-1, keepdim=True)
        plain = -gradient * (self.config.first_step / largest)
        self.steps[rows[~good]] = 0
        self.direction[rows] = torch.where(good[:, None], direction, plain)
        self.size[rows] = 1.0
        self.short[rows], self.long[rows] = 0.0, torch.inf


def _two_loops(gradient: Tensor, steps: Tensor, changes: Tensor) -> tuple[Tensor, Tensor]:
    """Minus the inverse Hessian times the gradient, and which rows had any pair to make it of.

    Args:
        gradient: ``(rows, dim)``.
        steps: ``(rows, memory, dim)``, newest last; an empty or useless pair has no curvature.
        changes: As ``steps``, of the gradient.
    """
    curvature = (steps * changes).sum(-1)
    valid = curvature > 1e-10 * steps.norm(dim=-1) * changes.norm(dim=-1)
    rho = torch.where(valid, 1 / curvature.where(valid, torch.ones_like(curvature)), 0)
    q, alphas = gradient, []
    for i in reversed(range(steps.shape[1])):
        alpha = rho[:, i] * (steps[:, i] * q).sum(-1)
        q = q - alpha[:, None] * changes[:, i]
        alphas.append(alpha)
    scale = torch.ones_like(curvature[:, 0])
    for i in range(steps.shape[1]):
        ratio = curvature[:, i] / changes[:, i].square().sum(-1).clamp(min=1e-300)
        scale = torch.where(valid[:, i], ratio, scale)
    r = scale[:, None] * q
    for i, alpha in zip(range(steps.shape[1]), reversed(alphas), strict=True):
        beta = rho[:, i] * (changes[:, i] * r).sum(-1)
        r = r + (alpha - beta)[:, None] * steps[:, i]
    return -r, valid.any(-1)
