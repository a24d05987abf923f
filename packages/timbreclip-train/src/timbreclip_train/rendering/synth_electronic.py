"""Families that only synthesisers have: basses, leads, pads, plucks, effects."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .synth_draw import Draw
from .synth_patch import (
    Effects,
    Envelope,
    Filter,
    Fm,
    FmPair,
    Modulation,
    Noise,
    Patch,
    Wavetable,
)

RICH = ("saw", "square", "pulse", "triangle")


def _wave(draw: Draw, weights: tuple[float, ...] = (3, 1.5, 1.5, 0.5), **fixed) -> Wavetable:
    drawn = {
        "waveform": draw.choice(RICH, weights),
        "pulse_width": draw.uniform(0.08, 0.42),
        "width_depth": draw.choice((0.0, 0.0, draw.uniform(0.03, 0.2))),
        "width_hz": draw.log_uniform(0.2, 2.5),
    }
    voice = Wavetable(**{**drawn, **fixed})
    room = min(voice.pulse_width, 1 - voice.pulse_width) - 0.03
    return replace(voice, width_depth=max(min(voice.width_depth, room), 0.0))


def _unison(draw: Draw, most_cents: float = 25.0) -> dict[str, Any]:
    return {
        "voices": draw.choice((2, 3, 5), (3, 3, 1)),
        "detune_cents": draw.log_uniform(3.0, most_cents),
        "spread": draw.uniform(0.0, 0.9),
    }


def _maybe(draw: Draw, probability: float, options: dict) -> dict:
    return options if draw.chance(probability) else {}


def _seeded(**fields) -> Patch:
    return Patch(seed=0, family="", **fields)


def synth_bass(draw: Draw) -> Patch:
    """Filtered saw, square or pulse with an envelope on the filter, low and short."""
    voice = _wave(draw, **_maybe(draw, 0.35, _unison(draw, 18)), sub_level=draw.choice((0, 0.6, 1)))
    return _seeded(
        voice=voice,
        filter=Filter(
            kind="low",
            cutoff_hz=draw.log_uniform(150, 2500),
            key_track=draw.uniform(0.2, 0.8),
            resonance_q=draw.log_uniform(0.7, 6),
            poles=draw.choice((2, 4)),
            envelope_octaves=draw.uniform(0, 4),
            decay_s=draw.log_uniform(0.15, 2),
            sustain=draw.uniform(0, 0.4),
        ),
        amp=Envelope(
            attack_s=draw.log_uniform(0.001, 0.015),
            decay_s=draw.log_uniform(0.6, 5),
            sustain=draw.choice((0.0, draw.uniform(0.4, 1))),
            release_s=draw.log_uniform(0.05, 0.4),
        ),
        transpose=draw.choice((0, -12)),
    )


def acid_bass(draw: Draw) -> Patch:
    """One saw or square through a very resonant 24 dB filter that closes quickly."""
    voice = _wave(draw, (3, 2, 0, 0), width_depth=0.0)
    return _seeded(
        voice=voice,
        filter=Filter(
            kind="low",
            cutoff_hz=draw.log_uniform(120, 700),
            key_track=draw.uniform(0, 0.4),
            resonance_q=draw.uniform(5, 16),
            poles=4,
            envelope_octaves=draw.uniform(1.5, 4.5),
            decay_s=draw.log_uniform(0.25, 2.5),
            sustain=0.0,
        ),
        amp=Envelope(attack_s=0.002, decay_s=draw.log_uniform(1, 6), sustain=draw.uniform(0, 0.8)),
        effects=Effects(drive_db=draw.choice((0.0, draw.uniform(4, 20)))),
        transpose=draw.choice((0, -12)),
    )


def sub_bass(draw: Draw) -> Patch:
    """Hardly more than a sine."""
    return _seeded(
        voice=Wavetable(
            waveform=draw.choice(("sine", "triangle"), (2, 1)),
            second_semitones=draw.choice((0.0, 12.0)),
            second_level=draw.choice((0.0, 0.1)),
        ),
        amp=Envelope(
            attack_s=draw.log_uniform(0.003, 0.05),
            decay_s=draw.log_uniform(1, 6),
            sustain=draw.uniform(0.2, 1),
            release_s=draw.log_uniform(0.05, 0.5),
        ),
        transpose=-12,
    )


def reese_bass(draw: Draw) -> Patch:
    """Two or three saws far out of tune, slowly beating."""
    return _seeded(
        voice=Wavetable(
            waveform="saw",
            voices=draw.choice((2, 3)),
            detune_cents=draw.uniform(14, 45),
            spread=draw.uniform(0, 0.6),
            sub_level=draw.choice((0.0, 0.7)),
        ),
        filter=Filter(
            kind="low",
            cutoff_hz=draw.log_uniform(300, 3000),
            key_track=0.4,
            resonance_q=draw.log_uniform(0.7, 4),
            poles=draw.choice((2, 4)),
        ),
        amp=Envelope(
            attack_s=draw.log_uniform(0.003, 0.08),
            sustain=1.0,
            release_s=draw.log_uniform(0.1, 0.6),
        ),
        effects=Effects(drive_db=draw.choice((0.0, draw.uniform(4, 14)))),
        transpose=-12,
    )


def fm_bass(draw: Draw) -> Patch:
    """Two operators at simple ratios with an index that dies quickly."""
    return _seeded(
        voice=Fm(
            pairs=(
                FmPair(
                    ratio=draw.choice((1.0, 2.0, 3.0, 0.5)),
                    index=draw.uniform(1.5, 6),
                    decay_s=draw.log_uniform(0.2, 3),
                    sustain=draw.uniform(0, 0.4),
                    second_ratio=draw.choice((1.0, 2.0, 5.0)),
                    second_index=draw.choice((0.0, draw.uniform(0.3, 1.5))),
                ),
            )
        ),
        amp=Envelope(
            attack_s=0.002,
            decay_s=draw.log_uniform(0.8, 5),
            sustain=draw.uniform(0, 0.8),
            release_s=draw.log_uniform(0.05, 0.3),
        ),
        transpose=-12,
    )


def wobble_bass(draw: Draw) -> Patch:
    """A low filter swung by a slow oscillator."""
    return _seeded(
        voice=_wave(draw, (3, 2, 1, 0), **_maybe(draw, 0.6, _unison(draw))),
        filter=Filter(
            kind="low",
            cutoff_hz=draw.log_uniform(400, 1200),
            key_track=0.3,
            resonance_q=draw.uniform(1.5, 7),
            poles=4,
            lfo_octaves=draw.uniform(1.2, 2.5),
            lfo_hz=draw.log_uniform(0.8, 7),
        ),
        amp=Envelope(attack_s=0.005, sustain=1.0, release_s=0.15),
        effects=Effects(drive_db=draw.choice((0.0, draw.uniform(4, 18)))),
        transpose=-12,
    )


def lead(draw: Draw) -> Patch:
    """A bright sustained wave, often with vibrato, sometimes sliding into the note."""
    slide = draw.chance(0.2)
    modulation = draw.vibrato(0.6)
    return _seeded(
        voice=_wave(
            draw,
            **_maybe(draw, 0.4, _unison(draw)),
            second_semitones=draw.choice((0.0, 7.0, 12.0, -12.0)),
            second_level=draw.choice((0.0, 0.0, draw.uniform(0.3, 0.9))),
        ),
        filter=Filter(
            kind=draw.choice(("low", "none", "band", "high"), (5, 2, 0.7, 0.5)),
            cutoff_hz=draw.log_uniform(800, 8000),
            key_track=draw.uniform(0.3, 1),
            resonance_q=draw.log_uniform(0.7, 7),
            poles=draw.choice((2, 4)),
            envelope_octaves=draw.choice((0.0, draw.uniform(0.5, 3))),
            decay_s=draw.log_uniform(0.3, 3),
            sustain=draw.uniform(0.1, 0.8),
        ),
        amp=Envelope(
            attack_s=draw.log_uniform(0.002, 0.08),
            decay_s=draw.log_uniform(1, 5),
            sustain=draw.uniform(0.6, 1),
            release_s=draw.log_uniform(0.08, 0.8),
        ),
        modulation=replace(
            modulation,
            pitch_semitones=draw.uniform(-5, -1) if slide else 0.0,
            pitch_s=draw.log_uniform(0.02, 0.12),
        ),
        effects=Effects(
            drive_db=draw.choice((0.0, 0.0, 0.0, draw.uniform(5, 28))),
            chorus=draw.choice((0.0, 0.0, draw.uniform(0.2, 0.9))),
        ),
    )


def supersaw_lead(draw: Draw) -> Patch:
    """Five or seven saws spread in pitch and over the stereo field."""
    return _seeded(
        voice=Wavetable(
            waveform="saw",
            voices=draw.choice((5, 7)),
            detune_cents=draw.uniform(10, 40),
            spread=draw.uniform(0.4, 1),
        ),
        filter=Filter(kind=draw.choice(("none", "low")), cutoff_hz=draw.log_uniform(2500, 10_000)),
        amp=Envelope(
            attack_s=draw.log_uniform(0.002, 0.06),
            decay_s=2.0,
            sustain=draw.uniform(0.7, 1),
            release_s=draw.log_uniform(0.1, 0.8),
        ),
        modulation=draw.vibrato(0.15),
    )


def chip_lead(draw: Draw) -> Patch:
    """Bare pulse or triangle of an old sound chip."""
    return _seeded(
        voice=Wavetable(
            waveform=draw.choice(("pulse", "square", "triangle")),
            pulse_width=draw.choice((0.125, 0.25)),
        ),
        amp=Envelope(
            attack_s=0.001,
            decay_s=draw.log_uniform(0.5, 4),
            sustain=draw.choice((0.0, 0.5, 1.0)),
            release_s=0.03,
        ),
        modulation=draw.vibrato(0.4, 50),
    )


def synth_pluck(draw: Draw) -> Patch:
    """A filter envelope and an amplitude that fall to nothing."""
    decay = draw.log_uniform(0.3, 2.5)
    return _seeded(
        voice=_wave(draw, **_maybe(draw, 0.5, _unison(draw))),
        filter=Filter(
            kind="low",
            cutoff_hz=draw.log_uniform(200, 1500),
            key_track=draw.uniform(0.4, 1),
            resonance_q=draw.log_uniform(0.7, 5),
            poles=draw.choice((2, 4)),
            envelope_octaves=draw.uniform(1.5, 5),
            decay_s=decay * draw.uniform(0.4, 1.2),
            sustain=0.0,
        ),
        amp=Envelope(
            attack_s=draw.log_uniform(0.001, 0.006),
            decay_s=decay,
            sustain=0.0,
            release_s=decay * draw.uniform(0.3, 1),
        ),
        effects=Effects(chorus=draw.choice((0.0, 0.0, 0.5))),
    )


def stab(draw: Draw) -> Patch:
    """A short detuned hit."""
    decay = draw.log_uniform(0.25, 0.8)
    return _seeded(
        voice=Wavetable(
            waveform=draw.choice(("saw", "square")),
            voices=3,
            detune_cents=draw.uniform(5, 25),
            spread=draw.uniform(0, 0.8),
            second_semitones=draw.choice((7.0, 12.0, 3.0)),
            second_level=draw.choice((0.0, 0.6)),
        ),
        filter=Filter(
            kind=draw.choice(("low", "band"), (3, 1)),
            cutoff_hz=draw.log_uniform(600, 3000),
            resonance_q=draw.log_uniform(0.8, 4),
            envelope_octaves=draw.uniform(0, 2.5),
            decay_s=decay,
        ),
        amp=Envelope(attack_s=0.002, decay_s=decay, sustain=0.0, release_s=decay),
    )


def _slow(draw: Draw, quickest_s: float = 0.15) -> Envelope:
    return Envelope(
        attack_s=draw.log_uniform(quickest_s, 1.6),
        decay_s=draw.log_uniform(2, 8),
        sustain=draw.uniform(0.6, 1),
        release_s=draw.log_uniform(0.5, 4),
    )


def pad(draw: Draw) -> Patch:
    """Detuned waves behind a soft filter, slow to start and to stop."""
    return _seeded(
        voice=_wave(
            draw,
            **_unison(draw, 20),
            second_semitones=draw.choice((0.0, 12.0, -12.0, 7.0)),
            second_level=draw.choice((0.0, 0.5)),
        ),
        filter=Filter(
            kind="low",
            cutoff_hz=draw.log_uniform(400, 5000),
            key_track=draw.uniform(0.3, 0.9),
            resonance_q=draw.log_uniform(0.6, 2.5),
            poles=draw.choice((2, 4)),
            lfo_octaves=draw.choice((0.0, 0.0, draw.uniform(0.2, 0.8))),
            lfo_hz=draw.log_uniform(0.1, 0.6),
        ),
        amp=_slow(draw),
        modulation=draw.vibrato(0.2, 30),
        effects=Effects(
            chorus=draw.choice((0.0, draw.uniform(0.3, 0.9))),
            reverb_mix=draw.choice((0.0, draw.uniform(0.1, 0.45))),
            reverb_s=draw.choice((1.5, 2.5, 4.0)),
        ),
    )


def sweep_pad(draw: Draw) -> Patch:
    """A pad whose resonant filter opens or closes over seconds."""
    opening = draw.chance(0.6)
    sweep = Filter(
        kind="low",
        cutoff_hz=draw.log_uniform(200, 600) if opening else draw.log_uniform(250, 900),
        resonance_q=draw.uniform(1.5, 7),
        poles=4,
        envelope_octaves=draw.uniform(2, 4.5),
        attack_s=draw.uniform(1.2, 3) if opening else 0.05,
        decay_s=draw.uniform(3, 9),
        sustain=1.0 if opening else 0.0,
    )
    return _seeded(
        voice=_wave(draw, (3, 1, 1, 0), **_unison(draw)),
        filter=sweep,
        amp=_slow(draw, 0.05),
        noise=Noise(level_db=draw.uniform(-24, -10), filtered=True)
        if draw.chance(0.25)
        else Noise(),
        effects=Effects(reverb_mix=draw.choice((0.0, 0.3)), reverb_s=2.5),
    )


def fm_pad(draw: Draw) -> Patch:
    """Two soft pairs of operators, slow to start."""
    second = FmPair(
        carrier_ratio=draw.choice((1.0, 2.0, 1.003)),
        level=draw.uniform(0.3, 0.9),
        ratio=draw.choice((1.0, 2.0, 3.0, 1.5)),
        index=draw.uniform(0.3, 2.5),
    )
    first = FmPair(ratio=draw.choice((1.0, 2.0, 1.002)), index=draw.uniform(0.5, 3))
    return _seeded(
        voice=Fm(pairs=(first, second)),
        amp=_slow(draw),
        modulation=draw.vibrato(0.3, 30),
        effects=Effects(chorus=draw.choice((0.0, 0.6)), reverb_mix=0.25, reverb_s=2.5),
    )


def synth_strings(draw: Draw) -> Patch:
    """A string machine: many saws through an ensemble chorus."""
    return _seeded(
        voice=Wavetable(
            waveform="saw",
            voices=draw.choice((3, 5)),
            detune_cents=draw.uniform(6, 18),
            spread=draw.uniform(0.3, 1),
            second_semitones=12.0,
            second_level=draw.choice((0.0, 0.4)),
            formants=((draw.uniform(2500, 4000), 1500.0, 5.0),),
        ),
        filter=Filter(kind="low", cutoff_hz=draw.log_uniform(2000, 8000), resonance_q=0.7),
        amp=Envelope(
            attack_s=draw.log_uniform(0.06, 0.6), sustain=1.0, release_s=draw.log_uniform(0.3, 1.5)
        ),
        modulation=draw.vibrato(0.3, 25),
        effects=Effects(chorus=draw.uniform(0.4, 1)),
    )


def synth_brass(draw: Draw) -> Patch:
    """Saws whose filter opens within the attack."""
    attack = draw.log_uniform(0.03, 0.25)
    return _seeded(
        voice=Wavetable(
            waveform="saw",
            voices=draw.choice((1, 2, 3)),
            detune_cents=draw.uniform(3, 14),
            spread=draw.uniform(0, 0.5),
        ),
        filter=Filter(
            kind="low",
            cutoff_hz=draw.log_uniform(350, 1200),
            key_track=0.7,
            resonance_q=draw.log_uniform(0.7, 2),
            envelope_octaves=draw.uniform(1.5, 3.5),
            attack_s=attack,
            decay_s=draw.log_uniform(0.8, 4),
            sustain=draw.uniform(0.4, 0.8),
        ),
        amp=Envelope(
            attack_s=attack * 0.6,
            decay_s=3.0,
            sustain=draw.uniform(0.7, 1),
            release_s=draw.log_uniform(0.1, 0.4),
        ),
        modulation=draw.vibrato(0.4, 35),
    )


VOWELS = {
    "ah": ((730.0, 110.0, 22.0), (1090.0, 130.0, 20.0), (2440.0, 180.0, 16.0)),
    "ee": ((270.0, 80.0, 22.0), (2290.0, 160.0, 20.0), (3010.0, 200.0, 18.0)),
    "oo": ((300.0, 80.0, 22.0), (870.0, 120.0, 18.0), (2240.0, 180.0, 8.0)),
    "oh": ((570.0, 90.0, 22.0), (840.0, 120.0, 20.0), (2410.0, 180.0, 10.0)),
    "eh": ((530.0, 90.0, 22.0), (1840.0, 150.0, 18.0), (2480.0, 190.0, 16.0)),
}
"""Formants of a man's vowels, Peterson and Barney (1952), as (centre, bandwidth, gain)."""


def choir(draw: Draw) -> Patch:
    """A detuned wave with the formants of a vowel."""
    return _seeded(
        voice=Wavetable(
            waveform="saw",
            voices=draw.choice((3, 5)),
            detune_cents=draw.uniform(8, 22),
            spread=draw.uniform(0.3, 1),
            formants=VOWELS[draw.choice(tuple(VOWELS))],
            tilt_db_per_octave=-6.0,
        ),
        noise=Noise(level_db=draw.uniform(-34, -16), low_hz=1500, high_hz=9000, wide=True),
        amp=Envelope(
            attack_s=draw.log_uniform(0.08, 0.7), sustain=1.0, release_s=draw.log_uniform(0.3, 2)
        ),
        modulation=draw.vibrato(0.6, 40),
        effects=Effects(reverb_mix=draw.uniform(0.1, 0.4), reverb_s=2.5),
    )


def drone(draw: Draw) -> Patch:
    """A low, moving, sustained mass."""
    return _seeded(
        voice=_wave(
            draw,
            (3, 1, 1, 1),
            voices=3,
            detune_cents=draw.uniform(8, 35),
            spread=0.8,
            second_semitones=draw.choice((7.0, 12.0, 5.0)),
            second_level=0.6,
        ),
        noise=Noise(level_db=draw.uniform(-26, -6), filtered=True, wide=True),
        filter=Filter(
            kind=draw.choice(("low", "band")),
            cutoff_hz=draw.log_uniform(300, 1500),
            resonance_q=draw.uniform(0.8, 5),
            lfo_octaves=draw.uniform(0.3, 1.2),
            lfo_hz=draw.log_uniform(0.08, 0.4),
        ),
        amp=_slow(draw, 0.4),
        effects=Effects(reverb_mix=0.35, reverb_s=4.0, drive_db=draw.choice((0.0, 8.0))),
        transpose=-12,
    )


def noise_effect(draw: Draw) -> Patch:
    """Filtered noise, struck or held."""
    held = draw.chance(0.5)
    return _seeded(
        voice=None,
        noise=Noise(
            level_db=0.0,
            low_hz=40.0,
            tilt_db_per_octave=draw.uniform(-6, 0),
            filtered=True,
            wide=True,
        ),
        filter=Filter(
            kind=draw.choice(("low", "band", "high")),
            cutoff_hz=draw.log_uniform(300, 6000),
            key_track=1.0,
            resonance_q=draw.log_uniform(0.7, 12),
            envelope_octaves=draw.choice((0.0, draw.uniform(1, 4))),
            decay_s=draw.log_uniform(0.3, 4),
        ),
        amp=Envelope(
            attack_s=draw.log_uniform(0.002, 0.8),
            decay_s=draw.log_uniform(0.2, 3),
            sustain=draw.uniform(0.5, 1) if held else 0.0,
            release_s=draw.log_uniform(0.1, 1.5),
        ),
    )


def riser(draw: Draw) -> Patch:
    """Noise, with or without a tone, whose filter climbs until note-off."""
    tonal = draw.chance(0.5)
    return _seeded(
        voice=_wave(draw, (1, 0, 0, 0), **_unison(draw, 40)) if tonal else None,
        noise=Noise(level_db=draw.uniform(-10, 4), filtered=True, wide=True),
        filter=Filter(
            kind=draw.choice(("low", "band")),
            cutoff_hz=draw.log_uniform(150, 500),
            resonance_q=draw.uniform(1, 6),
            envelope_octaves=draw.uniform(3, 5),
            attack_s=draw.uniform(1.5, 3),
            sustain=1.0,
        ),
        amp=Envelope(attack_s=draw.uniform(0.8, 2.5), sustain=1.0, release_s=0.3),
        modulation=Modulation(pitch_semitones=-draw.uniform(5, 24), pitch_s=draw.uniform(0.5, 1.5))
        if tonal
        else Modulation(),
    )


def wind(draw: Draw) -> Patch:
    """A narrow band of noise that wanders."""
    return _seeded(
        voice=None,
        noise=Noise(level_db=0.0, filtered=True, wide=True, tilt_db_per_octave=-3.0),
        filter=Filter(
            kind="band",
            cutoff_hz=draw.log_uniform(300, 1500),
            key_track=0.6,
            resonance_q=draw.uniform(1.5, 10),
            lfo_octaves=draw.uniform(0.4, 1.3),
            lfo_hz=draw.log_uniform(0.15, 0.8),
        ),
        amp=_slow(draw, 0.3),
    )
