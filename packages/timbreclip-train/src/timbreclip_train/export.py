"""From a training, or several, to a model folder that core loads."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from timbreclip_core.checkpoints import Checkpoint, open_checkpoint, write_checkpoint
from timbreclip_core.errors import UsageError
from timbreclip_core.files import atomic_path

from .card import CARD
from .config import TrainConfig
from .log import last_figures
from .loop import load_config, load_run
from .recipes import Material, recipe_of


def export(
    run: Path,
    folder: Path,
    material: Material,
    which: str = "best",
    others: Sequence[Path] = (),
    with_start: bool = False,
    beside: Sequence[Path] = (),
) -> Checkpoint:
    """Write the model folder of a training, with the running mean of the weights.

    Args:
        run: Folder of the training.
        folder: Where to; an existing model folder is replaced.
        material: That it learnt from, for the reference sounds and the card.
        which: ``"best"`` for the best weights by ``run.best_by``, or the last where no validation
            told which are the best; ``"last"`` for the last.
        others: Trainings that differ in nothing but their seed and how sounds are changed, to be
            averaged with it (``Recipe.together``) and validated anew.
        with_start: Whether the text side of the model that they started from, ``material.start``,
            joins in.
        beside: Folders of finished models whose vectors are to stand beside those of this one.

    Raises:
        UsageError: One of ``others`` has other settings, or cannot be averaged; one of ``beside``
            is another kind of model.
    """
    config = load_config(run)
    for other in others:
        _check_alike(config, other)
    state, figures = load_run(run, which)
    recipe = recipe_of(config)(config, material)
    recipe.open()
    networks = state.frozen()
    if others or with_start:
        frozen = [load_run(other, which)[0].frozen() for other in others]
        networks = recipe.together([networks, *frozen], with_start)
    if beside:
        networks = recipe.beside(networks, [open_checkpoint(model) for model in beside])
    if others or with_start or beside:
        figures = recipe.figures(networks, material.device)
    networks.which = which
    parts = recipe.parts(networks, state.step, figures or last_figures(run))
    with atomic_path(run / CARD) as temporary:
        temporary.write_text(parts.card, "utf-8")
    files = {**parts.files, CARD: run / CARD}
    return write_checkpoint(folder, parts.config, parts.tensors, files)


def _check_alike(config: TrainConfig, other: Path) -> None:
    theirs = load_config(other)
    run = dataclasses.replace(theirs.run, seed=config.run.seed)
    if dataclasses.replace(theirs, run=run, augment=config.augment) != config:
        raise UsageError(
            f"The training in {other} has other settings than a seed and changes of sounds "
            "(augment) of its own: only trainings that are alike can be averaged."
        )
