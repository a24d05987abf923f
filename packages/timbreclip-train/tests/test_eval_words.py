"""Labels in other words, singular and plural, drum classes, and whose lexicon it was."""

import json
import shutil

import numpy as np
import pytest

from timbreclip_core import Model, load_model
from timbreclip_core.errors import UsageError
from timbreclip_core.lexicon import freeze_id
from timbreclip_train import text
from timbreclip_train.datasets.base import Note, attributes
from timbreclip_train.evaluation import labels
from timbreclip_train.evaluation.attributes import lexicon_of
from timbreclip_train.evaluation.drums import class_of_concept, drum_class
from timbreclip_train.evaluation.hearing import HeardNotes
from timbreclip_train.evaluation.labels import class_vectors, guess_labels, label_of, sayings
from timbreclip_train.evaluation.plurals import compare_numbers, record_of


@pytest.fixture(scope="module")
def model():
    return load_model("small")


def note(name, patch, **texts):
    return Note(id=name, patch=patch, audio=None, split="test", text=attributes(**texts))


def test_a_class_is_said_in_its_held_out_wordings_or_refused(monkeypatch):
    assert sayings("brass", "held-out") == text.other_words("brass", "test")
    assert sayings("brass", "training") == text.wordings("brass")
    assert sayings("brass", "label") == ("brass",)
    assert "no concept" in sayings("made up entirely", "training")
    monkeypatch.setattr(labels, "FEWEST_HELD_OUT", len(text.wordings("brass", held_out=True)) + 1)
    assert "held-out wordings, fewer than" in sayings("brass", "held-out")


def test_the_vector_of_a_class_is_the_mean_over_wordings_times_templates(model):
    kept, table, refused = class_vectors(model, ["brass", "made up"], "sound", "training")
    assert kept == ["brass"]
    assert set(refused) == {"made up"}
    each = [
        model.embed_text([f"{w}", f"a {w} sound", f"the sound of {w}"]).plain().numpy().mean(0)
        for w in text.wordings("brass")
    ]
    mean = sum(v / np.linalg.norm(v) for v in each)
    assert table[0] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-5)


def heard_of(model, rows):
    notes = tuple(note(f"n{i}", patch, category=c) for i, (patch, c, _) in enumerate(rows))
    vectors = model.embed_text([said for _, _, said in rows]).plain().numpy()
    return HeardNotes(notes, {"text": vectors}, ())


def test_guesses_are_per_patch_by_mean_or_closest_note_or_per_note(model):
    # Vectors of sounds stand in the space of texts, so a sound may be exactly a text.
    rows = [("p", "brass", "brass"), ("p", "brass", "organ"), ("q", "organ", "organ")]
    heard = heard_of(model, [*rows, ("r", "", "piano")])
    by_note = guess_labels(heard, model, label_of("category"), "none", per="note")
    assert by_note.result.confusion.tolist() == [[1, 1], [0, 1]]
    assert by_note.unlabelled == 1
    closest = guess_labels(heard, model, label_of("category"), "none", per="closest")
    assert closest.result.confusion.sum() == 2
    assert closest.result.confusion[1].tolist() == [0, 1]
    interval = by_note.result.intervals()["accuracy"]
    assert interval.mean == pytest.approx(2 / 3)
    assert interval.low <= interval.mean <= interval.high


@pytest.mark.parametrize("per", ["note", "patch", "closest"])
def test_calibrated_guesses_ask_what_is_unusual(model, monkeypatch, per):
    heard = heard_of(model, [("p", "brass", "brass"), ("q", "organ", "organ")])
    _, table, _ = class_vectors(model, ["brass", "organ"], "none", "label")
    assert labels.usual_cosines(model, table).shape == (2,)
    # Where every sound is a brass to the model, one that is as much an organ is unusual.
    monkeypatch.setattr(labels, "usual_cosines", lambda *_: np.array([1.5, 0.0]))
    options = {"per": per, "calibrated": True}
    found = guess_labels(heard, model, label_of("category"), "none", **options)
    assert found.result.confusion.tolist() == [[0, 1], [0, 1]]


def test_a_model_without_reference_sounds_cannot_be_calibrated(model):
    bare = Model(model.encoder, space=model.space)
    heard = heard_of(model, [("p", "brass", "brass"), ("q", "organ", "organ")])
    with pytest.raises(UsageError, match="no reference sounds"):
        guess_labels(heard, bare, label_of("category"), "none", calibrated=True)


def test_refused_classes_are_left_out_with_their_items(model):
    rows = [("p", "brass", "a"), ("q", "organ", "b"), ("r", "made up entirely", "c")]
    found = guess_labels(
        heard_of(model, rows), model, label_of("category"), "none", wordings="held-out"
    )
    assert set(found.refused) == {"made up entirely"}
    assert found.as_record()["items"] == 2


def test_singular_and_plural_are_compared_where_they_differ(model):
    pairs = compare_numbers(model)
    record = record_of(pairs)
    assert record["worst"] == pairs[0].cosine <= record["mean"] <= 1 + 1e-6
    shown = {(p.singular, p.plural) for p in pairs}
    assert ("synth pad", "synth pads") in shown
    assert all(one != many for one, many in shown)
    chosen = next(p for p in pairs if p.singular == "synth pad")
    again = model.similarity("synth pad", "synth pads")
    assert chosen.cosine == pytest.approx(float(again), abs=1e-5)


def test_drums_are_classed_by_their_title_and_only_in_kits():
    def of(title, category="drums"):
        return drum_class(note("n", "p", title=title, category=category))

    assert of("closed hi-hat") == of("pedal hi-hat paiste alpha metal edge") == "hi-hat"
    assert of("kick tama superstar") == of("concert bass drum") == "kick"
    assert of("open hi conga") == "conga"
    assert of("timpani") is None
    assert of("kick", category="bass") is None
    assert label_of("drum") is drum_class


def test_drum_classes_are_concepts_of_percussion():
    assert set(class_of_concept()) <= set(text.concept_names("percussion"))
    assert len(set(class_of_concept().values())) >= 10


@pytest.mark.parametrize(
    ("trained", "valid", "says"),
    [(None, False, "not valid"), ("0123456789ab", False, "another lexicon"), ("own", True, "held")],
)
def test_held_out_words_count_only_under_the_lexicon_of_the_training(
    model, tmp_path, trained, valid, says
):
    folder = tmp_path / "model"
    shutil.copytree(model.checkpoint.root, folder)
    config = json.loads((folder / "config.json").read_text())
    config["training"] = {"lexicon": freeze_id() if trained == "own" else trained}
    (folder / "config.json").write_text(json.dumps(config))
    found = lexicon_of(load_model(folder))
    assert found["valid"] is valid
    assert says in found["note"]


def test_of_a_foreign_model_it_is_unknown_what_it_was_trained_on(model):
    class Foreign:
        checkpoint = None

        class encoder:  # noqa: N801
            name = "wav2clip"

    found = lexicon_of(Foreign())
    assert found["valid"] is None
    assert "Unknown" in found["note"]
