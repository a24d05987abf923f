from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from timbreclip_core.descriptors import (
    DESCRIPTORS,
    band_share_db,
    describe,
    spectral_from_power,
    stereo_width_db,
)
from timbreclip_core.errors import InputError

RATE = 32_000
HOLD_S = 3.0
FREQS = torch.linspace(0, 16_000, 641)
BY_NAME = {entry.name: entry for entry in DESCRIPTORS}

torch.set_num_threads(1)


def time_s(seconds=4.0, rate=RATE):
    return torch.arange(int(seconds * rate), dtype=torch.float64) / rate


def held(signal, rate=RATE, fade_s=0.02):
    """Faded in, faded out at note-off."""
    t = torch.arange(len(signal)) / rate
    return signal * (t / fade_s).clamp(0, 1) * ((HOLD_S - t) / fade_s).clamp(0, 1)


def harmonics(phase_cycles, amplitudes):
    turn = 2 * math.pi * phase_cycles
    return sum(a * torch.sin(h * turn) for h, a in enumerate(amplitudes, start=1) if a)


def saw(f0, rate=RATE, top_hz=14_000.0, cents=None):
    t = time_s(rate=rate)
    steps = torch.full_like(t, f0 / rate) if cents is None else f0 / rate * 2 ** (cents / 1200)
    return harmonics(steps.cumsum(0), [1 / h for h in range(1, int(top_hz / f0) + 1)])


def midi(hertz):
    return 69 + 12 * math.log2(hertz / 440)


def one(signal, f0=None, rate=RATE, **options):
    pitch = None if f0 is None else midi(f0)
    found = describe(signal[None].float(), rate, pitch=pitch, hold_s=HOLD_S, **options)
    return {name: values.item() for name, values in found.items()}


def wobble(rate_hz, depth):
    return depth * torch.sin(2 * math.pi * rate_hz * time_s())


def white(seconds=4.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(int(seconds * RATE), generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("f0", [200.0, 1_000.0, 5_000.0])
def test_centroid_and_rolloff_of_a_tone_are_its_frequency(f0):
    found = one(held(torch.sin(2 * math.pi * f0 * time_s())), f0)
    assert found["centroid_hz"] == pytest.approx(f0, rel=0.02)
    assert found["centroid_octaves"] == pytest.approx(math.log2(f0 / 1000), abs=0.03)
    assert found["rolloff_hz"] == pytest.approx(f0, abs=20)
    assert found["noise_db"] < -40
    assert found["flatness_db"] < -20


def test_white_noise_is_flat_noisy_and_centred_at_half_of_nyquist():
    found = one(held(white()))
    assert found["centroid_hz"] == pytest.approx(8_000, rel=0.02)
    # Each periodogram bin is exponential: geometric over arithmetic mean is exp(-gamma).
    assert found["flatness_db"] == pytest.approx(10 * math.log10(math.exp(-0.5772)), abs=0.3)
    assert found["slope_db_per_octave"] == pytest.approx(0, abs=0.3)
    assert found["rolloff_hz"] == pytest.approx(0.85 * 16_000, rel=0.02)
    assert found["air_share_db"] == pytest.approx(-3.01, abs=0.2)
    assert found["high_share_db"] == pytest.approx(10 * math.log10(13.5 / 16), abs=0.2)
    assert found["noise_db"] > -1
    assert found["harmonicity_db"] < 0
    assert found["vibrato_depth_cents"] == 0
    assert found["tremolo_depth_db"] < 1


def test_noise_level_beside_a_tone_is_found():
    tone, noise = saw(220.0), white()
    tone, noise = tone / tone.std(), noise / noise.std()
    for level_db in (-6.0, -12.0, -20.0):
        found = one(held(tone + 10 ** (level_db / 20) * noise), 220.0)
        share = 10 ** (level_db / 10)
        expected = 10 * math.log10(share / (1 + share))
        assert found["noise_db"] == pytest.approx(expected, abs=1.5)


def test_shares_of_two_tones_are_their_energies():
    t = time_s()
    two = torch.sin(2 * math.pi * 100 * t) + 0.1 * torch.sin(2 * math.pi * 9_000 * t)
    found = one(held(two))
    assert found["air_share_db"] == pytest.approx(-20.04, abs=0.2)
    assert found["high_share_db"] == pytest.approx(-20.04, abs=0.2)
    assert found["low_share_db"] == pytest.approx(-0.04, abs=0.05)


@pytest.mark.parametrize("db_per_octave", [-12.0, -6.0, 3.0])
def test_slope_of_tilted_noise_is_the_tilt(db_per_octave):
    spectrum = torch.fft.rfft(white())
    hertz = torch.arange(len(spectrum)) * RATE / (2 * (len(spectrum) - 1))
    tilted = torch.fft.irfft(
        spectrum * 10 ** (db_per_octave * (hertz.clamp(20) / 1000).log2() / 20)
    )
    found = one(held(tilted))
    assert found["slope_db_per_octave"] == pytest.approx(db_per_octave, rel=0.06, abs=0.3)


@pytest.mark.parametrize("cutoff_hz", [1_000.0, 4_000.0, 8_000.0])
def test_cutoff_of_band_limited_noise_is_its_band(cutoff_hz):
    spectrum = torch.fft.rfft(white())
    hertz = torch.arange(len(spectrum)) * RATE / (2 * (len(spectrum) - 1))
    limited = torch.fft.irfft(spectrum * (hertz < cutoff_hz))
    found = one(held(limited))
    assert abs(math.log2(found["cutoff_hz"] / cutoff_hz)) < 0.5


@pytest.mark.parametrize("f0", [110.0, 440.0, 1_500.0])
@pytest.mark.parametrize("wave", ["sine", "saw"])
def test_amplitude_modulation_is_tremolo_and_not_vibrato(wave, f0):
    carrier = saw(f0) if wave == "saw" else torch.sin(2 * math.pi * f0 * time_s())
    found = one(held(carrier * (1 + wobble(5.0, 0.5))), f0)
    assert found["tremolo_depth_db"] == pytest.approx(20 * math.log10(3), rel=0.1)
    assert found["tremolo_rate_hz"] == pytest.approx(5.0, abs=0.15)
    assert found["vibrato_depth_cents"] < 3


@pytest.mark.parametrize("f0", [110.0, 440.0, 1_500.0])
@pytest.mark.parametrize("wave", ["sine", "saw"])
@pytest.mark.parametrize(("depth_cents", "rate_hz"), [(15.0, 6.5), (60.0, 5.0)])
def test_frequency_modulation_is_vibrato_and_not_tremolo(wave, f0, depth_cents, rate_hz):
    cents = wobble(rate_hz, depth_cents)
    top_hz = f0 if wave == "sine" else 14_000.0
    found = one(held(saw(f0, top_hz=top_hz, cents=cents)), f0)
    assert found["vibrato_depth_cents"] == pytest.approx(depth_cents, rel=0.12)
    assert found["vibrato_rate_hz"] == pytest.approx(rate_hz, abs=0.2)
    assert found["tremolo_depth_db"] < 1.5


@pytest.mark.parametrize("f0", [110.0, 262.0, 523.0])
def test_detuned_voices_are_not_strong_vibrato(f0):
    voices = [saw(f0 * 2 ** (c / 1200)) for c in (-21.0, -9.0, 2.0, 11.0, 18.0)]
    assert one(held(sum(voices)), f0)["vibrato_depth_cents"] < 8


def test_vibrato_of_detuned_voices_is_still_found():
    cents = wobble(5.5, 40.0)
    voices = [saw(262.0 * 2 ** (c / 1200), cents=cents) for c in (-12.0, 1.0, 9.0)]
    found = one(held(sum(voices)), 262.0)
    assert found["vibrato_depth_cents"] == pytest.approx(40, rel=0.2)
    assert found["vibrato_rate_hz"] == pytest.approx(5.5, abs=0.3)


def test_vibrato_is_found_without_being_told_the_pitch():
    found = one(held(saw(196.0, cents=wobble(6.0, 30.0))))
    assert found["vibrato_depth_cents"] == pytest.approx(30, rel=0.15)


@pytest.mark.parametrize("t60_s", [0.3, 1.0, 2.5])
def test_exponential_decay_gives_its_decay_time(t60_s):
    found = one(saw(220.0) * 10 ** (-3 * time_s() / t60_s), 220.0)
    assert found["decay_time_s"] == pytest.approx(t60_s, rel=0.05)
    assert found["temporal_centroid_s"] == pytest.approx(t60_s / math.log(1e6), rel=0.15)


def test_held_sound_does_not_decay():
    found = one(held(saw(220.0)), 220.0)
    assert found["decay_time_s"] == BY_NAME["decay_time_s"].high
    assert found["sustain_level_db"] == pytest.approx(0, abs=0.5)
    assert found["release_level_db"] < -40
    assert found["effective_duration_s"] == pytest.approx(3.0, abs=0.05)
    assert found["temporal_centroid_s"] == pytest.approx(1.5, abs=0.05)


def test_release_level_is_that_of_the_tail():
    t = time_s()
    tail = torch.where(t < HOLD_S, 1.0, 0.1)
    assert one(saw(220.0) * tail, 220.0)["release_level_db"] == pytest.approx(-20, abs=0.5)


@pytest.mark.parametrize("attack_s", [0.02, 0.1, 0.3, 1.0])
@pytest.mark.parametrize("f0", [60.0, 440.0])
def test_linear_attack_gives_its_time(attack_s, f0):
    ramp = (time_s() / attack_s).clamp(max=1.0) * (time_s() < HOLD_S)
    found = one(saw(f0) * ramp, f0)
    assert 10 ** found["log_attack_time"] == pytest.approx(attack_s, rel=0.12)


def test_attack_of_sudden_noise_is_short_and_silence_before_it_does_not_matter():
    sudden = white(3.0)
    late = torch.cat([torch.zeros(RATE // 2, dtype=torch.float64), sudden])
    for signal in (sudden, late):
        assert 10 ** one(signal)["log_attack_time"] < 0.015


def test_square_is_odd_and_saw_is_not():
    t = time_s()
    square = harmonics(220.0 * t, [1 / h if h % 2 else 0 for h in range(1, 60)])
    assert one(held(square), 220.0)["odd_even_db"] > 30
    odd = sum(1 / h**2 for h in range(3, 21, 2))
    even = sum(1 / h**2 for h in range(2, 21, 2))
    expected = 10 * math.log10(odd / even)
    assert one(held(saw(220.0)), 220.0)["odd_even_db"] == pytest.approx(expected, abs=0.4)
    assert one(held(torch.sin(2 * math.pi * 220 * t)), 220.0)["odd_even_db"] == pytest.approx(
        0, abs=0.01
    )


@pytest.mark.parametrize("stiffness", [1e-4, 1e-3, 4e-3])
def test_inharmonicity_of_a_stiff_string_is_that_of_its_partials(stiffness):
    t = time_s()
    order = torch.arange(1.0, 13.0, dtype=torch.float64)
    hertz = 220.0 * order * torch.sqrt((1 + stiffness * order**2) / (1 + stiffness))
    string = sum(torch.sin(2 * math.pi * f * t) / h for f, h in zip(hertz, order, strict=True))
    # The measure allows the fundamental to be refined: the best fit over it is what is expected.
    tried = 220.0 * 2 ** (torch.arange(-40.0, 41.0, 2.0, dtype=torch.float64) / 1200)
    distance = (hertz / tried[:, None] - order).abs()
    distance = torch.minimum(distance, (distance - distance.round()).abs())
    weights = order**-2
    expected = 2 * ((distance * weights).sum(1) / weights.sum()).min().item()
    assert one(held(string), 220.0)["inharmonicity"] == pytest.approx(expected, abs=0.004)


def test_bell_is_inharmonic_and_detuned_saw_is_not():
    t = time_s()
    bell = sum(torch.sin(2 * math.pi * 400 * r * t) for r in (1.0, 2.756, 5.404))
    detuned = sum(saw(220 * 2 ** (c / 1200)) for c in (-12, 0, 13))
    assert one(held(bell), 400.0)["inharmonicity"] > 0.15
    assert one(held(detuned), 220.0)["inharmonicity"] < 0.03


def test_close_tones_are_rougher_than_a_fifth_and_than_beats():
    t = time_s()

    def pair(ratio_hz):
        return held(torch.sin(2 * math.pi * 500 * t) + torch.sin(2 * math.pi * ratio_hz * t))

    rough = {hertz: one(pair(hertz))["roughness"] for hertz in (503.0, 535.0, 750.0, 1_000.0)}
    assert rough[535.0] > 5 * max(rough[503.0], rough[750.0], rough[1_000.0])


def test_flux_is_that_of_change():
    steady, moving = one(held(saw(220.0))), one(held(white()))
    assert steady["flux"] < 0.02 < 0.15 < moving["flux"]


@pytest.mark.parametrize("sign", [1, -1])
def test_opening_and_closing_sound_have_opposite_brightness_change(sign):
    t = time_s()
    share = ((t / HOLD_S).clamp(0, 1) - 0.5) * sign + 0.5
    top = torch.sin(2 * math.pi * 4_400 * t)
    found = one(held(torch.sin(2 * math.pi * 440 * t) + share * top))
    assert sign * found["brightness_change_octaves"] > 0.5


def test_crest_of_a_sine_is_three_decibels():
    assert one(torch.sin(2 * math.pi * 440 * time_s()))["crest_db"] == pytest.approx(3.01, abs=0.05)


def a_note(rate=RATE):
    t = time_s(rate=rate)
    partials = [1 / h for h in range(1, 35)]
    cents = 20 * torch.sin(2 * math.pi * 5 * t)
    wave = harmonics((330.0 / rate * 2 ** (cents / 1200)).cumsum(0), partials)
    return wave * (t / 0.05).clamp(max=1) * torch.exp(-t) * ((HOLD_S - t) / 0.05).clamp(0, 1)


TOLERANCE = {"centroid_hz": 15.0, "spread_hz": 30.0, "rolloff_hz": 15.0, "cutoff_hz": 800.0}


@pytest.mark.parametrize("rate", [24_000, 44_100, 48_000, 96_000])
def test_sample_rate_makes_no_difference(rate):
    reference, other = one(a_note(), 330.0), one(a_note(rate), 330.0, rate=rate)
    for name, value in reference.items():
        # Shares 50 dB down hold little but rounding.
        if max(value, other[name]) > -45 or not name.endswith("share_db"):
            assert other[name] == pytest.approx(value, rel=0.02, abs=TOLERANCE.get(name, 0.25)), (
                name
            )


@pytest.mark.parametrize("gain", [1e-4, 0.1, 50.0])
def test_level_makes_no_difference(gain):
    signal = held(saw(196.0, cents=wobble(5.0, 20.0)) + 0.1 * white())
    reference, scaled = one(signal, 196.0), one(gain * signal, 196.0)
    for name, value in reference.items():
        assert scaled[name] == pytest.approx(value, rel=1e-3, abs=1e-2), name


def test_neighbours_in_the_batch_make_no_difference():
    loud, quiet = held(100 * white()).float(), held(saw(220.0)).float()
    batch = torch.stack([loud, quiet, torch.zeros_like(loud), quiet, loud, loud, quiet])
    together = describe(batch, RATE, pitch=57.0, hold_s=HOLD_S)
    alone = describe(quiet, RATE, pitch=57.0, hold_s=HOLD_S)
    for name, values in together.items():
        for place in (1, 3, 6):
            assert values[place].item() == pytest.approx(alone[name].item(), rel=1e-4, abs=1e-3)


def test_silence_and_constant_offset_give_the_documented_values():
    for signal in (torch.zeros(2, 8_000), torch.full((2, 8_000), 0.3)):
        found = describe(signal, 16_000)
        assert list(found) == [entry.name for entry in DESCRIPTORS]
        for entry in DESCRIPTORS:
            assert found[entry.name].tolist() == pytest.approx([entry.silent] * 2)


AWKWARD = {
    "nothing": torch.zeros(1, 0),
    "one sample": torch.ones(1, 1),
    "two samples": torch.tensor([[1.0, -1.0]]),
    "not a number": torch.full((1, 3_000), float("nan")),
    "infinite": torch.full((1, 3_000), float("inf")),
    "an impulse at the end": torch.nn.functional.pad(torch.ones(1, 1), (20_000, 0)),
    "huge": 1e20 * torch.ones(1, 5_000).cumsum(1).sin(),
    "double": torch.ones(1, 5_000, dtype=torch.float64).cumsum(1).sin(),
}


@pytest.mark.parametrize("signal", AWKWARD.values(), ids=AWKWARD.keys())
@pytest.mark.parametrize("rate", [1_000, 8_000, 44_100, 192_000])
@pytest.mark.parametrize("pitch", [None, 0.0, 127.0])
def test_awkward_input_stays_finite_and_in_range(signal, rate, pitch):
    for name, values in describe(signal, rate, pitch=pitch).items():
        assert values.shape == (1,)
        assert BY_NAME[name].low <= values.item() <= BY_NAME[name].high


@settings(max_examples=20, deadline=None)
@given(
    samples=st.integers(1, 20_000),
    rate=st.integers(1_000, 100_000),
    pitch=st.none() | st.floats(0, 127),
    hold_s=st.none() | st.floats(0, 10),
    seed=st.integers(0, 100),
)
def test_any_noise_of_any_length_stays_finite_and_in_range(samples, rate, pitch, hold_s, seed):
    signal = torch.randn(1, samples, generator=torch.Generator().manual_seed(seed))
    for name, values in describe(signal, rate, pitch=pitch, hold_s=hold_s).items():
        assert BY_NAME[name].low <= values.item() <= BY_NAME[name].high


def test_wrong_shape_and_rate_are_refused():
    with pytest.raises(InputError, match="mix the channels"):
        describe(torch.zeros(1, 2, 100), RATE)
    with pytest.raises(InputError, match="Hz"):
        describe(torch.zeros(1, 100), 32)


def noise_power(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(2, 641, 20, generator=generator) + 0.1


def tilted(power, db_per_octave):
    return power * 10 ** (db_per_octave * (FREQS.clamp(20) / 1000).log2() / 10)[:, None]


@pytest.mark.parametrize("db_per_octave", [-3.0, -0.5, 0.5, 3.0])
def test_tilting_a_spectrum_moves_brightness_the_right_way(db_per_octave):
    before = spectral_from_power(noise_power(), FREQS)
    after = spectral_from_power(tilted(noise_power(), db_per_octave), FREQS)
    for name in ("centroid_hz", "centroid_octaves", "rolloff_hz", "air_share_db", "high_share_db"):
        assert ((after[name] - before[name]) * db_per_octave > 0).all(), name
    change = after["slope_db_per_octave"] - before["slope_db_per_octave"]
    assert change.tolist() == pytest.approx([db_per_octave] * 2, abs=0.35)
    assert ((after["low_share_db"] - before["low_share_db"]) * db_per_octave < 0).all()


def test_gradient_of_the_centroid_agrees_with_finite_differences():
    power = noise_power().double()[:1, :60, :4].requires_grad_()
    freqs = FREQS[:60].double()
    for name in ("centroid_octaves", "spread_hz", "rolloff_hz", "mid_share_db", "flatness_db"):
        (gradient,) = torch.autograd.grad(spectral_from_power(power, freqs)[name].sum(), power)
        nudge = torch.zeros_like(power)
        nudge[0, 31] = 1e-6
        up = spectral_from_power(power.detach() + nudge, freqs)[name]
        down = spectral_from_power(power.detach() - nudge, freqs)[name]
        expected = ((up - down) / 2e-6).item()
        assert gradient[0, 31].sum().item() == pytest.approx(expected, rel=0.02, abs=1e-5), name


@pytest.mark.parametrize("power", [torch.zeros(1, 641, 5), noise_power()[:1]])
def test_gradients_are_finite(power):
    power = power.clone().requires_grad_()
    found = spectral_from_power(power, FREQS)
    sum(values.sum() for values in found.values()).backward()
    assert torch.isfinite(power.grad).all()
    assert set(found) == {entry.name for entry in DESCRIPTORS if entry.from_power}


def test_gradients_survive_an_earlier_call_in_inference_mode():
    freqs = torch.linspace(0, 15_990, 533)
    power = torch.rand(1, 533, 4)
    with torch.inference_mode():
        spectral_from_power(power, freqs)
    power.requires_grad_()
    spectral_from_power(power, freqs)["slope_db_per_octave"].sum().backward()
    assert power.grad.abs().sum() > 0


def test_stereo_width_is_the_ratio_of_side_to_mid():
    wave = torch.randn(1, 5_000, generator=torch.Generator().manual_seed(0))
    other = torch.randn(1, 5_000, generator=torch.Generator().manual_seed(1))
    pairs = [(wave, wave), (wave, -wave), (wave, other), (0 * wave, 0 * wave)]
    found = stereo_width_db(torch.cat([torch.stack(pair, 1) for pair in pairs]))
    assert found.tolist() == pytest.approx([-60, 20, 0, -60], abs=0.3)
    with pytest.raises(InputError):
        stereo_width_db(wave)


def test_band_share_agrees_with_counting():
    power = torch.zeros(1, 641, 3)
    power[0, 100], power[0, 400] = 3.0, 1.0
    assert band_share_db(power, FREQS, 0.0, 5_000.0).item() == pytest.approx(10 * math.log10(0.75))
    assert band_share_db(power, FREQS, 5_000.0, math.inf).item() == pytest.approx(-6.02, abs=0.01)


def test_every_descriptor_is_defined_with_its_source():
    for entry in DESCRIPTORS:
        assert entry.definition
        assert entry.source
        assert entry.low <= entry.silent <= entry.high
    assert len(BY_NAME) == len(DESCRIPTORS)
