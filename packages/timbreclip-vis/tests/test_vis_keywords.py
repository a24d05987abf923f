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


def test_top_k_leaves_the_closest_and_scales_them_to_one():
    soft = keyword_weights(Fixed(0.3, 0.1, 0.2), VECTOR, WORDS, temperature=1.0, top_k=2)[0]
    e = torch.exp(torch.tensor([0.3, 0.0, 0.2])) * torch.tensor([1.0, 0.0, 1.0])
    assert torch.allclose(soft, e / e.sum())
    share = keyword_weights(Fixed(0.3, 0.1, 0.2), VECTOR, WORDS, weighting="similarity", top_k=2)
    assert torch.allclose(share, torch.tensor([[0.6, 0.0, 0.4]]))
    raw = keyword_weights(Fixed(0.3, 0.1, 0.2), VECTOR, WORDS, weighting="raw", top_k=1)
    assert torch.allclose(raw, torch.tensor([[0.3, 0.0, 0.0]]))


@pytest.mark.parametrize(
    ("words", "message"),
    [(["a", " "], "empty"), (["Warm pad", "warm  pad"], "twice"), ([], "-k")],
)
def test_keywords_that_are_none_or_the_same_are_refused(words, message):
    with pytest.raises(UsageError, match=message):
        keyword_weights(Fixed(0.3, 0.2, 0.1), VECTOR, words)


@pytest.mark.parametrize("top_k", [0, -1])
def test_top_k_is_at_least_one(top_k):
    with pytest.raises(UsageError, match="top_k"):
        keyword_weights(Fixed(0.3, 0.2, 0.1), VECTOR, WORDS, top_k=top_k)


def test_keywords_in_sentences_are_the_mean_over_the_sentences(model, sounds):
    from timbreclip_core.encoders.base import unit
    from timbreclip_core.templates import fill, templates

    vector = model.embed_file(sounds["dull"])
    found = keyword_weights(model, vector, ["dark"], weighting="raw", sentences="timbre")
    texts = model.embed_text([fill(t, "dark") for t in templates("timbre")]).plain()
    wanted = vector.plain() @ unit(texts.mean(0))
    assert torch.allclose(found[0], wanted, atol=1e-6)
