from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from timbreclip_core.descriptors import describe
from timbreclip_core.errors import UsageError
from timbreclip_train.rendering import synth_labels
from timbreclip_train.rendering.synth import Patch, labels, parts, render, sample_patch
from timbreclip_train.rendering.synth_families import DRUMS, FAMILIES, chances
from timbreclip_train.rendering.synth_patch import (
    Effects,
    Envelope,
    Filter,
    Fm,
    FmPair,
    Modal,
    Modulation,
    Noise,
    Wavetable,
)

RATE = 32_000
ORGAN = Envelope(attack_s=0.005, sustain=1.0, release_s=0.05)
SHORT = {"hold_s": 0.6, "release_s": 0.2, "sample_rate": RATE}

torch.set_num_threads(1)


def plain(voice, **changes) -> Patch:
    made = Patch(seed=5, family="lead", voice=voice, amp=ORGAN, velocity_octaves=0.0)
    return replace(made, **changes)


def spectrum(audio: np.ndarray, rate: int = RATE) -> tuple[np.ndarray, np.ndarray]:
    mono = audio.mean(0).astype(np.float64)
    power = np.abs(np.fft.rfft(mono * np.blackman(len(mono)))) ** 2
    return np.arange(len(power)) * rate / len(mono), power


def strongest_hz(audio: np.ndarray, low_hz: float, high_hz: float) -> float:
    freqs, power = spectrum(audio)
    inside = np.flatnonzero((freqs > low_hz) & (freqs < high_hz))
    top = inside[power[inside].argmax()]
    left, here, right = np.log(power[top - 1 : top + 2] + 1e-30)
    return freqs[top] + (freqs[1] - freqs[0]) * 0.5 * (left - right) / (left - 2 * here + right)


def centroid_hz(audio: np.ndarray) -> float:
    freqs, power = spectrum(audio)
    return float((freqs * np.sqrt(power)).sum() / np.sqrt(power).sum())


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_sounds_without_clipping_at_any_key(family):
    for seed, pitch in enumerate((12, 60, 108)):
        patch = sample_patch(seed, [family])
        audio = render(patch, pitch, 100, **SHORT)
        assert audio.shape == (2, 25_600)
        assert audio.dtype == np.float32
        assert np.isfinite(audio).all()
        assert 0.05 < np.abs(audio).max() <= 0.9


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    pitch=st.integers(0, 127),
    velocity=st.integers(1, 127),
    hold_s=st.floats(0.01, 0.5),
    release_s=st.floats(0.0, 0.4),
    sample_rate=st.sampled_from([16_000, 22_050, 44_100, 48_000]),
)
def test_any_note_of_any_patch_is_finite_and_has_the_length_asked_for(
    seed, pitch, velocity, hold_s, release_s, sample_rate
):
    audio = render(sample_patch(seed), pitch, velocity, hold_s, release_s, sample_rate)
    assert audio.shape == (2, round((hold_s + release_s) * sample_rate))
    assert np.isfinite(audio).all()
    assert np.abs(audio).max(initial=0.0) <= 0.9


@pytest.mark.parametrize("seed", [3, 17, 40, 77])
def test_same_arguments_give_the_same_bytes(seed):
    first = render(sample_patch(seed), 57, 90, **SHORT)
    render(sample_patch(seed + 1), 40, 20, **SHORT)
    assert first.tobytes() == render(sample_patch(seed), 57, 90, **SHORT).tobytes()


def test_another_seed_changes_the_noise_and_not_the_patch():
    patch = sample_patch(4, ["wind"])
    first, second = render(patch, 60, 100, **SHORT), render(patch, 60, 100, **SHORT, seed=1)
    assert not np.array_equal(first, second)
    assert centroid_hz(first) == pytest.approx(centroid_hz(second), rel=0.1)


@pytest.mark.parametrize("pitch", [28, 45, 60, 81, 100])
@pytest.mark.parametrize(
    "voice",
    [
        Wavetable(waveform="saw"),
        Wavetable(waveform="square"),
        Wavetable(waveform="triangle"),
        Fm(pairs=(FmPair(ratio=1.0, index=0.5),)),
        Modal(tilt_db_per_octave=-12.0, decay_s=6.0),
    ],
    ids=["saw", "square", "triangle", "fm", "string"],
)
def test_fundamental_lies_where_the_key_says(voice, pitch):
    f0 = 440 * 2 ** ((pitch - 69) / 12)
    audio = render(plain(voice), pitch, 100, 2.0, 0.1, RATE)
    assert strongest_hz(audio, 0.7 * f0, 1.4 * f0) == pytest.approx(f0, rel=1e-3)


def test_saw_has_the_harmonics_of_theory():
    audio = render(plain(Wavetable()), 57, 127, 3.0, 0.1, RATE)[:, 8_000:72_000]
    freqs, power = spectrum(audio)
    peaks = [power[(freqs > 220 * h - 20) & (freqs < 220 * h + 20)].max() for h in range(1, 31)]
    level_db = 10 * np.log10(np.array(peaks) / peaks[0])
    assert np.abs(level_db + 20 * np.log10(np.arange(1, 31))).max() < 0.2


@pytest.mark.parametrize("pitch", [84, 96, 108])
@pytest.mark.parametrize(
    ("voice", "drive_db", "limit_db"),
    [
        (Wavetable(), 0.0, -70),
        (Wavetable(waveform="pulse", pulse_width=0.3), 0.0, -70),
        (Fm(pairs=(FmPair(ratio=2.0, index=6.0),)), 0.0, -48),
        (Wavetable(), 12.0, -60),
        (Wavetable(waveform="sine"), 24.0, -45),
    ],
    ids=["saw", "pulse", "fm", "driven saw", "driven sine"],
)
def test_high_notes_do_not_fold_back(voice, drive_db, limit_db, pitch):
    patch = plain(voice, effects=Effects(drive_db=drive_db))
    freqs, power = spectrum(render(patch, pitch, 127, 2.0, 0.1, RATE)[:, 6_400:62_400])
    f0 = 440 * 2 ** ((pitch - 69) / 12)
    order = np.round(freqs / f0)
    harmonic = (np.abs(freqs - order * f0) < 8) & (order >= 1)
    strange = power[~harmonic & (freqs > 30)].sum()
    assert 10 * np.log10(strange / power.sum()) < limit_db


@pytest.mark.parametrize("family", ["synth bass", "fm pad", "harp", "kick", "wind", "snare"])
def test_higher_velocity_is_louder_and_not_darker(family):
    patch = replace(sample_patch(2, [family]), velocity_db=20.0, velocity_octaves=2.0)
    soft, loud = render(patch, 55, 30, **SHORT), render(patch, 55, 120, **SHORT)
    ratio_db = 20 * np.log10(np.abs(loud).max() / np.abs(soft).max())
    assert ratio_db == pytest.approx(20 * (120 - 30) / 127, abs=0.2)
    assert centroid_hz(loud) > 1.02 * centroid_hz(soft)


def test_vibrato_moves_the_pitch_by_its_depth():
    modulation = Modulation(vibrato_cents=50.0, vibrato_hz=5.0)
    audio = render(
        plain(Wavetable(waveform="sine"), modulation=modulation), 69, 127, 2.0, 0.0, RATE
    )
    mono = torch.from_numpy(audio[0, 1_000:-1_000])
    spectrum_ = torch.fft.fft(mono)
    spectrum_[len(mono) // 2 :] = 0
    phase = np.unwrap(np.angle(torch.fft.ifft(spectrum_).numpy()))
    hertz = np.diff(phase)[2_000:-2_000] * RATE / (2 * np.pi)
    cents = 1200 * np.log2(hertz / 440)
    assert np.percentile(cents, 98) == pytest.approx(50, abs=3)
    assert np.percentile(cents, 2) == pytest.approx(-50, abs=3)


def test_tremolo_swings_by_its_depth():
    modulation = Modulation(tremolo_db=12.0, tremolo_hz=4.0)
    audio = render(plain(Wavetable(), modulation=modulation), 69, 127, 2.0, 0.0, RATE)
    level = np.abs(audio[0, 3_200:57_600]).reshape(-1, 160).max(1)
    assert 20 * np.log10(level.max() / level.min()) == pytest.approx(12, abs=0.6)


def test_noise_level_is_the_ratio_of_the_parts():
    patch = plain(Wavetable(), noise=Noise(level_db=-9.0))
    tone, noise = parts(patch, 60, 100, 1.0, 0.0, RATE)
    ratio_db = 10 * np.log10(np.mean(noise**2) / np.mean(tone**2))
    assert ratio_db == pytest.approx(-9, abs=0.5)


def test_low_pass_takes_the_highs_away():
    open_ = render(plain(Wavetable()), 45, 100, **SHORT)
    closed = render(
        plain(Wavetable(), filter=Filter(kind="low", cutoff_hz=400.0)), 45, 100, **SHORT
    )
    assert centroid_hz(closed) < 0.3 * centroid_hz(open_)


def test_reverberation_rings_after_a_dry_sound_has_stopped():
    wet = plain(Wavetable(), effects=Effects(reverb_mix=0.3, reverb_s=2.5))
    dry_tail = np.abs(render(plain(Wavetable()), 60, 100, 0.5, 0.5, RATE)[:, 24_000:]).max()
    wet_tail = np.abs(render(wet, 60, 100, 0.5, 0.5, RATE)[:, 24_000:]).max()
    assert dry_tail < 1e-3 < wet_tail


def test_sample_patch_draws_every_family_about_as_often_as_stated():
    drawn = [sample_patch(seed).family for seed in range(1_500)]
    expected = chances()
    assert set(drawn) == set(FAMILIES)
    for family in ("lead", "pad", "kick", "bell"):
        assert drawn.count(family) / 1_500 == pytest.approx(expected[family], abs=0.015)


def test_patch_is_the_same_for_the_same_seed_and_differs_for_the_next():
    assert sample_patch(8) == sample_patch(8)
    assert sample_patch(8) != replace(sample_patch(9), seed=8)


TAG_FACTS = {
    "vibrato": lambda p: (
        p.modulation.vibrato_cents >= synth_labels.VIBRATO_CENTS and p.modulation.vibrato_hz >= 2.5
    ),
    "tremolo": lambda p: p.modulation.tremolo_db >= 3 and p.modulation.tremolo_hz >= 2.5,
    "distorted": lambda p: p.effects.drive_db >= 10,
    "slow attack": lambda p: p.amp.attack_s >= 0.2,
    "chorus": lambda p: p.effects.chorus >= 0.3,
    "reverb": lambda p: p.effects.reverb_mix >= 0.12,
    "FM": lambda p: isinstance(p.voice, Fm),
}


@pytest.mark.parametrize("tag", TAG_FACTS)
def test_tag_is_there_exactly_when_the_parameter_passes_its_threshold(tag):
    patches = [sample_patch(seed) for seed in range(400)]
    said = [tag in labels(patch, 60)["tags"] for patch in patches]
    assert said == [bool(TAG_FACTS[tag](patch)) for patch in patches]
    assert 0 < sum(said) < 400


def test_filter_tags_depend_on_the_key():
    patch = plain(Wavetable(), filter=Filter(kind="low", cutoff_hz=3_000.0, key_track=0.0))
    assert "low-pass filtered" in labels(patch, 60)["tags"]
    assert "low-pass filtered" not in labels(patch, 24)["tags"]


def test_inharmonicity_is_zero_for_whole_ratios_and_large_for_a_free_bar():
    assert synth_labels.inharmonicity(plain(Modal()), 60) == pytest.approx(0, abs=1e-9)
    assert synth_labels.inharmonicity(plain(Fm(pairs=(FmPair(ratio=3.5),))), 60) == 0
    bar = Modal(ratios=(1.0, 2.756, 5.404), tilt_db_per_octave=0.0)
    expected = 2 * (0 + 0.244 + 0.404) / 3
    assert synth_labels.inharmonicity(plain(bar), 60) == pytest.approx(expected, abs=1e-6)


def test_labels_have_every_kind_and_readable_titles():
    for seed in range(300):
        patch = sample_patch(seed)
        found = labels(patch, 60)
        assert set(found) == {"title", "category", "family", "source", "tags", "description"}
        assert found["family"] == (patch.family,)
        words = found["title"][0].split()
        assert 1 <= len(words) <= 8
        assert len(set(words)) == len(words), found["title"]
    assert labels(sample_patch(7), 60) == labels(sample_patch(7), 60)


def test_every_family_has_a_category_and_names():
    assert set(synth_labels.CATEGORY_OF) == set(FAMILIES) == set(synth_labels.NOUNS)
    assert set(FAMILIES) >= DRUMS


@pytest.mark.parametrize(
    "wrong",
    [
        {"pitch": 128},
        {"velocity": 0},
        {"hold_s": 0.0},
        {"release_s": -1.0},
        {"sample_rate": 8_000},
    ],
)
def test_arguments_out_of_range_are_refused(wrong):
    good = {"pitch": 60, "velocity": 100, "hold_s": 1.0, "release_s": 0.0, "sample_rate": RATE}
    with pytest.raises(UsageError):
        render(sample_patch(0), **{**good, **wrong})


@pytest.fixture(scope="module")
def measured():
    """Patches of sustained families, their keys and what is measured of a note of each."""
    families = ["lead", "flute", "organ", "solo strings", "pad", "choir", "oboe", "chip lead"]
    patches = [sample_patch(seed, families) for seed in range(110)]
    keys = [45 + 7 * (index % 5) for index in range(len(patches))]
    notes = [
        render(p, key, 100, 2.0, 0.5, RATE).mean(0) for p, key in zip(patches, keys, strict=True)
    ]
    found = describe(torch.from_numpy(np.stack(notes)), RATE, pitch=torch.tensor(keys), hold_s=2.0)
    return patches, found


def _one_voice(patch: Patch) -> bool:
    """Voices that beat against each other swing in level as tremolo does."""
    voice = patch.voice
    return not isinstance(voice, Wavetable) or (voice.voices == 1 and voice.second_level == 0)


def _steady_noise(patch: Patch) -> bool:
    return patch.noise.level_db is not None and patch.noise.decay_s == 0


@pytest.mark.parametrize(
    ("name", "truth", "applies", "least"),
    [
        ("vibrato_depth_cents", lambda p: p.modulation.vibrato_cents, lambda p: True, 0.8),
        ("tremolo_depth_db", lambda p: p.modulation.tremolo_db, _one_voice, 0.75),
        ("log_attack_time", lambda p: p.amp.attack_s, lambda p: True, 0.8),
        ("noise_db", lambda p: p.noise.level_db, _steady_noise, 0.7),
    ],
    ids=["vibrato", "tremolo", "attack", "noise"],
)
def test_what_is_measured_ranks_the_notes_as_the_parameters_do(
    measured, name, truth, applies, least
):
    patches, found = measured
    used = [index for index, patch in enumerate(patches) if applies(patch)]
    assert len(used) > 30
    values = found[name].numpy()[used]
    assert spearmanr([truth(patches[index]) for index in used], values).statistic > least


def test_unknown_family_and_negative_seed_are_refused():
    with pytest.raises(UsageError, match="theremin"):
        sample_patch(0, ["theremin"])
    with pytest.raises(UsageError):
        sample_patch(-1)
