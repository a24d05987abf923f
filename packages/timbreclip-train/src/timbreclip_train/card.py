"""The model card that ships beside the weights."""

from __future__ import annotations

from .config import TrainConfig
from .minilm import SOURCE
from .truths import vocabulary

CARD = """\
# timbreclip `small`, version {version}

Sounds and words in one space: an audio encoder of about {millions:.1f} million parameters that
hears 4 s of mono audio at 32 kHz, and a sentence encoder with a linear layer. "text" vectors
({dim} numbers) compare sounds with words, "timbre" vectors ({hidden} numbers) sounds with sounds.

## Data

{notes:,} notes of {patches:,} patches ({per_patch} notes each) of the parametric synthesiser in
timbreclip-train, in {families} families of instruments, labelled by the patches' own parameters and
by measured brightness and balance of the bands; each note was changed anew every time it was heard
(equalisers, low-pass filters, limits at 4 and 8 kHz, noise, shifts, cuts). No recording, no sample
and no preset made by others was used. Licence of the data: Apache-2.0, as the program that makes
it.

The text side is {source}, kept as it is but for its token table in int8 and its layers in float16;
only the linear layer after it was trained.

## Training

{steps:,} steps of {batch} sounds on one CPU core; multi-positive symmetric cross entropy by kind of
text (Radford et al. 2021; Khosla et al. 2020). The same weights come from

    tclip train run --preset first --out DIR

on the same versions of the packages. All settings are in `config.json`.

## Results on {held_out} held-out patches of the same synthesiser

| Figure | Value |
|---|---|
{rows}

`family` and `category`: zero-shot accuracy per note. `other_words`: in wordings that training never
used. `follows_WORD`: rank correlation between the similarity to the word and what was measured.
`eq_...`: share of pairs of a word and a sound in which a tilt of 6 dB per octave moved the
similarity the right way. These are sounds of the kind it was trained on: expect less of recordings.

## Use and limits

For finding, describing and equalising single notes and drum hits of musical instruments and
synthesisers. It has heard synthetic notes only: recorded instruments, chords, loops, speech and
environmental sound are outside what it was taught. It knows English. It takes no notice of level or
of stereo. Do not use it to judge people by their voices.
"""


def model_card(config: TrainConfig, steps: int, figures: dict[str, float]) -> str:
    """Markdown for a model trained with these settings.

    Args:
        config: All settings.
        steps: Steps trained.
        figures: Of the last validation.
    """
    from .state import make_encoder

    weights = sum(p.numel() for p in make_encoder(config.network).parameters())
    return CARD.format(
        version=config.network.version,
        millions=weights / 1e6,
        dim=config.network.dim,
        hidden=config.network.hidden,
        notes=config.sounds.patches * config.sounds.notes,
        patches=config.sounds.patches,
        per_patch=config.sounds.notes,
        families=len(vocabulary().of_family),
        source=SOURCE,
        steps=steps,
        batch=config.optimiser.batch,
        held_out=config.sounds.held_out,
        rows="\n".join(f"| {name} | {value:.3f} |" for name, value in figures.items()),
    )
