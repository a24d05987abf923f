"""Text-driven EQ with the model that ships: the words that every user will try first."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from timbreclip_core import load_model
from timbreclip_eq import SearchConfig
from timbreclip_eq.entries import load_eq
from timbreclip_eq.fit import Fitter, Sound, equalize_many
from timbreclip_eq.hearing import FilteredHearing, hearing
from timbreclip_eq.measure import centroid_hz
from timbreclip_eq.search import polish, search


@pytest.fixture(scope="module")
def small():
    return load_model("small")


@pytest.fixture(scope="module")
def four(sounds):
    make = sounds
    return [
        Sound(make.noise(1.5, 44_100, channels=2), 44_100),
        Sound(make.pluck(48_000), 48_000),
        Sound(make.pluck(32_000, hz=330.0), 32_000),
        Sound(make.noise(0.15, 96_000, seed=3), 96_000),
    ]


@pytest.mark.parametrize("eq", ["graphic", "tilt"])
def test_bright_raises_and_dark_lowers_the_centroid(small, four, eq):
    config = SearchConfig(restarts=1)
    moved = {}
    for word in ("bright", "dark"):
        results = equalize_many(four, target=word, eq=eq, model=small, config=config)
        moved[word] = [
            np.log2(
                centroid_hz(r.apply(s.audio, s.sample_rate), s.sample_rate)
                / centroid_hz(s.audio, s.sample_rate)
            )
            for r, s in zip(results, four, strict=True)
        ]
        assert all(r.similarity_after > r.similarity_before for r in results)
    assert np.mean(moved["bright"]) > 0.1
    assert np.mean(moved["dark"]) < -0.1
    assert sum(b > d for b, d in zip(moved["bright"], moved["dark"], strict=True)) == len(four)


def test_the_spectral_shortcut_is_the_true_filter_for_the_bundled_model(small, four):
    """Embedding cosine above 0.99 between the shortcut and truly filtering the waveform."""
    eq, ear = load_eq("graphic"), hearing(small, "text")
    for sound in four:
        data = ear.listen(sound.audio, sound.sample_rate, max_windows=8)
        for seed in range(2):
            generator = torch.Generator().manual_seed(seed)
            values = eq.values(torch.rand(1, eq.size, generator=generator).double())
            freqs_hz = ear.freqs_hz(data).clamp(max=sound.sample_rate / 2)
            magnitude = eq.response(values, freqs_hz, sound.sample_rate)[0].float()
            true = eq.filter(sound.audio.double(), values, sound.sample_rate)
            golden = small.embed_audio(true, sample_rate=sound.sample_rate)[0].plain()
            with torch.no_grad():
                assert float(ear.mix(data, magnitude) @ golden) > 0.99


def test_the_start_that_the_quick_hearing_prefers_is_as_good_as_any(small, four):
    """Of several starts, the shortcut chooses; the true filter goes on from there."""
    eq = load_eq("parametric")
    fitter = Fitter(eq, small, _target("warm"), SearchConfig(restarts=3, max_evaluations=40))
    quick, true = fitter.hearings
    prepared = [fitter.prepare(s) for s in four]
    found = search(eq, quick, [[p.aims[0]] for p in prepared], fitter.config)
    ends = []
    for rank in range(3):
        chosen = [[group[rank]] for group in found]
        polished = polish(eq, true, [[p.aims[1]] for p in prepared], chosen, fitter.config)
        ends.append([group[0].loss for group in polished])
    best = np.min(ends, axis=0)
    assert (np.array(ends[0]) - best).max() < 0.02
    assert np.mean(ends[0]) < np.mean(ends[2])


@pytest.mark.parametrize("eq", ["graphic", "parametric", "tilt"])
def test_the_finer_hearing_is_the_true_filter(small, four, eq):
    """Minimum phase, ringing, and the end of the file, where a render stops too."""
    eq, ear = load_eq(eq), FilteredHearing(small, "text")
    for sound in four:
        data = ear.listen(sound.audio, sound.sample_rate, max_windows=8)
        generator = torch.Generator().manual_seed(1)
        values = eq.values(torch.rand(1, eq.size, generator=generator).double())
        values = eq.hold(values, ear.heard_hz)
        freqs_hz = ear.freqs_hz(data).clamp(max=sound.sample_rate / 2)
        magnitude = eq.response(values, freqs_hz, sound.sample_rate)[0].float()
        true = eq.filter(sound.audio.double(), values, sound.sample_rate)
        golden = small.embed_audio(true, sample_rate=sound.sample_rate)[0].plain()
        with torch.no_grad():
            assert float(ear.mix(data, magnitude) @ golden) > 0.9995


def test_polishing_never_makes_it_worse(small, four):
    """By what is minimised, the loss through the true filter with its penalties; for each sound."""
    eq, reached, losses = load_eq("graphic"), [], []
    for evaluations in (0, 12):
        config = SearchConfig(polish_evaluations=evaluations)
        results = equalize_many(four, target="warm", eq=eq, model=small, config=config)
        reached.append([r.similarity_after for r in results])
        losses.append([r.history for r in results])
        assert all(len(r.history) > 2 and r.evaluations > 2 for r in results)
    gained = []
    for quick, whole in zip(*losses, strict=True):
        polished = whole[len(quick) :]
        assert whole[: len(quick)] == quick and polished[-1] <= polished[0]
        gained.append(polished[0] - polished[-1])
    assert sum(gained) > 0
    # Penalties are part of the loss, so a little similarity may go for a calmer curve.
    assert all(b > a - 0.01 for a, b in zip(*reached, strict=True))
    assert sum(reached[1]) >= sum(reached[0]) - 0.005


def test_the_search_ends_where_its_true_render_ends(small, four):
    """What the search believes it reached and what the filtered sound reaches agree."""
    config = SearchConfig(size_penalty=0.0, smoothness_penalty=0.0)
    fitter = Fitter(load_eq("graphic"), small, _target("warm"), config)
    prepared = [fitter.prepare(s) for s in four]
    for item, group in zip(prepared, fitter.find(prepared), strict=True):
        result = fitter.judge(item, group)
        assert 1 - result.loss == pytest.approx(result.similarity_after, abs=0.002)


def _target(text):
    from timbreclip_core.target import parse_target

    return parse_target([text])
