"""Zero-shot guesses of what notes are labelled with, said in one wording or another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from timbreclip_core.errors import InputError, UsageError
from timbreclip_core.model import Model
from timbreclip_core.scores import embed_words
from timbreclip_core.templates import templates

from .. import text
from ..datasets.base import Note
from .drums import drum_class
from .hearing import HeardNotes
from .retrieval import Collection, pool_notes
from .zeroshot import ZeroShot, classify_scores, patch_vectors

WORDINGS = ("label", "training", "held-out")
PER = ("patch", "closest", "note")
FEWEST_HELD_OUT = 3
USUAL = 0.9
Labelled = Callable[[Note], str | None]


@dataclass(frozen=True)
class Guesses:
    """Guessed labels.

    Args:
        result: Of those classes that could be asked for.
        refused: Classes that could not, with the reason; their items are left out.
        unlabelled: Notes without a label.
    """

    result: ZeroShot
    refused: dict[str, str] = field(default_factory=dict)
    unlabelled: int = 0

    def as_record(self) -> dict[str, Any]:
        """For JSON."""
        result = self.result
        return {
            "items": int(result.confusion.sum()),
            "classes": list(result.classes),
            "accuracy": result.accuracy,
            "balanced_accuracy": result.balanced_accuracy,
            "intervals": {k: [e.low, e.high] for k, e in result.intervals().items()},
            "refused": self.refused,
            "notes_without_label": self.unlabelled,
            "confusion": result.confusion.tolist(),
        }


def label_of(kind: str) -> Labelled:
    """The first text of a kind as the label; ``drum``: the class of a drum by ``drums.toml``."""
    if kind == "drum":
        return drum_class
    return lambda note: next(iter(note.text.get(kind, ())), None)


def guess_labels(
    heard: HeardNotes,
    model: Model,
    label: Labelled,
    template_set: str,
    *,
    per: str = "patch",
    wordings: str = "label",
    calibrated: bool = False,
) -> Guesses:
    """Guess the labels of patches or notes from words alone.

    Args:
        heard: Notes.
        model: Embeds the words.
        label: The true class of a note, None if it has none.
        template_set: Sentences around the words.
        per: ``patch``: a patch is the mean direction of its notes; ``closest``: a class's score is
            its highest over the patch's notes, as in retrieval; ``note``: every note is guessed.
        wordings: What stands for a class, see ``class_vectors``.
        calibrated: Take from a class's score what is usual for it, see ``usual_cosines``.

    Raises:
        InputError: Fewer than two classes are left.
        UsageError: A model that cannot be calibrated.
    """
    labels = [label(note) for note in heard.notes]
    classes = sorted({name for name in labels if name is not None})
    kept, table, refused = class_vectors(model, classes, template_set, wordings)
    if len(kept) < 2:
        raise InputError("The notes have fewer than two different labels that can be guessed.")
    chosen = [i for i, name in enumerate(labels) if name in kept]
    place = {name: i for i, name in enumerate(kept)}
    truth = np.array([place[str(labels[i])] for i in chosen])
    vectors = heard.vectors["text"][chosen]
    usual = usual_cosines(model, table) if calibrated else 0.0
    unlabelled = labels.count(None)
    if per == "note":
        scores = vectors @ table.T
        return Guesses(classify_scores(scores - usual, truth, kept), refused, unlabelled)
    names, patch_of_note = np.unique([heard.notes[i].patch for i in chosen], return_inverse=True)
    truth = truth[np.unique(patch_of_note, return_index=True)[1]]
    if per == "closest":
        collection = Collection(tuple(names), patch_of_note, ())
        scores = pool_notes(table @ vectors.T, collection, "min").T
    else:
        scores = patch_vectors(vectors, patch_of_note) @ table.T
    return Guesses(classify_scores(scores - usual, truth, kept), refused, unlabelled)


def usual_cosines(model: Model, table: np.ndarray) -> np.ndarray:
    """What nine in ten of the model's reference sounds stay below, ``(classes,)``.

    Some words are near many sounds and some near few, so that a plain cosine guesses the former
    too often (hubness; Radovanovic et al. 2010, Dinu et al. 2015).

    Args:
        model: With reference sounds.
        table: Vectors of classes, ``(classes, dim)``.

    Raises:
        UsageError: It has none.
    """
    if model.reference is None:
        raise UsageError(f"{model.id} has no reference sounds to calibrate scores by.")
    return np.quantile(model.reference.plain().numpy() @ table.T, USUAL, axis=0)


def class_vectors(
    model: Model, classes: Sequence[str], template_set: str, wordings: str
) -> tuple[list[str], np.ndarray, dict[str, str]]:
    """A vector for every class that can be said: the mean over its wordings times the templates.

    Args:
        model: Embeds the words.
        classes: Labels.
        template_set: Sentences around the words.
        wordings: ``label`` (the label itself), ``training`` (all ways to say it that training may
            use) or ``held-out`` (of those that it never uses, three at least, the half that
            models are not chosen by either).

    Returns:
        The classes kept, ``(classes, dim)``, and the reason for every other class.
    """
    said, refused = {}, {}
    for name in classes:
        found = sayings(name, wordings)
        if isinstance(found, str):
            refused[name] = found
        else:
            said[name] = found
    words = [word for members in said.values() for word in members]
    if not words:
        return [], np.zeros((0, 0)), refused
    each = embed_words(model, words, templates(template_set)).plain().numpy()
    owner = np.repeat(np.arange(len(said)), [len(members) for members in said.values()])
    return list(said), patch_vectors(each, owner), refused


def sayings(label: str, wordings: str) -> tuple[str, ...] | str:
    """Ways to say a label, or why it cannot be said so.

    Raises:
        UsageError: ``wordings`` is none of ``WORDINGS``.
    """
    if wordings not in WORDINGS:
        raise UsageError(f"Wordings are {', '.join(WORDINGS)}, not {wordings!r}.")
    if wordings == "label":
        return (label,)
    concept = text.canonical(label)
    if concept is None:
        return "no concept of the wording file means it"
    if wordings == "training":
        return text.wordings(concept)
    count = len(text.wordings(concept, held_out=True))
    if count < FEWEST_HELD_OUT:
        return f"it has {count} held-out wordings, fewer than {FEWEST_HELD_OUT}"
    return text.other_words(concept, "test")
