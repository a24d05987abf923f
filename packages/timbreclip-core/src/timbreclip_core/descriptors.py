"""What can be measured of a timbre: a table of definitions and the functions that measure them.

``describe`` measures everything of a batch of notes; ``spectral_from_power`` measures what a power
spectrogram alone tells, with gradients. Training, the lexicon and the judges of the EQ use the
same functions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from .errors import InputError
from .measures import envelope, modulation, partials, pitch, spectral
from .measures.analysis import (
    ANALYSIS_RATE,
    FRAME_S,
    HOP_S,
    decibels,
    gate,
    gated_mean,
    power_frames,
    prepare,
)
from .measures.spectral import band_share_db, spectral_from_power

__all__ = [
    "DESCRIPTORS",
    "Descriptor",
    "band_share_db",
    "describe",
    "spectral_from_power",
    "stereo_width_db",
]

CHUNK = 4
"""Notes measured at once; more would only fall out of the processor's cache."""


@dataclass(frozen=True)
class Descriptor:
    """One measurable quantity.

    Attributes:
        name: Key of the results.
        unit: Of the values; empty for a plain number.
        low: Smallest value returned.
        high: Largest value returned.
        silent: Value returned for silence, and for what is too short to say.
        definition: What is measured.
        source: Published definition that it follows.
        from_power: Whether ``spectral_from_power`` gives it too.
    """

    name: str
    unit: str
    low: float
    high: float
    silent: float
    definition: str
    source: str
    from_power: bool = False


PEETERS = "Peeters et al. 2011, The Timbre Toolbox, JASA 130"
MPEG7 = "ISO/IEC 15938-4 (MPEG-7 Audio)"
GATED = "mean over the 40-ms frames within 40 dB of the loudest"
ENERGY = "energy of those frames, dB of all energy from 20 Hz"


def _share(name: str, band: str) -> Descriptor:
    definition = f"Energy {band}: {ENERGY}"
    return Descriptor(
        name, "dB", -80.0, 0.0, -80.0, definition, "band energy ratio; " + PEETERS, True
    )


DESCRIPTORS: tuple[Descriptor, ...] = (
    Descriptor(
        "centroid_hz",
        "Hz",
        20.0,
        16_000.0,
        20.0,
        f"Amplitude-weighted mean frequency, {GATED}",
        f"{PEETERS}; Grey and Gordon 1978, JASA 63",
        True,
    ),
    Descriptor(
        "centroid_octaves",
        "octaves re 1 kHz",
        -6.0,
        4.0,
        -6.0,
        f"log2 of the centroid over 1 kHz, {GATED}",
        f"{PEETERS}; McAdams et al. 1995, Psychol. Res. 58",
        True,
    ),
    Descriptor(
        "spread_hz",
        "Hz",
        0.0,
        8_000.0,
        0.0,
        f"Standard deviation of frequency about the centroid, weighted by amplitude, {GATED}",
        PEETERS,
        True,
    ),
    Descriptor(
        "rolloff_hz",
        "Hz",
        20.0,
        16_000.0,
        20.0,
        f"Frequency below which 85 % of the energy lies, {GATED}",
        f"{PEETERS}; Scheirer and Slaney 1997",
        True,
    ),
    _share("sub_share_db", "from 20 to 80 Hz"),
    _share("low_share_db", "below 300 Hz"),
    _share("low_mid_share_db", "from 200 to 500 Hz"),
    _share("mid_share_db", "from 500 Hz to 2 kHz"),
    _share("presence_share_db", "from 2 to 5 kHz"),
    _share("high_share_db", "above 2.5 kHz"),
    _share("air_share_db", "above 8 kHz"),
    Descriptor(
        "flatness_db",
        "dB",
        -60.0,
        0.0,
        -60.0,
        "Geometric over arithmetic mean of the power in half-octave bands from 500 Hz and one "
        f"below, weighted by amplitude, {GATED}; white noise -2.5, a tone below -20",
        f"AudioSpectrumFlatness, {MPEG7}",
        True,
    ),
    Descriptor(
        "slope_db_per_octave",
        "dB/octave",
        -40.0,
        30.0,
        0.0,
        "Regression of the third-octave power density on octaves, bands weighted by their level "
        "above -60 dB of the strongest",
        f"spectral slope, {PEETERS}, on a logarithmic scale",
        True,
    ),
    Descriptor(
        "cutoff_hz",
        "Hz",
        40.0,
        16_000.0,
        40.0,
        "Where the third-octave spectrum last falls below -60 dB of its strongest band",
        "upper limit of the harmonic spectrum as in UpperLimitOfHarmonicity, " + MPEG7,
        True,
    ),
    Descriptor(
        "noise_db",
        "dB",
        -60.0,
        0.0,
        -60.0,
        "Energy between the partials (order statistic of 125-Hz blocks of 256-ms spectra) over all "
        "energy; below 8 kHz no more than the part without period of the autocorrelation. The "
        "first tens of milliseconds of an attack hardly count",
        f"noisiness, {PEETERS}; order-statistic noise floor, Martin 2001, IEEE TSAP 9",
    ),
    Descriptor(
        "harmonicity_db",
        "dB",
        -20.0,
        40.0,
        -20.0,
        "10 log10(r / (1 - r)) of the mean autocorrelation r at the period, up to 8 kHz",
        "harmonics-to-noise ratio, Boersma 1993, IFA Proceedings 17",
    ),
    Descriptor(
        "odd_even_db",
        "dB",
        -40.0,
        40.0,
        0.0,
        "Energy of harmonics 3, 5 ... 19 over that of 2, 4 ... 20",
        f"odd-to-even ratio, {PEETERS}, without the fundamental",
    ),
    Descriptor(
        "inharmonicity",
        "",
        0.0,
        1.0,
        0.0,
        "Twice the energy-weighted mean distance of the 30 strongest peaks from the nearest "
        "multiple of the fundamental, over the fundamental",
        PEETERS,
    ),
    Descriptor(
        "roughness",
        "",
        0.0,
        5.0,
        0.0,
        "Plomp-Levelt dissonance of all pairs of the 30 strongest peaks, weighted by amplitude",
        "Sethares 1993, JASA 94; compare Vassilakis 2001 and Aures 1985",
    ),
    Descriptor(
        "log_attack_time",
        "log10 s",
        -2.75,
        1.5,
        -2.75,
        "Logarithm of the time from 10 % to 100 % of the loudest RMS amplitude, ended where the "
        "rise stalls",
        f"LogAttackTime, {MPEG7}; weakest-effort method, {PEETERS}",
    ),
    Descriptor(
        "temporal_centroid_s",
        "s",
        0.0,
        30.0,
        0.0,
        "Energy-weighted mean time after the start of the attack",
        f"TemporalCentroid, {MPEG7}",
    ),
    Descriptor(
        "effective_duration_s",
        "s",
        0.0,
        30.0,
        0.0,
        "Time for which the RMS amplitude is above 40 % of the loudest",
        PEETERS,
    ),
    Descriptor(
        "decay_time_s",
        "s",
        0.0,
        60.0,
        0.0,
        "Time for a fall by 60 dB at the mean slope between the loudest moment and 30 dB below it "
        "or note-off; 60 for a sound that does not fall",
        f"temporal decrease, {PEETERS}; evaluation range of ISO 3382",
    ),
    Descriptor(
        "sustain_level_db",
        "dB",
        -80.0,
        0.0,
        -80.0,
        "Mean level between 70 and 95 % of the time to note-off, re the loudest",
        "sustain of the ADSR model; Jensen 1999, Timbre models of musical sounds",
    ),
    Descriptor(
        "release_level_db",
        "dB",
        -80.0,
        0.0,
        -80.0,
        "Mean level 0.2 to 0.6 s after note-off, re the loudest",
        "release of the ADSR model; Jensen 1999, Timbre models of musical sounds",
    ),
    Descriptor(
        "crest_db",
        "dB",
        0.0,
        60.0,
        0.0,
        "Peak over RMS of the part within 40 dB of the loudest 50 ms",
        "crest factor; ITU-R BS.1770 uses the same sample peak",
    ),
    Descriptor(
        "vibrato_depth_cents",
        "cents",
        0.0,
        180.0,
        0.0,
        "Amplitude of the sinusoid of 2.5 to 10 Hz in the course of the fundamental, 0 below 2",
        "vibrato extent, Prame 1997, JASA 102; de Krom 1993 for the period",
    ),
    Descriptor(
        "vibrato_rate_hz",
        "Hz",
        0.0,
        10.0,
        0.0,
        "Its rate; 0 where there is none",
        "Prame 1994, JASA 96",
    ),
    Descriptor(
        "tremolo_depth_db",
        "dB",
        0.0,
        40.0,
        0.0,
        "Crest to trough of the sinusoidal modulation of 2.5 to 10 Hz that the levels of most "
        "bands have in common; 0 below 0.5 dB",
        f"amplitude modulation of the energy envelope, {PEETERS}",
    ),
    Descriptor(
        "tremolo_rate_hz",
        "Hz",
        0.0,
        10.0,
        0.0,
        "Its rate; 0 where there is none",
        f"frequency of the energy modulation, {PEETERS}",
    ),
    Descriptor(
        "flux",
        "",
        0.0,
        1.0,
        0.0,
        f"1 minus the correlation of amplitude spectra 40 ms apart, {GATED}",
        "spectral flux, Krimphoff, McAdams and Winsberg 1994, J. Physique IV 4",
    ),
    Descriptor(
        "brightness_change_octaves",
        "octaves",
        -8.0,
        8.0,
        0.0,
        "Centroid in the last third minus that in the first sixth of the sounding frames up to "
        "note-off; positive for a sound that opens",
        "temporal variation of the centroid, Krimphoff et al. 1994",
    ),
)
"""Every descriptor, in the order in which :func:`describe` returns them."""

_BY_NAME = {entry.name: entry for entry in DESCRIPTORS}


def describe(
    audio: Tensor,
    sample_rate: int,
    *,
    pitch: Tensor | float | None = None,
    hold_s: Tensor | float | None = None,
) -> dict[str, Tensor]:
    """Measure every descriptor of a batch of notes.

    Level, sample rate and neighbours in the batch make no difference; what lies above 16 kHz or
    after the first 30 s is not looked at.

    Args:
        audio: Shape (batch, samples) or (samples,), mono, float. NaN counts as zero.
        sample_rate: Hz, at least 1,000.
        pitch: MIDI note of each item, shape (batch,) or one for all. Without it the fundamental
            is estimated, which goes wrong more often.
        hold_s: Time of note-off in seconds, likewise; three quarters of the length if not given.
    Returns:
        The names of :data:`DESCRIPTORS` in their order, each to shape (batch,), float32, always
        finite and within the descriptor's range. Silence gives each descriptor's ``silent``.
    Raises:
        InputError: If the shape is wrong or the rate too low.
    """
    if audio.ndim == 1:
        audio = audio[None]
    if audio.ndim != 2:
        raise InputError(
            f"describe takes mono audio of shape (batch, samples), not {tuple(audio.shape)}: "
            "mix the channels first"
        )
    if sample_rate < 1000:
        raise InputError(f"sample_rate is in Hz and at least 1000, not {sample_rate}")
    batch = audio.shape[0]
    length_s = audio.shape[1] / sample_rate
    hold = _per_item(0.75 * length_s if hold_s is None else hold_s, batch, audio.device)
    keys = None if pitch is None else _per_item(pitch, batch, audio.device)
    with torch.no_grad():
        pieces = [
            _describe_chunk(
                audio[start : start + CHUNK],
                sample_rate,
                None if keys is None else keys[start : start + CHUNK],
                hold[start : start + CHUNK],
            )
            for start in range(0, batch, CHUNK)
        ]
    if not pieces:
        return {entry.name: audio.new_zeros(0) for entry in DESCRIPTORS}
    return {entry.name: torch.cat([piece[entry.name] for piece in pieces]) for entry in DESCRIPTORS}


def stereo_width_db(audio: Tensor) -> Tensor:
    """Energy of the side signal over that of the mid signal.

    Args:
        audio: Shape (batch, 2, samples), float, any rate.
    Returns:
        Shape (batch,), dB from -60 (mono, or silence) to 20 (left and right opposed).
    Raises:
        InputError: If there are not two channels.
    Source: mid-side ratio; Tzanetakis, Jones and McNally 2007, ISMIR, panning features.
    """
    if audio.ndim != 3 or audio.shape[1] != 2:
        raise InputError(f"stereo width takes (batch, 2, samples), not {tuple(audio.shape)}")
    left, right = torch.nan_to_num(audio.float(), posinf=0.0, neginf=0.0).unbind(1)
    side, mid = (left - right).square().sum(1), (left + right).square().sum(1)
    ratio = (side + 1e-20) / (mid + 1e-20)
    heard = (side + mid) > 1e-14
    return torch.where(heard, 10 * torch.log10(ratio), -60.0).clamp(-60.0, 20.0)


def _per_item(value: Tensor | float, batch: int, device: torch.device) -> Tensor:
    given = torch.as_tensor(value, dtype=torch.float32, device=device).flatten()
    return given.expand(batch) if len(given) == 1 else given


def _describe_chunk(
    audio: Tensor, sample_rate: int, pitches: Tensor | None, hold_s: Tensor
) -> dict[str, Tensor]:
    audio, heard = prepare(audio, sample_rate)
    power = power_frames(audio, int(FRAME_S * ANALYSIS_RATE), int(HOP_S * ANALYSIS_RATE))
    freqs = torch.arange(power.shape[1], device=audio.device) / FRAME_S
    found = spectral_from_power(power, freqs)
    found |= _over_time(power, freqs, hold_s)
    track = pitch.track_pitch(audio, pitches)
    energy = envelope.energy_blocks(audio)
    found |= envelope.temporal(energy, 1 / track.f0_hz, hold_s)
    found["crest_db"] = envelope.crest_db(audio, energy)
    start_s = envelope.onset_s(energy)
    found |= _of_partials(audio, start_s, hold_s, track)
    found |= _modulations(power, freqs, track, start_s, hold_s)
    return {entry.name: _limited(found[entry.name], heard, entry) for entry in DESCRIPTORS}


def _limited(values: Tensor, heard: Tensor, entry: Descriptor) -> Tensor:
    values = torch.nan_to_num(values, nan=entry.silent).clamp(entry.low, entry.high)
    return torch.where(heard, values, torch.full_like(values, entry.silent))


def _over_time(power: Tensor, freqs: Tensor, hold_s: Tensor) -> dict[str, Tensor]:
    weights = gate(power.sum(1))
    amplitude = power.sqrt()
    lag = round(FRAME_S / HOP_S)
    before, after = amplitude[..., :-lag], amplitude[..., lag:]
    norm = amplitude.square().sum(1).sqrt()
    likeness = (before * after).sum(1) / (norm[:, :-lag] * norm[:, lag:]).clamp(min=1e-20)
    flux = gated_mean(1 - likeness, weights[:, :-lag] * weights[:, lag:])
    height = spectral.frame_centroids(power, freqs).clamp(min=20.0).log2()
    time = torch.arange(power.shape[2], device=power.device) * HOP_S
    held = weights * (time < hold_s[:, None])
    place = held.cumsum(1) / held.sum(1, keepdim=True).clamp(min=1.0)
    early, late = held * (place <= 1 / 6), held * (place > 2 / 3)
    enough = (early.sum(1) >= 2) & (late.sum(1) >= 2)
    change = (gated_mean(height, late) - gated_mean(height, early)) * enough
    return {"flux": flux.clamp(min=0.0), "brightness_change_octaves": change}


def _of_partials(
    audio: Tensor, start_s: Tensor, hold_s: Tensor, track: pitch.PitchTrack
) -> dict[str, Tensor]:
    power = partials.long_spectra(audio, start_s)
    counted = partials.settled(power, start_s, hold_s)
    spectrum = partials.mean_spectrum(power, counted)
    freqs, amplitudes = partials.spectral_peaks(spectrum)
    noise, total = partials.noise_floor(power, counted)
    loud = gate(track.energy)
    periodic = gated_mean(track.strength.clamp(0.0, 1.0), loud * track.energy)
    # The autocorrelation is good to about a thousandth: below that the spectra know better.
    low = torch.minimum(noise[:, 0], (1 - periodic + PERIODIC_ERROR) * total[:, 0])
    share = (low + noise[:, 1]) / total.sum(1).clamp(min=1e-20)
    ratio = periodic.clamp(1e-4, 1 - 1e-5)
    return {
        "noise_db": decibels(share, partials.NOISE_FLOOR_DB),
        "harmonicity_db": 10 * torch.log10(ratio / (1 - ratio)),
        "odd_even_db": partials.odd_even_db(spectrum, track.f0_hz),
        "inharmonicity": partials.inharmonicity(freqs, amplitudes, track.f0_hz),
        "roughness": partials.roughness(freqs, amplitudes),
    }


PERIODIC_ERROR = 2e-3
TREMOLO_RANGE_DB = 35.0
LEAST_VIBRATO_CENTS = 2.0
LEAST_TREMOLO_DB = 0.5
TREMOLO_EDGES_HZ = (
    20.0,
    150.0,
    300.0,
    600.0,
    1_000.0,
    1_600.0,
    2_500.0,
    4_000.0,
    7_000.0,
    16_100.0,
)


def _modulations(
    power: Tensor,
    freqs: Tensor,
    track: pitch.PitchTrack,
    start_s: Tensor,
    hold_s: Tensor,
) -> dict[str, Tensor]:
    frames = track.cents.shape[1]
    time = torch.arange(frames, device=power.device) * pitch.HOP_S
    inside = (time >= start_s[:, None] + 0.06) & (time < hold_s[:, None] - 0.04)
    vibrato = modulation.strongest_modulation(
        track.cents[:, None], track.weights() * inside, pitch.HOP_S
    )
    time = torch.arange(power.shape[2], device=power.device) * HOP_S
    inside = (time >= start_s[:, None] + 0.06) & (time < hold_s[:, None] - 0.02)
    tremolo = _tremolo(power, freqs, inside)
    # The first harmonic of 20 log10(1 + m cos) is 17.4 b dB with m = 2 b / (1 + b^2).
    bend = (tremolo.amplitude / (40 / math.log(10))).clamp(max=0.9)
    depth_cents = vibrato.amplitude / pitch.kept_at(vibrato.rate_hz)
    depth_db = 40 * torch.log10((1 + bend) / (1 - bend))
    shaking, pulsing = depth_cents >= LEAST_VIBRATO_CENTS, depth_db >= LEAST_TREMOLO_DB
    return {
        "vibrato_depth_cents": depth_cents * shaking,
        "vibrato_rate_hz": vibrato.rate_hz * shaking,
        "tremolo_depth_db": depth_db * pulsing,
        "tremolo_rate_hz": tremolo.rate_hz * pulsing,
    }


def _tremolo(power: Tensor, freqs: Tensor, inside: Tensor) -> modulation.Modulation:
    bands = torch.stack(
        [
            ((freqs >= low) & (freqs < high)).to(power.dtype)
            for low, high in pairwise(TREMOLO_EDGES_HZ)
        ]
    )
    energy = bands @ power
    loudest = energy.amax((1, 2), keepdim=True).clamp(min=1e-20)
    levels = decibels(energy / loudest, -70.0)
    weights = gate(energy.sum(1)) * inside
    mean = gated_mean(energy, weights[:, None])
    mean = mean / mean.amax(1, keepdim=True).clamp(min=1e-20)
    # Nearly as loudness counts them, but for bands that only hold what leaks from others.
    amount = mean.sqrt().sqrt() * (mean > 10 ** (-TREMOLO_RANGE_DB / 10))
    shares = amount / amount.sum(1, keepdim=True).clamp(min=1e-12)
    return modulation.strongest_modulation(levels, weights, HOP_S, shares)
