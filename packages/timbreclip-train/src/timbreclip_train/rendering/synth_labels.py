"""What a patch is, in words that follow from its parameters alone.

Words that depend on how the sum sounds (bright, dark, warm, thin ...) are left to measured
descriptors; every tag here has a stated threshold on a parameter.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .synth_modal import partial_ratios
from .synth_patch import Drum, Filter, Fm, Modal, Noise, Patch, Wavetable

VIBRATO_CENTS = 12.0
TREMOLO_DB = 3.0
SLOWEST_TREMBLING_HZ = 2.5
DETUNED_CENTS = 10.0
SLOW_ATTACK_S = 0.2
LONG_RELEASE_S = 1.0
SHORT_S = 0.35
LONG_S = 2.5
NOISY_DB = -12.0
LASTING_S = 0.7
RESONANT_Q = 3.5
DISTORTED_DB = 10.0
DRIVEN_DB = 3.0
CHORUS = 0.3
REVERB = 0.12
SWEEP_OCTAVES = 1.5
METALLIC_INHARMONICITY = 0.15
RINGING_S = 1.5

CATEGORIES = {
    "bass": (
        "synth bass",
        "acid bass",
        "sub bass",
        "reese bass",
        "fm bass",
        "wobble bass",
        "plucked bass",
    ),
    "lead": ("lead", "supersaw lead", "chip lead"),
    "pluck": ("synth pluck",),
    "synth": ("stab",),
    "pad": ("pad", "sweep pad", "fm pad"),
    "strings": ("synth strings", "solo strings"),
    "brass": ("synth brass",),
    "voice": ("choir",),
    "effects": ("drone", "noise effect", "riser", "wind"),
    "keys": ("electric piano", "piano", "clavinet", "accordion"),
    "organ": ("organ",),
    "guitar": ("guitar",),
    "plucked strings": ("harp", "koto"),
    "bell": ("bell", "fm bell", "glockenspiel"),
    "mallet": ("marimba", "vibraphone", "kalimba"),
    "wind": ("flute", "clarinet", "oboe"),
    "drums": ("kick", "snare", "closed hat", "open hat", "tom", "clap", "rimshot"),
    "percussion": ("cowbell", "cymbal", "shaker"),
}
CATEGORY_OF = {family: category for category, families in CATEGORIES.items() for family in families}

NOUNS = {
    "synth bass": ("Bass", "Synth Bass", "Analog Bass", "Mono Bass"),
    "acid bass": ("Acid Bass", "Acid Line", "Acid", "TB Bass"),
    "sub bass": ("Sub", "Sub Bass", "Deep Sub", "Low End"),
    "reese bass": ("Reese", "Reese Bass", "Detuned Bass"),
    "fm bass": ("FM Bass", "Digital Bass", "Solid Bass"),
    "wobble bass": ("Wobble", "Wobble Bass", "Growl Bass", "LFO Bass"),
    "plucked bass": ("Finger Bass", "Bass Guitar", "Upright Bass", "Picked Bass"),
    "lead": ("Lead", "Synth Lead", "Solo Lead", "Mono Lead"),
    "supersaw lead": ("Supersaw", "Super Saws", "Trance Lead", "Hyper Saw"),
    "chip lead": ("Chip Lead", "8-Bit Lead", "Chiptune", "Arcade Lead"),
    "synth pluck": ("Pluck", "Synth Pluck", "Analog Pluck", "Sequence"),
    "stab": ("Stab", "Synth Stab", "Chord Hit", "Hit"),
    "pad": ("Pad", "Analog Pad", "Synth Pad", "Background"),
    "sweep pad": ("Sweep Pad", "Sweep", "Filter Pad", "Evolving Pad"),
    "fm pad": ("FM Pad", "Digital Pad", "DX Pad"),
    "synth strings": ("Strings", "String Machine", "Synth Strings", "String Ensemble"),
    "solo strings": ("Violin", "Cello", "Solo Strings", "Bowed String"),
    "synth brass": ("Brass", "Synth Brass", "Brass Section", "Horns"),
    "choir": ("Choir", "Voices", "Vox", "Aahs"),
    "drone": ("Drone", "Deep Drone", "Texture", "Atmosphere"),
    "noise effect": ("Noise", "Noise FX", "Static", "Noise Hit"),
    "riser": ("Riser", "Uplifter", "Build Up", "Rise FX"),
    "wind": ("Wind", "Howling Wind", "Storm", "Desert Wind"),
    "electric piano": ("Electric Piano", "E-Piano", "Tine Piano", "EP"),
    "piano": ("Piano", "Grand Piano", "Upright Piano", "Keys"),
    "organ": ("Organ", "Drawbar Organ", "Tonewheel Organ", "Organ Combo"),
    "clavinet": ("Clav", "Clavinet", "Funky Clav"),
    "accordion": ("Accordion", "Musette", "Squeezebox", "Harmonium"),
    "guitar": ("Guitar", "Steel Guitar", "String Guitar", "Picked Guitar"),
    "harp": ("Harp", "Concert Harp", "Lyre"),
    "koto": ("Koto", "Zither", "Plucked Zither"),
    "bell": ("Bell", "Church Bell", "Chime", "Bells"),
    "fm bell": ("FM Bell", "Digital Bell", "Crystal Bell", "DX Bell"),
    "glockenspiel": ("Glockenspiel", "Glock", "Music Box", "Celesta"),
    "marimba": ("Marimba", "Wooden Bars", "Mallet"),
    "vibraphone": ("Vibraphone", "Vibes", "Metal Bars"),
    "kalimba": ("Kalimba", "Thumb Piano", "Mbira"),
    "flute": ("Flute", "Pan Flute", "Wooden Flute", "Whistle"),
    "clarinet": ("Clarinet", "Reed", "Woodwind"),
    "oboe": ("Oboe", "English Horn", "Double Reed"),
    "kick": ("Kick", "Bass Drum", "Kick Drum", "BD"),
    "snare": ("Snare", "Snare Drum", "SD"),
    "closed hat": ("Closed Hat", "Hi-Hat", "Closed Hi-Hat", "CH"),
    "open hat": ("Open Hat", "Open Hi-Hat", "OH"),
    "tom": ("Tom", "Tom Drum", "Floor Tom"),
    "clap": ("Clap", "Hand Clap", "Claps"),
    "cowbell": ("Cowbell", "Cow Bell"),
    "cymbal": ("Cymbal", "Crash", "Ride Cymbal", "Crash Cymbal"),
    "shaker": ("Shaker", "Maracas", "Cabasa"),
    "rimshot": ("Rimshot", "Rim", "Side Stick"),
}

ADJECTIVES = {
    "vibrato": ("Vibrato", "Singing", "Expressive"),
    "tremolo": ("Tremolo", "Trembling", "Pulsing"),
    "detuned": ("Detuned", "Fat", "Thick"),
    "plucked": ("Plucked", "Picked"),
    "slow attack": ("Slow", "Swelling", "Soft Attack"),
    "long release": ("Long Release", "Lingering"),
    "short": ("Short", "Tight", "Staccato"),
    "long decay": ("Ringing", "Long"),
    "noisy": ("Noisy", "Dusty", "Windy"),
    "breathy": ("Breathy", "Airy"),
    "metallic": ("Metallic", "Steel", "Clangy"),
    "distorted": ("Distorted", "Dirty", "Overdriven", "Crunchy"),
    "resonant": ("Resonant", "Squelchy", "Peaky"),
    "chorus": ("Chorus", "Ensemble"),
    "reverb": ("Hall", "Distant", "Roomy"),
    "opening filter": ("Opening", "Rising"),
    "closing filter": ("Closing", "Falling"),
    "hollow": ("Hollow", "Woody"),
    "wide": ("Wide", "Stereo"),
    "saw wave": ("Saw", "Sawtooth"),
    "square wave": ("Square",),
    "pulse wave": ("Pulse", "PWM"),
    "triangle wave": ("Triangle",),
    "sine wave": ("Sine", "Pure"),
    "nylon": ("Nylon",),
    "low-pass filtered": ("Filtered", "LP"),
    "high-pass filtered": ("High-Passed", "HP"),
    "band-pass filtered": ("Band-Passed", "Telephone"),
    "sliding": ("Gliding", "Sliding"),
}


def inharmonicity(patch: Patch, pitch: int) -> float:
    """How far the partials lie from whole multiples of the note, from the parameters.

    Returns:
        Peeters' measure, twice the energy-weighted mean distance to the nearest harmonic over
        the fundamental, 0 (harmonic) to 1: of a modal voice from its partials as struck, of FM
        from its ratios weighted by their indices. 0 for other voices.
    """
    voice = patch.voice
    if isinstance(voice, Modal):
        frequency = 440.0 * 2 ** ((pitch + patch.transpose - 69) / 12)
        ratios = partial_ratios(voice, frequency, 15_000.0)
        weight = np.maximum(ratios, 0.25) ** (voice.tilt_db_per_octave / 3.01)
        if voice.position > 0:
            weight = weight * np.sin(np.pi * ratios * voice.position) ** 2
        return float(2 * np.sum(weight * np.abs(ratios - np.round(ratios))) / np.sum(weight))
    if isinstance(voice, Fm):
        shares = [min(pair.index, 2.0) / 2.0 * pair.level for pair in voice.pairs]
        off = [max(_off(pair.ratio), _off(pair.carrier_ratio)) for pair in voice.pairs]
        levels = sum(pair.level for pair in voice.pairs)
        return sum(s * o for s, o in zip(shares, off, strict=True)) / levels
    return 0.0


def _off(ratio: float) -> float:
    """Twice the distance to the nearest half: halves share a fundamental an octave below."""
    return 2 * abs(2 * ratio - round(2 * ratio))


def _noise_db(patch: Patch) -> float:
    if patch.noise.level_db is None:
        return -np.inf
    return np.inf if patch.voice is None else patch.noise.level_db


def _lasting(noise: Noise) -> bool:
    return noise.decay_s == 0 or noise.decay_s >= LASTING_S


def _sounding_s(patch: Patch) -> float:
    """Time in which the held sound falls by 60 dB; infinite for a sustained one."""
    own = np.inf
    if isinstance(patch.voice, Modal):
        own = patch.voice.decay_s
    elif isinstance(patch.voice, Drum):
        own = max(
            patch.voice.body_decay_s if patch.voice.body_hz else 0.0,
            patch.voice.metal_decay_s if patch.voice.metal_level else 0.0,
        )
    if patch.voice is None or isinstance(patch.voice, Drum):
        noise = patch.noise.decay_s if patch.noise.level_db is not None else 0.0
        own = max(own if patch.voice else 0.0, noise or (np.inf if patch.voice is None else 0.0))
    envelope = patch.amp.decay_s if patch.amp.sustain < 0.1 else np.inf
    return min(own, envelope)


def _highest_cutoff_hz(filter_: Filter, pitch: int, transpose: int) -> float:
    octaves = filter_.key_track * (pitch + transpose - 60) / 12 + filter_.lfo_octaves
    return filter_.cutoff_hz * 2 ** (octaves + max(filter_.envelope_octaves, 0.0))


def _filter_tags(patch: Patch, pitch: int) -> list[str]:
    filter_ = patch.filter
    if filter_.kind == "none" or not (isinstance(patch.voice, Wavetable) or patch.noise.filtered):
        return []
    tags = []
    fundamental = 440.0 * 2 ** ((pitch + patch.transpose - 69) / 12)
    highest = _highest_cutoff_hz(filter_, pitch, patch.transpose)
    if filter_.kind == "low" and highest < min(8_000.0, 25 * fundamental):
        tags.append("low-pass filtered")
    elif filter_.kind == "high" and highest > 1.5 * fundamental:
        tags.append("high-pass filtered")
    elif filter_.kind == "band":
        tags.append("band-pass filtered")
    if filter_.resonance_q >= RESONANT_Q and highest < 12_000:
        tags.append("resonant")
    return tags + _motion_tags(filter_)


def _motion_tags(filter_: Filter) -> list[str]:
    tags = []
    if filter_.envelope_octaves >= SWEEP_OCTAVES:
        if filter_.attack_s >= 0.8:
            tags.append("opening filter")
        elif filter_.sustain < 0.5 and filter_.attack_s < 0.1:
            tags.append("closing filter")
    if filter_.lfo_octaves >= 0.8:
        tags.append("wobbling filter" if filter_.lfo_hz >= 0.8 else "slowly moving filter")
    return tags


def _wave_tags(patch: Patch) -> list[str]:
    voice = patch.voice
    if isinstance(voice, Fm):
        return ["FM"]
    if isinstance(voice, Modal):
        if voice.ratios:
            return ["struck"]
        return ["struck string" if patch.family == "piano" else "plucked string"]
    if not isinstance(voice, Wavetable) or patch.family in ("choir", "flute", "oboe", "clarinet"):
        return []
    if voice.waveform == "drawbars":
        return ["additive", "drawbars"]
    tags = [f"{voice.waveform} wave"]
    plain = voice.second_level == 0 and voice.sub_level == 0
    if voice.waveform in ("square", "triangle") and plain:
        tags.append("hollow")
    if voice.waveform == "pulse" and voice.width_depth > 0.05:
        tags.append("pulse-width modulation")
    return tags


Predicate = Callable[[Patch], bool]

RULES: tuple[tuple[str, Predicate], ...] = (
    (
        "vibrato",
        lambda p: (
            p.modulation.vibrato_cents >= VIBRATO_CENTS
            and p.modulation.vibrato_hz >= SLOWEST_TREMBLING_HZ
        ),
    ),
    (
        "tremolo",
        lambda p: (
            p.modulation.tremolo_db >= TREMOLO_DB
            and p.modulation.tremolo_hz >= SLOWEST_TREMBLING_HZ
        ),
    ),
    ("sliding", lambda p: abs(p.modulation.pitch_semitones) >= 1),
    (
        "detuned",
        lambda p: (
            isinstance(p.voice, Wavetable)
            and p.voice.voices > 1
            and p.voice.detune_cents >= DETUNED_CENTS
        ),
    ),
    ("unison", lambda p: isinstance(p.voice, Wavetable) and p.voice.voices >= 3),
    ("slow attack", lambda p: p.amp.attack_s >= SLOW_ATTACK_S),
    ("long release", lambda p: p.amp.gated and p.amp.release_s >= LONG_RELEASE_S),
    ("short", lambda p: _sounding_s(p) <= SHORT_S),
    ("long decay", lambda p: LONG_S <= _sounding_s(p) < 20),
    ("sustained", lambda p: _sounding_s(p) >= 20 and p.amp.attack_s < SLOW_ATTACK_S),
    (
        "plucked",
        lambda p: (
            (isinstance(p.voice, Modal) and not p.voice.ratios and p.family != "piano")
            or p.family == "synth pluck"
        ),
    ),
    ("noisy", lambda p: p.voice is None or (_noise_db(p) >= NOISY_DB and _lasting(p.noise))),
    ("breathy", lambda p: p.family in ("flute", "choir", "clarinet") and _noise_db(p) >= -18),
    ("driven", lambda p: DRIVEN_DB <= p.effects.drive_db < DISTORTED_DB),
    ("distorted", lambda p: p.effects.drive_db >= DISTORTED_DB),
    ("chorus", lambda p: p.effects.chorus >= CHORUS),
    ("reverb", lambda p: p.effects.reverb_mix >= REVERB),
    (
        "wide",
        lambda p: (
            isinstance(p.voice, Wavetable)
            and p.voice.voices > 1
            and p.voice.spread >= 0.5
            and p.voice.detune_cents >= 5
        ),
    ),
)


def tags(patch: Patch, pitch: int) -> tuple[str, ...]:
    """Tags whose thresholds the patch's parameters pass, at a given key."""
    found = [tag for tag, holds in RULES if holds(patch)]
    found += _wave_tags(patch) + _filter_tags(patch, pitch)
    if _metallic(patch, pitch):
        found.append("metallic")
    return tuple(dict.fromkeys(found))


def _metallic(patch: Patch, pitch: int) -> bool:
    """Inharmonic partials that ring: stiff strings are not meant, nor wooden bars."""
    voice = patch.voice
    if isinstance(voice, Drum):
        return voice.metal_level > 0
    if isinstance(voice, Modal) and not voice.ratios:
        return False
    return _sounding_s(patch) >= RINGING_S and (
        inharmonicity(patch, pitch) >= METALLIC_INHARMONICITY
    )


def _said(family: str) -> tuple[str, ...]:
    """Tags that the family's name already implies."""
    plucked = ("plucked bass", "koto", "harp", "guitar", "clavinet", "synth pluck")
    hats = ("cowbell", "cymbal", "closed hat", "open hat", "glockenspiel")
    if family in plucked:
        return ("plucked",)
    if family in hats:
        return ("metallic", "short")
    return ("short",) if CATEGORY_OF[family] in ("drums", "percussion") else ()


def title(patch: Patch, pitch: int) -> str:
    """A preset name made of the family and up to two of its properties."""
    rng = np.random.default_rng([patch.seed, 2718])
    nouns = NOUNS[patch.family]
    words = [str(nouns[int(rng.integers(len(nouns)))])]
    usable = [tag for tag in tags(patch, pitch) if tag in ADJECTIVES]
    count = int(rng.choice(3, p=(0.25, 0.5, 0.25)))
    for tag in rng.permutation(usable)[:count]:
        options = ADJECTIVES[str(tag)]
        word = options[int(rng.integers(len(options)))]
        used = " ".join(words).split()
        if tag not in _said(patch.family) and not set(word.split()) & set(used):
            words.insert(0, word)
    return " ".join(words)


def labels(patch: Patch, pitch: int) -> dict[str, tuple[str, ...]]:
    """Text attributes of a patch by kind.

    Args:
        patch: Any patch of a known family.
        pitch: The key played; a filter may be open at one key and closed at another.
    Returns:
        ``title``, ``category``, ``family``, ``source``, ``tags`` and ``description``, each a
        tuple of texts. Everything follows from parameters and the constants of this module.
    """
    found = tags(patch, pitch)
    detail = f" with {', '.join(found[:4])}" if found else ""
    return {
        "title": (title(patch, pitch),),
        "category": (CATEGORY_OF[patch.family],),
        "family": (patch.family,),
        "source": ("synthetic",),
        "tags": found,
        "description": (f"{patch.family}{detail}",),
    }


__all__ = ["CATEGORY_OF", "inharmonicity", "labels", "tags", "title"]
