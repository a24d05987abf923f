import random

import numpy as np
import pytest
import torch

from timbreclip_core import lexicon
from timbreclip_train import text
from timbreclip_train.datasets.base import Note, attributes
from timbreclip_train.truths import (
    GROUPS,
    RankedText,
    Saying,
    Speaker,
    attribute_names,
    category_of,
    draw_ranked,
    drum_of,
    every_ranked,
    facts_of,
    measured_facts,
    note_facts,
    positives,
    preferences,
    title_of,
    vocabulary,
    wanted_changes,
    wanted_order,
    words_of,
)
from timbreclip_train.truths.ranked import TimbreWord
from timbreclip_train.truths.sayings import _variant

torch.set_num_threads(1)


def note(title="deep wobble bass", category="synth bass", tags=("vibrato", "noisy")):
    told = attributes(title=title, category=category, tags=tags)
    return Note(id="a", patch="a", audio="a.wav", split="train", pitch=40, text=told)


def degree_of(**values):
    """Degrees of one sound: -3 but for the attributes given."""
    made = torch.full((1, len(attribute_names())), -3.0)
    for name, value in values.items():
        made[0, attribute_names().index(name)] = value
    return made


def test_every_fact_has_training_words():
    known = vocabulary()
    for fact in known.index:
        own = [a for a in known.attributes if a.name == fact]
        assert own or known.own_words.get(fact) or text.wordings(fact), fact


def test_no_attribute_is_said_in_held_out_words():
    for attribute in vocabulary().attributes:
        assert len(attribute.words) >= 4
        assert not [w for w in attribute.words if text.mentions_held_out(w)]


@pytest.mark.parametrize("seed", range(20))
def test_no_training_text_has_held_out_words(seed):
    rng = random.Random(seed)
    kinds = text.concept_names("category") + text.concept_names("percussion")
    tags = tuple(rng.sample(sorted(vocabulary().of_tag), 4))
    told = note(rng.choice(("slow bell", "Basses 2", "rusty gate")), rng.choice(kinds), tags)
    measured = [a.name for a in rng.sample(vocabulary().attributes, 3)]
    for saying in Speaker().sayings(facts_of(told), measured, title_of(told), rng):
        assert saying.text.strip()
        assert not text.mentions_held_out(saying.text), saying.text


def test_a_title_with_a_held_out_word_is_not_said():
    word = text.wordings("choir", held_out=True)[0]
    assert title_of(note(f"grand {word}")) == "" and title_of(note()) == "deep wobble bass"


def test_the_facts_of_notes_are_their_rows():
    table = note_facts([note(), note("kick 2", "drums", ())])
    names = list(vocabulary().index)
    assert {names[i] for i in table[1].nonzero()[:, 0]} == {"kick", "drums"}
    assert {"synth bass", "bass", "wobble"} == {names[i] for i in table[0].nonzero()[:, 0]}


def test_what_is_measured_is_not_taken_from_names():
    assert "bright" not in facts_of(note("bright bass")) and "warm" not in facts_of(
        note("warm bass")
    )


def test_an_attribute_is_had_from_its_edge_on_and_unclear_just_under_it():
    index = vocabulary().index["bright"]
    cases = ((0.0, True, False), (-0.5, False, True), (-1.0, False, False), (np.nan, False, True))
    for value, had, open_ in cases:
        has, unclear = measured_facts(degree_of(bright=value))
        assert (bool(has[0, index]), bool(unclear[0, index])) == (had, open_)
        assert int(has.sum()) == had and int(unclear.sum()) == open_


def test_a_text_is_true_where_all_its_facts_are():
    index = vocabulary().index
    has = torch.zeros(3, len(index), dtype=torch.bool)
    unclear = has.clone()
    has[0, [index["bass"], index["bright"]]] = True
    has[1, index["bass"]] = True
    unclear[1, index["bright"]] = True
    said = [Saying("bass", ("bass",), 0), Saying("bright bass", ("bass", "bright"), 3)]
    positive, ignored = positives(said, has, unclear, [frozenset()] * 3)
    assert positive.tolist() == [[True, True], [True, False], [False, False]]
    # Nothing is known of the third sound, so it may be a bass.
    assert ignored.tolist() == [[False, False], [False, True], [True, False]]


def test_a_title_is_true_of_what_is_called_by_all_of_its_words():
    has = torch.zeros(3, len(vocabulary().index), dtype=torch.bool)
    called = [words_of("slow pads", ()), words_of("slow", ["pad"]), words_of("pad", ())]
    said = [Saying("slow pads", (), 4, "slow pads"), Saying("Pad", (), 4, "pad")]
    positive, ignored = positives(said, has, has, called)
    assert positive.tolist() == [[True, True], [True, True], [False, True]]
    assert not ignored.any()


def test_texts_come_in_all_groups_and_say_what_is_true():
    rng, groups = random.Random(0), set()
    facts = facts_of(note())
    for _ in range(40):
        for saying in Speaker().sayings(facts, ["bright"], "deep wobble bass", rng):
            groups.add(GROUPS[saying.group])
            assert set(saying.facts) <= {*facts, "bright"}
    assert groups == set(GROUPS)


def test_the_number_of_ways_to_say_one_thing_is_bounded():
    said = {
        s.text for i in range(3_000) for s in Speaker().sayings(("kick",), [], "", random.Random(i))
    }
    assert 20 < len(said) <= Speaker()._count(("kick",))


def test_an_answer_is_said_as_it_is_said_of_a_sound():
    names = ["synth bass", "kick", "organ"]
    said = [Speaker().answers(names, random.Random(seed)) for seed in range(40)]
    for place, name in enumerate(names):
        ways = {_variant((name,), n) for n in range(Speaker()._count((name,)))}
        told = {answers[place] for answers in said}
        assert len(told) > 5 and told <= ways


def test_the_category_and_the_drum_of_a_note_are_concepts():
    assert category_of(note(category="Synth Basses")) == "synth bass"
    assert category_of(note(category="flurb")) is None
    assert drum_of(note(title="Boom", category="kick", tags=())) == "kick"
    assert drum_of(note()) is None


def test_of_two_versions_the_brighter_is_preferred_by_bright_and_not_by_dark():
    said = [Saying("b", ("bright",), 2), Saying("d", ("dark",), 2), Saying("k", ("kick",), 0)]
    up, down = degree_of(bright=2.0, dark=-3.0), degree_of(bright=0.5, dark=-1.5)
    preferred = preferences(said, up, down)[0]
    assert preferred.tolist() == pytest.approx([0.6, -0.6, 0.0])
    assert preferences(said, down, up)[0].tolist() == pytest.approx([-0.6, 0.6, 0.0])
    assert not preferences(said, up, up).any()
    assert not preferences(said, up, degree_of(bright=np.nan, dark=np.nan)).any()


def test_the_words_of_the_lexicon_that_are_ranked_are_those_of_training():
    held_out = {word.text for word in lexicon.words(held_out=True)}
    for seed in range(50):
        said = draw_ranked(40, random.Random(seed))
        assert len({one.word.text for one in said}) == 40
        assert not held_out & {one.word.text for one in said}
        assert {one.text for one in said} <= set(every_ranked())
    assert not [said for said in every_ranked() if text.mentions_held_out(said)]


def test_a_third_of_the_ranked_words_is_of_the_lexicon():
    known = {word.text for word in lexicon.words(held_out=False)}
    said = draw_ranked(60, random.Random(0))
    assert sum(one.word.text in known for one in said) == 20


def as_word(text):
    word = lexicon.lookup(text)
    return TimbreWord(text, word.form, word.principal, word.eq)


def test_sounds_are_put_in_the_order_of_a_words_descriptor():
    said = [RankedText("x", as_word(word)) for word in ("bright", "dark")]
    order = wanted_order(said, torch.tensor([[-1.0], [0.0], [float("nan")]]), ["centroid_octaves"])
    assert order[:2].tolist() == [[-1.0, 1.0], [0.0, 0.0]] and bool(order[2].isnan().all())


def test_of_two_versions_a_word_prefers_the_one_its_descriptor_says():
    said = [RankedText("x", as_word(word)) for word in ("bright", "dark", "slow attack")]
    bright, dull = np.array([[2.0], [1.0]], np.float32), np.array([[0.0], [0.999]], np.float32)
    found = wanted_changes(said, bright, dull, ["centroid_octaves"])
    assert found[0].tolist() == [1.0, -1.0, 0.0] and not found[1].any()
    assert wanted_changes(said, bright[:0], dull[:0], ["centroid_octaves"]).shape == (0, 3)


def test_everything_holds_what_is_said():
    notes = [note(), note("kick", "drums", ("short",))]
    speaker = Speaker(4, 2)
    known = set(speaker.everything(notes))
    for seed in range(200):
        rng = random.Random(seed)
        told = rng.choice(notes)
        said = speaker.sayings(facts_of(told), ["bright", "thin"], title_of(told), rng)
        assert {s.text for s in said} <= known


def test_every_training_word_of_an_attribute_is_said_alone():
    speaker = Speaker()
    for attribute in vocabulary().attributes:
        said = " | ".join(_variant((attribute.name,), n) for n in range(_count(speaker, attribute)))
        missing = [w for w in attribute.words if w.lower() not in said.lower()]
        assert len(missing) <= len(attribute.words) // 20, (attribute.name, missing)


def _count(speaker, attribute):
    return speaker._count((attribute.name,))
