"""Effects against theory, and against themselves alone and in company."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest
import scipy.optimize
import scipy.signal
import soundfile
import torch
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from timbreclip_core import lexicon, load_effect
from timbreclip_core.cli.main import cli
from timbreclip_core.descriptors import describe
from timbreclip_core.effects.bitcrush import Bitcrush
from timbreclip_core.effects.chorus import Chorus
from timbreclip_core.effects.echo import Echo
from timbreclip_core.effects.late import read_late
from timbreclip_core.effects.words import WORDS
from timbreclip_core.errors import EmptyAudioError, InputError, UnknownNameError, UsageError
from timbreclip_core.plugins import EffectEntry, plugin_manager

RATE = 44_100
RATES = (16_000, 44_100, 96_000)
NAMES = sorted(WORDS)
every_effect = pytest.mark.parametrize("name", NAMES)
every_rate = pytest.mark.parametrize("rate", RATES)


def sine(hz: float, rate: int = RATE, seconds: float = 1.0, peak: float = 1.0) -> torch.Tensor:
    t = torch.arange(round(rate * seconds), dtype=torch.float64) / rate
    return peak * torch.sin(2 * math.pi * hz * t)


def click(rate: int, seconds: float, every_s: float | None = None) -> torch.Tensor:
    x = torch.zeros(round(rate * seconds), dtype=torch.float64)
    x[:: round(every_s * rate) if every_s else len(x)] = 1.0
    return x


def gain_db(y: torch.Tensor, hz: float, rate: int) -> float:
    """Gain at one frequency of what became of a click at 0."""
    t = torch.arange(len(y), dtype=torch.float64) / rate
    turn = torch.polar(torch.ones_like(t), -2 * math.pi * hz * t)
    return 20 * math.log10(abs((y * turn).sum()))


def spectrogram(x: torch.Tensor) -> torch.Tensor:
    return torch.stft(x, 1024, 256, window=torch.hann_window(1024), return_complex=True).abs()


def frequency_hz(y: torch.Tensor, rate: int, low: float, high: float) -> np.ndarray:
    """Instantaneous frequency of what lies in a band, without the ends."""
    sos = scipy.signal.butter(4, [low, high], "band", fs=rate, output="sos")
    analytic = scipy.signal.hilbert(scipy.signal.sosfiltfilt(sos, y.numpy()))
    phase, step, edge = np.unwrap(np.angle(analytic)), rate // 500, rate // 10
    return ((phase[step:] - phase[:-step]) * rate / step / (2 * np.pi))[edge:-edge]


def fit_swing(values: np.ndarray, rate: float, guess_hz: float) -> tuple[float, float]:
    """Amplitude and frequency of the sinusoid in ``values``."""
    t = np.arange(len(values)) / rate

    def fit(hz: float) -> tuple[float, float]:
        shapes = np.stack([np.ones_like(t), *(f(2 * np.pi * hz * t) for f in (np.sin, np.cos))], 1)
        found, *_ = np.linalg.lstsq(shapes, values, rcond=None)
        return float(np.square(shapes @ found - values).sum()), math.hypot(*found[1:])

    around = (0.8 * guess_hz, 1.2 * guess_hz)
    hz = scipy.optimize.minimize_scalar(lambda hz: fit(hz)[0], bounds=around, method="bounded").x
    return fit(hz)[1], float(hz)


# What every effect promises


def test_the_nine_effects_are_registered_with_their_words():
    found = {r.entry.name: r.entry for r in plugin_manager().entries(EffectEntry)}
    assert set(NAMES) <= set(found)
    for name in NAMES:
        assert found[name].load().words == found[name].words


@every_effect
@settings(deadline=None, max_examples=20)
@given(data=st.data())
def test_level_zero_returns_the_very_same_samples(name, data):
    shape = data.draw(array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=9))
    x = torch.from_numpy(data.draw(arrays(np.float32, shape, elements=st.floats(-1, 1, width=32))))
    y = load_effect(name).apply(x, RATE, 0.0)
    assert torch.equal(x, y)
    assert y.data_ptr() != x.data_ptr()


@every_effect
@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_any_finite_input_gives_finite_output_of_the_same_shape(name, data):
    sides = data.draw(array_shapes(min_dims=0, max_dims=2, min_side=1, max_side=3))
    shape = (*sides, data.draw(st.integers(1, 60)))
    anything = st.floats(width=32, allow_nan=False, allow_infinity=False)
    x = torch.from_numpy(data.draw(arrays(np.float32, shape, elements=anything)))
    rate = data.draw(st.sampled_from([1_000, 8_000, *RATES, 192_000]))
    y = load_effect(name).apply(x, rate, data.draw(st.floats(0, 1)))
    assert y.shape == x.shape
    assert y.dtype == torch.float32
    assert bool(torch.isfinite(y).all())


@every_effect
def test_a_sound_comes_out_the_same_alone_and_in_a_batch(name, note):
    x = torch.from_numpy(np.stack([note(hz, RATE, 0.5) for hz in (110, 220, 330, 440)]))[:, None]
    x[2] = 0.0
    levels = torch.tensor([0.2, 0.9, 0.5, 0.0])
    effect = load_effect(name)
    together = effect.apply(x, RATE, levels)
    for i in range(4):
        alone = effect.apply(x[i : i + 1], RATE, float(levels[i]))
        assert torch.equal(together[i : i + 1], alone)
    assert torch.equal(together, effect.apply(x, RATE, levels))
    assert not torch.equal(together[1], x[1])


@every_effect
def test_the_difference_grows_with_the_level(name, note):
    x = torch.from_numpy(note(110, RATE, 2.0, highest_hz=20_000.0))
    dry, effect = spectrogram(x), load_effect(name)
    levels = [0.02, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    off = [float((spectrogram(effect.apply(x, RATE, v)) - dry).norm()) for v in levels]
    assert all(a < b for a, b in itertools.pairwise(off)), off
    assert off[0] < 0.05 * float(dry.norm())
    assert off[-1] > 0.1 * float(dry.norm())


@every_effect
def test_silence_stays_silence(name):
    assert not load_effect(name).apply(torch.zeros(2, 500), RATE, 1.0).any()


@every_effect
def test_words_grow_with_the_level_and_never_contradict_each_other(name):
    words = WORDS[name]
    assert words.at(0.0) == words.no_longer(0.0) == ()
    said = [words.at(v) for v in (words.levels[0], words.levels[1], words.levels[2], 1.0)]
    assert said[0][0] == f"slightly {words.more[0]}"
    assert said[1][0] == words.more[0]
    assert said[2][0] == f"{words.strongly} {words.more[0]}"
    assert said[2] == said[3]
    assert [s[-1] for s in said[:3]] == list(words.tails)
    assert not set(words.more) & set(words.less)


@pytest.mark.parametrize("level", [-0.1, 1.1, math.nan, math.inf, torch.tensor([0.1, 0.2])])
def test_levels_outside_0_to_1_or_of_another_number_are_refused(level):
    with pytest.raises(UsageError):
        load_effect("echo").apply(torch.ones(3, 1, 100), RATE, level)


def test_wrong_audio_is_refused():
    echo = load_effect("echo")
    with pytest.raises(InputError):
        echo.apply(torch.tensor([0.0, math.nan]), RATE, 0.5)
    with pytest.raises(InputError):
        echo.apply(torch.ones(10, dtype=torch.int16), RATE, 0.5)
    with pytest.raises(EmptyAudioError):
        echo.apply(torch.ones(1, 0), RATE, 0.5)


def test_options_change_the_physical_parameters_and_wrong_ones_are_refused():
    assert load_effect("echo", {"delay_s": "0.5"}) == Echo(delay_s=0.5)
    with pytest.raises(UnknownNameError, match="delay_s"):
        load_effect("echo", {"delay": 0.5})
    for value in ("much", -1.0, 0.0, math.inf, None):
        with pytest.raises(UsageError):
            load_effect("echo", {"delay_s": value})


# What each one does


@every_rate
@pytest.mark.parametrize("level", [0.5, 0.75, 1.0])
def test_low_pass_loses_3_db_at_its_cutoff_and_24_db_per_octave_above(rate, level):
    effect = load_effect("low-pass")
    cutoff = 20_000 * (250 / 20_000) ** level
    y = effect.apply(click(rate, 1.0), rate, level)
    assert gain_db(y, cutoff / 16, rate) == pytest.approx(0, abs=0.01)
    assert gain_db(y, cutoff, rate) == pytest.approx(-3.01, abs=0.01)
    warped = math.tan(math.pi * 2 * cutoff / rate) / math.tan(math.pi * cutoff / rate)
    assert gain_db(y, 2 * cutoff, rate) == pytest.approx(-10 * math.log10(1 + warped**8), abs=0.01)


def test_low_pass_at_half_takes_58_db_from_10_khz():
    y = load_effect("low-pass").apply(click(RATE, 0.5), RATE, 0.5)
    ratio = math.tan(math.pi * 10_000 / RATE) / math.tan(math.pi * 2_236.068 / RATE)
    assert gain_db(y, 10_000, RATE) == pytest.approx(-80 * math.log10(ratio), abs=0.01)
    assert gain_db(y, 10_000, RATE) == pytest.approx(-58.4, abs=0.1)


def test_a_low_pass_above_nyquist_changes_nothing():
    x = sine(3_000, 16_000)
    assert torch.equal(load_effect("low-pass").apply(x, 16_000, 0.1), x)


@every_rate
@pytest.mark.parametrize("level", [0.3, 0.5, 1.0])
def test_high_pass_loses_3_db_at_its_cutoff_and_24_db_per_octave_below(rate, level):
    y = load_effect("high-pass").apply(click(rate, 2.0), rate, level)
    cutoff = 20 * (3_000 / 20) ** level
    assert gain_db(y, cutoff, rate) == pytest.approx(-3.01, abs=0.02)
    warped = math.tan(math.pi * cutoff / rate) / math.tan(math.pi * cutoff / 4 / rate)
    expected = -10 * math.log10(1 + warped**8)
    assert gain_db(y, cutoff / 4, rate) == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize(("level", "loudness"), [(0.2, 1.0), (0.5, 0.01), (1.0, 1.0)])
def test_distortion_has_the_harmonics_of_tanh_at_any_loudness(level, loudness):
    y = load_effect("distortion").apply(sine(1_000, peak=loudness), RATE, level)
    found = 2 * torch.fft.rfft(y).abs() / len(y)
    phase = 2 * np.pi * (np.arange(4096) + 0.5) / 4096
    curve = np.tanh(40 * level**2 * np.sin(phase))
    wanted = [2 * np.mean(curve * np.sin(k * phase)) for k in (1, 3, 5, 7)]
    got = [float(found[1_000 * k]) for k in (1, 3, 5, 7)]
    for k in (1, 2, 3):
        assert got[k] / got[0] == pytest.approx(abs(wanted[k] / wanted[0]), rel=2e-3, abs=1e-6)


def test_distortion_keeps_the_loudness_and_aliases_little():
    y = load_effect("distortion").apply(sine(2_000, peak=0.5), RATE, 0.8)
    assert float(y.square().mean()) == pytest.approx(0.125, rel=1e-6)
    power = torch.fft.rfft(y).abs().square()
    harmonics = power[2_000::4_000]
    assert float(power.sum() - harmonics.sum()) < 1e-5 * float(power.sum())


@pytest.mark.parametrize("level", [0.2, 0.4, 0.6])
def test_bitcrush_has_the_signal_to_noise_ratio_of_its_bits(level):
    # A hold rate above the file's own leaves rounding alone.
    effect = Bitcrush(highest_hold_hz=1e6, lowest_hold_hz=1e6)
    x = sine(997.3, seconds=4.0, peak=0.37)
    noise = effect.apply(x, RATE, level) - x
    snr_db = 10 * math.log10(float(x.square().mean() / noise.square().mean()))
    assert snr_db == pytest.approx(6.02 * (16 - 13 * level) + 1.76, abs=0.5)


@every_rate
def test_bitcrush_folds_at_its_hold_rate(rate):
    effect = Bitcrush(most_bits=24, fewest_bits=24)
    y = effect.apply(sine(1_000, rate), rate, 1.0)
    strength = torch.fft.rfft(y).abs()
    assert set(strength.topk(3).indices.tolist()) == {1_000, 5_000, 7_000}
    # A held sample is a rectangle: its spectrum is a sinc with zeros at 6 kHz.
    sinc = np.sinc(5 / 6) / np.sinc(1 / 6)
    if rate == 96_000:
        assert float(strength[5_000] / strength[1_000]) == pytest.approx(sinc, rel=0.02)


@every_rate
def test_tremolo_swings_at_5_hz_by_its_level(rate):
    y = load_effect("tremolo").apply(torch.ones(rate * 2, dtype=torch.float64), rate, 0.6)
    amplitude, hz = fit_swing(y.numpy(), rate, 4.6)
    assert hz == pytest.approx(5.0, abs=1e-3)
    assert amplitude == pytest.approx(0.3, abs=1e-4)
    assert float(y.max()) == pytest.approx(1.0)
    assert float(y.min()) == pytest.approx(0.4, abs=1e-6)


@every_rate
@pytest.mark.parametrize("level", [0.2, 1.0])
def test_vibrato_swings_by_its_cents_at_5_and_a_half_hz(rate, level):
    y = load_effect("vibrato").apply(sine(1_000, rate, 2.0), rate, level)
    found = frequency_hz(y, rate, 700, 1_400)
    cents = 1200 * np.log2(found / 1_000)
    assert np.ptp(cents) / 2 == pytest.approx(100 * level, rel=0.02)
    assert fit_swing(cents, rate, 5.2)[1] == pytest.approx(5.5, abs=0.01)


@every_rate
def test_chorus_voices_swing_around_their_delays(rate):
    effect, every_s, count = Chorus(swing_s=0.002), 0.05, 80
    y = effect.apply(click(rate, every_s * count, every_s), rate, 1.0)
    after = y.reshape(count, -1)
    # Each click comes back twice, after about 15 and 21 ms.
    for low_s, high_s, centre_s, hz in ((0.011, 0.018, 0.015, 0.8), (0.018, 0.026, 0.021, 0.616)):
        place = torch.arange(round(low_s * rate), round(high_s * rate))
        energy = after[:, place].square()
        late_s = ((energy * place).sum(1) / energy.sum(1) / rate).numpy()
        amplitude, found_hz = fit_swing(late_s, 1 / every_s, hz * 0.95)
        assert late_s.mean() == pytest.approx(centre_s, abs=0.0008)
        assert amplitude == pytest.approx(0.002, rel=0.03)
        assert found_hz == pytest.approx(hz, rel=0.02)


def test_chorus_makes_stereo_of_two_equal_channels_and_leaves_mono_mono():
    x = sine(440).repeat(1, 2, 1)
    y = load_effect("chorus").apply(x, RATE, 1.0)
    assert float((y[0, 0] - y[0, 1]).norm() / y[0, 0].norm()) > 0.1
    assert load_effect("chorus").apply(x[:, :1], RATE, 1.0).shape[1] == 1


@every_rate
def test_echo_comes_every_quarter_of_a_second_at_half_the_strength(rate):
    y = load_effect("echo").apply(click(rate, 1.1), rate, 0.5)
    places = y.nonzero()[:, 0].tolist()
    assert places == [round(k * 0.25 * rate) for k in range(5)]
    assert y[places].tolist() == pytest.approx([1, 0.35, 0.175, 0.0875, 0.04375])


def decay_s(response: np.ndarray, rate: int, hz: float) -> float:
    """Reverberation time in an octave band, from -5 to -25 dB of Schroeder's integral."""
    band = [hz / math.sqrt(2), hz * math.sqrt(2)]
    sos = scipy.signal.butter(4, band, "band", fs=rate, output="sos")
    left = np.cumsum(scipy.signal.sosfilt(sos, response)[::-1] ** 2)[::-1]
    level = 10 * np.log10(left / left[0] + 1e-12)
    first, last = np.argmax(level < -5), np.argmax(level < -25)
    return 3 * (last - first) / rate


@every_rate
@pytest.mark.parametrize("hz", [250, 1_000, 4_000])
def test_reverb_decays_in_the_time_it_says_at_every_rate(rate, hz):
    y = load_effect("reverb").apply(click(rate, 2.0), rate, 1.0)
    wet = y.numpy().copy()
    wet[: round(0.01 * rate)] = 0
    assert decay_s(wet, rate, hz) == pytest.approx(1.8 / (1 + hz / 6_000), rel=0.12)


def test_reverb_is_the_same_room_at_every_rate():
    dry = {rate: sine(500, rate, 1.5) for rate in RATES}
    wet = {rate: load_effect("reverb").apply(x, rate, 0.8) for rate, x in dry.items()}
    there = scipy.signal.resample_poly(wet[96_000].numpy(), 1, 6)
    off = there - wet[16_000].numpy()
    assert np.abs(off[800:-800]).max() < 0.01 * np.abs(there).max()


def test_reverb_keeps_the_power_of_noise():
    x = torch.randn(RATE * 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    y = load_effect("reverb", {"wettest": 1.0}).apply(x, RATE, 1.0)[2 * RATE :]
    assert 10 * math.log10(float(y.square().mean())) == pytest.approx(0, abs=0.5)


@settings(deadline=None, max_examples=30)
@given(late=st.floats(0, 40), hz=st.floats(20, 0.4 * RATE))
def test_reading_late_delays_a_sine_by_a_fraction_of_a_sample(late, hz):
    n = torch.arange(400, dtype=torch.float64)
    angle = 2 * math.pi * hz / RATE
    y = read_late(torch.sin(angle * n)[None], torch.full((1, 400), late, dtype=torch.float64))
    expected = torch.sin(angle * (n - late))
    assert float((y[0] - expected)[80:-40].abs().max()) < 3e-4


# What the lexicon says


def held_note(*fundamentals_hz: float) -> torch.Tensor:
    """Steady harmonic tones that stop after 1.5 s of 2.5, float32 ``(1, samples)``."""
    t = np.arange(round(2.5 * RATE)) / RATE
    wave = sum(
        np.sin(2 * np.pi * hz * k * t) / k**1.5 for hz in fundamentals_hz for k in range(1, 60)
    )
    shape = np.minimum(1, t / 0.01) * np.exp(-40 * np.maximum(0, t - 1.5))
    return torch.from_numpy((0.1 * wave * shape).astype(np.float32))[None]


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("low-pass", "muffled"),
        ("low-pass", "dark"),
        ("high-pass", "thin"),
        ("distortion", "distorted"),
        ("bitcrush", "lo-fi"),
        ("chorus", "chorused"),
        ("tremolo", "pulsing"),
        ("vibrato", "wavering"),
        ("reverb", "reverberant"),
        ("echo", "echoing"),
    ],
)
def test_effects_move_the_descriptors_of_their_words_further_with_the_level(name, word):
    assert word in WORDS[name].more
    principal = lexicon.lookup(word).principal
    # Distortion makes a single harmonic tone no rougher: it takes two that it can mix.
    x = held_note(110.0, 165.5) if name == "distortion" else held_note(220.0)
    levels = (0.0, 0.35, 0.65, 1.0)
    batch = torch.cat([load_effect(name).apply(x, RATE, level) for level in levels])
    values = (principal.sign * describe(batch, RATE)[principal.descriptor]).tolist()
    assert all(a < b for a, b in itertools.pairwise(values)), values


# Files and commands


def tclip(*args):
    return CliRunner().invoke(cli, [str(a) for a in args])


@pytest.mark.parametrize(
    ("suffix", "subtype"),
    [
        (".wav", "PCM_16"),
        (".wav", "PCM_24"),
        (".wav", "PCM_32"),
        (".wav", "FLOAT"),
        (".flac", "PCM_16"),
        (".aiff", "PCM_24"),
    ],
)
def test_a_file_keeps_rate_channels_length_and_depth(tmp_path, suffix, subtype):
    source, out = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    noise = np.random.default_rng(0).uniform(-1, 1, (5_000, 2))
    soundfile.write(source, noise, 22_050, subtype=subtype)
    before = soundfile.read(source, dtype="float64")[0]
    for level in (0.0, 0.7):
        done = tclip("effect", "apply", source, "--effect", "echo", "--level", level, "-o", out)
        assert done.exit_code == 0, done.output
        info = soundfile.info(out)
        assert (info.samplerate, info.channels, info.frames) == (22_050, 2, 5_000)
        assert info.subtype == subtype
        after = soundfile.read(out, dtype="float64")[0]
        assert np.array_equal(before, after) == (level == 0.0 or len(before) <= 0.25 * 22_050)


def test_what_would_clip_is_turned_down_and_reported(tmp_path):
    source, out = tmp_path / "in.wav", tmp_path / "out.wav"
    soundfile.write(source, sine(100, seconds=2.0).numpy(), RATE, subtype="PCM_16")
    done = tclip(
        "effect",
        "apply",
        source,
        "-e",
        "echo",
        "-l",
        1,
        "-o",
        out,
        "--set",
        "delay_s=0.5",
        "--json",
    )
    report = json.loads(done.stdout)
    wet = load_effect("echo", {"delay_s": 0.5}).apply(sine(100, seconds=2.0), RATE, 1.0)
    highest = float(wet.abs().max())
    assert highest > 1.5
    assert report["gain_db"] == pytest.approx(-20 * math.log10(highest), abs=0.01)
    assert report["peak_dbfs"] <= 0
    written = soundfile.read(out, dtype="float64")[0]
    assert np.abs(written * highest - wet.numpy()).max() < 2e-4


def test_samples_are_rounded_and_not_cut(tmp_path):
    source, out = tmp_path / "in.wav", tmp_path / "out.wav"
    x = np.random.default_rng(1).uniform(-0.2, 0.2, 20_000)
    soundfile.write(source, x, RATE, subtype="PCM_16")
    tclip("effect", "apply", source, "-e", "tremolo", "-l", 0.3, "-o", out)
    exact = load_effect("tremolo").apply(soundfile.read(source)[0], RATE, 0.3).numpy()
    off = (soundfile.read(out)[0] - exact) * 32_768
    assert abs(off.mean()) < 0.02
    assert np.abs(off).max() <= 0.5 + 1e-6


def test_a_lossy_file_becomes_24_bits_in_a_lossless_format(tmp_path):
    source, out = tmp_path / "in.ogg", tmp_path / "out.wav"
    soundfile.write(source, sine(440, peak=0.5).numpy(), RATE)
    assert tclip("effect", "apply", source, "-e", "reverb", "-o", out).exit_code == 0
    assert soundfile.info(out).subtype == "PCM_24"


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["{a}", "-e", "ekho", "-o", "{tmp}/o.wav"], 2, "Did you mean 'echo'"),
        (["{a}", "-e", "echo", "-l", "2", "-o", "{tmp}/o.wav"], 2, "from 0 to 1"),
        (["{a}", "-e", "echo", "-o", "{tmp}/o.xyz"], 2, "suffix"),
        (["{a}", "-e", "echo", "-o", "{tmp}/no/o.wav"], 1, "does not exist"),
        (["{a}", "-e", "echo", "--set", "delay", "-o", "{tmp}/o.wav"], 2, "NAME=VALUE"),
        (["{a}", "-e", "echo", "--set", "lag=1", "-o", "{tmp}/o.wav"], 2, "delay_s"),
        (["{tmp}/gone.wav", "-e", "echo", "-o", "{tmp}/o.wav"], 1, "There is no file"),
        (["{tmp}/sounds/empty.wav", "-e", "echo", "-o", "{tmp}/o.wav"], 1, "no samples"),
        (["{tmp}/sounds/broken.wav", "-e", "echo", "-o", "{tmp}/o.wav"], 1, "can be read"),
    ],
)
def test_wrong_use_is_explained_and_writes_nothing(sounds, tmp_path, args, code, says):
    words = {"a": sounds / "a.wav", "tmp": tmp_path}
    done = tclip("effect", "apply", *[a.format(**words) for a in args])
    assert done.exit_code == code, done.output
    assert says in done.output
    assert not list(tmp_path.glob("o.*"))


def test_the_list_says_what_the_level_does():
    done = tclip("effect", "list", "--json")
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert "muffled" in rows["low-pass"]["more"]
    assert "bright" in rows["low-pass"]["less"]
    assert "echo" in tclip("effect", "list").output
