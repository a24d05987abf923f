"""Whether measured attributes agree with labels that are exact: those of the synthesiser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from timbreclip_core.errors import InputError

from ..datasets.base import Note
from ..text import normalise_name
from .attributes import Attribute, attributes
from .corpus import Described
from .judging import Bools

SOURCE = "synth"
FEWEST = 10


@dataclass(frozen=True)
class Agreement:
    """How an attribute agrees with the tags that mean it.

    Args:
        name: Of the attribute.
        tags: What it is compared with.
        patches: Patches of which it can be said.
        tagged: Share of them with such a tag (or, for tags with ``-``, without).
        auc: Area under the ROC curve of the notes' degrees: 1 is perfect, 0.5 is chance.
        precision: Of the patches that have it by measure, the share that are tagged; NaN if
            there are none, or the tags are only some of what the attribute means.
        recall: Of the tagged patches, the share that have it by measure.
        unclear: Share of patches of which nobody can say.
    """

    name: str
    tags: tuple[str, ...]
    patches: int
    tagged: float
    auc: float
    precision: float
    recall: float
    unclear: float


def check_on_synth(described: Described) -> list[Agreement]:
    """Compare every attribute that has ``tags``, and enough notes with and without them.

    Raises:
        InputError: The dataset has no notes of the source ``synth``, or too few of them.
    """
    chosen = [note.info.get("source") == SOURCE for note in described.notes]
    notes = [note for note, wanted in zip(described.notes, chosen, strict=True) if wanted]
    degrees = described.degrees[chosen]
    told = {n.patch: frozenset(map(normalise_name, n.text.get("tags", ()))) for n in notes}
    compared = (_compare(described, a, notes, degrees, told) for a in attributes() if a.tags)
    found = [agreement for agreement in compared if agreement is not None]
    if not found:
        raise InputError("There are too few measured notes of the source synth to check with.")
    return found


def _compare(
    described: Described,
    attribute: Attribute,
    notes: Sequence[Note],
    degrees: NDArray[np.float64],
    told: dict[str, frozenset[str]],
) -> Agreement | None:
    column = attributes().index(attribute)
    tagged = _tagged(told, attribute)
    sayable = np.flatnonzero(~np.isnan(degrees[:, column])).tolist()
    truth = np.array([tagged[notes[row].patch] for row in sayable], np.bool_)
    if min(truth.sum(), (~truth).sum()) < FEWEST:
        return None
    place = {patch: row for row, patch in enumerate(described.patches)}
    patches = dict.fromkeys(notes[row].patch for row in sayable)
    rows = [place[patch] for patch in patches]
    judged = described.has[rows, column], described.unclear[rows, column]
    facts = np.array([tagged[patch] for patch in patches], np.bool_)
    return _agreement(attribute, facts, judged, _auc(degrees[sayable, column], truth))


def _tagged(told: dict[str, frozenset[str]], attribute: Attribute) -> dict[str, bool]:
    """By patch, whether its tags mean the attribute."""
    wanted = {normalise_name(tag) for tag in attribute.tags if not tag.startswith("-")}
    excluded = {normalise_name(tag[1:]) for tag in attribute.tags if tag.startswith("-")}
    return {p: bool(tags & wanted) if wanted else not tags & excluded for p, tags in told.items()}


def _agreement(
    attribute: Attribute, truth: Bools, judged: tuple[Bools, Bools], auc: float
) -> Agreement:
    has, unclear = judged
    telling = has.any() and not attribute.partial
    return Agreement(
        name=attribute.name,
        tags=attribute.tags,
        patches=len(truth),
        tagged=float(truth.mean()),
        auc=auc,
        precision=float(truth[has].mean()) if telling else float("nan"),
        recall=float(has[truth].mean()),
        unclear=float(unclear.mean()),
    )


def _auc(degrees: np.ndarray, truth: Bools) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(truth, degrees))
