"""The optimisers against scipy, torch and solutions known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from timbreclip_eq import adam, lbfgs
from timbreclip_eq.lbfgs import LBFGSConfig

F64 = torch.float64
TIGHT = LBFGSConfig(max_evaluations=2_000, gradient_tolerance=1e-8, loss_tolerance=0.0)


def with_gradient(function):
    """An objective from a function of points ``(rows, dim)`` and row numbers."""

    def objective(x, rows):
        x = x.clone().requires_grad_()
        loss = function(x, rows)
        (gradient,) = torch.autograd.grad(loss.sum(), x)
        return loss, gradient

    return objective


def rosenbrock(x, rows=None):
    return (100 * (x[:, 1:] - x[:, :-1] ** 2) ** 2 + (1 - x[:, :-1]) ** 2).sum(-1)


def quadratics(count: int, dim: int, seed: int = 0):
    """Convex problems of conditions 1 to 1000, and their solutions."""
    g = torch.Generator().manual_seed(seed)
    basis = torch.linalg.qr(torch.randn(count, dim, dim, generator=g, dtype=F64)).Q
    scales = torch.logspace(0, 3, dim, dtype=F64)
    matrix = basis @ torch.diag(scales) @ basis.mT
    solution = torch.randn(count, dim, generator=g, dtype=F64)

    def function(x, rows):
        d = x - solution[rows]
        return 0.5 * (d * (matrix[rows] @ d[..., None])[..., 0]).sum(-1)

    return function, matrix, solution


def test_quadratics_are_solved():
    function, _, solution = quadratics(7, 12)
    found = lbfgs.minimise(with_gradient(function), torch.zeros(7, 12), config=TIGHT)
    torch.testing.assert_close(found.x, solution, rtol=0, atol=1e-6)
    assert found.converged.all()


@pytest.mark.parametrize("dim", [2, 5, 20])
def test_rosenbrock_is_solved_from_many_starts(dim):
    g = torch.Generator().manual_seed(dim)
    start = 2 * torch.rand(6, dim, generator=g, dtype=F64)
    found = lbfgs.minimise(with_gradient(rosenbrock), start, config=TIGHT)
    assert found.converged.all()
    torch.testing.assert_close(found.x, torch.ones(6, dim, dtype=F64), rtol=0, atol=1e-5)


def test_it_needs_no_more_evaluations_than_scipy_and_torch_by_much():
    start = torch.tensor([[-1.2, 1.0]], dtype=F64)
    ours = lbfgs.minimise(with_gradient(rosenbrock), start, config=TIGHT).evaluations.item()
    golden = scipy.optimize.minimize(
        scipy.optimize.rosen,
        [-1.2, 1.0],
        jac=scipy.optimize.rosen_der,
        method="L-BFGS-B",
        tol=1e-12,
    )
    x, calls = start.clone().requires_grad_(), []
    other = torch.optim.LBFGS([x], max_iter=200, line_search_fn="strong_wolfe", tolerance_change=0)

    def closure():
        other.zero_grad()
        loss = rosenbrock(x).sum()
        loss.backward()
        calls.append(loss.item())
        return loss

    other.step(closure)
    needed = next(i for i, v in enumerate(calls) if v < 1e-12)
    assert ours < 1.6 * golden.nfev
    assert ours < 1.6 * needed


def test_bounds_are_kept_and_the_result_is_scipys():
    function, matrix, solution = quadratics(5, 8, seed=3)
    found = lbfgs.minimise(
        with_gradient(function), torch.zeros(5, 8), lower=-0.5, upper=0.5, config=TIGHT
    )
    assert found.x.abs().max() <= 0.5
    for row in range(5):
        a, s = matrix[row].numpy(), solution[row].numpy()
        golden = scipy.optimize.minimize(
            lambda x, a=a, s=s: 0.5 * (x - s) @ a @ (x - s),
            np.zeros(8),
            jac=lambda x, a=a, s=s: a @ (x - s),
            bounds=[(-0.5, 0.5)] * 8,
            method="L-BFGS-B",
            options={"ftol": 1e-15, "gtol": 1e-10, "maxiter": 5_000, "maxfun": 50_000},
        )
        np.testing.assert_allclose(found.x[row], golden.x, atol=1e-4)
        assert found.loss[row] <= golden.fun + 1e-8


def test_a_bounded_rosenbrock_ends_at_scipys_point():
    found = lbfgs.minimise(
        with_gradient(rosenbrock), torch.tensor([[0.1, 0.1]]), lower=0.0, upper=0.6, config=TIGHT
    )
    golden = scipy.optimize.minimize(
        scipy.optimize.rosen, [0.1, 0.1], jac=scipy.optimize.rosen_der, bounds=[(0, 0.6)] * 2
    )
    np.testing.assert_allclose(found.x[0], golden.x, atol=1e-4)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), rows=st.integers(1, 5), dim=st.integers(1, 6))
def test_a_row_ends_where_it_ends_alone(seed, rows, dim):
    function, _, _ = quadratics(rows, dim, seed)
    start = torch.randn(rows, dim, generator=torch.Generator().manual_seed(seed), dtype=F64)
    together = lbfgs.minimise(with_gradient(function), start, lower=-1.0, upper=1.0)
    for row in range(rows):
        alone = lbfgs.minimise(
            with_gradient(lambda x, r, row=row: function(x, r + row)),
            start[row : row + 1],
            lower=-1.0,
            upper=1.0,
        )
        assert alone.evaluations[0] == together.evaluations[row]
        torch.testing.assert_close(alone.x[0], together.x[row], rtol=0, atol=1e-9)


def test_loss_never_rises_and_the_history_ends_at_the_loss():
    found = lbfgs.minimise(with_gradient(rosenbrock), torch.tensor([[-1.2, 1.0], [0.0, 2.0]]))
    for trace, loss in zip(found.history, found.loss.tolist(), strict=True):
        assert trace == sorted(trace, reverse=True)
        assert trace[-1] == loss


def test_only_rows_that_are_not_finished_are_evaluated():
    function, _, solution = quadratics(2, 4)
    seen = []

    def objective(x, rows):
        seen.append(rows.tolist())
        return with_gradient(function)(x, rows)

    start = torch.stack([solution[0], torch.zeros(4, dtype=F64)])
    lbfgs.minimise(objective, start)
    assert seen[0] == [0, 1]
    assert all(rows == [1] for rows in seen[1:])


def test_the_budget_is_kept_and_said():
    config = LBFGSConfig(max_evaluations=5)
    found = lbfgs.minimise(with_gradient(rosenbrock), torch.tensor([[-1.2, 1.0]]), config=config)
    assert found.evaluations.item() == 5
    assert not found.converged.item()


def test_it_steps_back_from_where_the_loss_is_not_finite():
    def barrier(x, rows):
        return (x.square() - 3 * x - (1 - x).log()).sum(-1)

    found = lbfgs.minimise(with_gradient(barrier), torch.zeros(1, 2), config=TIGHT)
    golden = scipy.optimize.minimize_scalar(
        lambda v: v * v - 3 * v - np.log(1 - v), bounds=(-1, 0.999), method="bounded"
    )
    np.testing.assert_allclose(found.x[0], golden.x, atol=1e-4)


def test_a_row_that_starts_at_nan_ends_there_and_spoils_no_other():
    def function(x, rows):
        return torch.where(rows == 0, torch.nan, 1.0) * x.square().sum(-1)

    found = lbfgs.minimise(with_gradient(function), torch.ones(2, 3))
    assert found.evaluations.tolist()[0] == 1
    assert not found.converged[0]
    torch.testing.assert_close(found.x[1], torch.zeros(3, dtype=F64), rtol=0, atol=1e-4)


def test_a_loss_in_float32_still_converges():
    function, _, solution = quadratics(3, 5)

    def rough(x, rows):
        loss, gradient = with_gradient(function)(x, rows)
        return loss.float(), gradient.float()

    found = lbfgs.minimise(rough, torch.zeros(3, 5))
    assert found.converged.all()
    torch.testing.assert_close(found.x, solution, rtol=0, atol=5e-2)


def test_adam_is_torchs_adam():
    start = torch.tensor([[-1.2, 1.0], [0.5, 0.0]], dtype=F64)
    config = adam.AdamConfig(steps=200)
    found = adam.minimise(with_gradient(rosenbrock), start, config=config)
    x = start.clone().requires_grad_()
    golden = torch.optim.Adam([x], lr=1e-2)
    for _ in range(200):
        golden.zero_grad()
        rosenbrock(x).sum().backward()
        golden.step()
    np.testing.assert_allclose(found.history[0][-1], rosenbrock(x)[0].item(), rtol=1e-9)


def test_adam_keeps_the_bounds_and_its_best_point():
    found = adam.minimise(
        with_gradient(lambda x, rows: (x - 3).square().sum(-1)),
        torch.full((1, 2), 0.5),
        lower=0.0,
        upper=1.0,
        config=adam.AdamConfig(steps=100),
    )
    torch.testing.assert_close(found.x, torch.ones(1, 2, dtype=F64))
    assert found.loss.item() == min(found.history[0])


def test_the_start_is_left_as_it_was():
    start = torch.tensor([[-1.2, 1.0]], dtype=F64)
    lbfgs.minimise(with_gradient(rosenbrock), start, lower=-2.0, upper=2.0)
    adam.minimise(
        with_gradient(rosenbrock), start, lower=-2, upper=2, config=adam.AdamConfig(steps=9)
    )
    assert start.tolist() == [[-1.2, 1.0]]
