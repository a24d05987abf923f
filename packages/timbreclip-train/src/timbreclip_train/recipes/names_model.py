"""The folder of a model after the paper: network, reference sounds, card."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from timbreclip_core.encoders.base import TEXT, TIMBRE
from timbreclip_core.encoders.wav2clip import WEIGHTS, Wav2Clip
from timbreclip_core.model import REFERENCE

from .base import ModelParts, spread, training_record
from .names_networks import NamesNetworks

if TYPE_CHECKING:
    from .names import NamesRecipe

AT_ONCE = 64
CARD = """\
# TimbreCLIP after the paper, version {version}

Wav2CLIP's ResNet-18, trained further on single notes in the frozen space of words `{space}`, after
"TimbreCLIP: Connecting Timbre to Text and Images" (Jonason and Sturm 2022). It hears mono audio at
16 kHz: nothing above 8 kHz.

It started from {start}. Data, {notes:,} notes of {patches:,} patches ({sounds:,} sounds with copies
at other pitches): {datasets}. Licences are those of the data.

{steps:,} steps of {batch} sounds. All settings are in `config.json`.

| Figure on the validation split | Value |
|---|---|
{rows}
"""


def model_parts(
    recipe: NamesRecipe, networks: NamesNetworks, steps: int, figures: dict[str, float]
) -> ModelParts:
    """What the model folder consists of.

    Args:
        recipe: With its data open.
        networks: Frozen.
        steps: Trained.
        figures: Of the last validation.
    """
    config, space = recipe.config, recipe.space
    return ModelParts(
        config={
            "name": Wav2Clip.name,
            "licence": "MIT",
            "encoder": {
                "name": Wav2Clip.name,
                "file": WEIGHTS,
                "spaces": {
                    TEXT: space.space_id,
                    TIMBRE: f"timbreclip-wav2clip-{config.network.version}/pooled",
                },
                "temperature": networks.temperature.value(),
            },
            "space": {"name": config.texts.space},
            "training": training_record(config, steps, figures, withheld=config.texts.withhold),
        },
        tensors={
            WEIGHTS: networks.encoder.state_dict(),
            REFERENCE: {TEXT: reference_vectors(recipe, networks.encoder).half()},
        },
        card=_card(recipe, steps, figures),
    )


def reference_vectors(recipe: NamesRecipe, encoder: Wav2Clip) -> torch.Tensor:
    """``"text"`` vectors of varied training sounds, ``(sounds, dim)``: at most one note a patch."""
    takes = recipe.takes()
    own = [place for place, take in enumerate(takes) if take.copy == 0]
    places = [own[i] for i in spread([takes[place].note for place in own])]
    found = []
    for start in range(0, len(places), AT_ONCE):
        heard = [recipe.train.waves.heard(p)[1] for p in places[start : start + AT_ONCE]]
        with torch.no_grad():
            found.append(encoder.from_power(encoder.spectrogram(torch.stack(heard)))[TEXT])
    return torch.cat(found)


def _card(recipe: NamesRecipe, steps: int, figures: dict[str, float]) -> str:
    config, takes = recipe.config, recipe.takes()
    own = [take for take in takes if take.copy == 0]
    published = config.network.start == "weights"
    return CARD.format(
        version=config.network.version,
        space=recipe.space.space_id,
        start="Wav2CLIP's published weights (MIT)" if published else "random weights",
        notes=len(own),
        patches=len({(take.dataset.name, take.note.patch) for take in own}),
        sounds=len(takes),
        datasets=", ".join(sorted({take.dataset.name for take in own})),
        steps=steps,
        batch=config.optimiser.batch,
        rows="\n".join(f"| {name} | {value:.3f} |" for name, value in figures.items()),
    )
