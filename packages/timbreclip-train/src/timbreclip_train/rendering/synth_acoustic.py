"""Families after instruments that exist: keys, strings, winds, bells and mallets."""

from __future__ import annotations

from .synth_draw import Draw
from .synth_patch import (
    Effects,
    Envelope,
    Filter,
    Fm,
    FmPair,
    Modal,
    Modulation,
    Noise,
    Patch,
    Wavetable,
)


def _seeded(**fields) -> Patch:
    return Patch(seed=0, family="", **fields)


def _ringing(draw: Draw, release_s: float, attack_s: float = 0.0015) -> Envelope:
    """For partials that decay by themselves: only the damper at note-off."""
    return Envelope(
        attack_s=attack_s,
        decay_s=30.0,
        sustain=1.0,
        release_s=release_s * draw.log_uniform(0.6, 1.7),
    )


def _strike(draw: Draw, chance: float, level_db: tuple[float, float] = (-28.0, -10.0)) -> Noise:
    """The thud or scrape of whatever sets the body going."""
    if not draw.chance(chance):
        return Noise()
    low = draw.log_uniform(200, 2500)
    return Noise(
        level_db=draw.uniform(*level_db),
        low_hz=low,
        high_hz=low * draw.uniform(2, 6),
        decay_s=draw.log_uniform(0.02, 0.12),
    )


def electric_piano(draw: Draw) -> Patch:
    """A sine with a bell-like tine, or a growling reed."""
    tine = FmPair(
        level=draw.uniform(0.1, 0.45),
        ratio=draw.choice((14.0, 11.0, 9.0)),
        index=draw.uniform(0.6, 2),
        decay_s=draw.log_uniform(0.2, 1.2),
        sustain=0.0,
    )
    body = FmPair(
        ratio=draw.choice((1.0, 1.0, 2.0)),
        index=draw.uniform(0.3, 1.8),
        decay_s=draw.log_uniform(0.8, 4),
        sustain=0.1,
    )
    return _seeded(
        voice=Fm(pairs=(body, tine)),
        amp=Envelope(
            attack_s=0.002,
            decay_s=draw.log_uniform(4, 14),
            sustain=0.0,
            release_s=draw.log_uniform(0.15, 0.6),
        ),
        modulation=Modulation(
            tremolo_db=draw.choice((0.0, draw.uniform(2, 10))), tremolo_hz=draw.uniform(3, 7)
        ),
        effects=Effects(chorus=draw.choice((0.0, 0.0, 0.6))),
    )


def piano(draw: Draw) -> Patch:
    """Two or three stiff strings, damped when the key is let go."""
    return _seeded(
        voice=Modal(
            stiffness=draw.log_uniform(5e-5, 1.5e-3),
            position=draw.uniform(0.1, 0.14),
            decay_s=draw.uniform(6, 16),
            damping=draw.uniform(0.5, 0.9),
            tilt_db_per_octave=draw.uniform(-9, -5),
            strings=draw.choice((2, 3)),
            detune_cents=draw.uniform(0.3, 2.5),
        ),
        noise=_strike(draw, 0.5),
        amp=_ringing(draw, 0.4),
    )


def organ(draw: Draw) -> Patch:
    """Nine drawbars; a rotary speaker gives vibrato and tremolo of one rate."""
    bars = tuple(
        round(draw.uniform(0, 1), 2) if draw.chance(chance) else 0.0
        for chance in (0.7, 0.5, 1.0, 0.8, 0.5, 0.6, 0.3, 0.3, 0.5)
    )
    bars = (*bars[:2], max(bars[2], 0.5), *bars[3:])
    rotary = draw.chance(0.5)
    rate = draw.choice((draw.uniform(0.7, 1.1), draw.uniform(5.8, 7)))
    return _seeded(
        voice=Wavetable(waveform="drawbars", drawbars=bars),
        noise=_strike(draw, 0.3, (-34.0, -18.0)),
        amp=Envelope(
            attack_s=draw.log_uniform(0.002, 0.03),
            sustain=1.0,
            release_s=draw.log_uniform(0.03, 0.15),
        ),
        modulation=Modulation(
            vibrato_cents=draw.uniform(5, 25) if rotary else 0.0,
            vibrato_hz=rate,
            tremolo_db=draw.uniform(1.5, 6) if rotary else 0.0,
            tremolo_hz=rate,
        ),
        effects=Effects(drive_db=draw.choice((0.0, 0.0, draw.uniform(3, 16)))),
    )


def clavinet(draw: Draw) -> Patch:
    """A short string struck hard near its end, with a biting pick-up."""
    return _seeded(
        voice=Modal(
            stiffness=draw.log_uniform(2e-5, 4e-4),
            position=draw.uniform(0.06, 0.16),
            decay_s=draw.uniform(1.5, 4),
            damping=draw.uniform(0.2, 0.5),
            tilt_db_per_octave=draw.uniform(-4, -1),
        ),
        noise=_strike(draw, 0.5),
        amp=_ringing(draw, 0.06),
    )


def accordion(draw: Draw) -> Patch:
    """Two or three reeds that beat against each other."""
    return _seeded(
        voice=Wavetable(
            waveform="pulse",
            pulse_width=draw.uniform(0.15, 0.35),
            voices=draw.choice((2, 3)),
            detune_cents=draw.uniform(4, 18),
            spread=0.3,
            formants=((draw.uniform(900, 1600), 700.0, 8.0),),
            tilt_db_per_octave=-3.0,
        ),
        noise=Noise(level_db=draw.uniform(-38, -22), low_hz=1000, high_hz=8000),
        amp=Envelope(attack_s=draw.log_uniform(0.03, 0.12), sustain=1.0, release_s=0.12),
        modulation=draw.vibrato(0.15, 20),
    )


def guitar(draw: Draw) -> Patch:
    """A plucked string, of nylon or steel, sometimes through a distorted amplifier."""
    steel = draw.chance(0.6)
    distorted = steel and draw.chance(0.35)
    return _seeded(
        voice=Modal(
            stiffness=draw.log_uniform(2e-5, 3e-4) if steel else draw.log_uniform(5e-6, 5e-5),
            position=draw.uniform(0.08, 0.3),
            decay_s=draw.uniform(3, 8) if steel else draw.uniform(1.5, 4),
            damping=draw.uniform(0.5, 0.9) if steel else draw.uniform(0.8, 1.3),
            tilt_db_per_octave=draw.uniform(-6, -3) if steel else draw.uniform(-10, -6),
            roughness=draw.uniform(0, 4),
        ),
        noise=_strike(draw, 0.6),
        amp=_ringing(draw, 0.15),
        effects=Effects(drive_db=draw.uniform(14, 34) if distorted else 0.0),
    )


def harp(draw: Draw) -> Patch:
    """A string plucked near its middle that rings on."""
    return _seeded(
        voice=Modal(
            stiffness=draw.log_uniform(5e-6, 1e-4),
            position=draw.uniform(0.3, 0.48),
            decay_s=draw.uniform(3, 7),
            damping=draw.uniform(0.7, 1.2),
            tilt_db_per_octave=draw.uniform(-9, -5),
            strings=draw.choice((1, 2)),
            detune_cents=draw.uniform(0.5, 2),
        ),
        noise=_strike(draw, 0.3),
        amp=_ringing(draw, 2.0),
        effects=Effects(reverb_mix=draw.choice((0.0, 0.2)), reverb_s=1.5),
    )


def koto(draw: Draw) -> Patch:
    """A string plucked close to the bridge with a hard pick, bending a little."""
    return _seeded(
        voice=Modal(
            stiffness=draw.log_uniform(5e-5, 8e-4),
            position=draw.uniform(0.04, 0.1),
            decay_s=draw.uniform(1.5, 4),
            damping=draw.uniform(0.5, 0.9),
            tilt_db_per_octave=draw.uniform(-5, -2),
            roughness=draw.uniform(1, 5),
        ),
        noise=_strike(draw, 0.8),
        amp=_ringing(draw, 0.8),
    )


def plucked_bass(draw: Draw) -> Patch:
    """A bass guitar or double bass string."""
    return _seeded(
        voice=Modal(
            stiffness=draw.log_uniform(3e-5, 3e-4),
            position=draw.uniform(0.12, 0.35),
            decay_s=draw.uniform(1.5, 5),
            damping=draw.uniform(0.6, 1.2),
            tilt_db_per_octave=draw.uniform(-9, -4),
        ),
        noise=_strike(draw, 0.6),
        amp=_ringing(draw, 0.1),
        transpose=-12,
    )


CHURCH = (0.5, 1.0, 1.2, 1.5, 2.0, 2.5, 2.61, 3.0, 4.0, 5.1)
TUBE = (0.69, 1.0, 1.5, 2.07, 2.7, 3.4, 4.2, 5.1, 6.0)
BOWL = (1.0, 2.83, 5.42, 8.77, 12.8)
FREE_BAR = (1.0, 2.756, 5.404, 8.933, 13.344)
"""Free bar: Fletcher and Rossing, The Physics of Musical Instruments; the bells follow the
named partials hum, prime, tierce, quint, nominal and so on."""


def bell(draw: Draw) -> Patch:
    """A church bell, chime or bowl, its partials pushed about."""
    ratios = draw.choice((CHURCH, TUBE, BOWL))
    stretch = draw.uniform(-0.04, 0.12)
    return _seeded(
        voice=Modal(
            ratios=tuple(ratio ** (1 + stretch) for ratio in ratios),
            decay_s=draw.log_uniform(3, 14),
            damping=draw.uniform(0.4, 1),
            tilt_db_per_octave=draw.uniform(-7, 0),
            strings=draw.choice((1, 2)),
            detune_cents=draw.uniform(0.5, 4),
            roughness=draw.uniform(0, 4),
        ),
        noise=_strike(draw, 0.4),
        amp=_ringing(draw, 4.0),
        effects=Effects(reverb_mix=draw.choice((0.0, 0.25)), reverb_s=2.5),
    )


def fm_bell(draw: Draw) -> Patch:
    """Operators at an irrational ratio, both dying away."""
    return _seeded(
        voice=Fm(
            pairs=(
                FmPair(
                    ratio=draw.choice((1.414, 3.5, 2.76, 3.14, 1.73, 5.19)),
                    index=draw.uniform(0.8, 5),
                    decay_s=draw.log_uniform(1, 6),
                    sustain=0.0,
                ),
                FmPair(
                    carrier_ratio=draw.choice((1.0, 2.0, 2.74)),
                    level=draw.uniform(0.1, 0.5),
                    ratio=draw.choice((4.3, 7.1, 1.41)),
                    index=draw.uniform(0.3, 2),
                    decay_s=draw.log_uniform(0.5, 3),
                    sustain=0.0,
                ),
            )
        ),
        amp=Envelope(
            attack_s=0.001,
            decay_s=draw.log_uniform(2, 9),
            sustain=0.0,
            release_s=draw.log_uniform(0.5, 4),
        ),
    )


def glockenspiel(draw: Draw) -> Patch:
    """A small free steel bar."""
    return _seeded(
        voice=Modal(
            ratios=FREE_BAR,
            decay_s=draw.log_uniform(2, 7),
            damping=draw.uniform(0.5, 1),
            tilt_db_per_octave=draw.uniform(-7, -2),
        ),
        noise=_strike(draw, 0.6),
        amp=_ringing(draw, 3.0),
        transpose=12,
    )


def marimba(draw: Draw) -> Patch:
    """A wooden bar tuned to 1 : 4, struck softly."""
    return _seeded(
        voice=Modal(
            ratios=(1.0, draw.choice((4.0, 3.0, 3.93)), draw.uniform(8.5, 10.5)),
            decay_s=draw.log_uniform(0.6, 1.8),
            damping=draw.uniform(0.8, 1.4),
            tilt_db_per_octave=draw.uniform(-12, -4),
        ),
        noise=_strike(draw, 0.7),
        amp=_ringing(draw, 1.0),
    )


def vibraphone(draw: Draw) -> Patch:
    """A metal bar tuned to 1 : 4 with motor tremolo."""
    return _seeded(
        voice=Modal(
            ratios=(1.0, 4.0, draw.uniform(9.5, 10.6)),
            decay_s=draw.log_uniform(4, 12),
            damping=draw.uniform(0.7, 1.2),
            tilt_db_per_octave=draw.uniform(-10, -5),
        ),
        noise=_strike(draw, 0.4),
        amp=_ringing(draw, 1.5),
        modulation=Modulation(
            tremolo_db=draw.choice((0.0, draw.uniform(2, 9), draw.uniform(2, 9))),
            tremolo_hz=draw.uniform(3, 8),
        ),
    )


def kalimba(draw: Draw) -> Patch:
    """A clamped tongue: a pure tone with a high, short overtone."""
    return _seeded(
        voice=Modal(
            ratios=(1.0, draw.uniform(5.2, 6.5), draw.uniform(14, 18)),
            decay_s=draw.log_uniform(0.8, 2.5),
            damping=draw.uniform(0.9, 1.5),
            tilt_db_per_octave=draw.uniform(-9, -4),
        ),
        noise=_strike(draw, 0.8),
        amp=_ringing(draw, 1.0),
    )


def flute(draw: Draw) -> Patch:
    """A soft tone with few harmonics and breath."""
    return _seeded(
        voice=Wavetable(
            waveform=draw.choice(("triangle", "saw"), (1, 2)),
            tilt_db_per_octave=draw.uniform(-13, -7),
        ),
        noise=Noise(
            level_db=draw.uniform(-32, -8),
            low_hz=draw.log_uniform(400, 1500),
            high_hz=draw.log_uniform(4000, 12_000),
            tilt_db_per_octave=-3.0,
        ),
        amp=Envelope(
            attack_s=draw.log_uniform(0.03, 0.2), sustain=1.0, release_s=draw.log_uniform(0.08, 0.3)
        ),
        modulation=draw.vibrato(0.7, 40),
        transpose=draw.choice((0, 12)),
    )


def clarinet(draw: Draw) -> Patch:
    """Odd harmonics below a soft ceiling."""
    return _seeded(
        voice=Wavetable(
            waveform="square",
            tilt_db_per_octave=draw.uniform(-4, 0),
            formants=((draw.uniform(1200, 1800), 800.0, 5.0),),
        ),
        noise=Noise(level_db=draw.uniform(-40, -22), low_hz=1500, high_hz=9000),
        filter=Filter(kind="low", cutoff_hz=draw.log_uniform(1500, 4000), key_track=0.5, poles=2),
        amp=Envelope(attack_s=draw.log_uniform(0.02, 0.1), sustain=1.0, release_s=0.12),
        modulation=draw.vibrato(0.35, 25),
    )


def oboe(draw: Draw) -> Patch:
    """A narrow pulse with a nasal resonance."""
    return _seeded(
        voice=Wavetable(
            waveform="pulse",
            pulse_width=draw.uniform(0.06, 0.16),
            formants=(
                (draw.uniform(950, 1300), 400.0, 12.0),
                (draw.uniform(2700, 3300), 700.0, 8.0),
            ),
            tilt_db_per_octave=draw.uniform(-5, -2),
        ),
        noise=Noise(level_db=draw.uniform(-42, -26), low_hz=1500, high_hz=9000),
        amp=Envelope(attack_s=draw.log_uniform(0.02, 0.08), sustain=1.0, release_s=0.12),
        modulation=draw.vibrato(0.7, 35),
    )


def solo_strings(draw: Draw) -> Patch:
    """A bowed string: a saw behind the resonances of a wooden body, with vibrato."""
    return _seeded(
        voice=Wavetable(
            waveform="saw",
            formants=(
                (draw.uniform(270, 330), 90.0, 8.0),
                (draw.uniform(450, 560), 120.0, 9.0),
                (draw.uniform(2200, 3200), 1200.0, 7.0),
            ),
            tilt_db_per_octave=draw.uniform(-3, 0),
        ),
        noise=Noise(level_db=draw.uniform(-36, -18), low_hz=1000, high_hz=9000),
        filter=Filter(kind="low", cutoff_hz=draw.log_uniform(3000, 9000), key_track=0.3),
        amp=Envelope(
            attack_s=draw.log_uniform(0.04, 0.3), sustain=1.0, release_s=draw.log_uniform(0.1, 0.4)
        ),
        modulation=draw.vibrato(0.85, 50),
    )
