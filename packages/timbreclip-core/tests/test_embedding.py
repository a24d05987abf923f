import copy
import io
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from timbreclip_core.embedding import Embedding, check_same_space
from timbreclip_core.errors import SpaceMismatchError

# As many vectors as numbers in a vector, too: there, shapes alone cannot tell them apart.
counts = st.sampled_from([1, 2, 5, 8])
DIM = 8


def vectors(count=4, space="one", seed=0):
    generator = torch.Generator().manual_seed(seed)
    return Embedding.of(F.normalize(torch.randn(count, DIM, generator=generator)), space)


def is_vectors(value, space="one"):
    return isinstance(value, Embedding) and value.space == space


def is_plain(value):
    return type(value) is torch.Tensor and not hasattr(value, "space")


MIXES = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "add in place": lambda a, b: a.add_(b),
    "assign": lambda a, b: a.__setitem__(0, b[0]),
    "product with .T": lambda a, b: a @ b.T,
    "product with .mT": lambda a, b: a @ b.mT,
    "product with transpose": lambda a, b: a @ b.transpose(0, 1),
    "product with permute": lambda a, b: torch.matmul(a, b.permute(1, 0)),
    "linear": lambda a, b: F.linear(a, b),
    "einsum": lambda a, b: torch.einsum("nd,md->nm", a, b),
    "cosine": lambda a, b: F.cosine_similarity(a, b),
    "distance": lambda a, b: torch.cdist(a, b),
    "cat": lambda a, b: torch.cat([a, b]),
    "stack": lambda a, b: torch.stack([a, b]),
    "where": lambda a, b: torch.where(a.plain() > 0, a, b),
    "lerp": lambda a, b: torch.lerp(a, b, 0.5),
    "keyword": lambda a, b: torch.add(a, other=b),
}


@pytest.mark.parametrize("mix", MIXES.values(), ids=MIXES)
@given(counts)
def test_vectors_of_two_spaces_never_mix(mix, count):
    with pytest.raises(SpaceMismatchError, match=r"'one'.*'two'"):
        mix(vectors(count), vectors(count, "two"))


@pytest.mark.parametrize("mix", MIXES.values(), ids=MIXES)
def test_vectors_of_one_space_mix_as_tensors_do(mix):
    labelled, plain = (vectors(), vectors(seed=1)), (vectors().plain(), vectors(seed=1).plain())
    expected = mix(*(t.as_subclass(Embedding) for t in plain))
    result = mix(*labelled)
    assert result is expected is None or torch.equal(result, expected)


KEEPING = {
    "one": lambda a: a[0],
    "slice": lambda a: a[:1],
    "mask": lambda a: a[torch.ones(len(a), dtype=torch.bool)],
    "sum": lambda a: a.sum(0),
    "mean": lambda a: a.mean(dim=0, keepdim=True),
    "scale": lambda a: 0.5 * a,
    "negative": lambda a: -a,
    "sum of two": lambda a: a + a,
    "with plain": lambda a: a + torch.ones(DIM),
    "cat": lambda a: torch.cat([a, a]),
    "stack": lambda a: torch.stack([a, a]),
    "normalize": lambda a: F.normalize(a, dim=-1),
    "clone": lambda a: a.clone(),
    "detach": lambda a: a.detach(),
    "double": lambda a: a.double(),
    "to": lambda a: a.to("cpu", torch.float16),
    "add a dimension": lambda a: a[None],
    "flatten": lambda a: a[None].flatten(0, 1),
    "split": lambda a: a.split(1)[0],
    "chunk": lambda a: a.chunk(2)[-1],
    "unbind": lambda a: a.unbind()[0],
    "loop": lambda a: next(iter(a)),
    "there and back": lambda a: a.T.T,
    "other dimensions": lambda a: a[None].transpose(0, 1),
    "zeros": torch.zeros_like,
}


@pytest.mark.parametrize("function", KEEPING.values(), ids=KEEPING)
@given(counts)
def test_what_is_still_vectors_keeps_the_space(function, count):
    result = function(vectors(count))
    assert is_vectors(result)
    assert result.shape[-1] == DIM


LOSING = {
    "similarities": lambda a: a @ a.T,
    "similarities, einsum": lambda a: torch.einsum("nd,md->nm", a, a),
    "similarities, linear": lambda a: F.linear(a, a),
    "projection": lambda a: a @ torch.eye(DIM),
    "cosine": lambda a: F.cosine_similarity(a, a),
    "distance": lambda a: torch.cdist(a, a),
    "norm": lambda a: a.norm(dim=-1),
    "vector norm": lambda a: torch.linalg.vector_norm(a, dim=1),
    "sum of a vector": lambda a: a.sum(-1),
    "sum of all": lambda a: a.sum(),
    "largest of a vector": lambda a: a.amax(1),
    "mean of a turned vector": lambda a: a.T.mean(0),
    "some numbers of a vector": lambda a: a[:, :3],
    "one number": lambda a: a[0, 0],
    "comparison": lambda a: a > 0,
    "order": lambda a: a.argsort(),
    "plain": lambda a: a.plain(),
    "largest numbers": lambda a: a.topk(3).values,
}


@pytest.mark.parametrize("function", LOSING.values(), ids=LOSING)
@given(counts)
def test_what_is_no_vector_any_more_is_a_plain_tensor(function, count):
    assert is_plain(function(vectors(count)))


@pytest.mark.parametrize("function", [*KEEPING.values(), *LOSING.values()], ids=[*KEEPING, *LOSING])
def test_values_are_those_of_plain_tensors(function):
    result = function(vectors())
    if not is_plain(result):
        result = result.plain()
    expected = function(Plain.of(vectors().plain()))
    assert torch.equal(result, expected.as_subclass(torch.Tensor))


class Plain(torch.Tensor):
    """A tensor that has ``plain`` and nothing else of ours."""

    @staticmethod
    def of(values):
        return values.as_subclass(Plain)

    def plain(self):
        return self.as_subclass(torch.Tensor)


def test_labelling_shares_memory_and_leaves_the_tensor_alone():
    values = torch.ones(2, DIM)
    labelled = Embedding.of(values, "one")
    assert not hasattr(values, "space")
    labelled[0] = 7
    assert values[0, 0] == 7
    assert is_plain(labelled.plain())


def test_a_new_label_leaves_the_old_one_alone():
    first = vectors()
    second = Embedding.of(first, "two")
    assert is_vectors(first, "one")
    assert is_vectors(second, "two")


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))]
)
def test_copies_keep_values_and_space(copied):
    original = vectors()
    twin = copied(original)
    assert is_vectors(twin)
    assert torch.equal(twin.plain(), original.plain())
    turned = copied(original.T)
    with pytest.raises(SpaceMismatchError):
        vectors(space="two") @ turned


def test_a_deep_copy_is_apart_and_made_once():
    original = vectors()
    first, second = copy.deepcopy([original, original])
    assert first is second
    first += 1
    assert torch.equal(original.plain(), vectors().plain())


def test_torch_saves_and_loads_the_space():
    stream = io.BytesIO()
    torch.save(vectors(), stream)
    stream.seek(0)
    assert is_vectors(torch.load(stream, weights_only=False))


def test_safetensors_and_numpy_take_the_values(tmp_path):
    save_file({"v": vectors()}, tmp_path / "v.safetensors")
    assert torch.equal(load_file(tmp_path / "v.safetensors")["v"], vectors().plain())
    assert np.array_equal(np.asarray(vectors()), vectors().plain().numpy())
    assert isinstance(vectors().numpy(), np.ndarray)


def test_gradients_flow_through_the_label():
    raw = torch.randn(3, DIM, requires_grad=True)
    (Embedding.of(F.normalize(raw), "one") @ vectors(1).T).sum().backward()
    twin = raw.detach().clone().requires_grad_()
    (F.normalize(twin) @ vectors(1).plain().T).sum().backward()
    assert is_plain(raw.grad)
    assert torch.equal(raw.grad, twin.grad)


def test_vectors_can_be_optimised():
    free = vectors().clone().requires_grad_()
    goal = vectors(1, seed=5)
    optimiser = torch.optim.SGD([free], lr=0.25)
    for _ in range(20):
        optimiser.zero_grad()
        (free - goal).square().sum().backward()
        optimiser.step()
    assert (free - goal).plain().abs().max() < 1e-3
    assert is_vectors(free)


def test_printing_and_leaving_for_python_work():
    assert "Embedding" in repr(vectors())
    assert len(vectors().tolist()) == 4
    assert isinstance(vectors()[0, 0].item(), float)


def test_results_with_names_keep_them():
    best = vectors().max(0)
    assert is_vectors(best.values)
    assert is_plain(best.indices)


def test_spaces_are_checked_by_name_and_by_size():
    check_same_space(vectors(), vectors())
    check_same_space(vectors(), torch.ones(2, DIM))
    with pytest.raises(SpaceMismatchError, match="a hint"):
        check_same_space(vectors(), vectors(space="two"), "a hint")
    with pytest.raises(SpaceMismatchError, match=r"8 numbers.*3"):
        check_same_space(vectors(), torch.ones(2, 3))
