"""Glyphs: colours, geometry, and the words behind them."""

import dataclasses
import itertools
import time
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import torch

from timbreclip_vis.entries import load_backend
from timbreclip_vis.glyph.axes import axes
from timbreclip_vis.glyph.backend import standing
from timbreclip_vis.glyph.colour import oklch
from timbreclip_vis.glyph.look import Look, draw
from timbreclip_vis.glyph.raster import rasterise
from timbreclip_vis.glyph.svg import to_svg
from timbreclip_vis.mixing import mix
from timbreclip_vis.painter import Painter
from timbreclip_vis.scheme import Scheme
from timbreclip_vis.wordsets import keywords_of

NAMES = [field.name for field in dataclasses.fields(Look)]


def pixels(side=96, **values):
    return np.asarray(rasterise(draw(Look(**values)), side), dtype=float)


@pytest.mark.parametrize(
    ("lch", "wanted"),
    [
        ((0.62796, 0.25768, 29.2339), (1, 0, 0)),
        ((0.86644, 0.29483, 142.4953), (0, 1, 0)),
        ((0.45201, 0.31321, 264.0520), (0, 0, 1)),
        ((0.0, 0.1, 0.0), (0, 0, 0)),
    ],
)
def test_oklch_of_the_primaries(lch, wanted):
    assert oklch(*lch) == pytest.approx(wanted, abs=1 / 255)


def test_colours_that_no_screen_shows_keep_lightness_and_hue():
    assert all(0 <= c <= 1 for c in oklch(0.9, 0.4, 260))
    assert oklch(0.9, 0.4, 260)[2] > oklch(0.9, 0.0, 260)[2]


def test_the_axes_are_the_fields_of_a_look():
    assert [axis.name for axis in axes()] == NAMES
    for axis in axes():
        assert axis.sources and axis.drawn
        assert len(axis.more) >= 3 and not set(axis.more) & set(axis.less)


@pytest.mark.parametrize("name", NAMES)
def test_every_axis_changes_the_picture_and_does_so_smoothly(name):
    steps = [pixels(**{name: v}) for v in np.linspace(0, 1, 11)]
    whole = np.abs(steps[0] - steps[-1]).mean()
    small = max(np.abs(a - b).mean() for a, b in itertools.pairwise(steps))
    assert whole > 0.5
    assert small < max(0.75 * whole, 3.0)


def test_harsh_is_spiky_bright_is_light_deep_is_large_noisy_is_grainy():
    def jaggedness(look):
        outline = draw(look).outlines[0]
        steps = np.diff(np.vstack([outline, outline[:1]]), axis=0)
        x, y = outline.T
        area = 0.5 * abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))
        return np.hypot(*steps.T).sum() ** 2 / (4 * np.pi * area)

    levels = [jaggedness(Look(spikes=v)) for v in (0, 0.3, 0.6, 1)]
    assert levels == sorted(levels) and levels[0] < 1.2 < 2 < levels[-1]
    light = [pixels(lightness=v).mean() for v in (0, 0.3, 0.6, 1)]
    assert light == sorted(light)
    largest = [max(s.scale for s in draw(Look(size=v, space=0)).shapes) for v in (0, 0.5, 1)]
    assert largest == sorted(largest)
    dots = [len(draw(Look(grain=v)).dots) for v in (0, 0.5, 1)]
    assert dots[0] == 0 and dots == sorted(dots) and dots[-1] > 500


def test_ordered_petals_are_equal_and_disordered_ones_are_not():
    def spread(order):
        radius = np.hypot(*draw(Look(order=order, richness=1, motion=0)).outlines[0].T)
        tips = (radius > np.roll(radius, 1)) & (radius >= np.roll(radius, -1))
        return radius[tips].std()

    assert spread(1.0) < 0.01 < 0.03 < spread(0.0)


def test_edges_are_anti_aliased():
    levels = {tuple(p) for p in pixels(grain=0, space=0, attack=1).reshape(-1, 3)}
    assert len(levels) > 500


def test_an_svg_holds_the_same_geometry():
    drawing = draw(Look(grain=0.8, space=1, motion=0.9))
    root = ET.fromstring(to_svg(drawing))
    uses = [e for e in root.iter() if e.tag.endswith("use")]
    assert len(uses) == len(drawing.shapes)
    assert len([e for e in root.iter() if e.tag.endswith("circle")]) == len(drawing.dots)
    paths = [e.get("d") for e in root.iter() if e.tag.endswith("path")]
    first = [float(v) for v in paths[0][1:].split("L")[0].split()]
    x, y = drawing.outlines[0][0]
    assert first == pytest.approx([256 * x, -256 * y], abs=0.01)
    assert len(to_svg(drawing)) < 200_000


def test_a_picture_takes_less_than_a_second():
    pixels()
    start = time.process_time()
    rasterise(draw(Look(grain=1, space=1)), 512)
    assert time.process_time() - start < 1


def test_standing_is_the_share_of_typical_values_below():
    typical = np.linspace(-1, 1, 101)[:, None]
    found = standing(np.array([[-2.0], [0.0], [0.5], [2.0]]), typical)[:, 0]
    assert found == pytest.approx([0.0, 0.5, 0.75, 1.0], abs=0.01)


def test_standing_knows_an_axis_on_which_nothing_differs():
    rng = np.random.default_rng(0)
    typical = np.stack([rng.standard_normal(200), np.full(200, 3.0)], -1)
    assert standing(np.array([[0.0, 7.0]]), typical)[0, 1] == 0.5


def test_what_axes_share_counts_less():
    rng = np.random.default_rng(0)
    both = rng.standard_normal(2000)
    typical = np.stack([both + 0.3 * rng.standard_normal(2000) for _ in range(2)], -1)
    ranks = standing(typical, typical)
    before, after = (np.corrcoef(x.T)[0, 1] for x in (typical, ranks))
    assert after < 0.86 < 0.9 < before
    assert np.corrcoef(ranks[:, 0], typical[:, 0])[0, 1] > 0.9


@pytest.fixture(scope="module")
def painter(model):
    words = keywords_of("glyph")
    scheme = Scheme(keywords=words, template="{keyword}", weighting="similarity")
    return Painter(model, load_backend("glyph", {"size": 96}), scheme)


def test_the_words_of_an_axis_lie_on_their_sides_of_it(painter):
    words, encoded = painter.scheme.keywords, painter.conditioning["axes"]
    for number, axis in enumerate(axes()):
        more = [encoded[words.index(w), number] for w in axis.more]
        less = [encoded[words.index(w), number] for w in axis.less]
        assert min(more) > max(less), axis.name


def test_typical_sounds_use_the_whole_range(painter, model):
    weights = painter.weights(model.reference)
    mixed = mix(painter.conditioning, weights)
    looks = painter.backend.looks(mixed, painter.typical(False))
    for name in NAMES:
        values = np.array([getattr(look, name) for look in looks])
        assert np.quantile(values, [0.1, 0.9]) == pytest.approx([0.1, 0.9], abs=0.02)


def test_no_change_is_the_picture_in_the_middle(painter):
    zero = torch.zeros_like(painter.texts[:1])
    scheme = dataclasses.replace(painter.scheme, weighting="softmax")
    steady = Painter(painter.model, painter.backend, scheme)
    weights = steady.weights(zero)
    assert torch.allclose(weights, torch.full_like(weights, 1 / weights.shape[1]))
    (look,) = steady.backend.looks(mix(steady.conditioning, weights), steady.typical(True))
    assert [getattr(look, name) for name in NAMES] == pytest.approx([0.5] * 10, abs=0.01)


def test_one_hot_weights_are_the_plain_prompt(painter):
    words = painter.scheme.keywords
    weights = torch.nn.functional.one_hot(torch.tensor([words.index("harsh")]), len(words)).float()
    mixed = mix(painter.conditioning, weights)
    plain = {"axes": painter.conditioning["axes"][words.index("harsh")][None]}
    first = painter.backend.render(mixed, seed=0, typical=painter.typical(False))[0]
    second = painter.backend.render(plain, seed=0, typical=painter.typical(False))[0]
    assert np.array_equal(np.asarray(first), np.asarray(second))


def test_a_batch_of_sounds_equals_single_sounds(painter, model, sounds):
    vectors = torch.cat([model.embed_file(f) for f in sounds.values()])
    together = painter.paint(painter.weights(vectors))
    for vector, picture in zip(vectors, together, strict=True):
        alone = painter.paint(painter.weights(vector[None]))[0]
        assert np.array_equal(np.asarray(alone), np.asarray(picture))
