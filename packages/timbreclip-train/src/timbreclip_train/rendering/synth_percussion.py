"""Drums and cymbals of a drum machine."""

from __future__ import annotations

from dataclasses import replace

from .synth_draw import Draw
from .synth_patch import Drum, Effects, Envelope, Noise, Patch

HIT = Envelope(attack_s=0.001, decay_s=60.0, sustain=1.0, gated=False)
"""Drums decay by themselves and do not care when the key is let go."""


def _hit(voice: Drum | None, noise: Noise, effects: Effects | None = None) -> Patch:
    return Patch(seed=0, family="", voice=voice, noise=noise, amp=HIT, effects=effects or Effects())


def kick(draw: Draw) -> Patch:
    """A low sine that falls quickly, with or without a click."""
    return _hit(
        Drum(
            body_hz=draw.log_uniform(38, 75),
            sweep_octaves=draw.uniform(1, 4),
            sweep_s=draw.log_uniform(0.008, 0.06),
            body_decay_s=draw.log_uniform(0.2, 1.4),
            click_level=draw.choice((0.0, draw.uniform(0.1, 0.6))),
            key_track=0.3,
        ),
        Noise(
            level_db=draw.uniform(-30, -14),
            low_hz=draw.log_uniform(200, 3000),
            decay_s=draw.log_uniform(0.01, 0.06),
        )
        if draw.chance(0.5)
        else Noise(),
        Effects(drive_db=draw.choice((0.0, 0.0, draw.uniform(4, 20)))),
    )


def snare(draw: Draw) -> Patch:
    """Two modes of the head and the rattle of wires."""
    return _hit(
        Drum(
            body_hz=draw.log_uniform(140, 260),
            sweep_octaves=draw.uniform(0.2, 1),
            sweep_s=draw.log_uniform(0.008, 0.03),
            body_decay_s=draw.log_uniform(0.12, 0.5),
            second_ratio=draw.uniform(1.5, 2.0),
            key_track=0.4,
        ),
        Noise(
            level_db=draw.uniform(-4, 8),
            low_hz=draw.log_uniform(500, 2500),
            high_hz=draw.log_uniform(7000, 16_000),
            decay_s=draw.log_uniform(0.12, 0.6),
        ),
    )


def _hat(draw: Draw, decay_s: float) -> Patch:
    return _hit(
        Drum(
            metal_hz=draw.log_uniform(2200, 5000),
            metal_partials=draw.choice((6, 8, 12)),
            metal_level=1.0,
            metal_decay_s=decay_s,
            key_track=0.3,
        ),
        Noise(
            level_db=draw.uniform(-6, 10),
            low_hz=draw.log_uniform(4000, 8000),
            high_hz=16_000,
            decay_s=decay_s * draw.uniform(0.7, 1.2),
        ),
    )


def closed_hat(draw: Draw) -> Patch:
    """Metal and high noise, a tenth of a second or less."""
    return _hat(draw, draw.log_uniform(0.03, 0.16))


def open_hat(draw: Draw) -> Patch:
    """The same, ringing."""
    return _hat(draw, draw.log_uniform(0.35, 1.6))


def cymbal(draw: Draw) -> Patch:
    """A dense plate that rings for seconds."""
    decay = draw.log_uniform(1.5, 6)
    return _hit(
        Drum(
            metal_hz=draw.log_uniform(300, 900),
            metal_partials=draw.choice((30, 45, 60)),
            metal_level=1.0,
            metal_decay_s=decay,
            key_track=0.3,
        ),
        Noise(
            level_db=draw.uniform(-8, 8),
            low_hz=draw.log_uniform(2000, 6000),
            high_hz=16_000,
            decay_s=decay * draw.uniform(0.4, 0.9),
        ),
    )


def tom(draw: Draw) -> Patch:
    """A tuned drum that falls a little."""
    return _hit(
        Drum(
            body_hz=draw.log_uniform(80, 220),
            sweep_octaves=draw.uniform(0.2, 1.2),
            sweep_s=draw.log_uniform(0.02, 0.12),
            body_decay_s=draw.log_uniform(0.3, 1.4),
            second_ratio=draw.choice((0.0, 1.59)),
            key_track=0.8,
        ),
        Noise(
            level_db=draw.uniform(-24, -6),
            low_hz=draw.log_uniform(150, 900),
            high_hz=8000,
            decay_s=draw.log_uniform(0.03, 0.2),
        ),
    )


def clap(draw: Draw) -> Patch:
    """Three or four bursts of noise and a tail."""
    return _hit(
        None,
        Noise(
            level_db=0.0,
            low_hz=draw.log_uniform(600, 1200),
            high_hz=draw.log_uniform(2500, 9000),
            decay_s=draw.log_uniform(0.12, 0.6),
            bursts=draw.choice((3, 4, 5)),
        ),
        Effects(reverb_mix=draw.choice((0.0, 0.2)), reverb_s=0.8),
    )


def cowbell(draw: Draw) -> Patch:
    """Two or three clangs a bad fifth apart."""
    return _hit(
        Drum(
            metal_hz=draw.log_uniform(480, 700),
            metal_partials=draw.choice((3, 4)),
            metal_level=1.0,
            metal_decay_s=draw.log_uniform(0.25, 0.9),
            click_level=0.2,
            key_track=0.7,
        ),
        Noise(),
    )


def shaker(draw: Draw) -> Patch:
    """High noise that swells for a moment."""
    patch = _hit(
        None,
        Noise(
            level_db=0.0,
            low_hz=draw.log_uniform(2500, 6000),
            high_hz=draw.log_uniform(9000, 16_000),
            decay_s=draw.log_uniform(0.15, 0.5),
        ),
    )
    swell = Envelope(attack_s=draw.log_uniform(0.01, 0.07), decay_s=60.0, sustain=1.0, gated=False)
    return replace(patch, amp=swell)


def rimshot(draw: Draw) -> Patch:
    """Two short high modes and a click."""
    return _hit(
        Drum(
            body_hz=draw.log_uniform(380, 700),
            sweep_octaves=0.1,
            sweep_s=0.01,
            body_decay_s=draw.log_uniform(0.04, 0.15),
            second_ratio=draw.uniform(2.2, 3.4),
            click_level=0.8,
            key_track=0.3,
        ),
        Noise(level_db=draw.uniform(-14, 0), low_hz=1500, decay_s=draw.log_uniform(0.03, 0.1)),
    )
