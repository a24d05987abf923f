"""The parametrisations: what is set is what is got."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.signal
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from timbreclip_core.errors import InputError, UnknownNameError, UsageError
from timbreclip_eq import EQ, CurveEQ, GraphicEQ, Param, ParametricEQ, TiltEQ
from timbreclip_eq.entries import EQEntry, load_eq, make_options
from timbreclip_eq.options import CurveOptions, GraphicOptions, ParametricOptions
from timbreclip_eq.testing import check_eq

F64 = torch.float64
EQS = [
    GraphicEQ(),
    GraphicEQ(GraphicOptions(bands=15)),
    GraphicEQ(GraphicOptions(bands=31)),
    ParametricEQ(),
    ParametricEQ(ParametricOptions(peaks=0)),
    CurveEQ(),
    CurveEQ(CurveOptions(points=5)),
    TiltEQ(),
]


def faders(gains_db) -> dict[str, torch.Tensor]:
    return {"gain_db": torch.as_tensor(gains_db, dtype=F64)[None]}


@pytest.mark.parametrize("eq", EQS, ids=lambda e: f"{e.name}-{e.size}")
def test_every_eq_keeps_the_contract(eq):
    check_eq(eq)


@pytest.mark.parametrize("eq", EQS, ids=lambda e: f"{e.name}-{e.size}")
def test_the_neutral_point_changes_nothing(eq):
    freqs = torch.linspace(0, 22_050, 50, dtype=F64)
    curve = eq.curve_db(eq.values(eq.neutral()[None]), freqs, 44_100)
    torch.testing.assert_close(curve, torch.zeros_like(curve), rtol=0, atol=1e-9)


@pytest.mark.parametrize("bands", [10, 15, 31])
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), rate=st.sampled_from([16_000, 44_100, 48_000, 96_000]))
def test_a_fader_is_the_gain_at_its_centre(bands, seed, rate):
    eq = GraphicEQ(GraphicOptions(bands=bands))
    generator = torch.Generator().manual_seed(seed)
    gains = 24 * torch.rand(bands, generator=generator, dtype=F64) - 12
    usable = eq.centres_hz[eq.centres_hz < 0.45 * rate]
    curve = eq.curve_db(faders(gains), usable, rate)[0]
    torch.testing.assert_close(curve, gains[: len(usable)], rtol=0, atol=0.2)


@pytest.mark.parametrize("bands", [10, 15, 31])
def test_all_faders_up_is_a_gain_and_not_more(bands):
    eq = GraphicEQ(GraphicOptions(bands=bands))
    freqs = torch.logspace(math.log10(float(eq.centres_hz[0])), math.log10(15_000), 500, dtype=F64)
    curve = eq.curve_db(faders([12.0] * bands), freqs, 48_000)
    assert 11.0 < curve.min() <= curve.max() < 12.5


def test_the_filter_of_a_graphic_eq_is_scipys():
    eq = GraphicEQ()
    values = faders([5.0, -3, 0, 8, -12, 1, 2, 12, -6, 4])
    audio = torch.randn(2, 4_000, dtype=F64)
    golden = scipy.signal.sosfilt(eq.sections(values, 48_000)[0].numpy(), audio.numpy())
    np.testing.assert_allclose(eq.filter(audio, values, 48_000), golden, atol=1e-9)


@pytest.mark.parametrize("amount", [-1.0, -0.3, 0.5, 2.0])
def test_amount_scales_the_curve_that_is_heard(amount):
    eq = GraphicEQ()
    values = faders([5.0, -3, 0, 8, -12, 1, 2, 12, -6, 4])
    impulse = torch.zeros(1, 1 << 16, dtype=F64)
    impulse[0, 0] = 1
    heard = torch.fft.rfft(eq.filter(impulse, values, 48_000, amount)).abs()[0]
    freqs = torch.linspace(0, 24_000, len(heard), dtype=F64)
    whole = eq.curve_db(values, freqs, 48_000)[0]
    inside = (freqs > 20) & (freqs < 20_000)
    error = 20 * heard.log10() - amount * whole
    assert error[inside].abs().max() < 0.1


def test_no_amount_gives_the_very_samples():
    audio = torch.randn(1, 100)
    assert torch.equal(GraphicEQ().filter(audio, faders([3.0] * 10), 48_000, 0.0), audio)


def test_bands_above_what_is_heard_take_the_last_value_heard():
    held = GraphicEQ().hold(faders(range(10)), heard_hz=4_100.0)["gain_db"][0]
    assert held.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 7, 7]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), points=st.integers(2, 64))
def test_a_curve_is_smooth_and_never_leaves_its_range(seed, points):
    eq = CurveEQ(CurveOptions(points=points))
    gains_db = torch.rand(points, generator=torch.Generator().manual_seed(seed)) * 24 - 12
    freqs = torch.logspace(0, math.log10(24_000), 2_000, dtype=F64)
    curve = eq.curve_db(faders(gains_db.double()), freqs, 48_000)[0]
    assert float(curve.max()) <= float(gains_db.max()) + 1e-6
    assert float(curve.min()) >= float(gains_db.min()) - 1e-6
    level = eq.curve_db(faders([5.0] * points), freqs, 48_000)
    torch.testing.assert_close(level, torch.full_like(level, 5.0))


def test_a_curve_is_held_above_what_is_heard():
    eq = CurveEQ(CurveOptions(points=4))
    assert eq.hold(faders([1, 2, 3, 4]), heard_hz=3_000.0)["gain_db"][0].tolist() == [1, 2, 3, 3]
    states = [b["state"] for b in eq.bands(faders([1, 2, 3, 4]), 8_000, heard_hz=1_000.0)]
    assert states == ["heard", "heard", "held", "off"]


@pytest.mark.parametrize("amount", [1.0, -0.5])
def test_a_linear_phase_has_the_curve_and_no_delay(amount):
    eq = CurveEQ(CurveOptions(phase="linear"))
    values = faders(np.random.default_rng(0).uniform(-12, 12, 16))
    impulse = torch.zeros(1, 96_000, dtype=F64)
    impulse[0, 48_000] = 1
    out = eq.filter(impulse, values, 48_000, amount)[0]
    assert int(out.abs().argmax()) == 48_000 and out.shape == (96_000,)
    torch.testing.assert_close(out[48_001:48_500], out[47_501:48_000].flip(0))
    freqs = torch.linspace(0, 24_000, 48_001, dtype=F64)[20:]
    found = 20 * torch.fft.rfft(out).abs().log10()[20:]
    torch.testing.assert_close(
        found, eq.curve_db(values, freqs, 48_000, amount)[0], rtol=0, atol=0.1
    )


@pytest.mark.parametrize("wrong", [{"points": 1}, {"phase": "maximum"}, {"max_gain_db": 0.0}])
def test_curves_that_make_no_sense_are_refused(wrong):
    with pytest.raises(UsageError):
        CurveOptions(**wrong)


def test_bands_say_which_are_heard_held_and_off():
    bands = GraphicEQ().bands(faders(range(10)), sample_rate=22_050, heard_hz=4_100.0)
    assert [b["state"] for b in bands] == ["heard"] * 8 + ["held", "off"]
    assert bands[5]["centre_hz"] == pytest.approx(1_000)
    assert bands[5]["gain_db"] == 5
    assert bands[9]["filter_gain_db"] == 0


def test_a_parametric_eq_stays_below_what_is_heard_and_below_nyquist():
    eq = ParametricEQ()
    values = eq.values(torch.ones(1, eq.size, dtype=F64))
    assert eq.hold(values, 8_000.0)["freq_hz"].max() == 8_000
    freqs = torch.linspace(0, 4_000, 100, dtype=F64)
    assert torch.isfinite(eq.curve_db(values, freqs, 8_000)).all()


def test_the_bands_of_a_parametric_eq_are_its_filter():
    """What a user copies into another equaliser gives the same curve."""
    eq = ParametricEQ()
    unit = torch.rand(1, eq.size, generator=torch.Generator().manual_seed(4), dtype=F64)
    bands = eq.bands(eq.values(unit), 48_000, 24_000.0)
    from timbreclip_core.dsp import biquad

    designs = {
        "low shelf": biquad.low_shelf,
        "peak": biquad.peaking,
        "high shelf": biquad.high_shelf,
    }
    sos = torch.stack(
        [
            designs[b["type"]](
                *(torch.tensor(b[k], dtype=F64) for k in ("filter_gain_db", "centre_hz", "q")),
                48_000,
            )
            for b in bands
        ]
    )
    freqs = torch.linspace(20, 20_000, 300, dtype=F64)
    golden = biquad.cascade_db(sos, freqs, 48_000)
    ours = eq.curve_db(eq.values(unit), freqs, 48_000)[0]
    torch.testing.assert_close(ours, golden, rtol=0, atol=1e-6)


def test_tilt_is_a_straight_line_over_octaves():
    freqs = torch.tensor([250.0, 500, 1_000, 2_000, 4_000, 8_000], dtype=F64)
    curve = TiltEQ().curve_db({"slope": torch.tensor([1.5], dtype=F64)}, freqs, 44_100)[0]
    np.testing.assert_allclose(curve, [-3, -1.5, 0, 1.5, 3, 4.5], atol=1e-9)


class Broken(EQ):
    name = "broken"
    params = (Param("gain", 0.0, 1.0),)

    def response(self, values, freqs_hz, sample_rate):
        return values["gain"][:, None] * freqs_hz


def test_the_contract_check_finds_a_response_of_zero():
    with pytest.raises(AssertionError, match="not positive"):
        check_eq(Broken())


@settings(max_examples=50, deadline=None)
@given(
    low=st.floats(-100, 100),
    width=st.floats(0.1, 1e4),
    unit=st.floats(0, 1),
    scale=st.sampled_from(["linear", "log"]),
)
def test_ranges_go_there_and_back(low, width, unit, scale):
    if scale == "log":
        low = abs(low) + 0.1
    param = Param("x", low, low + width, scale=scale)
    value = param.to_value(torch.tensor(unit, dtype=F64))
    assert low - 1e-6 <= float(value) <= low + width * (1 + 1e-6) + 1e-6
    assert float(param.to_unit(value)) == pytest.approx(unit, abs=1e-6)


@pytest.mark.parametrize(
    "wrong",
    [
        {"low": 1.0, "high": 1.0},
        {"low": -1.0, "high": 1.0, "scale": "log"},
        {"low": 0.0, "high": 1.0, "scale": "cubic"},
        {"low": 0.0, "high": 1.0, "neutral": 2.0},
        {"low": 0.0, "high": 1.0, "bands": 3, "neutral": (0.0, 1.0)},
    ],
)
def test_a_range_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match="x:"):
        Param("x", **wrong)


def test_values_survive_being_saved_and_wrong_ones_are_refused():
    eq = GraphicEQ()
    plain = eq.to_plain(faders(range(10)))
    assert torch.equal(eq.from_plain(plain)["gain_db"], faders(range(10))["gain_db"])
    for wrong in ({}, {"gain_db": [1.0]}, {"gain_db": [99.0] * 10}, {"gain_db": ["a"] * 10}):
        with pytest.raises(InputError):
            eq.from_plain(wrong)


def test_eqs_are_found_by_name_with_options_as_the_user_types_them():
    assert load_eq("graphic", {"bands": "31"}).size == 31
    assert load_eq("parametric", {"peaks": "2", "max_gain_db": "6"}).params[0].high == 6.0
    assert load_eq("tilt").name == "tilt"


@pytest.mark.parametrize(
    ("name", "options", "error"),
    [
        ("grafic", {}, "Did you mean 'graphic'"),
        ("graphic", {"band": 3}, "Did you mean 'bands'"),
        ("graphic", {"bands": "many"}, "bands cannot be 'many'"),
        ("graphic", {"bands": "12"}, "10, 15, 31"),
        ("tilt", {"bands": "3"}, "Unknown option"),
        ("parametric", {"peaks": 99}, "0 to 20"),
        ("parametric", {"max_gain_db": 0}, "max_gain_db"),
    ],
)
def test_wrong_names_and_options_say_what_is_right(name, options, error):
    with pytest.raises(UsageError, match=error):
        load_eq(name, options)


def test_an_entry_without_options_takes_none():
    entry = EQEntry(name="x", summary="", load=lambda options=None: None)
    assert make_options(entry, {}) is None
    with pytest.raises(UnknownNameError):
        make_options(entry, {"a": 1})
