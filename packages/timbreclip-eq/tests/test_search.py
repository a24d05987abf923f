"""The fit: right directions, an honest shortcut, the same result every time."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from timbreclip_core import Target
from timbreclip_core.errors import InputError, SilentAudioError, UsageError
from timbreclip_core.target import as_target
from timbreclip_eq import SearchConfig, equalize, equalize_many
from timbreclip_eq.fit import Fitter, Sound
from timbreclip_eq.graphic import GraphicEQ
from timbreclip_eq.hearing import hearing
from timbreclip_eq.lbfgs import minimise
from timbreclip_eq.measure import centroid_hz
from timbreclip_eq.objective import Losses, Penalty
from timbreclip_eq.parametric import ParametricEQ
from timbreclip_eq.search import PRESETS, starting_points
from timbreclip_eq.sketch import EVALUATIONS, nearest
from timbreclip_eq.testing import band_model

RATE = 44_100
SOUNDS = ["noise", "pluck"]


def make(sounds, name, rate=RATE):
    return sounds.noise(1.5, rate) if name == "noise" else sounds.pluck(rate)


def octave_mean(result, low_hz, high_hz):
    return float(result.curve(np.geomspace(low_hz, high_hz, 50)).mean())


@pytest.mark.parametrize("name", SOUNDS)
@pytest.mark.parametrize("eq", ["graphic", "parametric", "tilt"])
@pytest.mark.parametrize("loss", ["cosine", "directional"])
def test_bright_lifts_the_top_and_dark_lowers_it(sounds, model, name, eq, loss):
    audio = make(sounds, name)
    for word, sign in (("bright", 1), ("dark", -1)):
        config = SearchConfig(loss=loss)
        result = equalize(audio, sample_rate=RATE, target=word, eq=eq, model=model, config=config)
        assert sign * (octave_mean(result, 4_000, 12_000) - octave_mean(result, 60, 250)) > 1
        if loss == "cosine":
            after = centroid_hz(result.apply(audio, RATE), RATE)
            assert sign * (after - centroid_hz(audio, RATE)) > 0
            assert result.similarity_after > result.similarity_before


def test_a_boomy_sound_gains_only_below_300_hz(sounds, model):
    result = equalize(sounds.noise(1, RATE), sample_rate=RATE, target="boomy", model=model)
    low, high = octave_mean(result, 50, 200), octave_mean(result, 1_000, 8_000)
    assert low > high + 3


def test_a_negative_weight_goes_the_other_way(sounds, model):
    audio = sounds.noise(1, RATE)
    target = Target(texts=(("bright", -1.0),))
    result = equalize(audio, sample_rate=RATE, target=target, model=model)
    assert octave_mean(result, 4_000, 12_000) < octave_mean(result, 60, 250)


def test_a_source_weight_keeps_the_sound_nearer_to_itself(sounds, model):
    audio = sounds.noise(1, RATE)
    free, kept = (
        equalize(
            audio, sample_rate=RATE, target=Target((("bright", 1.0),), source_weight=w), model=model
        )
        for w in (0.0, 3.0)
    )
    freqs = np.geomspace(50, 12_000, 50)
    assert np.abs(kept.curve(freqs)).mean() < 0.7 * np.abs(free.curve(freqs)).mean()


@pytest.mark.parametrize("loss", ["cosine", "directional"])
def test_a_reference_sound_is_come_near_to(sounds, model, loss):
    audio = sounds.noise(1, RATE)
    wanted = equalize(audio, sample_rate=RATE, target="boomy", model=model)
    vector = model.embed_audio(wanted.apply(audio, RATE), sample_rate=RATE)
    result = equalize(
        audio,
        sample_rate=RATE,
        target=Target(sounds=((vector, 1.0),)),
        model=model,
        config=SearchConfig(loss=loss),
    )
    assert result.similarity_after > 0.97


def whole_bands(audio, rate):
    """Level in dB of octave bands, by an FFT of the whole sound."""
    power = torch.fft.rfft(audio.double()).abs().square().sum(0)
    freqs = torch.linspace(0, rate / 2, len(power))
    edges = 62.5 * 2.0 ** torch.arange(8)
    return torch.stack([10 * power[(freqs >= a) & (freqs < 2 * a)].sum().log10() for a in edges])


@pytest.mark.parametrize("name", SOUNDS)
@pytest.mark.parametrize("eq", [GraphicEQ(), ParametricEQ()], ids=["graphic", "parametric"])
def test_the_spectral_shortcut_is_the_true_filter(sounds, model, name, eq):
    """Level per octave within 0.5 dB and embeddings within 0.002 of truly filtering the sound."""
    audio = make(sounds, name, 32_000)
    ear = hearing(model, "text")
    data = ear.listen(audio, 32_000, max_windows=8)
    for seed in range(4):
        generator = torch.Generator().manual_seed(seed)
        unit = 0.2 + 0.6 * torch.rand(1, eq.size, generator=generator, dtype=torch.float64)
        values = eq.values(unit)
        true = eq.filter(audio.double(), values, 32_000)
        magnitude = eq.response(values, ear.freqs_hz(data), 32_000)[0].float()
        shortcut = ear.mix(data, magnitude)
        golden = model.embed_audio(true, sample_rate=32_000)[0]
        assert float(shortcut @ golden.plain()) > 0.998
        spectral = (data * magnitude.square()[:, None]).sum((0, 2)).double()
        freqs = model.encoder.freqs_hz
        flat = data.sum((0, 2)).double()
        moved = whole_bands(true, 32_000) - whole_bands(audio, 32_000)
        edges = 62.5 * 2.0 ** torch.arange(8)
        for edge, wanted in zip(edges[2:], moved[2:], strict=True):
            inside = (freqs >= edge) & (freqs < 2 * edge)
            got = 10 * (spectral[inside].sum() / flat[inside].sum()).log10()
            assert abs(got - wanted) < 0.5


def test_the_similarity_reported_is_that_of_the_filtered_sound(sounds, model):
    audio = sounds.pluck(RATE)
    result = equalize(audio, sample_rate=RATE, target="bright", model=model)
    for x, reported in (
        (audio, result.similarity_before),
        (result.apply(audio, RATE), result.similarity_after),
    ):
        golden = float(model.similarity(model.embed_audio(x, sample_rate=RATE), "bright"))
        assert reported == pytest.approx(golden, abs=1e-4)


def losses_for(eq, model, sounds, word="bright", config=None):
    fitter = Fitter(eq, model, Target(((word, 1.0),)), config or SearchConfig())
    prepared = [fitter.prepare(Sound(s, RATE)) for s in sounds]
    problems = [[p.aim] for p in prepared]
    return Losses(eq, fitter.hearing, problems, range(len(problems)), Penalty(0.03, 0.003))


@pytest.mark.parametrize("loss", ["cosine", "directional"])
def test_gradients_match_finite_differences(sounds, model, loss):
    eq = GraphicEQ()
    config = SearchConfig(loss=loss)
    losses = losses_for(eq, model, [sounds.pluck(RATE)], config=config)
    x = eq.neutral()[None] + 0.1
    row = torch.zeros(1, dtype=torch.long)
    _, gradient = losses(x, row)
    for i in range(eq.size):
        step = torch.zeros_like(x)
        step[0, i] = 0.01
        rise = losses(x + step, row)[0] - losses(x - step, row)[0]
        assert gradient[0, i].item() == pytest.approx(rise.item() / 0.02, rel=0.02, abs=2e-3)


def test_a_row_has_the_loss_and_gradient_that_it_has_alone(sounds, model):
    eq = GraphicEQ()
    audio = [sounds.noise(5, RATE), sounds.pluck(RATE), 1e-3 * sounds.noise(0.1, RATE, seed=2)]
    losses = losses_for(eq, model, audio)
    x = torch.rand(3, eq.size, generator=torch.Generator().manual_seed(0)).double()
    together = losses(x, torch.arange(3))
    for row in range(3):
        alone = losses(x[row : row + 1], torch.tensor([row]))
        torch.testing.assert_close(alone[0][0], together[0][row], rtol=0, atol=1e-5)
        torch.testing.assert_close(alone[1][0], together[1][row], rtol=0, atol=1e-5)


def test_chunks_change_nothing(sounds, model, monkeypatch):
    import timbreclip_eq.objective as objective

    losses = losses_for(GraphicEQ(), model, [sounds.noise(5, RATE), sounds.pluck(RATE)])
    x, rows = torch.full((2, 10), 0.6), torch.arange(2)
    whole = losses(x, rows)
    monkeypatch.setattr(objective, "WINDOWS_AT_ONCE", 1)
    for a, b in zip(whole, losses(x, rows), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-5)


def test_lbfgs_does_in_60_evaluations_what_adam_does_in_600_steps(sounds, model):
    audio = sounds.pluck(RATE)
    penalties = {"size_penalty": 0.0, "smoothness_penalty": 0.0}
    slow = SearchConfig(optimiser="adam", steps=600, restarts=1, **penalties)
    quick = SearchConfig(max_evaluations=60, **penalties)
    ends = [
        equalize(audio, sample_rate=RATE, target="dark", model=model, config=config).loss
        for config in (slow, quick)
    ]
    assert ends[1] <= 1.01 * ends[0]


def test_the_papers_recipe_is_adam_at_a_hundredth_for_5000_steps():
    paper = PRESETS["paper"]
    assert (paper.optimiser, paper.steps, paper.learning_rate) == ("adam", 5_000, 1e-2)
    assert (paper.size_penalty, paper.smoothness_penalty, paper.loss) == (0, 0, "cosine")


def test_the_same_call_gives_the_same_eq(sounds, model):
    audio = sounds.noise(1, RATE)
    first, second = (
        equalize(audio, sample_rate=RATE, target="bright", eq="parametric", model=model)
        for _ in range(2)
    )
    assert first.preset.values == second.preset.values
    assert first.history == second.history


def starts(eq, model, audio, **config):
    ears = hearing(model, "text")
    config = SearchConfig(**config)
    fitter = Fitter(eq, model, as_target("bright"), config)
    problems = [[fitter.prepare(Sound(a, RATE)).aim] for a in audio]
    return starting_points(eq, ears, problems, config)


def test_starting_points_begin_neutral_and_follow_the_seed(sounds, model):
    eq, audio = GraphicEQ(), [sounds.noise(0.5, RATE)]
    points, spent = starts(eq, model, audio, seed=1, restarts=4)
    assert points.shape == (1, 4, eq.size) and spent.tolist() == [0]
    assert torch.equal(points[0, 0], eq.neutral())
    assert torch.equal(points, starts(eq, model, audio, seed=1, restarts=4)[0])
    assert not torch.equal(points, starts(eq, model, audio, seed=2, restarts=4)[0])
    assert ((points >= 0) & (points <= 1)).all()
    for each in (eq, ParametricEQ()):
        assert starts(each, model, audio)[0].shape[1] == each.restarts


def test_free_bands_start_near_a_sketch_of_each_sound(sounds, model):
    eq, audio = ParametricEQ(), [sounds.noise(0.5, RATE), sounds.pluck(RATE)]
    points, spent = starts(eq, model, audio, restarts=3)
    assert (spent > 1).all() and (spent <= EVALUATIONS).all()
    assert torch.equal(points[0, 1:], points[1, 1:]) and torch.equal(points[0, 1], eq.neutral())
    alone, _ = starts(eq, model, audio[1:], restarts=3)
    freqs = torch.logspace(1.7, 4, 40, dtype=torch.float64)
    curves = [eq.curve_db(eq.values(p[:1]), freqs, RATE) for p in (points[1], alone[0])]
    torch.testing.assert_close(*curves, rtol=0, atol=0.1)
    plain, none = starts(eq, model, audio, restarts=1, optimiser="adam")
    assert torch.equal(plain[0, 0], eq.neutral()) and none.tolist() == [0, 0]


def test_bands_come_near_a_curve_that_bands_can_draw():
    eq = ParametricEQ()
    wanted = eq.values(torch.rand(1, eq.size, generator=torch.Generator().manual_seed(3)).double())
    freqs = torch.logspace(1.5, 4.2, 64, dtype=torch.float64)
    goal_db = eq.curve_db(wanted, freqs, RATE)[0]
    found = nearest(eq, goal_db, freqs, RATE, 16_000.0)
    off_db = eq.curve_db(eq.values(found[None]), freqs, RATE)[0] - goal_db
    assert off_db.square().mean().sqrt() < 0.25 * goal_db.square().mean().sqrt()


def test_one_start_from_a_sketch_does_what_eight_random_ones_do(sounds, model):
    class Plain(ParametricEQ):
        sketched = False
        restarts = 8

    for audio in (sounds.pluck(RATE), sounds.noise(1, RATE)):
        quick, slow = (
            equalize(audio, sample_rate=RATE, target="dark", eq=eq, model=model)
            for eq in (ParametricEQ(), Plain())
        )
        assert quick.loss <= 1.03 * slow.loss
        assert quick.evaluations < slow.evaluations / 3


def test_the_history_falls_from_the_flat_eq_to_the_loss(sounds, model):
    result = equalize(sounds.pluck(RATE), sample_rate=RATE, target="bright", model=model)
    assert result.history == sorted(result.history, reverse=True)
    assert result.history[-1] == result.loss
    assert result.history[0] == pytest.approx(1 - result.similarity_before, abs=0.01)


def test_many_sounds_get_what_each_gets_alone(sounds, model):
    audio = [Sound(sounds.noise(1, RATE), RATE), Sound(sounds.pluck(48_000), 48_000)]
    together = equalize_many(audio, target="bright", model=model)
    freqs = np.geomspace(50, 10_000, 40)
    for sound, result in zip(audio, together, strict=True):
        alone = equalize(sound.audio, sample_rate=sound.sample_rate, target="bright", model=model)
        np.testing.assert_allclose(result.curve(freqs), alone.curve(freqs), atol=0.2)


def test_one_eq_for_all_is_one_eq(sounds, model):
    audio = [Sound(sounds.noise(1, RATE, seed=s), RATE) for s in range(3)]
    results = equalize_many(audio, target="dark", model=model, together=True)
    assert len({str(r.preset.values) for r in results}) == 1
    assert all(r.similarity_after > r.similarity_before for r in results)


def test_no_sounds_give_no_results(model):
    assert equalize_many([], target="dark", model=model) == []


def test_bands_that_the_model_does_not_hear_are_held_and_reported(sounds):
    deaf = band_model(hears_to_hz=5_000.0)
    result = equalize(sounds.noise(1, 96_000), sample_rate=96_000, target="bright", model=deaf)
    assert [b["state"] for b in result.bands] == ["heard"] * 8 + ["held"] * 2
    gains_db = [b["gain_db"] for b in result.bands]
    assert gains_db[8] == gains_db[9] == gains_db[7]
    assert "7943, 15849 Hz are held" in result.warnings[-1]


def test_an_encoder_without_a_spectrogram_is_filtered_for_real(sounds, model):
    audio = sounds.noise(1, RATE)
    freqs = np.geomspace(60, 12_000, 40)
    curves = []
    for m in (model, band_model(waveform=True)):
        config = SearchConfig(max_evaluations=40)
        result = equalize(audio, sample_rate=RATE, target="bright", model=m, config=config)
        curves.append(result.curve(freqs))
    np.testing.assert_allclose(curves[0], curves[1], atol=1.0)


def test_a_long_sound_is_searched_by_its_loud_windows(sounds, model):
    ear = hearing(model, "text")
    quiet = 1e-3 * sounds.noise(6, 32_000)
    audio = torch.cat([quiet, sounds.noise(6, 32_000), quiet], -1)
    data = ear.listen(audio, 32_000, max_windows=3)
    assert len(data) == 3
    levels = data.mean((1, 2))
    assert levels.min() > 0.1 * levels.max()


@pytest.mark.parametrize("rate", [1_000, 8_000, 192_000])
def test_any_rate_is_fitted(sounds, model, rate):
    audio = sounds.noise(0.5, rate, channels=2)
    result = equalize(audio, sample_rate=rate, target="dark", model=model)
    assert np.isfinite(result.curve([10.0, rate / 2, rate])).all()
    assert result.similarity_after >= result.similarity_before


def test_wrong_input_is_refused(model):
    good = torch.randn(1, 1_000)
    for audio in (torch.zeros(0), torch.full((1, 10), torch.nan), torch.randn(2, 1, 1_000)):
        with pytest.raises(InputError):
            equalize(audio, sample_rate=RATE, target="bright", model=model)
    with pytest.raises(SilentAudioError):
        equalize(torch.zeros(1, 1_000), sample_rate=RATE, target="bright", model=model)
    with pytest.raises(UsageError):
        equalize(good, sample_rate=RATE, target=[], model=model)
    with pytest.raises(UsageError):
        equalize(good, sample_rate=RATE, target="bright", eq="nothing", model=model)


@pytest.mark.parametrize(
    "wrong", [{"optimiser": "sgd"}, {"loss": "l2"}, {"restarts": 0}, {"size_penalty": -1.0}]
)
def test_a_search_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(UsageError):
        SearchConfig(**wrong)


def test_the_loss_is_finite_for_a_mute_filter(sounds, model):
    """A row whose loss is not finite must not spoil its neighbours."""
    losses = losses_for(GraphicEQ(), model, [sounds.pluck(RATE), sounds.noise(1, RATE)])
    start = torch.full((2, 10), 0.5, dtype=torch.float64)
    start[0] = torch.nan
    found = minimise(losses, start, lower=0.0, upper=1.0)
    assert found.loss[1] < 1
    assert not found.converged[0]
