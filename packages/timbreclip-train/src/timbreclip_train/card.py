"""The model card that ships beside the weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from timbreclip_core import lexicon
from timbreclip_core.plugins import EncoderEntry, plugin_manager

from .config import TrainConfig, nearest_preset
from .datasets.base import Note
from .minilm import SOURCE, WORDS_SOURCE
from .rendering.registry import own_renderers

if TYPE_CHECKING:
    from .recipes.small_networks import SmallNetworks

CARD = "README.md"  # of a model's folder

TEXT = """\
# timbreclip `small`, version {version}

Sounds and words in one space: an audio encoder of about {millions:.1f} million parameters that
hears 4 s of mono audio at 32 kHz, and a sentence encoder with two layers after it. "text"
vectors ({dim} numbers) compare sounds with words, "timbre" vectors ({hidden} numbers) sounds with
sounds.{ensemble}

## Data

{notes:,} notes of {patches:,} presets, rendered by `tclip data render all` from free synthesisers,
SoundFonts and drum kits:

| Source | Presets | Notes | Licences of its presets |
|---|---|---|---|
{sources}

Each note was changed anew every time it was heard (equalisers, low-pass filters, limits at 4 and 8
kHz, other pitches, other contrasts, noise, gaps, shifts, cuts{blends}).
No sound is part of the weights or of this package; the presets' names and categories, and
attributes measured of the sounds, are what was learnt as words.
Whole collections were kept apart for validation and for the test (`splits.toml` of
timbreclip-train).

The text side is {source},
kept as it is but for its token table and matrices in int8; only the two layers after it were
trained, with noise on its vectors.
{words}{teacher}
## Training

{steps:,} of {all_steps:,} steps of {batch} sounds, {chosen}{start}{averaged};
multi-positive symmetric cross entropy by kind of text (Radford et al. 2021; Khosla et al. 2020),
choice among categories, order by measured descriptors. The same weights come from

{commands}

on the same versions of the packages (`docs/datasets.md` says what FONTS and TONEJS hold). All
settings are in `config.json`.

## Results on the validation collections

| Figure | Value |
|---|---|
{rows}

`category`: share of presets whose category is found first, per preset. `other_words`: in wordings
that training never used; `..._balanced`: mean over categories. `title`, `audio_to_title`: found
among ten. `follows_WORD`: rank correlation between the similarity to the word and what was
measured. `eq_...`: share of pairs of a word and a sound in which a tilt of 6 dB per octave moved
the similarity the right way. Words held out from training: set {lexicon} of the timbre lexicon.

## Use and limits

For finding, describing and equalising single notes and drum hits of musical instruments and
synthesisers. It has heard single notes of synthesisers and of sampled instruments: chords, loops,
speech and environmental sound are outside what it was taught. It knows English. It takes no notice
of level or of stereo. Do not use it to judge people by their voices.
"""

ENSEMBLE = """

It is an ensemble of {count} networks that were trained apart: a vector is theirs one after another,
so that a cosine is the mean of theirs (Lakshminarayanan et al. 2017). What follows is about
version {version}; {models}, whose card is at the end, stands beside it."""

TEACHER = """
While it was trained, a linear layer that is not part of it learnt to predict, from its "timbre"
vectors, the vectors of the teacher `{name}`: {about}
"""

BLENDS = """, and some sounded together
with another preset of which the same is said"""

WORDS = """
Beside its vectors stand those of single words, by
{source}: the
192 principal axes of what it says of 43,000 words, in int8, averaged over a text, frequent words
weighing less (`scripts/make_word_vectors.py`). No sound was used to make them: like the
sentence encoder they come from reading English, in which words that are held out here occur.
"""


def model_card(
    networks: SmallNetworks,
    steps: int,
    figures: dict[str, float],
    notes: Sequence[Note],
    per_patch: int = 0,
) -> str:
    """Markdown for a model.

    Args:
        networks: Frozen, with their settings, and what they came from.
        steps: Steps trained.
        figures: Of the last validation.
        notes: That it learnt from.
        per_patch: Of these, how many of a patch were measured; 0 for all.
    """
    config, origin = networks.config, networks.origin
    each = [network for network, _ in networks.each()]
    card = TEXT.format(
        version=config.network.version,
        millions=sum(p.numel() for network in each for p in network.parameters()) / 1e6,
        dim=sum(network.shape.dim for network in each),
        hidden=sum(network.shape.hidden for network in each),
        ensemble=_ensemble(networks),
        notes=len(notes),
        patches=len({note.patch for note in notes}),
        sources=_sources(notes),
        blends=BLENDS if config.augment.blend_share else "",
        lexicon=lexicon.freeze_id(),
        source=SOURCE,
        words=WORDS.format(source=WORDS_SOURCE) if config.texts.word_vectors else "",
        teacher=_teacher(config.sounds.teacher),
        commands=_commands(networks, notes, per_patch),
        steps=steps,
        chosen="its end" if networks.which == "last" else "the best by validation",
        start=_start(config, origin),
        averaged=_averaged(networks),
        all_steps=config.optimiser.steps,
        batch=config.optimiser.batch,
        rows="\n".join(f"| {name} | {value:.3f} |" for name, value in figures.items()),
    )
    cards = [("What it started from", origin)] if origin else []
    cards += [("What stands beside it", model.origin) for model in networks.beside]
    return card + "".join(_quoted(title, other) for title, other in cards)


def _sources(notes: Sequence[Note]) -> str:
    """A row for every source: presets, notes, licences."""
    rows = []
    for source in sorted({note.info.get("source", "") for note in notes}):
        own = [note for note in notes if note.info.get("source", "") == source]
        licences = sorted({n.info["licence"] for n in own if "licence" in n.info})
        patches = len({note.patch for note in own})
        rows.append(f"| {source} | {patches:,} | {len(own):,} | {', '.join(licences)} |")
    return "\n".join(rows)


def _teacher(name: str) -> str:
    """Whose vectors it learnt to predict, with the licence that asks to be named."""
    if not name:
        return ""
    entry = plugin_manager().find(EncoderEntry, name)
    told = f"{entry.summary} {entry.weights.licence}, from {entry.weights.source}."
    return TEACHER.format(name=name, about=told)


def _start(config: TrainConfig, origin: Mapping[str, Any]) -> str:
    """Which model it started from, if from any."""
    if not origin:
        return ""
    kept = ", whose convolutions it keeps" if config.optimiser.trunk_share == 0 else ""
    return f",\nfrom {origin['model']} on (START below; its card is at the end){kept}"


def _averaged(networks: SmallNetworks) -> str:
    """Of how many trainings it is the mean, if of several."""
    count = len(networks.trainings)
    told = f",\nthe mean of {count} such trainings" if count > 1 else ""
    if networks.with_start:
        told += ",\nwhose layers after the sentence encoder speak beside those of the start"
    return told


def _ensemble(networks: SmallNetworks) -> str:
    """Which models stand beside it, if any."""
    if not networks.beside:
        return ""
    models = " and ".join(model.origin["model"] for model in networks.beside)
    version, count = networks.config.network.version, len(networks.each())
    return ENSEMBLE.format(count=count, version=version, models=models)


def _quoted(title: str, origin: Mapping[str, Any]) -> str:
    """The card of another model, a level deeper."""
    lines = [f"#{line}" if line.startswith("#") else line for line in origin["card"].splitlines()]
    return f"\n# {title}: {origin['model']}\n\n" + "\n".join(lines) + "\n"


def _commands(networks: SmallNetworks, notes: Sequence[Note], per_patch: int) -> str:
    """What makes the model again."""
    config = networks.config
    heard = {note.info.get("source", "") for note in notes}
    rendered = config.sounds.dataset == "rendered"  # others have no such sources
    absent = [e.name for e in own_renderers() if rendered and e.name not in heard]
    more = " --set tonejs=TONEJS" if "tonejs" in heard else ""
    lines = [f"tclip data render all --set more=FONTS{more} --out CORPUS"]
    if absent:
        lines.append(f"rm -r {' '.join(f'CORPUS/{name}' for name in absent)}")
    further, taught = config.network.start == "weights", ""
    lines.append(f"tclip data describe rendered --root CORPUS --per-patch {per_patch}")
    if teacher := config.sounds.teacher:
        lines.append(f"tclip train teach --teacher {teacher} --root CORPUS --out TAUGHT")
        taught = " --taught TAUGHT"
    given = f"--root CORPUS{taught}{' --start START' if further else ''}"
    lines += _trainings(networks, given)
    return "\n".join(f"    {line}" for line in lines)


def _trainings(networks: SmallNetworks, given: str) -> list[str]:
    """Lines that train, once for each training, and put together what was."""
    several = len(networks.trainings) > 1
    lines, folders = [], []
    for n, config in enumerate(networks.trainings, start=1):
        folders.append(f"DIR{n}" if several else "DIR")
        preset, changes = nearest_preset(config)
        run = f"tclip train run --preset {preset} {given} --out {folders[-1]}"
        lines.append(" \\\n        ".join([run, *(f"--set '{change}'" for change in changes)]))
    if several or networks.with_start or networks.which == "last" or networks.beside:
        others = "".join(f" --with {folder}" for folder in folders[1:])
        others += " --with-start" if networks.with_start else ""
        others += " --which last" if networks.which == "last" else ""
        others += "".join(f" --beside BESIDE{n}" for n, _ in enumerate(networks.beside, 1))
        lines.append(f"tclip train export {folders[0]}{others} MODEL {given}")
    return lines
