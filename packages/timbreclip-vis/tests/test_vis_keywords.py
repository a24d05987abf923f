"""Weights of keywords, on fixed vectors."""

import pytest
import torch

from timbreclip_core import Embedding
from timbreclip_core.errors import UsageError
from timbreclip_vis import keyword_weights


class Fixed:
    """A model whose cosines are given; the weights' arithmetic is what is tested."""

    def __init__(self, *cosines):
        self.cosines = torch.tensor([cosines])

    def similarity(self, vectors, words):
        return self.cosines[:, : len(words)]


VECTOR = Embedding.of(torch.ones(1, 2), "here")
WORDS = ["a", "b", "c"]


def test_raw_weights_are_the_cosines():
    weights = keyword_weights(Fixed(0.5, -0.2, 0.1), VECTOR, WORDS, weighting="raw")
    assert torch.allclose(weights, torch.tensor([[0.5, -0.2, 0.1]]))


def test_similarity_clips_at_zero_and_sums_to_one():
    weights = keyword_weights(Fixed(0.3, -0.2, 0.1), VECTOR, WORDS, weighting="similarity")
    assert torch.allclose(weights, torch.tensor([[0.75, 0.0, 0.25]]))


def test_softmax_sharpens_as_the_temperature_falls():
    soft, sharp = (
        keyword_weights(Fixed(0.3, 0.2, 0.1), VECTOR, WORDS, temperature=t)[0] for t in (1.0, 0.01)
    )
    e = torch.exp(torch.tensor([0.3, 0.2, 0.1]))
    assert torch.allclose(soft, e / e.sum())
    assert sharp[0] > 0.99


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ([], {}),
        (["a", "a"], {}),
        (WORDS, {"weighting": "magic"}),
        (WORDS, {"temperature": 0.0}),
        (WORDS, {"temperature": float("nan")}),
    ],
)
def test_wrong_use_says_what_to_do(words, options):
    with pytest.raises(UsageError):
        keyword_weights(Fixed(0.3, 0.2, 0.1), VECTOR, words, **options)


def test_similarity_without_a_close_keyword_is_an_error():
    with pytest.raises(UsageError, match="softmax"):
        keyword_weights(Fixed(-0.3, -0.2, -0.1), VECTOR, WORDS, weighting="similarity")
