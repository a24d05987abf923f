import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from timbreclip_train.loss import (
    Temperature,
    choice_loss,
    contrastive_loss,
    direction_loss,
    distillation_loss,
    grouped_loss,
    order_loss,
    same_loss,
)

torch.set_num_threads(1)


def case(sounds=6, texts=9, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = 5 * torch.randn(sounds, texts, generator=generator, dtype=torch.float64)
    positive = torch.rand(sounds, texts, generator=generator) < 0.3
    group = torch.randint(0, 3, (texts,), generator=generator)
    return logits.requires_grad_(True), positive, group


@pytest.mark.parametrize("size", [1, 2, 7])
def test_one_to_one_it_is_the_loss_of_clip(size):
    logits = torch.randn(size, size, generator=torch.Generator().manual_seed(size))
    truth = torch.arange(size)
    expected = (F.cross_entropy(logits, truth) + F.cross_entropy(logits.T, truth)) / 2
    ours = contrastive_loss(logits, torch.eye(size, dtype=torch.bool))
    assert float(ours) == pytest.approx(float(expected), rel=1e-6)


@settings(deadline=None)
@given(st.permutations(range(9)), st.integers(0, 5))
def test_the_order_of_texts_does_not_matter(order, seed):
    logits, positive, group = case(seed=seed)
    straight = grouped_loss(logits, positive, group)
    turned = grouped_loss(logits[:, order], positive[:, order], group[list(order)])
    assert float(straight.detach()) == pytest.approx(float(turned.detach()), rel=1e-9)


def test_a_second_positive_shares_the_row():
    # Two equal logits, both positive: each text has half of the softmax, so the row costs log 2.
    loss = contrastive_loss(torch.zeros(1, 2), torch.ones(1, 2, dtype=torch.bool))
    assert float(loss) == pytest.approx(torch.log(torch.tensor(2.0)).item() / 2)


def test_gradients_are_those_of_finite_differences():
    logits, positive, group = case()
    assert torch.autograd.gradcheck(lambda x: grouped_loss(x, positive, group), logits)


def test_two_copies_of_a_text_get_equal_gradients():
    logits, positive, group = case()
    doubled = torch.cat([logits, logits[:, :1]], 1).detach().requires_grad_(True)
    both = torch.cat([positive, positive[:, :1]], 1)
    grouped_loss(doubled, both, torch.cat([group, group[:1]])).backward()
    assert torch.allclose(doubled.grad[:, 0], doubled.grad[:, -1])


def test_rows_without_a_positive_do_not_count():
    logits, positive, _ = case()
    positive[2] = False
    positive[:, 4] = False
    kept = [0, 1, 3, 4, 5]
    along = F.log_softmax(logits, 1)
    rows = [-along[i][positive[i]].mean() for i in kept if positive[i].any()]
    across = F.log_softmax(logits, 0)
    columns = [-across[:, j][positive[:, j]].mean() for j in range(9) if positive[:, j].any()]
    expected = (torch.stack(rows).mean() + torch.stack(columns).mean()) / 2
    assert float(contrastive_loss(logits, positive).detach()) == pytest.approx(float(expected))


def test_nothing_positive_costs_nothing_and_moves_nothing():
    logits, positive, group = case()
    loss = grouped_loss(logits, torch.zeros_like(positive), group)
    loss.backward()
    assert float(loss.detach()) == 0 and not logits.grad.any()


def test_ignored_pairs_neither_pull_nor_push():
    logits, positive, group = case()
    ignored = ~positive & (torch.rand(6, 9, generator=torch.Generator().manual_seed(3)) < 0.4)
    grouped_loss(logits, positive, group, ignored).backward()
    assert not logits.grad[ignored].any() and torch.isfinite(logits.grad).all()


def test_a_row_of_nothing_but_ignored_pairs_stays_finite():
    logits, positive, group = case()
    positive[1] = False
    ignored = torch.zeros_like(positive)
    ignored[1] = True
    grouped_loss(logits, positive, group, ignored).backward()
    assert torch.isfinite(logits.grad).all()


def test_a_single_group_is_the_plain_loss():
    logits, positive, _ = case()
    one = torch.zeros(9, dtype=torch.long)
    assert float(grouped_loss(logits, positive, one).detach()) == pytest.approx(
        float(contrastive_loss(logits, positive).detach())
    )


def test_groups_do_not_compete_when_the_overall_loss_is_off():
    logits, positive, _ = case()
    group = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1, 1])
    positive[:, 4:] = False
    grouped_loss(logits, positive, group, overall=0.0).backward()
    assert not logits.grad[:, 4:].any() and logits.grad[:, :4].any()


def test_the_temperature_starts_where_told_and_has_a_limit():
    temperature = Temperature(0.07, largest_factor=20.0)
    assert float(temperature.factor().detach()) == pytest.approx(1 / 0.07)
    temperature.log_factor.data.fill_(10.0)
    assert float(temperature.factor().detach()) == 20.0


def test_a_student_that_agrees_up_to_length_costs_nothing():
    teacher = torch.randn(5, 7, generator=torch.Generator().manual_seed(0))
    assert float(distillation_loss(3 * teacher, teacher)) == pytest.approx(0.0, abs=1e-6)
    assert float(distillation_loss(-teacher, teacher)) == pytest.approx(2.0, abs=1e-5)


def test_the_wrong_order_of_two_versions_costs_more_than_the_right_one():
    up, down = torch.tensor([[3.0]]), torch.tensor([[1.0]])
    right = direction_loss(up, down, torch.tensor([[0.5]]))
    wrong = direction_loss(down, up, torch.tensor([[0.5]]))
    assert float(right) == pytest.approx(float(F.softplus(torch.tensor(-2.0))))
    assert float(wrong) == pytest.approx(float(F.softplus(torch.tensor(2.0))))
    assert float(direction_loss(down, up, torch.tensor([[-0.5]]))) == pytest.approx(float(right))


def test_texts_that_prefer_nothing_do_not_count():
    first, second = torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(0))
    preferred = torch.zeros(4, 5)
    assert float(direction_loss(first, second, preferred)) == 0
    preferred[1, 2] = 0.3
    alone = direction_loss(first[1:2, 2:3], second[1:2, 2:3], torch.ones(1, 1))
    assert float(direction_loss(first, second, preferred)) == pytest.approx(float(alone))


def test_sounds_in_the_wanted_order_cost_nothing_and_in_the_opposite_one_two():
    wanted = torch.linspace(-1, 1, 9)[:, None].repeat(1, 3)
    assert float(order_loss(5 * wanted + 2, wanted)) == pytest.approx(0.0, abs=1e-5)
    assert float(order_loss(-wanted, wanted)) == pytest.approx(2.0, abs=1e-5)


def test_unknown_sounds_do_not_change_the_order_loss():
    logits, wanted = torch.randn(12, 4), torch.randn(12, 4)
    more = torch.cat([wanted, torch.full((3, 4), float("nan"))])
    both = torch.cat([logits, 100 * torch.randn(3, 4)])
    assert float(order_loss(both, more)) == pytest.approx(float(order_loss(logits, wanted)), 1e-5)


def test_a_word_of_which_little_is_known_does_not_count_and_gives_no_nan():
    logits = torch.randn(12, 2, requires_grad=True)
    wanted = torch.full((12, 2), float("nan"))
    wanted[:3] = 1.0
    loss = order_loss(logits, wanted)
    assert float(loss.detach()) == 0.0
    constant = order_loss(logits, torch.ones(12, 2))
    constant.backward()
    assert bool(torch.isfinite(logits.grad).all())


def test_a_kind_of_text_with_more_weight_counts_more():
    torch.manual_seed(0)
    logits, positive = torch.randn(6, 6), torch.eye(6, dtype=torch.bool)
    group = torch.tensor([0, 0, 0, 1, 1, 1])
    alone = [
        contrastive_loss(logits[:, group == kind], positive[:, group == kind]) for kind in (0, 1)
    ]
    found = grouped_loss(logits, positive, group, overall=0.0, weight_of={0: 3.0})
    assert float(found) == pytest.approx(float((3 * alone[0] + alone[1]) / 4), rel=1e-5)


def test_choosing_where_every_sound_counts_alike_is_cross_entropy():
    logits, answer = torch.randn(20, 5), torch.randint(0, 5, (20,))
    found = choice_loss(logits, answer, balance=1.0)
    assert float(found) == pytest.approx(float(F.cross_entropy(logits, answer)), rel=1e-5)


@pytest.mark.parametrize("balance", [0.0, 0.5, 1.0])
def test_sounds_without_an_answer_are_not_asked(balance):
    logits, answer = torch.randn(20, 5), torch.randint(0, 5, (20,))
    more = torch.cat([logits, 100 * torch.randn(4, 5)]).requires_grad_(True)
    both = choice_loss(more, torch.cat([answer, torch.full((4,), -1)]), balance)
    assert float(both.detach()) == pytest.approx(float(choice_loss(logits, answer, balance)), 1e-5)
    both.backward()
    assert not bool(more.grad[-4:].any())


def test_with_nobody_to_ask_there_is_no_loss():
    logits = torch.randn(4, 3, requires_grad=True)
    loss = choice_loss(logits, torch.full((4,), -1))
    loss.backward()
    assert float(loss.detach()) == 0.0 and not bool(logits.grad.any())


def test_a_balance_of_0_counts_every_answer_alike():
    logits, answer = torch.randn(9, 2), torch.tensor([0] * 8 + [1])
    each = F.cross_entropy(logits, answer, reduction="none")
    found = choice_loss(logits, answer, balance=0.0)
    assert float(found) == pytest.approx(float((each[:8].mean() + each[8]) / 2), rel=1e-5)


def test_rows_of_one_owner_are_to_be_alike():
    vectors = F.normalize(torch.randn(6, 8), dim=1)
    owner = torch.tensor([0, 0, 1, 1, -1, 2])
    counted, own = vectors[[0, 1, 2, 3, 5]], [1, 0, 3, 2]
    logits = (counted @ counted.T / 0.1).fill_diagonal_(-1e4)
    expected = F.cross_entropy(logits[:4], torch.tensor(own))
    assert float(same_loss(vectors, owner, 0.1)) == pytest.approx(float(expected), rel=1e-5)
    alike = torch.eye(8)[[0, 0, 1, 1, 2, 3]]
    assert float(same_loss(alike, owner, 0.05)) < 1e-6 < float(same_loss(vectors, owner, 0.05))
    assert float(same_loss(vectors, torch.arange(6), 0.1)) == 0
