"""The arithmetic of mixed prompts, on fixed tensors."""

import math

import pytest
import torch

from timbreclip_core.errors import UsageError
from timbreclip_vis.mixing import mix, slerp

PROMPTS = {
    "tokens": torch.randn(3, 5, 8, generator=torch.Generator().manual_seed(0)),
    "pooled": torch.randn(3, 4, generator=torch.Generator().manual_seed(1)).half(),
}


@pytest.mark.parametrize("mixing", ["linear", "slerp"])
def test_one_hot_weights_give_the_prompt_bit_for_bit(mixing):
    mixed = mix(PROMPTS, torch.eye(3), mixing)
    assert all(torch.equal(mixed[name], PROMPTS[name]) for name in PROMPTS)
    assert all(mixed[name].dtype == PROMPTS[name].dtype for name in PROMPTS)


def test_linear_mixing_is_the_weighted_sum():
    values = {"t": torch.tensor([[1.0, 2.0], [3.0, -4.0]])}
    mixed = mix(values, torch.tensor([[0.25, 0.75], [2.0, -1.0]]))
    assert torch.equal(mixed["t"], torch.tensor([[2.5, -2.5], [-1.0, 8.0]]))


@pytest.mark.parametrize("mixing", ["linear", "slerp"])
def test_a_batch_equals_its_items(mixing):
    weights = torch.rand(6, 3, generator=torch.Generator().manual_seed(2))
    together = mix(PROMPTS, weights, mixing)
    for i in range(6):
        alone = mix(PROMPTS, weights[i : i + 1], mixing)
        assert all(torch.equal(together[n][i], alone[n][0]) for n in PROMPTS)


def test_slerp_goes_along_the_arc_at_even_speed():
    first, second = torch.tensor([2.0, 0.0]), torch.tensor([0.0, 4.0])
    for part in (0.0, 1 / 3, 0.5, 1.0):
        angle, length = part * math.pi / 2, 2 + 2 * part
        wanted = torch.tensor([length * math.cos(angle), length * math.sin(angle)])
        assert torch.allclose(slerp(first, second, part), wanted, atol=1e-6)


def test_slerp_between_parallel_or_zero_vectors_is_a_line():
    x = torch.tensor([1.0, 2.0])
    assert torch.allclose(slerp(x, 3 * x, 0.5), 2 * x)
    assert torch.allclose(slerp(x, 0 * x, 0.25), 0.75 * x)


def test_slerp_keeps_the_length_that_linear_mixing_loses():
    weights = torch.full((1, 3), 1 / 3)
    flat = {"t": torch.eye(3)}
    assert mix(flat, weights, "slerp")["t"].norm() == pytest.approx(1.0, abs=1e-6)
    assert mix(flat, weights, "linear")["t"].norm() == pytest.approx(3**-0.5, abs=1e-6)


@pytest.mark.parametrize(
    ("weights", "mixing", "message"),
    [
        (torch.tensor([[1.0, float("nan"), 0.0]]), "linear", "NaN"),
        (torch.tensor([[1.0, float("inf"), 0.0]]), "slerp", "infinite"),
        (torch.ones(1, 2), "linear", "3 prompts"),
        (torch.ones(3), "linear", "3 prompts"),
        (torch.tensor([[1.0, -0.1, 0.0]]), "slerp", "softmax"),
        (torch.zeros(1, 3), "slerp", "softmax"),
        (torch.ones(1, 3), "cubic", "slerp"),
    ],
)
def test_weights_that_cannot_mix_are_refused(weights, mixing, message):
    with pytest.raises(UsageError, match=message):
        mix(PROMPTS, weights, mixing)
