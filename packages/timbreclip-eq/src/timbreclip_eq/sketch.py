"""Where the search of an EQ with free bands starts: near a curve that was drawn first.

Bands that may lie anywhere have many valleys; the best of eight random starts costs eight
searches. A smooth curve has one valley, and a rough draft of it is found in a dozen evaluations.
The bands that come nearest to the draft are found without the encoder, in milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from . import lbfgs
from .base import EQ, HIGHEST
from .curve import LOWEST_HZ, CurveEQ
from .hearing import Hearing
from .objective import MODEST, Aim, Losses, Penalty
from .options import CurveOptions

RANGE_DB = 24.0  # of the draft; the EQ comes as near as its own range allows
EVALUATIONS = 12
GRID_POINTS = 64
STARTS, STEPS = 4, 30
SPREAD = 0.35  # of the range, either way from the neutral point: how far other starts lie


def sketched(
    eq: EQ, hearing: Hearing, problems: Sequence[Sequence[Aim]], penalty: Penalty, seed: int
) -> tuple[Tensor, Tensor]:
    """Where to start.

    Args:
        eq: The parametrisation.
        hearing: The model.
        problems: Per problem, the aims that share one EQ.
        penalty: Of the search; the draft's is never less than the usual one, since a wild curve
            is no guide.
        seed: Of the bands' starting points.
    Returns:
        Unit vectors ``(problems, size)``, and how many evaluations each took, ``(problems,)``.
    """
    curve = CurveEQ(CurveOptions(max_gain_db=RANGE_DB))
    modest = Penalty(max(penalty.size, MODEST.size), max(penalty.smoothness, MODEST.smoothness))
    losses = Losses(curve, hearing, problems, list(range(len(problems))), modest)
    draft = lbfgs.minimise(
        losses,
        curve.neutral().repeat(len(problems), 1),
        lower=0.0,
        upper=1.0,
        config=lbfgs.LBFGSConfig(max_evaluations=EVALUATIONS),
    )
    found = []
    for unit, aims in zip(draft.x, problems, strict=True):
        rate = min(aim.sample_rate for aim in aims)
        top = min(hearing.heard_hz, HIGHEST * rate)
        grid = torch.logspace(0, 1, GRID_POINTS, base=top / LOWEST_HZ, dtype=torch.float64)
        values = curve.hold(curve.values(unit[None]), hearing.heard_hz)
        wanted_db = curve.curve_db(values, LOWEST_HZ * grid, rate)[0]
        found.append(nearest(eq, wanted_db, LOWEST_HZ * grid, rate, hearing.heard_hz, seed))
    return torch.stack(found), draft.evaluations


def nearest(
    eq: EQ, wanted_db: Tensor, freqs_hz: Tensor, sample_rate: int, heard_hz: float, seed: int = 0
) -> Tensor:
    """The unit vector ``(size,)`` whose curve is nearest to one, by the mean square of decibels.

    Args:
        eq: The parametrisation.
        wanted_db: ``(freqs,)``, dB.
        freqs_hz: ``(freqs,)``, Hz, float64.
        sample_rate: Hz.
        heard_hz: What lies above is held.
        seed: Of the starting points.
    """

    def losses(x: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            unit = x.detach().clone().requires_grad_()
            values = eq.hold(eq.values(unit), heard_hz)
            off = eq.curve_db(values, freqs_hz, sample_rate) - wanted_db
            loss = off.square().mean(-1) / 12**2
            return loss.detach(), torch.autograd.grad(loss.sum(), unit)[0]

    config = lbfgs.LBFGSConfig(max_evaluations=STEPS, loss_tolerance=1e-5)
    start = spread_out(eq, STARTS, seed)
    ends = lbfgs.minimise(losses, start, lower=0.0, upper=1.0, config=config)
    return ends.x[ends.loss.argmin()]


def spread_out(eq: EQ, count: int, seed: int) -> Tensor:
    """Starting points ``(count, size)``, float64: the neutral one, then random ones around it."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.rand(count, eq.size, generator=generator, dtype=torch.float64)
    noise = SPREAD * (2 * noise - 1)
    noise[0] = 0
    return (eq.neutral() + noise).clamp(0, 1)
