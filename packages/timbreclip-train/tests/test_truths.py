import random
from pathlib import Path

import pytest
import torch

from timbreclip_train import text
from timbreclip_train.measures import MEASURES
from timbreclip_train.notes import Note
from timbreclip_train.rendering import synth_labels
from timbreclip_train.rendering.synth_families import FAMILIES
from timbreclip_train.truths import (
    GROUPS,
    Saying,
    Speaker,
    degrees,
    facts_of,
    measured_facts,
    note_facts,
    positives,
    preferences,
    vocabulary,
)
from timbreclip_train.truths.sayings import _variant

torch.set_num_threads(1)


def note(family="synth bass", tags=("vibrato", "noisy"), hold_s=2.0):
    return Note(
        seed=0,
        pitch=40,
        velocity=90,
        hold_s=hold_s,
        family=family,
        category="bass",
        tags=tags,
        title="X",
    )


def deviation(**values):
    made = torch.zeros(1, len(MEASURES))
    for name, value in values.items():
        made[0, MEASURES.index(name)] = value
    return made


def degrees_of(**values):
    return degrees(deviation(**values))


def test_every_family_of_the_synthesiser_has_concepts():
    assert set(vocabulary().of_family) == set(FAMILIES)


def test_every_tag_is_one_that_the_synthesiser_gives():
    named = {tag for tag, _ in synth_labels.RULES}
    # The others are written out in functions of that module.
    source = Path(synth_labels.__file__).read_text()
    for tag in vocabulary().of_tag:
        waves = tag.endswith(" wave")
        assert tag in named or f'"{tag}"' in source or waves, tag


def test_every_concept_has_training_words():
    known = vocabulary()
    for concept in [c for cs in known.of_family.values() for c in cs] + list(known.of_tag.values()):
        assert known.own_words.get(concept) or text.wordings(concept), concept


def test_no_attribute_is_said_in_held_out_words():
    for attribute in vocabulary().attributes:
        assert len(attribute.words) >= 4
        assert not [w for w in attribute.words if text.mentions_held_out(w)]


@pytest.mark.parametrize("seed", range(20))
def test_no_training_text_has_held_out_words(seed):
    rng = random.Random(seed)
    family = rng.choice(sorted(FAMILIES))
    tags = tuple(rng.sample(sorted(vocabulary().of_tag), 4))
    measured = [a.name for a in rng.sample(vocabulary().attributes, 3)]
    for saying in Speaker().sayings(facts_of(note(family, tags)), measured, rng):
        assert saying.text.strip()
        assert not text.mentions_held_out(saying.text), saying.text


def test_what_a_short_note_cannot_show_is_left_out():
    assert "vibrato" in facts_of(note()) and "vibrato" not in facts_of(note(hold_s=0.3))


def test_the_facts_of_notes_are_their_rows():
    table = note_facts([note(), note("kick", ())])
    names = list(vocabulary().index)
    assert {names[i] for i in table[1].nonzero()[:, 0]} == {"kick", "drums", "percussive"}


@pytest.mark.parametrize(
    ("values", "has", "has_not"),
    [
        ({"centroid": 0.8}, {"bright"}, {"dark", "very bright"}),
        ({"centroid": 2.0}, {"bright", "very bright"}, {"dark", "warm"}),
        ({"centroid": -1.5, "low": 1.0}, {"dark", "very dark", "boomy"}, {"bright", "thin"}),
        ({"low": -1.0}, {"thin"}, {"boomy"}),
        ({"presence": 1.0}, set(), {"harsh"}),
    ],
)
def test_attributes_follow_what_is_measured(values, has, has_not):
    found, _ = measured_facts(degrees_of(**values))
    names = {n for n, i in vocabulary().index.items() if found[0, i]}
    assert has <= names and not has_not & names


def test_just_under_the_edge_is_unclear_and_far_under_is_not():
    index = vocabulary().index["bright"]
    for value, expected in ((0.5, True), (0.6, False), (0.0, False)):
        assert bool(measured_facts(degrees_of(centroid=value))[1][0, index]) is expected


def test_a_text_is_true_where_all_its_facts_are():
    index = vocabulary().index
    has = torch.zeros(3, len(index), dtype=torch.bool)
    unclear = has.clone()
    has[0, [index["bass"], index["bright"]]] = True
    has[1, index["bass"]] = True
    unclear[1, index["bright"]] = True
    said = [Saying("bass", ("bass",), 0), Saying("bright bass", ("bass", "bright"), 3)]
    positive, ignored = positives(said, has, unclear)
    assert positive.tolist() == [[True, True], [True, False], [False, False]]
    assert ignored.tolist() == [[False, False], [False, True], [False, False]]


def test_texts_come_in_all_groups_and_say_what_is_true():
    rng, groups = random.Random(0), set()
    facts = facts_of(note())
    for _ in range(40):
        for saying in Speaker().sayings(facts, ["bright"], rng):
            groups.add(GROUPS[saying.group])
            assert set(saying.facts) <= {*facts, "bright"}
    assert groups == set(GROUPS)


def test_the_number_of_ways_to_say_one_thing_is_bounded():
    said = {
        s.text for i in range(3_000) for s in Speaker().sayings(("kick",), [], random.Random(i))
    }
    assert 20 < len(said) <= 96


def test_of_two_versions_the_brighter_is_preferred_by_bright_and_not_by_dark():
    said = [Saying("b", ("bright",), 2), Saying("d", ("dark",), 2), Saying("k", ("kick",), 0)]
    up, down = degrees_of(centroid=1.5), degrees_of(centroid=0.9)
    preferred = preferences(said, up, down)[0]
    assert preferred.tolist() == pytest.approx([0.6, -0.6, 0.0])
    assert preferences(said, down, up)[0].tolist() == pytest.approx([-0.6, 0.6, 0.0])
    assert not preferences(said, up, up).any()


def test_everything_holds_what_is_said():
    notes = [note(), note("kick", ("short",))]
    speaker = Speaker(4, 2)
    known = set(speaker.everything(notes))
    for seed in range(200):
        rng = random.Random(seed)
        said = speaker.sayings(facts_of(rng.choice(notes)), ["bright", "thin"], rng)
        assert {s.text for s in said} <= known


def test_every_training_word_of_an_attribute_is_said_alone():
    speaker = Speaker()
    for attribute in vocabulary().attributes:
        said = " | ".join(_variant((attribute.name,), n) for n in range(_count(speaker, attribute)))
        missing = [w for w in attribute.words if w.lower() not in said.lower()]
        assert len(missing) <= len(attribute.words) // 20, (attribute.name, missing)


def _count(speaker, attribute):
    return speaker._count((attribute.name,))
