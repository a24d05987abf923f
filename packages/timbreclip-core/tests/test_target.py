from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from timbreclip_core.embedding import Embedding
from timbreclip_core.errors import InputError, SpaceMismatchError, UsageError
from timbreclip_core.target import Target, as_target, parse_target

SPACE, TIMBRE = "toy/text", "toy/timbre"
WORDS = {"warm": [1.0, 0.0, 0.0], "harsh": [0.0, 1.0, 0.0]}


class Toy:
    """Two words, and one file whose vector is the third axis: arithmetic can be read off."""

    encoder = SimpleNamespace(spaces={"text": SPACE, "timbre": TIMBRE})

    def embed_text(self, text):
        return Embedding.of(torch.tensor([WORDS[text]]), SPACE)

    def embed_file(self, path, *, kind):
        space = self.encoder.spaces[kind]
        return Embedding.of(torch.tensor([[0.0, 0.0, 1.0]]), space)

    def kind_for_sounds(self):
        return "timbre"


def close(vector, *expected):
    wanted = torch.nn.functional.normalize(torch.tensor([expected]), dim=-1)
    return torch.allclose(vector.plain(), wanted, atol=1e-6)


@pytest.fixture
def sound(tmp_path):
    path = tmp_path / "ref.wav"
    path.touch()
    return str(path)


def test_one_prompt_is_its_own_vector():
    assert close(parse_target(["warm"]).vector(Toy()), 1.0, 0.0, 0.0)


def test_weights_mix_and_negative_ones_push_away():
    assert close(parse_target(["warm", "harsh:-0.5"]).vector(Toy()), 1.0, -0.5, 0.0)


def test_words_and_sounds_mix_in_the_space_of_words(sound):
    vector = parse_target(["warm"], [f"{sound}:2"]).vector(Toy())
    assert close(vector, 1.0, 0.0, 2.0)
    assert vector.space == SPACE


def test_sounds_alone_are_compared_by_timbre(sound):
    target = parse_target(likes=[sound])
    assert target.kind(Toy()) == "timbre"
    assert target.vector(Toy()).space == TIMBRE


def test_the_source_takes_part_by_its_weight():
    sources = Embedding.of(torch.tensor([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]), SPACE)
    vectors = parse_target(["warm"], source_weight=0.5).vector(Toy(), sources)
    assert close(vectors[:1], 1.0, 0.0, 0.5)
    assert close(vectors[1:], 1.0, 0.5, 0.0)


def test_vectors_of_another_space_are_refused():
    stranger = Embedding.of(torch.ones(1, 3), "clip-vit-b-32")
    with pytest.raises(SpaceMismatchError):
        Target((("warm", 1.0),), ((stranger, 1.0),)).vector(Toy())
    with pytest.raises(SpaceMismatchError):
        parse_target(["warm"], source_weight=1).vector(Toy(), stranger)


def test_weights_that_cancel_are_an_error():
    with pytest.raises(UsageError, match="cancel"):
        parse_target(["warm", "warm:-1"]).vector(Toy())


@pytest.mark.parametrize("prompts", [[], [""], ["  "], ["warm:0"]])
def test_a_target_needs_something_to_aim_at(prompts):
    with pytest.raises(UsageError):
        parse_target(prompts)


@pytest.mark.parametrize("weight", [float("nan"), float("inf")])
def test_weights_are_finite(weight):
    with pytest.raises(UsageError, match="finite"):
        parse_target(["warm"], source_weight=weight)


def test_a_missing_reference_is_named():
    with pytest.raises(InputError, match=r"gone\.wav"):
        parse_target(["warm"], ["gone.wav"])


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("warm", ("warm", 1.0)),
        ("warm:0.5", ("warm", 0.5)),
        ("warm: -.5", ("warm", -0.5)),
        ("in 3:4 time", ("in 3:4 time", 1.0)),
        ("ratio 3:4", ("ratio 3", 4.0)),
        ("very: warm:2", ("very: warm", 2.0)),
    ],
)
def test_a_weight_follows_the_last_colon(text, read):
    assert parse_target([text]).texts == (read,)


def test_a_file_whose_name_ends_like_a_weight_is_that_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "take:2").touch()
    assert parse_target(likes=["take:2"]).sounds == (("take:2", 1.0),)


@given(
    st.text(st.characters(categories=["L"]), min_size=1),
    st.floats(-4, 4).map(lambda w: round(w, 3)).filter(bool),
)
def test_a_description_reads_back(text, weight):
    target = Target(((text, weight),))
    assert parse_target([target.describe()]) == target


def test_python_callers_may_write_a_word_or_several():
    assert as_target("warm") == as_target(["warm"]) == as_target(parse_target(["warm"]))
