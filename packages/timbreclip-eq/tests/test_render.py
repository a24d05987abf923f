"""Applying an EQ: finite, never clipped, as loud as asked, for any sound."""

from __future__ import annotations

import math

import numpy as np
import pyloudnorm
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from timbreclip_core.audio import peak
from timbreclip_core.errors import InputError, UsageError
from timbreclip_eq import GraphicEQ, Preset, TiltEQ
from timbreclip_eq.measure import centroid_hz, loudness_lufs, true_peak
from timbreclip_eq.render import render
from timbreclip_eq.result import EQResult

F64 = torch.float64
RATES = st.sampled_from([1_000, 8_000, 11_025, 16_000, 44_100, 48_000, 96_000, 192_000, 44_101])


def faders(*gains_db: float) -> dict[str, torch.Tensor]:
    return {"gain_db": torch.tensor([gains_db], dtype=F64)}


UP = faders(12, 12, 12, 12, 12, 12, 12, 12, 12, 12)
BRIGHT = faders(-9, -7, -5, -3, 0, 0, 3, 5, 7, 9)


def result_for(eq, values, sample_rate=48_000) -> EQResult:
    preset = Preset.of(eq, values, sample_rate=sample_rate, heard_hz=16_000.0)
    return EQResult(
        preset=preset,
        similarity_before=0.0,
        similarity_after=0.0,
        loss=0.0,
        history=[0.0],
        evaluations=1,
        converged=True,
    )


@settings(max_examples=80, deadline=None)
@given(
    rate=RATES,
    channels=st.integers(1, 7),
    samples=st.integers(1, 3_000),
    level_db=st.integers(-120, 40),
    kind=st.sampled_from(["noise", "impulse", "square", "constant", "silence"]),
    seed=st.integers(0, 10_000),
    amount=st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0]),
    match=st.booleans(),
)
def test_any_sound_comes_out_finite_as_long_and_below_full_scale(
    rate, channels, samples, level_db, kind, seed, amount, match
):
    generator = torch.Generator().manual_seed(seed)
    shapes = {
        "noise": torch.randn(channels, samples, generator=generator),
        "impulse": torch.nn.functional.one_hot(torch.tensor(samples // 2), samples).float(),
        "square": torch.where(torch.arange(samples) % 40 < 20, 1.0, -1.0),
        "constant": torch.ones(samples),
        "silence": torch.zeros(samples),
    }
    audio = shapes[kind].expand(channels, samples) * 10 ** (level_db / 20)
    gains = 24 * torch.rand(10, generator=generator, dtype=F64) - 12
    result = result_for(GraphicEQ(), {"gain_db": gains[None]})
    out = result.apply(audio, rate, amount=amount, match_loudness=match)
    assert out.shape == audio.shape
    assert out.dtype == audio.dtype
    assert torch.isfinite(out).all()
    assert out.abs().max() <= 1


@settings(max_examples=40, deadline=None)
@given(
    rate=st.sampled_from([8_000, 44_100, 48_000, 96_000]),
    samples=st.integers(400, 60_000),
    channels=st.integers(1, 6),
    level_db=st.integers(-60, -30),
    seed=st.integers(0, 1_000),
)
def test_loudness_is_matched_within_a_tenth_where_peaks_allow(
    rate, samples, channels, level_db, seed
):
    generator = torch.Generator().manual_seed(seed)
    audio = 10 ** (level_db / 20) * torch.randn(channels, samples, generator=generator)
    rendered = render(GraphicEQ(), BRIGHT, audio, rate, match_loudness=True)
    assert rendered.preamp_db == 0
    before, after = (loudness_lufs(x, rate) for x in (audio, rendered.audio))
    assert after == pytest.approx(before, abs=0.1)
    assert rendered.lufs_after == pytest.approx(after, abs=0.05)
    assert not rendered.warnings


def test_peaks_win_over_loudness_and_it_is_said():
    t = torch.arange(48_000, dtype=F64) / 48_000
    audio = 0.5 * sum(torch.sin(2 * torch.pi * f * t) for f in (60, 3_000))[None]
    down = faders(0, 0, 0, 0, 0, 0, -12, -12, -12, -12)
    rendered = render(GraphicEQ(), down, audio, 48_000, match_loudness=True)
    assert peak(rendered.audio) <= 1
    assert rendered.lufs_after < rendered.lufs_before - 0.1
    assert "LU below" in rendered.warnings[0]


def test_the_preamp_is_what_the_output_needs_and_no_more():
    t = torch.arange(48_000, dtype=F64) / 48_000
    loud = 0.5 * torch.sin(2 * torch.pi * 1_000 * t)[None]
    rendered = render(GraphicEQ(), UP, loud, 48_000)
    # The filter's beginning overshoots a little: the preamp is measured, not computed.
    assert rendered.preamp_db == pytest.approx(-5.9, abs=0.6)
    assert 0.9 < peak(rendered.audio) <= 1
    quiet = render(GraphicEQ(), UP, 0.1 * loud, 48_000)
    assert quiet.preamp_db == 0


def test_a_source_with_hot_true_peaks_is_not_lowered_by_an_eq_that_does_nothing():
    n = torch.arange(4_000)
    audio = torch.sin(torch.pi * n / 2 + torch.pi / 4)[None]
    audio = audio / audio.abs().max()
    assert true_peak(audio, 48_000) > 1.3
    rendered = render(GraphicEQ(), faders(*[0.0] * 10), audio, 48_000)
    assert rendered.preamp_db == pytest.approx(0, abs=1e-9)
    torch.testing.assert_close(rendered.audio, audio)


def test_the_true_peak_of_a_sine_is_its_amplitude():
    n = torch.arange(9_600, dtype=F64)
    for rate, phase in ((48_000, 0.6), (96_000, 0.1)):
        sine = 0.7 * torch.sin(torch.pi * n / 2 + phase)[None]
        assert true_peak(sine, rate) == pytest.approx(0.7, rel=0.03)


def test_true_peak_does_not_depend_on_blocks(monkeypatch):
    import timbreclip_eq.measure as measure

    audio = torch.randn(2, 5_000, generator=torch.Generator().manual_seed(0))
    whole = true_peak(audio, 44_100)
    monkeypatch.setattr(measure, "BLOCK_FRAMES", 600)
    assert true_peak(audio, 44_100) == pytest.approx(whole, rel=1e-3)


def test_loudness_is_pyloudnorms():
    audio = 0.1 * torch.randn(2, 96_000, generator=torch.Generator().manual_seed(0))
    golden = pyloudnorm.Meter(48_000).integrated_loudness(audio.double().numpy().T)
    assert loudness_lufs(audio, 48_000) == pytest.approx(golden, abs=1e-9)


def test_a_sine_of_full_scale_has_the_loudness_of_the_standard():
    """BS.1770: 997 Hz at 0 dBFS in one channel reads -3.01 LKFS."""
    t = torch.arange(5 * 48_000, dtype=F64) / 48_000
    assert loudness_lufs(torch.sin(2 * torch.pi * 997 * t)[None], 48_000) == pytest.approx(
        -3.01, abs=0.05
    )


def test_a_short_steady_sound_is_as_loud_as_a_long_one():
    t = torch.arange(48_000, dtype=F64) / 48_000
    sine = 0.3 * torch.sin(2 * torch.pi * 1_000 * t)[None]
    assert loudness_lufs(sine[:, :4_800], 48_000) == pytest.approx(
        loudness_lufs(sine, 48_000), abs=0.5
    )


@pytest.mark.parametrize("samples", [1, 100, 48_000])
def test_silence_has_no_loudness_and_no_centroid(samples):
    silence = torch.zeros(2, samples)
    assert loudness_lufs(silence, 48_000) is None
    assert centroid_hz(silence, 48_000) is None
    assert true_peak(silence, 48_000) == 0
    rendered = render(GraphicEQ(), UP, silence, 48_000, match_loudness=True)
    assert not rendered.audio.any()
    assert (rendered.preamp_db, rendered.match_db) == (0, 0)


def test_the_centroid_of_a_sine_is_its_frequency():
    for rate in (16_000, 44_100, 96_000):
        t = torch.arange(rate, dtype=F64) / rate
        sine = torch.sin(2 * torch.pi * 3_000 * t)[None]
        assert centroid_hz(sine, rate) == pytest.approx(3_000, rel=0.02)


def test_the_centroid_is_cores_descriptor():
    """Of noise in the middle of its range, as core analyses at a fixed rate of its own."""
    from timbreclip_core.descriptors import describe

    rate = 32_000
    spectrum = torch.fft.rfft(torch.randn(rate, generator=torch.Generator().manual_seed(0)))
    freqs = torch.linspace(0, rate / 2, len(spectrum))
    band = torch.fft.irfft(spectrum * ((freqs > 500) & (freqs < 4_000)), rate)
    audio = 0.3 * band[None] / band.abs().max()
    golden = float(describe(audio, sample_rate=rate)["centroid_hz"][0])
    assert centroid_hz(audio, rate) == pytest.approx(golden, rel=0.02)


def test_amounts_out_of_range_are_refused():
    for amount in (-1.1, 2.1, math.nan):
        with pytest.raises(UsageError, match="from -1 to 2"):
            render(GraphicEQ(), BRIGHT, torch.randn(1, 100), 48_000, amount=amount)


def test_minus_one_undoes_one():
    audio = 0.01 * torch.randn(1, 48_000, generator=torch.Generator().manual_seed(0)).double()
    there = render(GraphicEQ(), BRIGHT, audio, 48_000).audio
    back = render(GraphicEQ(), BRIGHT, there, 48_000, amount=-1).audio
    assert (back - audio).norm() < 0.01 * audio.norm()


def test_an_eq_without_biquads_is_rendered_without_delay():
    impulse = torch.zeros(1, 4_800)
    impulse[0, 100] = 0.5
    out = result_for(TiltEQ(), {"slope": torch.tensor([2.0], dtype=F64)}).apply(impulse, 48_000)
    assert out[0].abs().argmax() == 100
    assert not out[0, :99].abs().max() > 1e-6


def test_any_shape_and_kind_of_array_is_taken():
    result = result_for(GraphicEQ(), BRIGHT)
    mono = 0.1 * np.random.default_rng(0).standard_normal(500)
    assert result.apply(mono, 48_000).shape == (500,)
    assert result.apply(mono[None], 48_000).dtype == torch.float64
    assert result.apply(torch.from_numpy(mono).float(), 48_000).dtype == torch.float32
    torch.testing.assert_close(
        result.apply(np.stack([mono, mono]), 48_000)[1], result.apply(mono, 48_000)
    )


@pytest.mark.parametrize(
    "wrong", [torch.zeros(0), torch.full((5,), torch.inf), torch.ones(5, dtype=torch.int16)]
)
def test_wrong_audio_is_refused(wrong):
    with pytest.raises(InputError):
        result_for(GraphicEQ(), BRIGHT).apply(wrong, 48_000)


def test_the_curve_is_that_of_the_filter_at_every_rate():
    result = result_for(GraphicEQ(), BRIGHT, sample_rate=44_100)
    freqs = np.geomspace(20, 20_000, 30)
    impulse = torch.zeros(1, 1 << 17, dtype=F64)
    impulse[0, 0] = 0.01
    out = result.apply(impulse, 44_100)[0].numpy() / 0.01
    spectrum = np.exp(-2j * np.pi * np.outer(freqs / 44_100, np.arange(1 << 17))) @ out
    np.testing.assert_allclose(20 * np.log10(abs(spectrum)), result.curve(freqs), atol=1e-3)


def test_the_centroid_is_of_what_people_hear():
    t = torch.arange(96_000, dtype=F64) / 96_000
    low, ultrasonic = (torch.sin(2 * torch.pi * hz * t)[None] for hz in (3_000, 30_000))
    assert centroid_hz(low + 10 * ultrasonic, 96_000) == pytest.approx(3_000, rel=0.05)
