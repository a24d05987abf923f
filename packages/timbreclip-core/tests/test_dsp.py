"""Filters against scipy, against theory and against themselves in blocks."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.signal
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from timbreclip_core.dsp import biquad, filters, fir

RATE = 48_000
F64 = torch.float64


def t(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=F64)


def analogue_to_digital(b: list[float], a: list[float], freq_hz: float, rate: int) -> np.ndarray:
    """Bilinear transform of a prototype in s, normalised to ``freq_hz``, by scipy."""
    w = 2 * rate * math.tan(math.pi * freq_hz / rate)
    scaled = [[c * w ** -(len(p) - 1 - i) for i, c in enumerate(p)] for p in (b, a)]
    return np.concatenate(scipy.signal.bilinear(*scaled, fs=rate))


def prototype(kind: str, gain_db: float, q: float) -> tuple[list[float], list[float]]:
    """Analogue prototypes of the cookbook."""
    big = 10 ** (gain_db / 40)
    root = math.sqrt(big)
    return {
        "peaking": ([1, big / q, 1], [1, 1 / (big * q), 1]),
        "low_shelf": (
            [big, big * root / q, big * big],
            [big, root / q, 1],
        ),
        "high_shelf": (
            [big * big, big * root / q, big],
            [1, root / q, big],
        ),
        "low_pass": ([0, 0, 1], [1, 1 / q, 1]),
        "high_pass": ([1, 0, 0], [1, 1 / q, 1]),
        "band_pass": ([0, 1 / q, 0], [1, 1 / q, 1]),
        "notch": ([1, 0, 1], [1, 1 / q, 1]),
    }[kind]


def design(kind: str, gain_db: float, freq_hz: float, q: float, rate: int) -> torch.Tensor:
    function = getattr(biquad, kind)
    gains = (t(gain_db),) if kind in ("peaking", "low_shelf", "high_shelf") else ()
    return function(*gains, t(freq_hz), t(q), rate)


KINDS = ["peaking", "low_shelf", "high_shelf", "low_pass", "high_pass", "band_pass", "notch"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rate", [8_000, 44_100, 192_000])
@pytest.mark.parametrize(("gain_db", "freq_hz", "q"), [(9.0, 1_000, 2.0), (-12, 50, 0.4)])
def test_designs_are_scipys_bilinear_transform_of_the_prototypes(kind, rate, gain_db, freq_hz, q):
    b, a = prototype(kind, gain_db, q)
    golden = analogue_to_digital(b, a, freq_hz, rate)
    ours = design(kind, gain_db, freq_hz, q, rate)[0].numpy()
    np.testing.assert_allclose(ours, golden, rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_responses_are_scipys(kind):
    sos = design(kind, -7.0, 800.0, 1.3, RATE)
    freqs = torch.linspace(0, RATE / 2, 257, dtype=F64)
    _, golden = scipy.signal.freqz_sos(sos.numpy(), freqs.numpy(), fs=RATE)
    np.testing.assert_allclose(biquad.response(sos, freqs, RATE)[0], golden, atol=1e-9)
    power = biquad.power_response(sos, freqs, RATE)[0]
    np.testing.assert_allclose(power, abs(golden) ** 2, atol=1e-9)


def test_peaking_at_zero_db_changes_nothing():
    sos = biquad.peaking(t(0.0), t(1_000.0), t(1.0), RATE)
    audio = torch.randn(2, 500)
    assert torch.equal(filters.apply_sections(audio, sos), audio)


def test_gains_are_reached_where_they_should_be():
    freqs = t(1e-3, 1_000.0, RATE / 2)
    gain, at, q = t(6.0), t(1_000.0), t(0.7)
    peak = biquad.cascade_db(biquad.peaking(gain, at, q, RATE), freqs, RATE)
    low = biquad.cascade_db(biquad.low_shelf(gain, at, q, RATE), freqs, RATE)
    high = biquad.cascade_db(biquad.high_shelf(gain, at, q, RATE), freqs, RATE)
    np.testing.assert_allclose(peak, [0, 6, 0], atol=1e-6)
    np.testing.assert_allclose(low, [6, 3, 0], atol=1e-6)
    np.testing.assert_allclose(high, [0, 3, 6], atol=1e-6)


def test_a_cut_undoes_a_boost():
    q, at = t(1.7), t(440.0)
    both = torch.cat([biquad.peaking(t(g), at, q, RATE) for g in (8.0, -8.0)])
    audio = torch.randn(1, 4_000, dtype=F64)
    torch.testing.assert_close(filters.apply_sections(audio, both), audio, rtol=0, atol=1e-9)


def test_designs_broadcast_bands_and_batches():
    sos = biquad.peaking(torch.zeros(3, 5), torch.full((5,), 500.0), torch.ones(()), RATE)
    assert sos.shape == (3, 5, 6)
    assert biquad.cascade_db(sos, torch.ones(7), RATE).shape == (3, 7)


@pytest.mark.parametrize("freq_hz", [0.0, -5.0, RATE / 2, 30_000.0, float("nan")])
def test_frequencies_outside_the_band_are_refused(freq_hz):
    with pytest.raises(ValueError, match="between 0 and 24000"):
        biquad.peaking(t(1.0), t(freq_hz), t(1.0), RATE)


def test_a_quality_factor_of_zero_is_refused():
    with pytest.raises(ValueError, match="positive"):
        biquad.low_pass(t(100.0), t(0.0), RATE)


def test_gradients_match_finite_differences():
    freqs = torch.linspace(20, 20_000, 9, dtype=F64)

    def curve(gain, centre, q):
        return biquad.cascade_db(biquad.high_shelf(gain, centre, q, RATE)[None], freqs, RATE)

    inputs = [x.requires_grad_() for x in (t(5.0), t(2_000.0), t(0.8))]
    assert torch.autograd.gradcheck(curve, inputs)


def test_a_notch_has_a_finite_level_and_gradient_at_its_centre():
    centre = t(1_000.0).requires_grad_()
    level = biquad.cascade_db(biquad.notch(centre, t(2.0), RATE), t(1_000.0, 1_500.0), RATE)
    level.sum().backward()
    assert torch.isfinite(level).all() and torch.isfinite(centre.grad).all()


def random_sections(seed: int, n: int, rate: int) -> torch.Tensor:
    g = torch.Generator().manual_seed(seed)
    gain = 24 * torch.rand(n, generator=g, dtype=F64) - 12
    centre = rate * 0.45 * torch.rand(n, generator=g, dtype=F64).clamp(min=1e-3)
    q = 0.3 + 8 * torch.rand(n, generator=g, dtype=F64)
    return biquad.peaking(gain, centre, q, rate)


def test_filtering_is_scipys():
    sos = random_sections(0, 31, RATE)
    audio = torch.randn(2, 9_000, dtype=F64, generator=torch.Generator().manual_seed(1))
    golden = scipy.signal.sosfilt(sos.numpy(), audio.numpy())
    np.testing.assert_allclose(filters.apply_sections(audio, sos), golden, atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 300), max_size=5),
    seed=st.integers(0, 1_000),
    n=st.integers(1, 4),
)
def test_blocks_give_what_the_whole_gives(cuts, seed, n):
    sos = random_sections(seed, n, RATE)
    audio = torch.randn(2, 300, dtype=F64, generator=torch.Generator().manual_seed(seed))
    whole, _ = filters.sosfilt(audio, sos)
    edges = [0, *sorted(cuts), 300]
    state, parts = None, []
    for a, b in itertools.pairwise(edges):
        if b > a:
            part, state = filters.sosfilt(audio[:, a:b], sos, state)
            parts.append(part)
    torch.testing.assert_close(torch.cat(parts, -1), whole, rtol=0, atol=1e-10)


def test_audio_longer_than_a_block_is_filtered_without_seams(monkeypatch):
    sos = random_sections(3, 3, RATE)
    audio = torch.randn(1, 5_000, dtype=F64)
    taps = torch.randn(33, dtype=F64)
    whole = filters.apply_sections(audio, sos), filters.apply_fir(audio, taps)
    monkeypatch.setattr(filters, "BLOCK_FRAMES", 700)
    torch.testing.assert_close(filters.apply_sections(audio, sos), whole[0], rtol=0, atol=1e-10)
    torch.testing.assert_close(filters.apply_fir(audio, taps), whole[1], rtol=0, atol=1e-10)


@pytest.mark.parametrize("samples", [1, 2, 10, 999])
@pytest.mark.parametrize("taps", [1, 7, 64, 2_048])
def test_fir_filtering_is_scipys_convolution(samples, taps):
    audio, h = torch.randn(3, samples, dtype=F64), torch.randn(taps, dtype=F64)
    golden = scipy.signal.oaconvolve(audio.numpy(), h.numpy()[None], axes=-1)[:, :samples]
    np.testing.assert_allclose(filters.apply_fir(audio, h), golden, atol=1e-9)


def test_float32_audio_stays_float32():
    assert filters.apply_sections(torch.randn(2, 50), random_sections(0, 2, RATE)).dtype is (
        torch.float32
    )


def test_the_minimum_phase_fir_has_the_magnitude_asked_for():
    sos = random_sections(5, 6, RATE)
    taps = fir.fir_for(lambda f: 10 ** (biquad.cascade_db(sos, f, RATE) / 20), RATE)
    freqs = np.geomspace(20, 20_000, 400)
    _, got = scipy.signal.freqz(taps.numpy(), worN=freqs, fs=RATE)
    wanted = biquad.cascade_db(sos, torch.from_numpy(freqs), RATE).numpy()
    np.testing.assert_allclose(20 * np.log10(abs(got)), wanted, atol=0.05)


def test_the_minimum_phase_fir_of_a_minimum_phase_filter_is_its_impulse_response():
    sos = biquad.peaking(t(9.0), t(900.0), t(1.5), RATE)
    impulse = torch.zeros(1, 2_048, dtype=F64)
    impulse[0, 0] = 1
    wanted = filters.apply_sections(impulse, sos)[0]
    freqs = torch.linspace(0, RATE / 2, 8_193, dtype=F64)
    got = fir.minimum_phase(biquad.power_response(sos, freqs, RATE)[0].sqrt(), 2_048)
    torch.testing.assert_close(got, wanted, rtol=0, atol=1e-9)


def test_minimum_phase_agrees_with_scipys_homomorphic_method():
    linear = scipy.signal.firwin(201, 0.3, window=("kaiser", 8.0))
    golden = scipy.signal.minimum_phase(linear, method="homomorphic", n_fft=1 << 15, half=False)
    magnitude = torch.from_numpy(abs(np.fft.rfft(linear, 1 << 15)))
    ours = fir.minimum_phase(magnitude, 201).numpy()
    # Zeros on the unit circle: both methods floor them differently, far below the pass band.
    freqs = np.linspace(0, 0.25 * np.pi, 100)
    a, b = (abs(scipy.signal.freqz(h, worN=freqs)[1]) for h in (ours, golden))
    np.testing.assert_allclose(20 * np.log10(a / b), 0, atol=0.1)


def test_a_response_of_zero_gives_finite_taps():
    assert torch.isfinite(fir.minimum_phase(torch.zeros(129), 64)).all()


def test_more_taps_than_points_are_refused():
    with pytest.raises(ValueError, match="taps"):
        fir.minimum_phase(torch.ones(9), 64)
