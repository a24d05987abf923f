from __future__ import annotations

import random
import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timbreclip_core import lexicon
from timbreclip_core.errors import UnknownNameError, UsageError
from timbreclip_core.stems import PhraseSet, contains, stems
from timbreclip_train.text import (
    GM_FAMILIES,
    canonical,
    concept,
    concept_names,
    gm_percussion,
    gm_program,
    inflect,
    mentions_held_out,
    more_wordings,
    normalise_name,
    plural,
    say,
    singular,
    tags_of,
    wordings,
)
from timbreclip_train.text.concepts import KINDS
from timbreclip_train.text.draw import draw, groups
from timbreclip_train.text.tables import read_table

ALL = concept_names()


def seen_everywhere() -> list[tuple[str, tuple[str, ...]]]:
    return [(text, stems(text)) for name in ALL for text in wordings(name)]


def test_the_vocabulary_covers_families_instruments_drums_and_tags():
    assert set(GM_FAMILIES) <= set(concept_names("family")) & set(concept_names("category"))
    assert len(concept_names("instrument")) >= 120
    assert len(concept_names("percussion")) >= 40
    assert len(concept_names("tag")) >= 120
    assert set(concept_names("source")) >= {"acoustic", "electronic", "synthetic"}
    assert len(concept_names("quality")) >= 10


def test_every_concept_has_known_kinds_and_its_own_name_first():
    for name in ALL:
        assert concept(name).kinds and concept(name).kinds <= set(KINDS)
        assert concept(name).said[0].text == name and not concept(name).said[0].held_out


@pytest.mark.parametrize("name", ALL)
def test_every_concept_has_eight_wordings_a_third_and_three_held_out(name):
    seen, held = wordings(name), wordings(name, held_out=True)
    assert len(seen) + len(held) >= 8
    assert len(held) >= 3
    assert 3 * len(held) >= len(seen) + len(held)


def test_no_wording_is_given_to_two_concepts():
    texts = [
        text.lower() for name in ALL for held in (0, 1) for text in wordings(name, held_out=held)
    ]
    assert [text for text, count in Counter(texts).items() if count > 1] == []


def test_no_training_wording_contains_or_inflects_a_held_out_one():
    held = PhraseSet(text for name in ALL for text in wordings(name, held_out=True))
    assert [text for text, parts in seen_everywhere() if held.found_in(parts)] == []


def test_further_wordings_are_of_one_concept_and_say_nothing_held_out():
    owner = {w.lower(): n for n in ALL for held in (0, 1) for w in wordings(n, held_out=held)}
    found = [(name, wording.text) for name in ALL for wording in more_wordings(name)]
    assert len(found) > 1_500
    assert [pair for pair in found if mentions_held_out(pair[1])] == []
    assert [pair for pair in found if pair[1].lower() in owner] == []
    counts = Counter(wording.lower() for _, wording in found)
    assert [wording for wording, count in counts.items() if count > 1] == []
    table = {name for name, *_ in read_table("more_wordings.tsv", 3)}
    assert table <= set(ALL)


def test_further_wordings_are_said_and_label_nothing():
    further = {wording.text for wording in more_wordings("choir")}
    rng = random.Random(0)
    said = [say(("choir",), rng).lower() for _ in range(400)]
    assert sum(any(text.lower() in one for text in further) for one in said) > 80
    assert not {canonical(text) for text in further if text not in ALL} & {"choir"}


def test_no_held_out_wording_contains_a_training_wording_of_its_concept():
    leaks = [
        (name, text, own)
        for name in ALL
        for text in wordings(name, held_out=True)
        for own in wordings(name)
        if contains(stems(text), stems(own))
    ]
    assert leaks == []


def test_held_out_lexicon_words_are_in_no_training_wording():
    assert [text for text, _ in seen_everywhere() if lexicon.mentions_held_out(text)] == []


def test_seen_lexicon_words_contain_no_held_out_wording():
    held = PhraseSet(text for name in ALL for text in wordings(name, held_out=True))
    assert [w.text for w in lexicon.words(held_out=False) if w.text in held] == []


def test_mentions_held_out_knows_wordings_and_lexicon_words():
    word = wordings("piano", held_out=True)[0]
    assert mentions_held_out(f"{word} Hall") and mentions_held_out(f"my {word}s")
    assert mentions_held_out(f"a {lexicon.held_out_phrases()[0]} pad")
    assert not mentions_held_out("synth pad") and not mentions_held_out("bright piano 2")


REAL_NAMES = {
    "0033-Trash Synth 1.xiz": "trash synth",
    "SlowStr 2": "slow strings",
    "TB303_AcidBs": "tb-303 acid bass",
    "Bs Slap 2": "bass slap",
    "WarmSawPad": "warm saw pad",
    "EP3": "electric piano",
    "E.Piano 1 v": "electric piano",
    "El.Piano": "electric piano",
    "K4ish:Syn Ld 3": "synth lead",
    "VariBreaks Hat 1 Cl": "vari breaks closed hi-hat",
    "Closed HH": "closed hi-hat",
    "DX7type3": "dx7 type",
    "Fr.Horn": "french horn",
    "Eng.Horn": "english horn",
    "OrchHit": "orchestra hit",
    "8bit_car": "8-bit car",
    "12 String Guitar": "12 string guitar",
    "TR909-RimShot.xpf": "909 rim shot",
    "BD_808": "bass drum 808",
    "0096-Power Guitar 1.xiz": "power guitar",
    "Toy Xyl": "toy xylophone",
    "PM-FMstring.xpf": "pm fm string",
    "DistortedPMBass": "distorted pm bass",
    "FatTB303Arp.xpf": "fat tb-303 arpeggio",
    "SuperSawLead": "supersaw lead",
    "0065-Dream of the Saw.xiz": "dream of the saw",
    "Nyl.Str Gtr": "nylon string guitar",
    "Brs Sect": "brass section",
    "Bs & Ld": "bass and lead",
    "E.Gtr Mute": "electric guitar mute",
    "PizzStr": "pizzicato strings",
    "SynStrgs2": "synth strings",
    "Solo Vox": "solo voice",
    "Tnr Sax": "tenor saxophone",
    "A.Piano 1": "piano",
    "0002-Plucked 2.xiz": "plucked",
    "Snare (Pearl Free Floating Maple 14x3.5)": "snare pearl free floating maple",
    "Perc Org 2": "percussion organ",
    "Honky Tonk": "honky-tonk",
    "NicePoly52": "nice poly",
    "synth_bass_7": "synth bass",
    "0086-Organo_03.xiz": "organ",
    "80's Brass": "80s brass",
    "elec_hi_snare.flac": "electric hi snare",
    "Ac.Gtr": "acoustic guitar",
    "Pno + Str": "piano strings",
    "": "",
    "007": "",
}


@pytest.mark.parametrize(("raw", "plain"), REAL_NAMES.items())
def test_real_preset_names_become_plain_words(raw, plain):
    assert normalise_name(raw) == plain


@pytest.mark.parametrize("plain", sorted(set(REAL_NAMES.values())))
def test_normalising_twice_changes_nothing(plain):
    assert normalise_name(plain) == plain


@given(st.text(max_size=40))
def test_any_name_gives_clean_lower_case(raw):
    plain = normalise_name(raw)
    assert plain == plain.lower() and plain == " ".join(plain.split())
    assert not re.search("[\ue000-\uf8ff_/]", plain)


@pytest.mark.parametrize(
    ("raw", "some", "none"),
    [
        ("WarmSawPad", {"warm", "saw", "synth pad"}, {"bass"}),
        ("TB303_AcidBs", {"acid", "bass"}, set()),
        ("Nyl.Str Gtr", {"nylon guitar", "guitar"}, {"strings"}),
        ("BD_808", {"kick", "drum machine", "drums"}, {"bass"}),
        ("Closed HH", {"hi-hat", "closed hi-hat"}, {"high"}),
        ("SlowStr 2", {"slow attack", "strings"}, set()),
        ("FM Rhodes 2", {"fm", "electric piano"}, set()),
        ("Dark Choir Pad", {"dark", "choir", "choir pad", "synth pad"}, {"bright"}),
        ("0065-Analog Brass 2.xiz", {"analog", "brass", "synth brass"}, {"metallic"}),
        ("DistortedPMBass", {"distorted", "bass", "fm"}, set()),
        ("Fretless Bass", {"fretless bass", "bass"}, {"synth bass"}),
        ("MarioBros2", {"chiptune"}, set()),
        ("Glass Arpeggio", {"glassy", "arpeggio"}, {"shaker", "harp"}),
        ("Steel Drums", {"steel drums", "metallic"}, set()),
        ("YouPickWhich", set(), {"synth"}),
        ("El.Piano", {"electric piano", "piano"}, {"electronic"}),
    ],
)
def test_tags_are_found_in_names(raw, some, none):
    tags = set(tags_of(normalise_name(raw)))
    assert some <= tags and not none & tags


def test_tags_of_a_concept_name_include_the_concept_or_nothing_silly():
    missing = [
        name
        for name in concept_names("instrument")
        if concept(name).pattern and name not in tags_of(normalise_name(name))
    ]
    assert len(missing) <= 3, missing


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("Chromatic Percussion", "chromatic percussion"),
        ("synth_lead", "synth lead"),
        ("Choirs", "choir"),
        ("Reed and Wind", "reed"),
        ("keyboard", "keys"),
        ("vocal", "voice"),
        ("string", "strings"),
        ("tempo-synced", "tempo synced"),
        ("Synth Pads", "synth pad"),
        ("Kicks", "kick"),
        ("nonlinear_env", "nonlinear envelope"),
        ("fast_decay", "fast decay"),
        ("distortion", "distorted"),
        ("Sound Effects", "sound effects"),
        ("no such thing", None),
    ],
)
def test_raw_labels_of_datasets_map_to_concepts(raw, name):
    assert canonical(raw) == name


def test_canonical_can_be_limited_to_a_kind():
    assert canonical("glassy", "tag") == "glassy" and canonical("glassy", "category") is None


def test_general_midi_is_complete():
    programs = [gm_program(number) for number in range(128)]
    assert [p.family for p in programs[::8]] == list(GM_FAMILIES)
    assert Counter(p.family for p in programs) == dict.fromkeys(GM_FAMILIES, 8)
    assert (programs[40].name, programs[127].name) == ("violin", "gunshot")
    assert len({p.name for p in programs}) == 128
    keys = [gm_percussion(key) for key in range(35, 82)]
    assert all(keys) and keys[0].name == "acoustic bass drum" and keys[-1].name == "open triangle"
    for instrument in (*programs, *keys):
        assert all(name in ALL for name in instrument.concepts)


def test_programs_outside_general_midi_are_refused():
    with pytest.raises(UsageError, match="128"):
        gm_program(128)
    assert gm_percussion(20) is None


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("pad", "pads"),
        ("bass", "basses"),
        ("brass", "brasses"),
        ("voice of an angel", "voices of an angel"),
        ("string section", "string sections"),
        ("harmony", "harmonies"),
        ("synth patch", "synth patches"),
        ("glass", "glasses"),
        ("cello", "cellos"),
        ("chorus", "choruses"),
        ("circus", "circuses"),
        ("lens", "lenses"),
        ("gas", "gases"),
    ],
)
def test_singular_and_plural_are_inverse(one, many):
    assert plural(one) == many and singular(many) == one
    assert plural(many) == many and singular(one) == one


def test_mass_nouns_and_lists_do_not_inflect():
    for text in ("percussion", "timpani", "sax, oboe and clarinet", "808"):
        assert plural(text) == singular(text) == text


def test_inflect_gives_both_numbers():
    rng = random.Random(0)
    assert {inflect("pad", rng) for _ in range(40)} == {"pad", "pads"}


def test_say_repeats_with_its_seed_and_varies_with_it():
    def texts(seed: int) -> list[str]:
        rng = random.Random(seed)
        return [say(("synth pad", "analog"), rng, qualities=("bright",)) for _ in range(20)]

    assert texts(1) == texts(1) != texts(2)
    assert len(set(texts(1))) >= 12


def test_say_never_uses_a_held_out_word():
    rng = random.Random(7)
    qualities = [w.text for w in lexicon.words(held_out=False)]
    for name in ALL:
        for _ in range(4):
            text = say((name,), rng, qualities=rng.sample(qualities, rng.choice((0, 0, 1))))
            assert not mentions_held_out(text), text


def test_say_keeps_title_and_tail_and_minds_articles():
    rng = random.Random(3)
    for _ in range(60):
        text = say(("organ",), rng, title="slow drift", qualities=("with boosted highs",)).lower()
        assert "slow drift" in text and text.endswith("with boosted highs")
        assert not re.search(r"\ba (?:organ|acoustic|electric)", text)
        assert not re.search(r"\ba \w+s\b(?<!bass)(?<!brass) ?$", text)


def test_say_puts_noun_like_qualities_behind_the_noun():
    rng = random.Random(5)
    for _ in range(30):
        # "With all stops pulled" is a way to say it without a noun.
        text = say(("church organ",), rng, qualities=("slow attack",)).lower()
        assert "with slow attack" in text or text.startswith("slow attack with ")


def test_say_without_anything_or_with_an_unknown_concept_is_an_error():
    with pytest.raises(UsageError, match="Nothing to say"):
        say((), random.Random(0))
    with pytest.raises(UnknownNameError, match="synth lead"):
        say(("synth leed",), random.Random(0))


def test_unknown_kind_is_an_error():
    with pytest.raises(UnknownNameError):
        concept_names("colour")


def test_importing_the_text_package_does_not_load_torch():
    import subprocess
    import sys

    code = (
        "import sys, timbreclip_train.text as t; t.tags_of('x'); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_wordings_that_contain_one_another_are_drawn_together():
    found = groups(["bell", "church bells", "chime", "chiming", "gong"])
    assert [sorted(g) for g in found] == [["bell", "church bells"], ["chime", "chiming"], ["gong"]]


def test_the_draw_holds_out_a_third_and_never_a_name_nor_what_others_say():
    others = {"gong": ["gong", "tam-tam", "big bronze disc"]}
    said = {"bell": ["bell", "church bell", "carillon", "chime", "bronze disc", "peal", "toll"]}
    held = draw({**said, **others})
    assert len(held["bell"]) == 3 and held["bell"] <= {"carillon", "chime", "peal", "toll"}
    assert draw({**others, **said}) == held, "the order of the concepts does not count"
