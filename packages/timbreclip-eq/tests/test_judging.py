"""The judges of ``tclip eval eq``: what they count, and that a run goes on where it was."""

from __future__ import annotations

import json

import numpy as np
import pytest
import scipy.stats
import soundfile
import torch
from click.testing import CliRunner
from PIL import Image

from timbreclip_core.cli.main import cli
from timbreclip_core.descriptors import describe
from timbreclip_core.errors import InputError
from timbreclip_core.lexicon import lookup
from timbreclip_eq.judging.finding import Found
from timbreclip_eq.judging.scores import judge
from timbreclip_eq.judging.sounds import made_sounds
from timbreclip_eq.judging.words import (
    BARK_HZ,
    HumanCurve,
    antonym_pairs,
    pearson,
    read_human,
    synonym_pairs,
)

OCTAVES = np.log2(np.array(BARK_HZ) / 1_000)


def found(curve, similarity=(0.1, 0.3), **moved):
    return Found(np.asarray(curve, dtype=float), moved, similarity)


def test_ten_varied_sounds_are_the_same_every_time():
    first, second = made_sounds(), made_sounds()
    assert len(first) == 10
    for name, sound in first.items():
        assert torch.equal(sound.audio, second[name].audio)
        assert torch.isfinite(sound.audio).all()
        assert float(sound.audio.abs().max()) == pytest.approx(0.5)
    told = describe(torch.cat([s.audio for s in first.values()]), 44_100)
    centroids = told["centroid_hz"]
    assert float((centroids.max() / centroids.min()).log2()) > 4, "from low to high"
    assert float(told["noise_db"].max()) > -5 > -40 > float(told["noise_db"].min())
    decays = told["decay_time_s"]
    assert float(decays.max()) > 10 > 1 > float(decays.min()), "struck and sustained"


def test_the_words_are_those_of_the_lexicon():
    words = [word for pair in antonym_pairs() for word in pair]
    assert len(set(words)) == 16
    assert all(lookup(word).eq is not None for word in words)
    assert ("warm", "cold") in antonym_pairs()
    pairs = synonym_pairs()
    assert len({frozenset(pair) for pair in pairs}) == len(pairs)
    assert {word for pair in pairs for word in pair} >= set(words)


def test_the_bands_rise_and_are_forty():
    assert len(BARK_HZ) == 40
    assert (np.diff(BARK_HZ) > 0).all()


def test_correlation_is_scipys():
    rng = np.random.default_rng(0)
    for _ in range(5):
        a, b = rng.normal(size=(2, 40))
        assert pearson(a, b) == pytest.approx(scipy.stats.pearsonr(a, b)[0])
    assert pearson(np.ones(40), rng.normal(size=40)) == 0


def test_directions_are_counted_as_the_lexicon_says():
    """Bright should raise the centroid: right on 8 of 10 passes, on 7 it does not."""
    for right, passes in ((8, True), (7, False)):
        sounds = {
            str(i): found(OCTAVES, centroid_octaves=0.5 if i < right else -0.1) for i in range(10)
        }
        (score,) = judge("x", {"bright": sounds}).directions
        assert (score.descriptor, score.right, score.total) == ("+centroid_octaves", right, 10)
        assert score.passed is passes
        assert score.wrong == tuple(str(i) for i in range(right, 10))
        assert score.moved.mean == pytest.approx(0.1 * (5 * right - (10 - right)) / 10)
        (score,) = judge("x", {"dark": sounds}).directions
        assert score.right == 10 - right
    still = {"a": found(OCTAVES, centroid_octaves=0.0)}
    assert judge("x", {"bright": still}).directions[0].right == 0, "no move is no success"


def test_pairs_are_compared_sound_by_sound():
    table = {
        "warm": {"a": found(-OCTAVES), "b": found(-OCTAVES)},
        "cold": {"a": found(2 * OCTAVES), "b": found(-3 * OCTAVES)},
        "cosy": {"a": found(-OCTAVES + 5), "b": found(-OCTAVES)},
    }
    for sounds in table.values():
        for entry in sounds.values():
            entry.moved.update(centroid_octaves=1.0)
    verdict = judge("x", table)
    (pair,) = verdict.antonyms
    assert (pair.correlation.low, pair.correlation.high) == pytest.approx((-1, 1))
    assert (pair.negative, pair.total) == (1, 2)
    assert pair.correlation.mean == pytest.approx(0)
    assert pair.correlation.deviation == pytest.approx(2**0.5)
    (like,) = verdict.synonyms
    assert {like.first, like.second} == {"warm", "cosy"}
    assert like.correlation.mean == pytest.approx(1)
    assert verdict.summary()["pairs_negative"] == 0


def test_bands_that_the_model_does_not_hear_have_no_say():
    curve = np.where(OCTAVES < 3, OCTAVES, np.nan)
    table = {
        word: {"a": found(sign * curve, centroid_octaves=sign)}
        for word, sign in (("bright", 1), ("dark", -1))
    }
    verdict = judge("x", table)
    assert verdict.antonyms[0].correlation.mean == pytest.approx(-1)
    assert verdict.bands == int((OCTAVES < 3).sum())


def test_peoples_curves_stand_beside_their_baselines():
    """By hand: the others' mean of two words is the other word; a line's tilt is itself."""
    bump = np.exp(-(OCTAVES**2))
    people = {
        "bright": HumanCurve("bright", 9, OCTAVES - OCTAVES.mean()),
        "nasal": HumanCurve("nasal", 4, bump - bump.mean()),
    }
    table = {
        "bright": {"a": found(OCTAVES, centroid_octaves=1), "b": found(bump, centroid_octaves=1)},
        "nasal": {"a": found(-bump, mid_share_db=-1), "b": found(bump, mid_share_db=1)},
    }
    bright, nasal = judge("x", table, people).human
    across = scipy.stats.pearsonr(OCTAVES, bump)[0]
    assert (bright.people, bright.word) == (9, "bright")
    assert bright.correlation.mean == pytest.approx((1 + across) / 2)
    assert bright.mean_curve == pytest.approx(across)
    assert bright.best_tilt == pytest.approx(1)
    assert nasal.correlation.mean == pytest.approx(0)
    assert nasal.best_tilt == pytest.approx(abs(across))


def entry(word="bright", lang="en", num=1, settings=None):
    gains = list(range(40)) if settings is None else settings
    return {"word": word, "lang": lang, "num": num, "settings": gains}


def test_settings_of_one_word_are_averaged_by_people(tmp_path):
    path = tmp_path / "words.json"
    falling = list(range(40, 0, -1))
    other = entry("hell", "de")
    path.write_text(json.dumps([entry(num=3), entry("Bright ", num=1, settings=falling), other]))
    (curve,) = read_human(path, "en").values()
    rising = np.arange(40) - 19.5
    np.testing.assert_allclose(curve.gains, (3 * rising - rising) / 4)
    assert curve.people == 4
    assert list(read_human(path, "de")) == ["hell"]


@pytest.mark.parametrize(
    "content",
    [
        "no json",
        "{}",
        json.dumps([1]),
        json.dumps([entry(settings=[0] * 39)]),
        json.dumps([entry(settings=["a"] * 40)]),
        json.dumps([entry(lang="es")]),
    ],
)
def test_other_files_are_no_curves_of_people(tmp_path, content):
    path = tmp_path / "words.json"
    path.write_text(content)
    with pytest.raises(InputError, match="words"):
        read_human(path, "en")


@pytest.fixture
def files(tmp_path, sounds):
    paths = [tmp_path / "noise.wav", tmp_path / "pluck.wav"]
    soundfile.write(paths[0], sounds.noise(0.8, 44_100, 2).numpy().T, 44_100)
    soundfile.write(paths[1], sounds.pluck(32_000).numpy().T, 32_000)
    return [str(path) for path in paths]


def run(model_folder, *words, code=0):
    command = ["eval", "eq", *map(str, words), "--model", str(model_folder)]
    done = CliRunner().invoke(cli, command)
    assert done.exit_code == code, done.output
    return done


def test_the_command_judges_draws_and_goes_on_where_it_was(
    tmp_path, files, model_folder, monkeypatch
):
    people = tmp_path / "people.json"
    people.write_text(json.dumps([entry(), entry("dark", settings=list(range(40, 0, -1)))]))
    out = tmp_path / "out"
    words = [*files, "--eq", "graphic", "--eq", "graphic,bands=15", "--eq", "tilt", "-w", "bright"]
    words += ["-w", "dark", "--human", people, "-o", out, "--json"]
    first = json.loads(run(model_folder, *words).stdout)
    assert [verdict["eq"] for verdict in first["eqs"]] == ["graphic", "graphic,bands=15", "tilt"]
    for verdict in first["eqs"]:
        assert [d["right"] for d in verdict["directions"]] == [2, 2]
        assert verdict["antonyms"][0]["correlation"]["mean"] < -0.5
        assert verdict["summary"]["human_correlation"] > 0.5
    assert json.loads((out / "eq.json").read_text()) == first
    names = sorted(path.name for path in out.glob("*.png"))
    assert names == ["graphic-bands-15.png", "graphic.png", "tilt.png"]
    with Image.open(out / "graphic.png") as image:
        assert image.width > 800

    def fail(*_, **__):
        raise AssertionError("this was found before")

    monkeypatch.setattr("timbreclip_eq.fit.Fitter.find", fail)
    assert json.loads(run(model_folder, *words).stdout) == first
    text = run(model_folder, *words[:-1]).stdout
    assert "2 of 2" in text and "+centroid_octaves" in text and "bright, dark" in text


def test_other_settings_are_found_anew(tmp_path, files, model_folder):
    out, words = tmp_path / "out", [*files[:1], "--eq", "tilt", "-w", "bright"]
    for extra in ([], ["--size-penalty", "0.2"], []):
        run(model_folder, *words, *extra, "-o", out)
    assert len(list((out / "found").iterdir())) == 2


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--eq", "grafic"], 2, "'graphic'"),
        (["--eq", "graphic,bands"], 2, "NAME=VALUE"),
        (["--eq", "graphic,bands=9"], 2, "bands"),
        (["-w", " "], 2, "empty"),
        (["--human", "missing.json"], 1, "missing.json"),
        (["missing.wav"], 1, "missing.wav"),
        (["-o", "no/such/folder"], 2, "folder"),
    ],
)
def test_wrong_use_of_the_judges_says_what_is_right(model_folder, words, code, message):
    assert message in run(model_folder, *words, code=code).stderr
