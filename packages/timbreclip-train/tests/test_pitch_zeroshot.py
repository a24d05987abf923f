import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix

from timbreclip_train.evaluation.pitch import own_patch_recall, probe_pitch
from timbreclip_train.evaluation.zeroshot import classify, draw_confusion, patch_vectors


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


@pytest.fixture
def notes():
    """60 patches at 5 octaves, with their own timbre axis and one axis of pitch."""
    rng = np.random.default_rng(0)
    patches, pitches = np.repeat(np.arange(60), 5), np.tile([24, 36, 48, 60, 72], 60)
    return rng, patches, pitches, rng.normal(size=(60, 16))[patches]


def test_pure_timbre_finds_its_patch_at_any_distance_and_holds_no_pitch(notes):
    rng, patches, pitches, timbre = notes
    vectors = unit(timbre + 0.01 * rng.normal(size=timbre.shape))
    found = own_patch_recall(vectors, patches, pitches)
    assert [found[d]["recall@1"] for d in (1, 2, 3)] == [1, 1, 1]
    assert found[1]["queries"] == 2 * 60 * 4
    assert probe_pitch(vectors, patches, pitches).r2 < 0.1


def test_pure_pitch_finds_its_patch_by_chance_and_is_read_off(notes):
    rng, patches, pitches, timbre = notes
    height = (pitches - 48)[:, None] / 12 * np.ones((1, 16))
    vectors = height + 0.01 * rng.normal(size=timbre.shape)
    found = own_patch_recall(vectors, patches, pitches)
    assert found[2]["recall@10"] == pytest.approx(10 / 60, abs=0.08)
    probe = probe_pitch(vectors, patches, pitches)
    assert probe.r2 > 0.95
    assert probe.mean_error_semitones < 2


def test_presets_that_were_not_rendered_at_octaves_are_found_a_little_further(notes):
    _, patches, _, timbre = notes
    pitches = np.tile([24, 38, 51, 65, 78], 60)
    found = own_patch_recall(unit(timbre), patches, pitches)
    assert [found[d]["recall@1"] for d in (1, 2, 3)] == [1, 1, 1]
    assert found[2]["low"] == found[2]["high"] == 1
    # 38, 51 and 65 have a partner 26 or 27 semitones away on one side or on both.
    assert found[2]["queries"] == 60 * 2 * sum(b - a in (26, 27) for a, b in PAIRS)


PAIRS = [(a, b) for a in (24, 38, 51, 65, 78) for b in (24, 38, 51, 65, 78) if a < b]


def test_a_note_whose_patch_is_nowhere_near_does_not_ask(notes):
    _, _, _, timbre = notes
    lonely = np.arange(len(timbre))
    pitches = np.tile([24, 36, 48, 60, 72], 60)
    assert own_patch_recall(unit(timbre), lonely, pitches) == {}


def test_equal_scores_find_the_own_patch_by_chance(notes):
    _, patches, pitches, timbre = notes
    found = own_patch_recall(np.ones_like(timbre), patches, pitches)
    assert found[1]["recall@10"] == pytest.approx(10 / 60, abs=0.06)


def test_distances_that_do_not_occur_are_left_out(notes):
    _, patches, pitches, timbre = notes
    assert set(own_patch_recall(unit(timbre), patches, pitches, distances=(1, 9))) == {1}


def test_zero_shot_counts_as_scikit_learn_does():
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 3, 200)
    words = np.eye(4)
    vectors = words[truth] + 0.8 * rng.normal(size=(200, 4))
    guess = (vectors @ words.T).argmax(1)
    result = classify(vectors, words, truth, ["a", "b", "c", "never"])
    assert result.accuracy == pytest.approx(accuracy_score(truth, guess))
    kept = guess != 3
    assert (result.confusion[:3, :3] == confusion_matrix(truth[kept], guess[kept])).all()
    with pytest.warns(UserWarning, match="y_pred"):
        expected = balanced_accuracy_score(truth, guess)
    assert result.balanced_accuracy == pytest.approx(expected)


def test_a_patch_is_the_mean_direction_of_its_notes():
    vectors = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    found = patch_vectors(vectors, np.array([0, 0, 1]))
    assert found == pytest.approx(np.array([[0.5**0.5, 0.5**0.5], [0.0, 1.0]]))


def test_the_confusion_matrix_is_drawn(tmp_path):
    result = classify(np.eye(3), np.eye(3), np.array([0, 1, 1]), ["a", "b", "c"])
    draw_confusion(result, tmp_path / "confusion.png", "Test")
    assert (tmp_path / "confusion.png").read_bytes().startswith(b"\x89PNG")
