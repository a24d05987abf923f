"""Settings of a training: frozen records, sole home of the defaults, and presets as data files."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, TypeVar, get_type_hints

from timbreclip_core.errors import InputError, UnknownNameError, UsageError


@dataclass(frozen=True, kw_only=True)
class SoundConfig:
    """Which sounds are learnt from.

    Args:
        dataset: Name, as ``tclip data list`` shows it; several with commas between.
        balance: How often a source (or collection) is heard goes with its number of patches to
            this power: 1 for every patch alike, 0 for every source alike.
        kind_balance: The same of kinds of sound, such as pads and drums.
        limit: At most so many patches, spread evenly; 0 for all.
        teacher: Whose vectors of them are learnt from (``tclip train teach``); empty for nobody's.
        valid_limit: At most so many patches to validate on, spread evenly; 0 for all.
        copies: Copies of every training note at other pitches, for networks that learn from
            waveforms; -1 for the paper's number for the dataset.
    """

    dataset: str = "rendered"
    balance: float = 0.6
    kind_balance: float = 0.6
    limit: int = 0
    teacher: str = ""
    valid_limit: int = 0
    copies: int = -1

    @property
    def datasets(self) -> tuple[str, ...]:
        """Names of the datasets."""
        return tuple(name.strip() for name in self.dataset.split(",") if name.strip())


@dataclass(frozen=True, kw_only=True)
class TextConfig:
    """In how many ways the same is said.

    Args:
        variants: Texts for one fact.
        pair_variants: Texts for two facts together.
        ranked: Words for timbre in a batch, by whose descriptor the sounds are put in order; 0 for
            none.
        noise: Length of what is added at random to the vector of a text, whose length is 1, so
            that words near those of training are learnt too.
        word_vectors: Whether the sentence encoder's vectors have those of single words beside
            them, which the installed bundled model brings.
        space: The frozen space of words that ``network.name`` "wav2clip" learns to meet.
        combinations: Texts made of two attributes for every patch, for that network.
        withhold: Whether texts with words that measure generalisation are left out there.
    """

    variants: int = 64
    pair_variants: int = 6
    ranked: int = 128
    noise: float = 0.5
    word_vectors: bool = False
    space: str = "clip-vit-b-32"
    combinations: int = 4
    withhold: bool = True


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """How far a training sound is changed; shares are probabilities.

    Args:
        tilt_db_per_octave: Standard deviation of a spectral tilt.
        band_db: Standard deviation of each of two broad peaks or dips.
        shelf_db: Standard deviation of a shelf at either end.
        eq_share: Sounds that get tilt, bands and shelves.
        pair_share: Sounds of a batch that come a second time with another EQ.
        twin_share: Sounds of a batch that are another note of a patch that is in it already.
        lowpass_share: Sounds cut steeply somewhere between 0.8 and 16 kHz, as muffled.
        limit_share: Sounds limited to 8 kHz or 4 kHz, as if from a lower sample rate.
        limit_measured: Whether such a sound counts as duller than it was, or as the same sound.
        noise_share: Sounds with faint noise under them.
        shift_share: Sounds that start later, up to 0.4 s.
        cut_share: Sounds that end early.
        transpose_share: Sounds moved to another pitch, up to ``transpose_semitones`` away.
        transpose_semitones: The farthest.
        contrast_share: Sounds whose levels lie closer together or farther apart, as by compressors.
        mask_share: Sounds of which some bands and some moments are hidden.
        blend_share: Sounds that sound together with one of another patch of which the same is
            said, at their pitch.
    """

    tilt_db_per_octave: float = 2.5
    band_db: float = 4.0
    shelf_db: float = 7.0
    eq_share: float = 0.7
    pair_share: float = 0.3
    twin_share: float = 0.0
    lowpass_share: float = 0.1
    limit_share: float = 0.15
    limit_measured: bool = True
    noise_share: float = 0.25
    shift_share: float = 0.5
    cut_share: float = 0.2
    transpose_share: float = 0.3
    transpose_semitones: float = 5.0
    contrast_share: float = 0.3
    mask_share: float = 0.3
    blend_share: float = 0.0


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """The audio network, and what its vectors are called.

    Args:
        name: What is trained: ``"small"`` learns measured attributes and names from spectrograms
            beside a sentence encoder, ``"wav2clip"`` learns names from waveforms, in CLIP's space.
            The sizes that follow are of "small".
        widths: Channels of its four stages.
        hidden: Numbers in a "timbre" vector.
        dim: Numbers in a "text" vector.
        dropout: Share of activations dropped.
        text_hidden: Hidden units beside the linear layer after the sentence encoder.
        text_dropout: Share of them dropped.
        start: What it starts from: ``"random"``, or ``"weights"``: for "wav2clip" Wav2CLIP as
            published, for "small" an earlier model.
        start_share: How much of the start's layers after the sentence encoder is kept, 0 to 1; the
            rest is fresh.
        version: Goes into the space ids, such as ``timbreclip-small-VERSION/text``.
    """

    name: str = "small"
    widths: tuple[int, ...] = (32, 64, 128, 192)
    hidden: int = 512
    dim: int = 256
    dropout: float = 0.1
    text_hidden: int = 512
    text_dropout: float = 0.2
    start: str = "random"
    start_share: float = 1.0
    version: str = "1"


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """What is minimised.

    Args:
        temperature: Where the learnt temperature starts.
        largest_factor: Cosines are never scaled by more.
        overall: Weight of the softmax over all kinds of text together.
        kind: Weight of the softmax over kinds of sound; over tags, attributes, combinations and
            titles it is 1 each.
        choose: Weight of choosing a sound's category among all, and a drum's among drums.
        choose_balance: There, answers weigh by how many sounds of the batch they are right of to
            this power: 1 for every sound alike, 0 for every answer alike.
        direction: Weight of ranking the two versions of a sound that differ in their EQ.
        describe: Weight of telling every descriptor's ranks from the "timbre" vector.
        order: Weight of putting sounds in the order of the descriptor that a word is about.
        teacher: Weight of the distillation term, where the sounds have teacher vectors.
        patch: Weight of telling, by "timbre" vectors, the notes of a patch from all others, where
            ``augment.twin_share`` puts several into a batch.
        patch_temperature: Of the softmax over them.
    """

    temperature: float = 0.07
    largest_factor: float = 50.0
    overall: float = 0.5
    kind: float = 3.0
    choose: float = 1.0
    choose_balance: float = 0.5
    direction: float = 1.0
    describe: float = 1.0
    order: float = 2.0
    teacher: float = 2.0
    patch: float = 0.0
    patch_temperature: float = 0.1


@dataclass(frozen=True, kw_only=True)
class OptimiserConfig:
    """How it is minimised.

    Args:
        name: ``"adamw"`` or ``"adam"``.
        schedule: Of the learning rate: ``"one-cycle"``, up and down, or ``"constant"``.
        steps: Batches in all.
        batch: Sounds in a batch.
        norm_group: Sounds that batch norm sees together; 0 for the whole batch. Several processes
            share a batch by such groups.
        learning_rate: Its highest value, for the audio network.
        projection_share: Learning rate of the text projection relative to it.
        trunk_share: The same of the convolutions of "small"; 0 leaves them, and the statistics of
            their batch norms, as they are, so that a step takes a third of the time.
        weight_decay: Of matrices and filters.
        warm_up: Share of the steps in which the rate rises.
        clip: Largest norm of the gradient; 0 for any.
    """

    name: str = "adamw"
    schedule: str = "one-cycle"
    steps: int = 6_000
    batch: int = 192
    norm_group: int = 0
    learning_rate: float = 2e-3
    projection_share: float = 0.3
    trunk_share: float = 1.0
    weight_decay: float = 0.05
    warm_up: float = 0.1
    clip: float = 3.0


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything about the run that should not change its result, and the seed that does.

    Args:
        seed: Of weights, batches and augmentation.
        precision: ``"bfloat16"`` or ``"float32"`` for the audio network; ``"auto"`` for the quicker
            one of the machine, which ``config.json`` of the run then names.
        checkpoint_every: Steps between checkpoints.
        keep: Checkpoints that are kept, the last ones.
        validate_every: Steps between validations; 0 for one an epoch.
        best_by: Figures of the validation with commas between, whose mean decides which weights
            are the best; ``-`` before a name for less is better. Empty for none.
        patience: Validations without a better mean after which training stops; 0 for never.
        log_every: Steps between lines of the log.
        average: Share of the old in the running mean of the weights, which is what is validated
            and exported; 0 for the weights as they are.
    """

    seed: int = 0
    precision: str = "auto"
    checkpoint_every: int = 100
    keep: int = 2
    validate_every: int = 1_000
    best_by: str = "category_balanced, other_words_balanced"
    patience: int = 0
    log_every: int = 20
    average: float = 0.998


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """All settings of a training."""

    sounds: SoundConfig = field(default_factory=SoundConfig)
    texts: TextConfig = field(default_factory=TextConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    run: RunConfig = field(default_factory=RunConfig)

    def __post_init__(self) -> None:
        for setting, chosen, known in self._choices():
            if chosen not in known:
                raise UsageError(f"{setting} is {' or '.join(known)}, not {chosen!r}.")
        texts, optimiser, run = self.texts, self.optimiser, self.run
        counts = (texts.variants, texts.pair_variants, optimiser.steps, optimiser.batch, run.keep)
        if min(counts) < 1:
            raise UsageError("Variants, steps, batch and run.keep must be at least 1.")
        if not 0 <= run.average < 1:
            raise UsageError(f"run.average is from 0 to below 1, not {run.average}.")
        if run.patience and not run.best_by:
            raise UsageError("run.patience needs run.best_by: figures that say what is better.")
        group = optimiser.norm_group
        if group < 0 or (group and optimiser.batch % group):
            raise UsageError(
                f"optimiser.norm_group must divide optimiser.batch ({optimiser.batch}), or be 0 "
                f"for the whole batch, not {group}."
            )

    def _choices(self) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
        optimiser, network = self.optimiser, self.network
        return (
            ("run.precision", self.run.precision, ("auto", "bfloat16", "float32")),
            ("optimiser.name", optimiser.name, ("adamw", "adam")),
            ("optimiser.schedule", optimiser.schedule, ("one-cycle", "constant")),
            ("network.name", network.name, ("small", "wav2clip")),
            ("network.start", network.start, ("weights", "random")),
        )

    def as_json(self) -> str:
        """All values, as saved beside a checkpoint."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"


R = TypeVar("R")


def preset_names() -> list[str]:
    """Names of the presets that come with the package."""
    folder = files(__package__).joinpath("presets")
    return sorted(
        p.name.removesuffix(".toml") for p in folder.iterdir() if p.name.endswith(".toml")
    )


def load_preset(name: str, changes: Sequence[str] = ()) -> TrainConfig:
    """A preset with some values changed.

    Args:
        name: As in ``preset_names``.
        changes: ``"section.key=value"``, the value as TOML writes it.

    Raises:
        UnknownNameError: No such preset, section or key.
        UsageError: A change that cannot be read, or a value of the wrong type.

    >>> load_preset("small", ["optimiser.steps=10"]).optimiser.steps
    10
    """
    known = preset_names()
    if name not in known:
        raise UnknownNameError("preset", name, known)
    text = files(__package__).joinpath(f"presets/{name}.toml").read_text("utf-8")
    values = tomllib.loads(text)
    for change in changes:
        section, key, value = _read_change(change)
        values.setdefault(section, {})[key] = value
    return config_from(values)


def nearest_preset(config: TrainConfig) -> tuple[str, list[str]]:
    """The preset that differs least from some settings, and the changes that make them of it.

    >>> nearest_preset(load_preset("small", ["optimiser.steps=10"]))
    ('small', ['optimiser.steps=10'])
    """
    changes = {name: _changes(load_preset(name), config) for name in preset_names()}
    name = min(changes, key=lambda name: len(changes[name]))
    return name, changes[name]


def _changes(old: TrainConfig, new: TrainConfig) -> list[str]:
    """What ``load_preset`` takes to make new settings of old ones."""
    before, after = dataclasses.asdict(old), dataclasses.asdict(new)
    return [
        f"{section}.{key}={json.dumps(value)}"
        for section, values in after.items()
        for key, value in values.items()
        if value != before[section][key]
    ]


def config_from(values: Mapping[str, Any]) -> TrainConfig:
    """Settings from nested values, such as a saved JSON file; what is absent has its default."""
    sections = get_type_hints(TrainConfig)
    for name in values:
        if name not in sections:
            raise UnknownNameError("section", name, sections)
    return TrainConfig(**{name: _fill(sections[name], name, values[name]) for name in values})


def read_config(text: str) -> TrainConfig:
    """Settings from ``TrainConfig.as_json``."""
    try:
        return config_from(json.loads(text))
    except json.JSONDecodeError as error:
        raise InputError(f"The saved settings cannot be read: {error}") from error


def _read_change(change: str) -> tuple[str, str, Any]:
    path, equals, value = change.partition("=")
    section, dot, key = path.strip().partition(".")
    if not (equals and dot and section and key):
        raise UsageError(f"Write a change as section.key=value, not {change!r}.")
    try:
        return section, key, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return section, key, value


def _fill(record: type[R], section: str, values: Mapping[str, Any]) -> R:
    hints = get_type_hints(record)
    filled = {}
    for key, value in values.items():
        if key not in hints:
            raise UnknownNameError("setting", f"{section}.{key}", {f"{section}.{k}" for k in hints})
        filled[key] = _typed(f"{section}.{key}", value, hints[key])
    return record(**filled)


def _typed(name: str, value: Any, kind: Any) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is str and type(value) is int:  # --set network.version=3
        return str(value)
    if kind == tuple[int, ...] and isinstance(value, list | tuple):
        return tuple(int(v) for v in value)
    if kind in (bool, int, float, str) and type(value) is kind:
        return value
    raise UsageError(f"{name} must be {getattr(kind, '__name__', kind)}, not {value!r}.")
