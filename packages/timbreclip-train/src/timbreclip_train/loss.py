"""What training minimises: sounds near the texts that are true of them.

Source: Radford et al. 2021 (CLIP), symmetric cross entropy on scaled cosines, here with several
positives per row as in Khosla et al. 2020 (supervised contrastive learning, their L_out).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn import functional as F

FEWEST_TEXTS = 2
OUT_OF_REACH = -1e4  # finite: a row of nothing but ignored pairs must not become NaN


class Temperature(nn.Module):
    """The learnt factor on cosines.

    Args:
        start: First temperature; the factor is its reciprocal.
        largest_factor: The factor never exceeds this.
    """

    def __init__(self, start: float = 0.07, largest_factor: float = 100.0) -> None:
        super().__init__()
        self.log_factor = nn.Parameter(torch.tensor(math.log(1 / start)))
        self.largest_factor = largest_factor

    def factor(self) -> Tensor:
        """What cosines are multiplied by, ``()``."""
        return self.log_factor.exp().clamp(max=self.largest_factor)

    def value(self) -> float:
        """The temperature itself, for records."""
        return round(1 / float(self.factor().detach()), 6)


def contrastive_loss(logits: Tensor, positive: Tensor, ignored: Tensor | None = None) -> Tensor:
    """Symmetric cross entropy with any number of positives.

    A sound's loss is the mean over its texts of -log softmax over all texts; a text's the same
    over sounds. Rows without a positive do not count. With one positive in every row and column
    this is CLIP's loss.

    Args:
        logits: Scaled cosines ``(sounds, texts)``.
        positive: Which text is true of which sound, bool ``(sounds, texts)``.
        ignored: Pairs neither true nor false, bool ``(sounds, texts)``: left out of the softmax.
    Returns:
        ``()``; 0 where nothing is positive.
    """
    if ignored is not None:
        logits = logits.masked_fill(ignored & ~positive, OUT_OF_REACH)
    return (_one_way(logits, positive) + _one_way(logits.T, positive.T)) / 2


def _one_way(logits: Tensor, positive: Tensor) -> Tensor:
    count = positive.sum(1)
    log_share = F.log_softmax(logits, 1).masked_fill(~positive, 0.0)
    per_row = -log_share.sum(1) / count.clamp(min=1)
    return per_row.sum() / (count > 0).sum().clamp(min=1)


def grouped_loss(
    logits: Tensor,
    positive: Tensor,
    group: Tensor,
    ignored: Tensor | None = None,
    overall: float = 0.5,
    weight_of: Mapping[int, float] = MappingProxyType({}),
) -> Tensor:
    """The mean of the loss within every kind of text and, with less weight, over all texts.

    Names, families and attributes differ in how many sounds they are true of; in one softmax the
    frequent ones drown the rare ones.

    Args:
        logits: Scaled cosines ``(sounds, texts)``.
        positive: Bool ``(sounds, texts)``.
        group: Kind of every text, whole numbers ``(texts,)``. A kind with a single text is left
            to the overall loss.
        ignored: As in ``contrastive_loss``.
        overall: Weight of the loss over all texts.
        weight_of: Weight by kind; 1 for those that are not in it.
    """
    parts, weights = [contrastive_loss(logits, positive, ignored)], [overall]
    for kind in group.unique().tolist():
        chosen = group == kind
        if int(chosen.sum()) >= FEWEST_TEXTS and bool(positive[:, chosen].any()):
            left_out = None if ignored is None else ignored[:, chosen]
            parts.append(contrastive_loss(logits[:, chosen], positive[:, chosen], left_out))
            weights.append(weight_of.get(kind, 1.0))
    total = sum(part * weight for part, weight in zip(parts, weights, strict=True))
    return torch.as_tensor(total) / max(sum(weights), 1e-9)


def choice_loss(logits: Tensor, answer: Tensor, balance: float = 0.5) -> Tensor:
    """Cross entropy of choosing the one right text.

    The contrastive loss calls a text right however many others are, so that plain words for broad
    kinds of sound, such as "synth lead", are never the closest of all. This one makes them compete.

    Args:
        logits: Scaled cosines ``(sounds, texts)``.
        answer: Which text is right, ``(sounds,)``; -1 for sounds that do not count.
        balance: Answers weigh by how many sounds they are right of to this power: 1 for every
            sound alike, 0 for every answer alike.
    Returns:
        ``()``; 0 where no sound counts.
    """
    known = answer >= 0
    chosen = answer[known]
    count = torch.bincount(chosen, minlength=logits.shape[1]).to(logits.dtype)
    weight = count[chosen] ** (balance - 1)
    each = F.cross_entropy(logits[known], chosen, reduction="none")
    return (each * weight).sum() / weight.sum().clamp(min=1e-9)


def direction_loss(first: Tensor, second: Tensor, preferred: Tensor) -> Tensor:
    """How often, and how far, two versions of one sound are ranked the wrong way round by a text.

    Logistic loss on the difference of their logits (Bradley and Terry 1952; Burges et al. 2005).

    Args:
        first: Scaled cosines of one version of each sound, ``(pairs, texts)``.
        second: Of the other version.
        preferred: How much more the first has of what the text says, -1 to 1, 0 for nothing to
            say, ``(pairs, texts)``.
    Returns:
        ``()``; 0 where nothing is preferred.
    """
    wrong = F.softplus(-(first - second) * preferred.sign()) * preferred.abs()
    return wrong.sum() / preferred.abs().sum().clamp(min=1e-9)


def order_loss(logits: Tensor, wanted: Tensor, fewest: int = 8) -> Tensor:
    """How far texts are from putting sounds in the order of what they are about.

    1 - Pearson's correlation of a text's similarities with the ranks of the sounds, the mean over
    texts: Spearman's correlation, but for the ranks of the similarities, which have no gradient.

    Args:
        logits: Cosines, scaled or not, ``(sounds, texts)``.
        wanted: Ranks, at any scale, ``(sounds, texts)``; NaN for sounds of which nothing is known.
        fewest: Texts of which less is known do not count.
    Returns:
        ``()``, 0 to 2; 0 where nothing is known.
    """
    known = ~torch.isnan(wanted)
    count = known.sum(0)
    used = count >= fewest
    if not bool(used.any()):
        return logits.new_zeros(())
    known, count = known[:, used], count[used]
    ours = _centred(logits[:, used], known, count)
    theirs = _centred(wanted[:, used].nan_to_num(0.0), known, count)
    sizes = ours.square().sum(0).clamp(min=1e-12) * theirs.square().sum(0).clamp(min=1e-12)
    return 1 - ((ours * theirs).sum(0) / sizes.sqrt()).mean()


def _centred(values: Tensor, known: Tensor, count: Tensor) -> Tensor:
    values = values.masked_fill(~known, 0.0)
    return (values - values.sum(0) / count).masked_fill(~known, 0.0)


def same_loss(vectors: Tensor, owner: Tensor, temperature: float) -> Tensor:
    """How hard it is to tell, by their vectors, what belongs to the same owner.

    Cross entropy of choosing among all other rows, the mean over those of the same owner (Khosla
    et al. 2020, their L_out).

    Args:
        vectors: Of unit length, ``(sounds, dim)``.
        owner: Whose each is, ``(sounds,)``; -1 for those that do not count.
        temperature: Of the softmax.
    Returns:
        ``()``; 0 where nobody owns two.
    """
    counts = owner >= 0
    vectors, owner = vectors[counts].float(), owner[counts]
    itself = torch.eye(len(owner), dtype=torch.bool, device=owner.device)
    logits = (vectors @ vectors.T / temperature).masked_fill(itself, OUT_OF_REACH)
    return _one_way(logits, (owner[:, None] == owner[None]) & ~itself)


def distillation_loss(predicted: Tensor, teacher: Tensor, relations: float = 10.0) -> Tensor:
    """How far a student's guess of its teacher's vectors is off.

    Args:
        predicted: ``(batch, dim)``.
        teacher: Standardised vectors of the same sounds, ``(batch, dim)``.
        relations: Weight of the mean squared difference between the two matrices of cosines
            (Park et al. 2019, relational distillation); 1 - cosine weighs 1.
    """
    ours, theirs = F.normalize(predicted.float(), dim=1), F.normalize(teacher.float(), dim=1)
    direct = 1 - (ours * theirs).sum(1).mean()
    return direct + relations * (ours @ ours.T - theirs @ theirs.T).square().mean()
