import dataclasses

import pytest
import torch

from timbreclip_core.encoders.mel import mel_centres_hz
from timbreclip_train.config import AugmentConfig
from timbreclip_train.measures import MEASURES, measure
from timbreclip_train.mel_augment import apply, draw, opposite, transposed

torch.set_num_threads(1)
SHARES = [f.name for f in dataclasses.fields(AugmentConfig) if f.name.endswith("_share")]
NONE = AugmentConfig(**dict.fromkeys(SHARES, 0.0))


def power(batch=8):
    made = torch.rand(batch, 96, 200, generator=torch.Generator().manual_seed(1))
    return made / made.amax((1, 2), keepdim=True)


def changes(seed=0, batch=8, **shares):
    config = dataclasses.replace(NONE, **shares)
    return draw(config, batch, 96, torch.Generator().manual_seed(seed))


def test_no_changes_change_nothing():
    heard, clean = apply(power(), changes())
    assert torch.allclose(heard, power()) and torch.equal(heard, clean)


def test_the_same_draw_gives_the_same_sound():
    every = {f.name: 1.0 for f in dataclasses.fields(NONE) if f.name.endswith("_share")}
    first, second = (apply(power(), changes(3, **every))[0] for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, apply(power(), changes(4, **every))[0])


def test_everything_stays_finite_and_not_negative():
    every = {f.name: 1.0 for f in dataclasses.fields(NONE) if f.name.endswith("_share")}
    for seed in range(5):
        for sound in apply(power(), changes(seed, **every)):
            assert torch.isfinite(sound).all() and bool((sound >= 0).all())


def test_silence_stays_silence_without_noise():
    assert not apply(torch.zeros(8, 96, 200), changes(eq_share=1.0))[1].any()


def test_an_equaliser_gains_what_it_says():
    drawn = changes(eq_share=1.0)
    before = power()
    heard, _ = apply(before, drawn)
    gain = 10 * torch.log10(heard[:, :, 3] / before[:, :, 3])
    expected = drawn.gain_db
    # Only differences between bands count: the loudest cell is 1 again afterwards.
    assert torch.allclose(gain - gain[:, :1], expected - expected[:, :1], atol=1e-3)
    assert torch.allclose(heard.amax((1, 2)), torch.ones(8))


def test_opposite_equalisers_lie_either_side_of_the_sound():
    before = power(2)[:1].repeat(2, 1, 1)
    drawn = opposite(changes(5, batch=2, eq_share=1.0, band_db=0.0, shelf_db=0.0), 1)
    _, clean = apply(before, drawn)
    centroid = measure(clean)[:, MEASURES.index("centroid_octaves")]
    middle = float(measure(before)[0, MEASURES.index("centroid_octaves")])
    assert min(centroid) < middle < max(centroid)


def test_a_limit_leaves_nothing_above_it_not_even_noise():
    drawn = changes(limit_share=1.0, noise_share=1.0)
    heard, _ = apply(power(), drawn)
    above = mel_centres_hz(96)[None] >= drawn.limit_hz
    assert not heard[above].any() and heard[~above].all()
    assert set(drawn.limit_hz[:, 0].tolist()) == {4_000.0, 8_000.0}


def test_a_limit_can_be_heard_and_not_measured():
    drawn = changes(limit_share=1.0, eq_share=1.0)
    heard, measured = apply(power(), drawn, limit_measured=False)
    assert torch.equal(heard, apply(power(), drawn)[0])
    never = dataclasses.replace(drawn, limit_hz=torch.full_like(drawn.limit_hz, torch.inf))
    assert torch.equal(measured, apply(power(), never)[1])


def test_noise_is_heard_but_not_measured():
    heard, clean = apply(power(), changes(noise_share=1.0))
    assert torch.allclose(clean, power()) and bool((heard > clean).any())


@pytest.mark.parametrize("seed", range(3))
def test_a_shifted_sound_comes_later_and_is_the_same(seed):
    drawn = changes(seed, shift_share=1.0)
    heard, _ = apply(power(), drawn)
    for item, later in enumerate(drawn.later.tolist()):
        assert not heard[item, :, :later].any()
        kept = power()[item, :, : 200 - later]
        assert torch.allclose(heard[item, :, later:], kept / kept.max())


def test_a_cut_sound_is_silent_after_its_end():
    drawn = changes(cut_share=1.0)
    heard, _ = apply(power(), drawn)
    for item, frames in enumerate(drawn.frames.tolist()):
        assert not heard[item, :, frames:].any() and heard[item, :, frames - 1].any()


def band_of(hz):
    return int((mel_centres_hz(96) - hz).abs().argmin())


@pytest.mark.parametrize("semitones", [-12.0, 3.5, 12.0])
def test_a_transposed_partial_lies_where_its_frequency_does(semitones):
    one = torch.zeros(1, 96, 200)
    one[0, band_of(1_000)] = 1.0
    found = transposed(one, torch.tensor([semitones]))[0, :, 50]
    assert abs(int(found.argmax()) - band_of(1_000 * 2 ** (semitones / 12))) <= 1
    assert transposed(one, torch.zeros(1)) is one


def test_transposing_leaves_other_sounds_alone_and_silence_silent():
    sounds = torch.cat([power(2), torch.zeros(1, 96, 200)])
    found = transposed(sounds, torch.tensor([0.0, 4.0, 4.0]))
    assert torch.equal(found[0], sounds[0]) and not torch.equal(found[1], sounds[1])
    assert not found[2].any()


def test_contrast_spreads_levels_by_its_factor():
    drawn = changes(contrast_share=1.0)
    before, (heard, clean) = power(), apply(power(), changes(contrast_share=1.0))
    levels = [10 * torch.log10(x[:, 5, 7] / x[:, 60, 90]) for x in (before, heard)]
    assert torch.allclose(levels[1], levels[0] * drawn.contrast, atol=1e-3)
    assert torch.equal(heard, clean) and 0.7 < float(drawn.contrast.min()) < 1


def test_what_is_hidden_is_measured_all_the_same():
    heard, clean = apply(power(), changes(mask_share=1.0))
    gone = (heard == 0) & (clean > 0)
    assert torch.allclose(clean, power())
    for one in gone:
        bands, frames = one.all(1).sum(), one.all(0).sum()
        assert 1 <= bands <= 16 and 1 <= frames <= 40
