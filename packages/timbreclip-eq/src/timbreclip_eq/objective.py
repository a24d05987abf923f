"""The loss of many EQs at once, and its gradient."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .base import EQ, HIGHEST
from .hearing import Hearing

WINDOWS_AT_ONCE = 32
GRID_POINTS, LOWEST_HZ, HIGHEST_HZ = 64, 20.0, 20_000.0
SOFTNESS = 1.0  # length of a move: a shorter one is hardly more than a direction, and counts less


@dataclass(frozen=True)
class Aim:
    """A sound and what it should become.

    Args:
        data: What the encoder hears of it, ``(windows, ...)``, from ``Hearing.listen``.
        sample_rate: Of the sound that will be filtered, Hz.
        goal: ``(dim,)``: the vector to come near to, or for a directional loss the move to make,
            both of length 1.
        origin: ``(dim,)``, the sound's own vector, for a directional loss; None for the plain one.
    """

    data: Tensor
    sample_rate: int
    goal: Tensor
    origin: Tensor | None = None


@dataclass(frozen=True)
class Penalty:
    """What keeps a curve modest where the words say nothing.

    Args:
        size: Loss of a curve that is 12 dB everywhere.
        smoothness: Loss of a curve that falls or rises by 12 dB per octave everywhere.
    """

    size: float
    smoothness: float


MODEST = Penalty(0.06, 0.15)
"""What a search adds unless told otherwise."""


class Losses:
    """The objective: unit parameters of many EQs to losses and gradients.

    Args:
        eq: The parametrisation.
        hearing: The model.
        problems: Per problem, the aims that share one EQ; the loss is their mean.
        owners: Which problem each row belongs to.
        penalty: Added to the loss.
    """

    def __init__(
        self,
        eq: EQ,
        hearing: Hearing,
        problems: Sequence[Sequence[Aim]],
        owners: Sequence[int],
        penalty: Penalty,
    ) -> None:
        self.eq, self.hearing, self.penalty = eq, hearing, penalty
        self.problems, self.owners = problems, owners

    def __call__(self, x: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Losses ``(rows,)`` and gradients ``(rows, size)``, float64."""
        with torch.enable_grad():
            unit = x.detach().clone().requires_grad_()
            values = self.eq.hold(self.eq.values(unit), self.hearing.heard_hz)
            aims = [self.problems[self.owners[r]] for r in rows.tolist()]
            extra = self._penalties(values, aims)
            loss = extra.detach().clone()
            whole = extra.sum()
            for key in sorted({_key(a) for group in aims for a in group}):
                pairs = [(i, a) for i, g in enumerate(aims) for a in g if _key(a) == key]
                freqs_hz = self.hearing.freqs_hz(pairs[0][1].data).clamp(max=key[0] / 2)
                magnitude = self.eq.response(values, freqs_hz, key[0])
                leaf = magnitude.detach().float().to(self.hearing.device).requires_grad_()
                shares = [1 / len(aims[i]) for i, _ in pairs]
                gradient = self._descend(leaf, pairs, shares, loss).to(magnitude)
                # Its gradient is this one. (Handing it to backward loads half of torch.fx.)
                whole = whole + (magnitude * gradient).nan_to_num().sum()
            whole.backward()
        return loss, torch.zeros_like(unit) if unit.grad is None else unit.grad

    def _descend(
        self, leaf: Tensor, pairs: list[tuple[int, Aim]], shares: list[float], loss: Tensor
    ) -> Tensor:
        """Add each pair's share of the loss to ``loss``; give the gradient of their sum."""
        gradient = torch.zeros_like(leaf)
        for part in _chunks(pairs):
            chosen = [pairs[i] for i in part]
            terms = self._terms(leaf, chosen)
            weights = torch.tensor([shares[i] for i in part], dtype=terms.dtype)
            weighted = terms * weights.to(terms.device)
            gradient += torch.autograd.grad(weighted.sum(), leaf)[0]
            rows = torch.tensor([row for row, _ in chosen])
            loss.index_add_(0, rows, weighted.detach().cpu().to(loss))
        return gradient

    def _terms(self, leaf: Tensor, pairs: list[tuple[int, Aim]]) -> Tensor:
        """One loss per pair of a row and an aim."""
        counts = torch.tensor([len(a.data) for _, a in pairs])
        which = torch.repeat_interleave(torch.arange(len(pairs)), counts).to(leaf.device)
        rows = torch.tensor([row for row, _ in pairs], device=leaf.device)
        data = torch.cat([a.data for _, a in pairs])
        vectors, energy = self.hearing.filtered(data, leaf[rows[which]])
        total = vectors.new_zeros(len(pairs), vectors.shape[-1])
        # A sound's windows are weighted against each other; its level would only cost precision.
        whole = energy.new_zeros(len(pairs)).index_add(0, which, energy).detach()
        share = energy / whole.clamp(min=1e-30)[which]
        total = total.index_add(0, which, vectors * share[:, None])
        heard = torch.nn.functional.normalize(total, dim=-1)
        goals = torch.stack([a.goal for _, a in pairs]).to(heard)
        origins = [a.origin for _, a in pairs if a.origin is not None]
        if not origins:
            return 1 - (heard * goals).sum(-1)
        moved = heard - torch.stack(origins).to(heard)
        return 1 - (moved * goals).sum(-1) / (moved.square().sum(-1) + SOFTNESS**2).sqrt()

    def _penalties(self, values: dict[str, Tensor], aims: Sequence[Sequence[Aim]]) -> Tensor:
        rate = min(a.sample_rate for group in aims for a in group)
        top = min(HIGHEST_HZ, HIGHEST * rate)
        grid = torch.logspace(0, 1, GRID_POINTS, base=top / LOWEST_HZ, dtype=torch.float64)
        curve = self.eq.curve_db(values, LOWEST_HZ * grid, rate) / 12
        octaves = grid[1:].log2() - grid[:-1].log2()
        slope = (curve[:, 1:] - curve[:, :-1]) / octaves
        size, smoothness = curve.square().mean(-1), slope.square().mean(-1)
        return self.penalty.size * size + self.penalty.smoothness * smoothness


def _key(aim: Aim) -> tuple[int, tuple[int, ...]]:
    return aim.sample_rate, tuple(aim.data.shape[1:])


def _chunks(pairs: Sequence[tuple[int, Aim]]) -> Iterator[list[int]]:
    """Numbers of pairs, together up to ``WINDOWS_AT_ONCE`` windows, at least one pair."""
    part: list[int] = []
    windows = 0
    for i, (_, aim) in enumerate(pairs):
        if part and windows + len(aim.data) > WINDOWS_AT_ONCE:
            yield part
            part, windows = [], 0
        part.append(i)
        windows += len(aim.data)
    if part:
        yield part
