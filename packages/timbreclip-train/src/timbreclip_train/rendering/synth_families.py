"""Families of patches: from a seed to parameters that suit a name.

A family is a function from a :class:`Draw` to a patch. Ranges follow what factory presets of
common synthesisers do; a family's defining trait is fixed, everything else is drawn widely.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from timbreclip_core.errors import UsageError

from . import synth_acoustic as acoustic
from . import synth_electronic as electronic
from . import synth_percussion as percussion
from .synth_draw import Draw
from .synth_patch import Modal, Noise, Patch

Builder = Callable[[Draw], Patch]

FAMILIES: dict[str, tuple[Builder, float]] = {
    "synth bass": (electronic.synth_bass, 1.6),
    "acid bass": (electronic.acid_bass, 0.8),
    "sub bass": (electronic.sub_bass, 0.6),
    "reese bass": (electronic.reese_bass, 0.7),
    "fm bass": (electronic.fm_bass, 0.8),
    "wobble bass": (electronic.wobble_bass, 0.6),
    "lead": (electronic.lead, 1.6),
    "supersaw lead": (electronic.supersaw_lead, 0.8),
    "chip lead": (electronic.chip_lead, 0.7),
    "synth pluck": (electronic.synth_pluck, 1.2),
    "stab": (electronic.stab, 0.7),
    "pad": (electronic.pad, 1.6),
    "sweep pad": (electronic.sweep_pad, 0.8),
    "fm pad": (electronic.fm_pad, 0.6),
    "synth strings": (electronic.synth_strings, 1.0),
    "synth brass": (electronic.synth_brass, 1.0),
    "choir": (electronic.choir, 0.8),
    "drone": (electronic.drone, 0.6),
    "noise effect": (electronic.noise_effect, 0.9),
    "riser": (electronic.riser, 0.6),
    "wind": (electronic.wind, 0.5),
    "electric piano": (acoustic.electric_piano, 1.2),
    "piano": (acoustic.piano, 0.8),
    "organ": (acoustic.organ, 1.2),
    "clavinet": (acoustic.clavinet, 0.6),
    "accordion": (acoustic.accordion, 0.5),
    "guitar": (acoustic.guitar, 0.9),
    "harp": (acoustic.harp, 0.6),
    "koto": (acoustic.koto, 0.5),
    "plucked bass": (acoustic.plucked_bass, 0.7),
    "bell": (acoustic.bell, 1.2),
    "fm bell": (acoustic.fm_bell, 0.8),
    "glockenspiel": (acoustic.glockenspiel, 0.6),
    "marimba": (acoustic.marimba, 0.7),
    "vibraphone": (acoustic.vibraphone, 0.7),
    "kalimba": (acoustic.kalimba, 0.6),
    "flute": (acoustic.flute, 0.9),
    "clarinet": (acoustic.clarinet, 0.7),
    "oboe": (acoustic.oboe, 0.6),
    "solo strings": (acoustic.solo_strings, 0.8),
    "kick": (percussion.kick, 0.9),
    "snare": (percussion.snare, 0.9),
    "closed hat": (percussion.closed_hat, 0.7),
    "open hat": (percussion.open_hat, 0.6),
    "tom": (percussion.tom, 0.7),
    "clap": (percussion.clap, 0.6),
    "cowbell": (percussion.cowbell, 0.5),
    "cymbal": (percussion.cymbal, 0.6),
    "shaker": (percussion.shaker, 0.5),
    "rimshot": (percussion.rimshot, 0.5),
}
"""Name to (builder, how often it is drawn relative to the others)."""

DRUMS = frozenset(
    (
        "kick",
        "snare",
        "closed hat",
        "open hat",
        "tom",
        "clap",
        "cowbell",
        "cymbal",
        "shaker",
        "rimshot",
    )
)
"""Families without a pitch in the musical sense."""


def sample_patch(seed: int, families: Sequence[str] | None = None) -> Patch:
    """Draw a patch.

    Args:
        seed: Not negative; the same seed gives the same patch.
        families: Keys of :data:`FAMILIES` to draw from, all if not given.
    Raises:
        UsageError: If a family is unknown or the seed negative.
    """
    names = list(FAMILIES) if families is None else list(families)
    unknown = [name for name in names if name not in FAMILIES]
    if unknown or not names or seed < 0:
        raise UsageError(
            f"seed {seed} must not be negative; families {unknown or names} must be among "
            f"{', '.join(FAMILIES)}"
        )
    draw = Draw(np.random.Generator(np.random.PCG64(seed)))
    family = draw.choice(names, [FAMILIES[name][1] for name in names])
    patch = FAMILIES[family][0](draw)
    return replace(_varied(patch, draw, family in DRUMS), seed=seed, family=family)


def _varied(patch: Patch, draw: Draw, drum: bool) -> Patch:
    """Variation that any family may have: room, tilt, a little hiss, velocity response."""
    effects = patch.effects
    if effects.tilt_db_per_octave == 0 and draw.chance(0.3):
        effects = replace(effects, tilt_db_per_octave=draw.normal(0.0, 1.2, -3, 3))
    if effects.reverb_mix == 0 and draw.chance(0.12 if drum else 0.25):
        room = draw.choice((0.4, 0.8, 1.5) if drum else (0.8, 1.5, 2.5, 4.0))
        effects = replace(effects, reverb_mix=draw.uniform(0.04, 0.35), reverb_s=room)
    if effects.drive_db == 0 and draw.chance(0.07):
        effects = replace(effects, drive_db=draw.uniform(3.0, 24.0))
    noise = patch.noise
    if noise.level_db is None and not drum and draw.chance(0.15):
        # Hiss that outlasted a plucked string would be another sound.
        decay_s = 0.7 * patch.voice.decay_s if isinstance(patch.voice, Modal) else 0.0
        noise = _hiss(draw, decay_s)
    return replace(
        patch,
        effects=effects,
        noise=noise,
        velocity_db=draw.uniform(10.0, 30.0),
        velocity_octaves=draw.uniform(0.4, 2.0),
    )


def _hiss(draw: Draw, decay_s: float) -> Noise:
    low = draw.log_uniform(60, 2_000)
    return Noise(
        level_db=draw.uniform(-40.0, -4.0),
        low_hz=low,
        high_hz=min(low * 2 ** draw.uniform(2, 6), 18_000.0),
        tilt_db_per_octave=draw.uniform(-4.0, 0.0),
        decay_s=decay_s,
        wide=draw.chance(0.3),
    )


def chances() -> dict[str, float]:
    """Probability of each family under :func:`sample_patch`."""
    total = math.fsum(weight for _, weight in FAMILIES.values())
    return {name: weight / total for name, (_, weight) in FAMILIES.items()}


__all__ = ["DRUMS", "FAMILIES", "chances", "sample_patch"]
