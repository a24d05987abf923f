"""From a training to a model folder that core loads."""

from __future__ import annotations

from pathlib import Path

from timbreclip_core.checkpoints import Checkpoint, write_checkpoint
from timbreclip_core.files import atomic_path

from .card import CARD
from .log import last_figures
from .loop import load_config, load_run
from .recipes import Material, recipe_of


def export(run: Path, folder: Path, material: Material, which: str = "best") -> Checkpoint:
    """Write the model folder of a training, with the running mean of the weights.

    Args:
        run: Folder of the training.
        folder: Where to; an existing model folder is replaced.
        material: That it learnt from, for the reference sounds and the card.
        which: ``"best"`` for the best weights by ``run.best_by``, or the last where no validation
            told which are the best; ``"last"`` for the last.
    """
    config = load_config(run)
    state, figures = load_run(run, which)
    recipe = recipe_of(config)(config, material)
    recipe.open()
    parts = recipe.parts(state.frozen(), state.step, figures or last_figures(run))
    with atomic_path(run / CARD) as temporary:
        temporary.write_text(parts.card, "utf-8")
    files = {**parts.files, CARD: run / CARD}
    return write_checkpoint(folder, parts.config, parts.tensors, files)
