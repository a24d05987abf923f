"""What a patch of the parametric synthesiser is made of: frozen records, no audio code."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """Amplitude over time: linear attack, exponential decay and release.

    Args:
        attack_s: Time from silence to full level, seconds.
        decay_s: Time in which the part above the sustain level falls by 60 dB, seconds.
        sustain: Level held until note-off, 0 to 1.
        release_s: Time in which the level falls by 60 dB after note-off, seconds.
        gated: Whether note-off matters; a drum hit is not gated.
    """

    attack_s: float = 0.002
    decay_s: float = 1.0
    sustain: float = 1.0
    release_s: float = 0.15
    gated: bool = True


@dataclass(frozen=True, kw_only=True)
class Wavetable:
    """One or more detuned copies of a band-limited periodic wave.

    Args:
        waveform: ``saw``, ``square``, ``pulse``, ``triangle``, ``sine`` or ``drawbars``.
        pulse_width: Share of the period, 0 to 1; of ``pulse`` only.
        width_depth: How far a slow oscillator moves the pulse width, 0 to 0.4.
        width_hz: Rate of that oscillator.
        voices: Copies played at once.
        detune_cents: The outermost copies lie this far below and above the pitch.
        spread: Stereo width of the copies, 0 to 1.
        second_semitones: Interval of a second oscillator of the same wave.
        second_level: Its amplitude relative to the first, 0 for none.
        sub_level: Amplitude of a sine one octave below, 0 for none.
        drawbars: Amplitudes of the nine drawbars, 16' to 1'; of ``drawbars`` only.
        formants: Resonances of fixed frequency as (centre Hz, bandwidth Hz, gain dB).
        tilt_db_per_octave: Spectral tilt over the harmonics.
    """

    waveform: str = "saw"
    pulse_width: float = 0.5
    width_depth: float = 0.0
    width_hz: float = 0.5
    voices: int = 1
    detune_cents: float = 0.0
    spread: float = 0.0
    second_semitones: float = 0.0
    second_level: float = 0.0
    sub_level: float = 0.0
    drawbars: tuple[float, ...] = ()
    formants: tuple[tuple[float, float, float], ...] = ()
    tilt_db_per_octave: float = 0.0


@dataclass(frozen=True, kw_only=True)
class FmPair:
    """A sine carrier and up to two sine modulators in series.

    Args:
        carrier_ratio: Carrier frequency over the note's.
        level: Amplitude of the carrier.
        ratio: Modulator frequency over the note's.
        index: Peak phase deviation, radians, at MIDI 60.
        decay_s: Time in which the index above its sustained share falls by 60 dB, seconds.
        sustain: Share of the index that stays, 0 to 1.
        second_ratio: Frequency of the modulator's own modulator over the note's.
        second_index: Its phase deviation, radians; 0 for none.
    """

    carrier_ratio: float = 1.0
    level: float = 1.0
    ratio: float = 1.0
    index: float = 1.0
    decay_s: float = 1.0
    sustain: float = 1.0
    second_ratio: float = 1.0
    second_index: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Fm:
    """Frequency modulation (as phase modulation) with two to six operators."""

    pairs: tuple[FmPair, ...] = (FmPair(),)


@dataclass(frozen=True, kw_only=True)
class Modal:
    """A struck or plucked body as a sum of decaying partials.

    Args:
        ratios: Partial frequencies over the note's; empty for a string.
        stiffness: Inharmonicity B of a string: f_h = h f_0 sqrt(1 + B h^2).
        position: Where the string is plucked, share of its length; 0 for no combing.
        decay_s: Time in which the lowest partial falls by 60 dB at MIDI 60, seconds.
        damping: How much sooner higher partials decay: t60 ~ ratio ** -damping.
        tilt_db_per_octave: Level of the partials against frequency when struck.
        strings: Slightly detuned copies.
        detune_cents: How far the copies lie apart.
        roughness: Randomness of the partials' levels, dB, as of a noise burst.
    """

    ratios: tuple[float, ...] = ()
    stiffness: float = 0.0
    position: float = 0.0
    decay_s: float = 2.0
    damping: float = 1.0
    tilt_db_per_octave: float = -6.0
    strings: int = 1
    detune_cents: float = 0.0
    roughness: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Drum:
    """A percussive sound: a falling sine, a metallic body and clicks.

    Args:
        body_hz: Where the sine settles for MIDI 60; 0 for none.
        sweep_octaves: How far above it starts.
        sweep_s: Time constant of the fall, seconds.
        body_decay_s: Time in which the sine falls by 60 dB, seconds.
        second_ratio: A second sine at this ratio, 0 for none.
        metal_hz: Lowest metallic partial for MIDI 60; 0 for none.
        metal_partials: Number of metallic partials.
        metal_level: Amplitude against the body or noise.
        metal_decay_s: Time in which they fall by 60 dB, seconds.
        click_level: Amplitude of a millisecond click at the start.
        key_track: Octaves the drum moves for an octave on the keyboard.
    """

    body_hz: float = 0.0
    sweep_octaves: float = 0.0
    sweep_s: float = 0.03
    body_decay_s: float = 0.3
    second_ratio: float = 0.0
    metal_hz: float = 0.0
    metal_partials: int = 6
    metal_level: float = 0.0
    metal_decay_s: float = 0.3
    click_level: float = 0.0
    key_track: float = 0.5


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Band-limited coloured noise beside, or instead of, a tone.

    Args:
        level_db: Its RMS against that of the tone; ``None`` for no noise.
        low_hz: Lower edge of the band.
        high_hz: Upper edge of the band.
        tilt_db_per_octave: Colour, 0 for white, -3 for pink.
        decay_s: Own 60-dB decay, seconds; 0 to follow the patch's envelope.
        bursts: Onsets a hand clap is made of, 1 for a plain onset.
        filtered: Whether it passes the patch's filter.
        wide: Whether left and right are independent.
    """

    level_db: float | None = None
    low_hz: float = 20.0
    high_hz: float = 20_000.0
    tilt_db_per_octave: float = 0.0
    decay_s: float = 0.0
    bursts: int = 1
    filtered: bool = False
    wide: bool = False


@dataclass(frozen=True, kw_only=True)
class Filter:
    """A resonant filter with its own envelope and slow oscillator.

    Args:
        kind: ``none``, ``low``, ``band`` or ``high`` (the band that passes).
        cutoff_hz: Cut-off or centre at MIDI 60, velocity 95 and a closed envelope.
        key_track: Octaves the cut-off moves for an octave on the keyboard.
        resonance_q: Quality factor, 0.5 to 20.
        poles: 2 or 4, that is 12 or 24 dB per octave.
        envelope_octaves: How far the envelope moves the cut-off.
        attack_s: Time in which the envelope opens, seconds.
        decay_s: Time in which it falls by 60 dB towards its sustain, seconds.
        sustain: 0 to 1.
        lfo_octaves: Depth of the slow oscillator, to each side.
        lfo_hz: Its rate.
    """

    kind: str = "none"
    cutoff_hz: float = 20_000.0
    key_track: float = 0.5
    resonance_q: float = 0.71
    poles: int = 2
    envelope_octaves: float = 0.0
    attack_s: float = 0.0
    decay_s: float = 1.0
    sustain: float = 0.0
    lfo_octaves: float = 0.0
    lfo_hz: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Modulation:
    """Vibrato, tremolo and a pitch envelope.

    Args:
        vibrato_cents: Deviation to each side, cents.
        vibrato_hz: Rate.
        vibrato_delay_s: Time after which it has grown to full depth, seconds.
        tremolo_db: Level between crest and trough, dB.
        tremolo_hz: Rate.
        pitch_semitones: Where the pitch starts, relative to the note.
        pitch_s: Time constant with which it reaches the note, seconds.
    """

    vibrato_cents: float = 0.0
    vibrato_hz: float = 5.0
    vibrato_delay_s: float = 0.0
    tremolo_db: float = 0.0
    tremolo_hz: float = 5.0
    pitch_semitones: float = 0.0
    pitch_s: float = 0.05


@dataclass(frozen=True, kw_only=True)
class Effects:
    """What happens to the sum of tone and noise.

    Args:
        drive_db: Gain into a soft clipper; 0 for a clean sound.
        chorus: Share of two modulated delays, 0 to 1.
        reverb_mix: Energy of the reverberation against the dry sound, 0 to 1.
        reverb_s: Its 60-dB decay, seconds; one of ``synth_effects.REVERB_TIMES_S``.
        tilt_db_per_octave: Tilt about 1 kHz.
    """

    drive_db: float = 0.0
    chorus: float = 0.0
    reverb_mix: float = 0.0
    reverb_s: float = 1.0
    tilt_db_per_octave: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Patch:
    """All parameters of one sound.

    Args:
        seed: The seed the patch was drawn with; also seeds its noise.
        family: A key of ``synth_families.FAMILIES``.
        voice: What makes the tone; ``None`` for noise alone.
        transpose: Semitones added to the note.
        velocity_db: Level between velocity 1 and 127, dB.
        velocity_octaves: How far velocity moves the cut-off, or thrice as many dB per octave
            of tilt where there is no filter.
    """

    seed: int
    family: str
    voice: Wavetable | Fm | Modal | Drum | None
    noise: Noise = field(default_factory=Noise)
    filter: Filter = field(default_factory=Filter)
    amp: Envelope = field(default_factory=Envelope)
    modulation: Modulation = field(default_factory=Modulation)
    effects: Effects = field(default_factory=Effects)
    transpose: int = 0
    velocity_db: float = 20.0
    velocity_octaves: float = 1.0
