"""A parametric synthesiser whose labels are exact because they come from its parameters.

``sample_patch(seed)`` draws a patch, ``render(patch, ...)`` plays a note of it, and
``labels(patch, pitch)`` says what it is. The same arguments give the same bytes.
"""

from __future__ import annotations

import numpy as np
import torch

from timbreclip_core.errors import UsageError

from .synth_control import HIGHEST_SHARE, Array, Note, amplitude
from .synth_drums import drum_tone
from .synth_effects import chorus, finish, soft_clip, tremolo
from .synth_families import sample_patch
from .synth_fm import fm_tone
from .synth_labels import labels
from .synth_modal import modal_tone
from .synth_noise import noise_part
from .synth_patch import Drum, Fm, Modal, Patch, Wavetable
from .synth_wavetable import wavetable_tone

__all__ = ["Patch", "labels", "parts", "render", "sample_patch"]

PEAK = 0.89
"""Sample peak of a note at velocity 127: -1 dBFS."""
LOWEST_RATE = 16_000
FADE_S = 0.008


def _note(patch: Patch, pitch: int, velocity: int, times_s: tuple[float, float], rate: int, seed):
    hold_s, release_s = times_s
    if not 0 <= pitch <= 127 or not 1 <= velocity <= 127:
        raise UsageError(f"pitch must be 0 to 127 and velocity 1 to 127, not {pitch}, {velocity}")
    if hold_s <= 0 or release_s < 0:
        raise UsageError(f"hold must be above 0 s and release not below: {hold_s}, {release_s}")
    if rate < LOWEST_RATE:
        raise UsageError(f"sample_rate must be at least {LOWEST_RATE} Hz, not {rate}")
    key = pitch + patch.transpose
    frequency_hz = 440.0 * 2 ** ((key - 69) / 12)
    # The few harmonics of a high note that fold back stand alone and are heard sooner.
    driven = 4 if frequency_hz > 500.0 else 2
    oversampling = driven if patch.effects.drive_db > 0 else 1
    own = np.random.SeedSequence([patch.seed if seed is None else seed, pitch, velocity])
    return Note(
        frequency_hz=frequency_hz,
        octaves=(key - 60) / 12,
        velocity=velocity,
        hold_s=hold_s,
        samples=round((hold_s + release_s) * rate) * oversampling,
        sample_rate=rate * oversampling,
        # Harmonics made by the clipper need room: a driven tone starts lower.
        top_hz=min(HIGHEST_SHARE * rate, 10_000.0 if oversampling > 1 else 20_000.0),
        noise_top_hz=HIGHEST_SHARE * rate,
        seed=int(own.generate_state(1)[0]),
    )


def _tone(patch: Patch, note: Note) -> Array | None:
    if isinstance(patch.voice, Wavetable):
        return wavetable_tone(patch, note)
    if isinstance(patch.voice, Fm):
        return fm_tone(patch, note)
    if isinstance(patch.voice, Modal):
        return modal_tone(patch, note)
    if isinstance(patch.voice, Drum):
        return drum_tone(patch, note)
    return None


def _unit_rms(audio: Array, note: Note) -> Array:
    """Scaled by the RMS of its first half second, where struck sounds have their level."""
    start = audio[:, : max(int(min(note.hold_s, 0.5) * note.sample_rate), 1)]
    rms = np.sqrt(np.mean(start**2))
    return audio / (rms + np.float32(1e-9))


def _parts(patch: Patch, note: Note) -> tuple[Array | None, Array | None]:
    envelope = amplitude(patch.amp, note)
    tone = _tone(patch, note)
    if tone is not None:
        tone = _unit_rms(tone, note) * envelope
    noise = None
    if patch.noise.level_db is not None:
        noise = _unit_rms(noise_part(patch, note), note) * envelope
        noise *= np.float32(10 ** (patch.noise.level_db / 20))
    return tone, noise


def parts(
    patch: Patch, pitch: int, velocity: int, hold_s: float, release_s: float, sample_rate: int
) -> tuple[Array, Array]:
    """Tone and noise apart, before drive, tremolo and effects: what measurements are held to.

    Returns:
        Two arrays of shape (1 or 2, samples), zero where the patch has no such part; for a
        driven patch at two or four times the rate.
    """
    note = _note(patch, pitch, velocity, (hold_s, release_s), sample_rate, None)
    silence = np.zeros((1, note.samples), np.float32)
    tone, noise = _parts(patch, note)
    return (silence if tone is None else tone), (silence if noise is None else noise)


def _effects(audio: Array, patch: Patch, note: Note, oversampling: int) -> Array:
    if patch.effects.drive_db > 0:
        audio = soft_clip(audio / (np.abs(audio).max() + 1e-9), patch.effects.drive_db)
    audio = tremolo(audio, patch.modulation, note)
    if patch.effects.chorus > 0:
        audio = chorus(audio, patch.effects.chorus, note)
    return finish(audio, patch.effects, note, oversampling)


def render(
    patch: Patch,
    pitch: int,
    velocity: int,
    hold_s: float,
    release_s: float,
    sample_rate: int,
    seed: int | None = None,
) -> Array:
    """Play one note.

    Args:
        patch: From :func:`sample_patch`, or made by hand.
        pitch: MIDI note, 0 to 127.
        velocity: 1 to 127; louder and brighter.
        hold_s: Time from note-on to note-off, seconds, above 0.
        release_s: Time after note-off, seconds.
        sample_rate: Hz, at least 16,000.
        seed: For noise and free-running phases; the patch's own if not given.
    Returns:
        Shape (2, samples), float32, peak at most 0.89. A patch without a single harmonic below
        the highest frequency is silent.
    Raises:
        UsageError: If an argument is outside its range.
    """
    note = _note(patch, pitch, velocity, (hold_s, release_s), sample_rate, seed)
    tone, noise = _parts(patch, note)
    present = [part for part in (tone, noise) if part is not None]
    audio = present[0] if len(present) == 1 else present[0] + present[1]
    with torch.inference_mode():
        out = _effects(audio, patch, note, note.sample_rate // sample_rate)
    level = PEAK * 10 ** (-patch.velocity_db * (1 - velocity / 127) / 20)
    out = out * np.float32(level / (np.abs(out).max() + 1e-9))
    fade = min(int(FADE_S * sample_rate), out.shape[1])
    out[:, out.shape[1] - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
    return out
