"""Augmentations: what they do to a sound, and whether their words are true."""

from __future__ import annotations

import dataclasses
import math
import random
import sys

import numpy as np
import pytest
import scipy.signal
import torch
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from timbreclip_core import lexicon
from timbreclip_core.cli.main import cli
from timbreclip_core.descriptors import describe
from timbreclip_core.effects.words import WORDS
from timbreclip_core.errors import UnknownNameError, UsageError
from timbreclip_core.plugins import plugin_manager
from timbreclip_train.augmentations.band_limit import BandLimit, Limit
from timbreclip_train.augmentations.base import Augmentation, NoteFacts, TextChange
from timbreclip_train.augmentations.chain import Chain, Step
from timbreclip_train.augmentations.effects import Applied, RandomEffect
from timbreclip_train.augmentations.eq_band import Band, EqBand
from timbreclip_train.augmentations.eq_tilt import EqTilt, Tilt
from timbreclip_train.augmentations.gain import RandomGain
from timbreclip_train.augmentations.heard import can_be_heard, spectral_change_db
from timbreclip_train.augmentations.mono_mix import Mix, MonoMix
from timbreclip_train.augmentations.noise import AddNoise, Noise
from timbreclip_train.augmentations.normalise import Peak, PeakNormalise
from timbreclip_train.augmentations.opposites import opposed_to
from timbreclip_train.augmentations.pitch_shift import PitchShift, Shift
from timbreclip_train.augmentations.preparation import Preparation
from timbreclip_train.augmentations.spectral_words import spectral_changes
from timbreclip_train.augmentations.third_party_list import TRANSFORMS
from timbreclip_train.entries import AugmentationEntry

RATE = 44_100
F64 = torch.float64


def entries() -> dict[str, AugmentationEntry]:
    return {r.entry.name: r.entry for r in plugin_manager().entries(AugmentationEntry)}


USABLE = sorted(name for name, entry in entries().items() if not entry.unavailable)


def tone(hz: float, rate: int = RATE, seconds: float = 1.0, brightness: float = 1.0):
    """A decaying harmonic note, float32 ``(1, samples)``."""
    t = np.arange(round(rate * seconds)) / rate
    count = int(0.45 * rate / hz)
    wave = sum(np.sin(2 * np.pi * hz * k * t) / k ** (2 - brightness) for k in range(1, count + 1))
    wave *= np.exp(-2 * t) * np.minimum(1, t / 0.005)
    return torch.from_numpy((0.3 * wave / np.abs(wave).max()).astype(np.float32))[None]


def noise(seed: int = 0, rate: int = RATE, seconds: float = 1.0, channels: int = 1):
    samples = np.random.default_rng(seed).normal(0, 0.1, (channels, round(rate * seconds)))
    return torch.from_numpy(samples.astype(np.float32))


def gain_db(augmentation: Augmentation, params, hz: float, rate: int = RATE) -> float:
    """Gain of a linear change at one frequency."""
    click = torch.zeros(1, rate, dtype=F64)
    click[0, rate // 4] = 1.0
    out = augmentation.apply(click, params, rate)[0]
    turn = torch.polar(
        torch.ones(rate, dtype=F64), -2 * math.pi * hz / rate * torch.arange(rate, dtype=F64)
    )
    return 20 * math.log10(abs(complex((out * turn).sum())))


# What every augmentation promises


def test_ours_and_those_of_torchaudio_augmentations_are_listed():
    ours = {
        "mono-mix",
        "pitch-shift",
        "peak-normalise",
        "gain",
        "noise",
        "band-limit",
        "eq-band",
        "eq-tilt",
        "effects",
    }
    assert ours | set(TRANSFORMS) <= set(entries())
    assert all(not entries()[name].unavailable for name in ours)


@pytest.mark.parametrize("name", USABLE)
def test_the_same_seed_gives_the_same_values_and_the_same_sound(name):
    augmentation = entries()[name].load()
    facts = NoteFacts(sample_rate=RATE, channels=2, dataset="patches")
    audio = noise(channels=2, seconds=0.5)
    kept = audio.clone()
    first, second = (augmentation.draw(np.random.default_rng(5), facts) for _ in range(2))
    assert first == second
    assert dataclasses.is_dataclass(first)
    assert hash(first) == hash(second)
    out = augmentation.apply(audio, first, RATE)
    assert torch.equal(out, augmentation.apply(audio, second, RATE))
    assert torch.equal(audio, kept)
    assert out.dtype == torch.float32
    assert out.shape[-1] == audio.shape[-1]
    assert bool(torch.isfinite(out).all())
    assert augmentation.name == name


@pytest.mark.parametrize("name", sorted(set(USABLE) - {"peak-normalise", "ta-polarity-inversion"}))
def test_other_seeds_give_other_values(name):
    augmentation = entries()[name].load()
    facts = NoteFacts(sample_rate=RATE, channels=2)
    drawn = {augmentation.draw(np.random.default_rng(seed), facts) for seed in range(20)}
    assert len(drawn) > 1


@pytest.mark.parametrize("name", USABLE)
@settings(deadline=None, max_examples=8)
@given(
    seed=st.integers(0, 2**32),
    samples=st.integers(1, 3_000),
    rate=st.sampled_from([8_000, 16_000, 44_100]),
    loudness=st.sampled_from([0.0, 1e-6, 1.0, 50.0]),
)
def test_short_silent_and_loud_sounds_stay_finite(name, seed, samples, rate, loudness):
    augmentation = entries()[name].load()
    audio = torch.from_numpy(np.random.default_rng(seed).normal(0, 1, (1, samples))).float()
    params = augmentation.draw(np.random.default_rng(seed), NoteFacts(sample_rate=rate))
    out = augmentation.apply(audio * loudness, params, rate)
    assert out.shape == (1, samples)
    assert bool(torch.isfinite(out).all())


@pytest.mark.parametrize("name", USABLE)
def test_no_held_out_word_is_ever_added(name):
    augmentation = entries()[name].load()
    facts = NoteFacts(sample_rate=RATE)
    for seed in range(60):
        change = augmentation.words(augmentation.draw(np.random.default_rng(seed), facts))
        assert not [word for word in change.add if lexicon.mentions_held_out(word)]
        assert not set(change.add) & set(change.remove)


def test_held_out_words_of_an_effect_are_dropped():
    unheard = lexicon.held_out_phrases()[0]

    class Veil(RandomGain):
        def claims(self, params):
            return TextChange((unheard, f"very {unheard}", "muffled"), ("bright", unheard))

    assert Veil().words(None) == TextChange(("muffled",), ("bright", unheard))


# Text


def test_a_change_removes_texts_that_mention_a_word_and_adds_qualities():
    text = {
        "title": ("Brightest Star",),
        "category": ("Bright Leads",),
        "tags": ("lead", "bright saw lead"),
        "qualities": ("bright",),
        "description": ("A brightly coloured lead.", "Good for solos."),
    }
    assert TextChange(("muffled",), ("bright",)).applied(text) == {
        "category": ("Bright Leads",),
        "tags": ("lead",),
        "description": ("Good for solos.",),
        "qualities": ("muffled",),
    }


def test_nothing_changes_in_the_texts_without_a_change():
    text = {"title": ("Blue",), "qualities": ("warm",)}
    assert not TextChange()
    assert TextChange().applied(text) == text


def test_the_later_change_wins():
    first = TextChange(("bright", "with boosted highs"), ("dark",))
    later = TextChange(("dark",), ("bright",))
    assert first.then(later).applied({"qualities": ("bright", "dark", "slow")}) == {
        "qualities": ("slow", "with boosted highs", "dark")
    }


def test_words_of_the_opposite_direction_are_opposed():
    against = set(opposed_to(("bright",)))
    assert {"dark", "muffled", "warm"} <= against
    assert not against & {"bright", "brilliant", "sharp"}


# Preparation


def test_the_mono_mix_is_a_weighted_mean_and_uniform():
    left, right = noise(1), noise(2)
    facts = NoteFacts(sample_rate=RATE, channels=2)
    rng, shares = np.random.default_rng(0), []
    for _ in range(2_000):
        params = MonoMix().draw(rng, facts)
        shares.append(params.shares[0])
        assert sum(params.shares) == pytest.approx(1)
    assert np.mean(shares) == pytest.approx(0.5, abs=0.02)
    assert np.std(shares) == pytest.approx(1 / math.sqrt(12), abs=0.01)
    mixed = MonoMix().apply(torch.cat([left, right]), Mix((0.25, 0.75)), RATE)
    assert torch.allclose(mixed, 0.25 * left + 0.75 * right, atol=1e-7)


def test_a_mono_mix_of_mono_is_itself_and_of_cancelling_channels_one_of_them():
    x = noise()
    params = MonoMix().draw(np.random.default_rng(0), NoteFacts(sample_rate=RATE))
    assert torch.equal(MonoMix().apply(x, params, RATE), x)
    assert torch.equal(MonoMix().apply(torch.cat([x, -x]), Mix((0.5, 0.5)), RATE), x)
    with pytest.raises(UsageError, match="2 channels, the sound has 1"):
        MonoMix().apply(x, Mix((0.5, 0.5)), RATE)


@settings(deadline=None, max_examples=30)
@given(scale=st.floats(1e-30, 1e30), peak_dbfs=st.floats(-40, 0))
def test_peak_normalisation_reaches_its_level(scale, peak_dbfs):
    out = PeakNormalise().apply(noise(seconds=0.01) * scale, Peak(peak_dbfs), RATE)
    assert float(out.abs().amax()) == pytest.approx(10 ** (peak_dbfs / 20), rel=1e-6)


def frequency_of(audio: torch.Tensor, rate: int) -> float:
    size = 1 << 20
    window = torch.hann_window(audio.shape[-1], dtype=audio.dtype)
    power = torch.fft.rfft(audio[0] * window, n=size).abs()
    return float(power.argmax()) * rate / size


@pytest.mark.parametrize("method", ["resample", "vocoder", "auto"])
@pytest.mark.parametrize("semitones", [-3.0, -0.5, 0.01, 0.3, 1.0, 3.0])
def test_pitch_shift_is_exact_to_a_cent_and_keeps_the_length(method, semitones):
    t = torch.arange(2 * RATE, dtype=F64) / RATE
    audio = torch.sin(2 * math.pi * 440 * t)[None]
    out = PitchShift(method=method).apply(audio, Shift(semitones), RATE)
    assert out.shape == audio.shape
    found = frequency_of(out[:, : int(1.6 * RATE)], RATE)
    assert 1200 * math.log2(found / 440) == pytest.approx(100 * semitones, abs=1)


def test_only_the_vocoder_keeps_times():
    audio = torch.cat([tone(220, seconds=1.0), torch.zeros(1, RATE)], dim=1)
    audio[:, RATE // 2 :] += tone(330, seconds=1.5)[:, : 2 * RATE - RATE // 2]

    def second_onset(x: torch.Tensor) -> float:
        flux = torch.stft(x[0], 512, 128, window=torch.hann_window(512), return_complex=True).abs()
        rise = (flux[:, 1:] - flux[:, :-1]).clamp(min=0).sum(0)
        start = int(0.2 * RATE / 128)
        return float(rise[start:].argmax() + start) * 128 / RATE

    shift = Shift(3.0)
    kept = PitchShift(method="vocoder").apply(audio, shift, RATE)
    moved = PitchShift(method="resample").apply(audio, shift, RATE)
    assert second_onset(kept) == pytest.approx(0.5, abs=0.03)
    assert second_onset(moved) == pytest.approx(0.5 / 2**0.25, abs=0.03)


def test_auto_resamples_small_shifts_only():
    audio = tone(220)
    for semitones, method in ((1.0, "resample"), (-0.4, "resample"), (1.5, "vocoder")):
        expected = PitchShift(method=method).apply(audio, Shift(semitones), RATE)
        assert torch.equal(PitchShift().apply(audio, Shift(semitones), RATE), expected)


@pytest.mark.parametrize(("dataset", "range_", "copies"), [("nsynth", 0.5, 1), ("patches", 3.0, 2)])
def test_copies_and_ranges_are_the_papers(dataset, range_, copies):
    facts = NoteFacts(sample_rate=RATE, dataset=dataset)
    drawn = [PitchShift().draw_copies(np.random.default_rng(s), facts) for s in range(200)]
    assert {len(d) for d in drawn} == {copies + 1}
    assert all(d[0] == Shift(0.0) for d in drawn)
    shifts = np.array([s.semitones for d in drawn for s in d[1:]])
    assert 0.95 * range_ < np.abs(shifts).max() <= range_
    assert np.mean(shifts) == pytest.approx(0, abs=0.15 * range_)


def test_more_copies_and_other_ranges_can_be_chosen():
    facts = NoteFacts(sample_rate=RATE, dataset="nsynth")
    drawn = PitchShift(semitones=2.0, copies=5).draw_copies(np.random.default_rng(0), facts)
    assert len(drawn) == 6
    assert max(abs(s.semitones) for s in drawn) > 0.5
    for wrong in ({"semitones": 30.0}, {"copies": -1}, {"method": "magic"}):
        with pytest.raises(UsageError):
            PitchShift(**wrong)


def test_preparation_makes_mono_copies_at_16_khz_with_full_peak():
    audio = torch.cat([tone(220), 0.3 * tone(220)])
    facts = NoteFacts(sample_rate=RATE, channels=2, dataset="patches")
    drawn = Preparation().draw(np.random.default_rng(1), facts)
    copies = [Preparation().apply(audio, params, RATE) for params in drawn]
    assert [c.shape for c in copies] == [(1, 16_000)] * 3
    for params, copy in zip(drawn, copies, strict=True):
        assert float(copy.abs().amax()) == pytest.approx(1.0)
        expected = 220 * 2 ** (params.shift.semitones / 12)
        strongest = frequency_of(copy, 16_000) / expected
        assert strongest == pytest.approx(round(strongest), rel=2e-3)
    assert len({p.mix for p in drawn}) == 3


# Other changes


def test_gain_is_uniform_in_db_within_its_range():
    facts, rng = NoteFacts(sample_rate=RATE), np.random.default_rng(0)
    drawn = [RandomGain().draw(rng, facts) for _ in range(1_000)]
    found = np.array([g.gain_db for g in drawn])
    assert found.min() >= -18
    assert found.max() <= 0
    assert found.mean() == pytest.approx(-9, abs=0.6)
    x = noise()
    out = RandomGain().apply(x, drawn[0], RATE)
    assert 20 * math.log10(float(out.norm() / x.norm())) == pytest.approx(drawn[0].gain_db)
    with pytest.raises(UsageError):
        RandomGain(low_db=1.0, high_db=0.0)


@pytest.mark.parametrize("slope", [0.0, -3.0, -6.0])
def test_noise_has_its_ratio_and_its_slope(slope):
    audio = noise(3, seconds=8.0).double()
    params = Noise(snr_db=20.0, db_per_octave=slope, seed=1)
    added = (AddNoise().apply(audio, params, RATE) - audio)[0].numpy()
    ratio = 10 * math.log10(float(audio.square().mean()) / np.square(added).mean())
    assert ratio == pytest.approx(20, abs=1e-6)
    freqs, power = scipy.signal.welch(added, RATE, nperseg=8192)
    inside = (freqs > 100) & (freqs < 10_000)
    fitted = np.polyfit(np.log2(freqs[inside]), 10 * np.log10(power[inside]), 1)[0]
    assert fitted == pytest.approx(slope, abs=0.1)


def test_noise_is_spoken_of_only_when_it_is_loud():
    assert not AddNoise().words(Noise(45.0, 0.0, 0))
    assert AddNoise().words(Noise(25.0, 0.0, 0)).add == ("with background noise",)
    loud = AddNoise().words(Noise(15.0, 0.0, 0))
    assert "noisy" in loud.add
    assert "clean" in loud.remove


@pytest.mark.parametrize("limit", [4_000, 8_000])
def test_band_limiting_takes_all_above_and_leaves_all_below(limit):
    out = BandLimit().apply(noise(seconds=2.0).double(), Limit(limit), RATE)[0]
    before = noise(seconds=2.0).double()[0]
    for low, high, expected in ((100, 0.9 * limit, 0.0), (1.05 * limit, 20_000, None)):
        sos = scipy.signal.butter(10, [low, min(high, 20_000)], "band", fs=RATE, output="sos")
        powers = [np.square(scipy.signal.sosfilt(sos, x.numpy())).mean() for x in (out, before)]
        change = 10 * math.log10(powers[0] / powers[1])
        assert change == pytest.approx(0, abs=0.1) if expected is not None else change < -30


def test_a_limit_above_the_rate_changes_nothing():
    x = noise(rate=8_000)
    assert torch.equal(BandLimit().apply(x, Limit(4_000), 8_000), x)


def test_eq_bands_have_their_gain_where_they_should():
    cases = (
        ("lows", 10.0, 250.0, 30.0, 4_000.0),
        ("highs", -12.0, 3_000.0, 16_000.0, 150.0),
        ("mids", -9.0, 1_000.0, 1_000.0, 30.0),
        ("presence", 6.0, 3_200.0, 3_200.0, 60.0),
    )
    for region, amount, frequency, there, elsewhere in cases:
        params = Band(region, amount, frequency)
        assert gain_db(EqBand(), params, there) == pytest.approx(amount, abs=0.35)
        assert gain_db(EqBand(), params, elsewhere) == pytest.approx(0, abs=0.35)


def test_a_tilt_is_a_straight_line_over_octaves():
    params = Tilt(-3.0)
    for hz in (125, 500, 1_000, 4_000, 8_000):
        assert gain_db(EqTilt(), params, hz) == pytest.approx(-3 * math.log2(hz / 1_000), abs=0.1)


@pytest.mark.parametrize("row", spectral_changes().values(), ids=lambda r: r.name)
def test_the_words_for_spectral_changes_are_words_of_the_right_direction(row):
    moved = {(d.descriptor, d.sign) for d in row.directions}
    for side, way in ((0, 1), (1, -1)):
        assert not all(lexicon.mentions_held_out(word) for word in row.tails[side])
        for word in (*row.tails[side], *row.adjectives[side]):
            entry = lexicon.lookup(word)
            assert entry.eq is not None, word
            assert (entry.eq.descriptor, way * entry.eq.sign) in moved, word


@pytest.mark.parametrize("row", spectral_changes().values(), ids=lambda r: r.name)
def test_a_change_moves_the_descriptors_that_its_words_are_about(row):
    audio = noise(7, seconds=1.0)
    if row.shape == "tilt":
        augmentation, up, down = EqTilt(), Tilt(3.0), Tilt(-3.0)
    else:
        augmentation = EqBand()
        up, down = (Band(row.name, g, row.frequency_hz) for g in (8.0, -8.0))
    plain = describe(audio, RATE)
    for params, way in ((up, 1), (down, -1)):
        told = describe(augmentation.apply(audio, params, RATE), RATE)
        for direction in row.directions:
            name = direction.descriptor
            assert way * direction.sign * float(told[name][0] - plain[name][0]) > 0.05, name


def test_eq_words_follow_the_size():
    assert not EqBand().words(Band("lows", 3.5, 250.0))
    slight = EqBand().words(Band("lows", 5.0, 250.0))
    assert "with boosted lows" in slight.add
    assert "boomy" not in slight.add
    assert "boomy" in EqBand().words(Band("lows", 9.0, 250.0)).add
    cut = EqBand().words(Band("lows", -9.0, 250.0))
    assert "thin" in cut.add
    assert "boomy" in cut.remove
    assert "muffled" in EqBand().words(Band("highs", -12.0, 3_000.0)).add
    assert "bright" in EqBand().words(Band("highs", -12.0, 3_000.0)).remove
    assert "scooped" in EqBand().words(Band("mids", -10.0, 1_000.0)).add


def test_regions_beyond_the_sample_rate_are_not_drawn():
    facts = NoteFacts(sample_rate=8_000)
    for seed in range(200):
        drawn = EqBand().draw(np.random.default_rng(seed), facts)
        assert drawn.region not in ("highs", "air", "presence")
        assert drawn.frequency_hz < 0.4 * 8_000
    nothing = EqBand().draw(np.random.default_rng(0), NoteFacts(sample_rate=100))
    assert not EqBand().words(nothing)
    assert torch.equal(EqBand().apply(noise(), nothing, 100), noise())


def test_effects_bring_the_words_of_their_level():
    augmentation = RandomEffect(effects=("distortion",))
    assert augmentation.words(Applied("distortion", 0.05)) == TextChange()
    told = augmentation.words(Applied("distortion", 0.5))
    assert {"distorted", "with distortion"} <= set(told.add)
    assert "clean" in told.remove
    drawn = {
        RandomEffect().draw(np.random.default_rng(s), NoteFacts(sample_rate=RATE)).effect
        for s in range(150)
    }
    assert set(WORDS) <= drawn
    with pytest.raises(UnknownNameError, match="reverb"):
        RandomEffect(effects=("reverbb",))
    with pytest.raises(UsageError):
        RandomEffect(low=0.9, high=0.2)


# Chains


def test_a_chain_applies_its_steps_in_order_and_as_often_as_it_should():
    facts = NoteFacts(sample_rate=RATE)
    chain = Chain([Step(RandomGain(), 0.3), PeakNormalise()])
    rng = np.random.default_rng(0)
    drawn = [chain.draw(rng, facts) for _ in range(600)]
    assert np.mean([d[0] is not None for d in drawn]) == pytest.approx(0.3, abs=0.06)
    assert all(d[1] == Peak(0.0) for d in drawn)
    out = chain.apply(noise(), drawn[0], RATE)
    assert float(out.audio.abs().amax()) == pytest.approx(1.0)
    assert out.change == TextChange()
    with pytest.raises(UsageError):
        Step(RandomGain(), 1.5)


def test_a_step_draws_the_same_whatever_the_probability_of_those_before():
    facts = NoteFacts(sample_rate=RATE)
    last = [
        Chain([Step(EqBand(), p), AddNoise()]).draw(np.random.default_rng(3), facts)[1]
        for p in (0.0, 1.0)
    ]
    assert last[0] == last[1]


def test_a_chain_tells_only_of_what_can_be_heard():
    boosted = [Band("highs", 12.0, 3_000.0)]
    chain = Chain([EqBand()])
    deep = torch.sin(2 * math.pi * 110 * torch.arange(RATE) / RATE)[None]
    assert not chain.apply(deep, boosted, RATE).change
    told = chain.apply(tone(110), boosted, RATE).change
    assert "bright" in told.add


@pytest.mark.parametrize("name", sorted(WORDS))
def test_clear_effects_can_be_heard_on_a_rich_note_and_nothing_else_can(name):
    audio, effect = tone(220, seconds=2.0), RandomEffect()
    level = WORDS[name].levels[1]
    assert can_be_heard(audio, effect.apply(audio, Applied(name, level), RATE), RATE)
    assert not can_be_heard(audio, effect.apply(audio, Applied(name, 0.01), RATE), RATE)
    assert not can_be_heard(audio, -0.1 * audio, RATE)


def test_spectral_change_is_measured_in_db_without_loudness():
    audio = noise(seconds=4.0)
    tilted = EqTilt().apply(audio, Tilt(3.0), RATE)
    # Thirty bands over 9.1 octaves, the lowest ones and the highest level.
    assert spectral_change_db(audio, 0.1 * tilted, RATE) == pytest.approx(7.6, abs=0.8)
    assert spectral_change_db(audio, 0.1 * audio, RATE) == pytest.approx(0, abs=1e-4)


# torchaudio-augmentations


def test_the_transforms_with_sox_are_listed_with_the_reason():
    for name in ("ta-pitch-shift", "ta-reverb"):
        assert "sox_effects" in entries()[name].unavailable
    done = CliRunner().invoke(cli, ["train", "augmentations"])
    assert done.exit_code == 0, done.output
    assert done.output.count("unavailable: it needs torchaudio.sox_effects") == 2


def test_without_the_package_the_list_says_how_to_get_it(monkeypatch):
    from timbreclip_core.errors import MissingExtraError
    from timbreclip_train.augmentations import records, third_party

    monkeypatch.setattr(records, "find_spec", lambda name: None)
    rows = {e.name: e for e in records.own_entries()}
    assert "timbreclip-train[augmentations]" in rows["ta-reverse"].unavailable
    monkeypatch.setattr(third_party, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"timbreclip-train\[augmentations\]"):
        third_party.ThirdParty("ta-reverse")


installed = pytest.mark.skipif(
    "ta-reverse" not in USABLE, reason="torchaudio-augmentations is not installed"
)


@installed
def test_the_stand_in_for_sox_is_gone_after_the_import():
    from timbreclip_train.augmentations.third_party import import_package

    package = import_package()
    assert package.__name__ == "torchaudio_augmentations"
    assert not [name for name in sys.modules if name.startswith("torchaudio.sox_effects")]
    assert import_package() is package


@installed
def test_sox_transforms_are_refused_and_unknown_ones_too():
    from timbreclip_train.augmentations.third_party import ThirdParty, UnavailableError

    with pytest.raises(UnavailableError, match=r"2\.9"):
        ThirdParty("ta-reverb")
    with pytest.raises(UnknownNameError, match="ta-reverse"):
        ThirdParty("ta-revers")


@installed
def test_transforms_do_what_their_names_say():
    from timbreclip_train.augmentations.third_party import Seed, ThirdParty

    x = noise(seconds=2.0, channels=2)
    made = {n: ThirdParty(n).apply(x, Seed(4), RATE) for n in TRANSFORMS if not TRANSFORMS[n].sox}
    assert torch.equal(made["ta-polarity-inversion"], -x)
    assert torch.equal(made["ta-reverse"], x.flip(-1))
    quieter = 20 * math.log10(float(made["ta-gain"].norm() / x.norm()))
    assert -20 <= quieter <= -1
    added = made["ta-noise"] - x
    assert 39 < 20 * math.log10(float(x.norm() / added.norm())) < 81
    late = 2 * made["ta-delay"] - x
    start = int(late.abs().sum(0).gt(1e-6).nonzero()[0])
    assert start / RATE * 1000 % 50 == pytest.approx(0, abs=0.1)
    assert torch.allclose(late[:, start:], 0.5 * x[:, : x.shape[-1] - start], atol=1e-6)
    spectra = {n: torch.fft.rfft(y).abs().square().mean(0) for n, y in made.items() if y.numel()}
    assert spectra["ta-low-pass-filter"][2 * 8_000 :].sum() < 1e-3 * spectra["ta-reverse"].sum()
    assert spectra["ta-high-pass-filter"][: 2 * 100].sum() < 1e-3 * spectra["ta-reverse"].sum()


@installed
def test_a_crop_keeps_part_of_the_sound():
    from timbreclip_train.augmentations.third_party import Seed, ThirdParty

    x = torch.arange(RATE, dtype=torch.float32)[None]
    out = ThirdParty("ta-random-resized-crop", seconds=0.25).apply(x, Seed(9), RATE)
    assert out.shape == (1, round(0.25 * RATE))
    assert torch.equal(out, x[:, int(out[0, 0]) : int(out[0, 0]) + out.shape[-1]])


@installed
def test_the_global_generators_are_left_as_they_were():
    from timbreclip_train.augmentations.third_party import Seed, ThirdParty

    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    expected = (random.random(), np.random.rand(), float(torch.rand(())))
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    ThirdParty("ta-noise").apply(noise(), Seed(77), RATE)
    ThirdParty("ta-delay").apply(noise(), Seed(77), RATE)
    assert (random.random(), np.random.rand(), float(torch.rand(()))) == expected
