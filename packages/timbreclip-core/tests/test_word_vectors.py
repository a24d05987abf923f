import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from timbreclip_core.word_vectors import WordedEncoder, WordVectors, packed_words, words_in

WORDS = ["bright", "icy", "pad", "a", "glass", "808"]


def table():
    torch.manual_seed(3)
    made = WordVectors(WORDS, 24)
    weight = torch.tensor([1.0, 1.0, 1.0, 0.01, 1.0, 1.0])
    made.load_state_dict(packed_words(torch.randn(len(WORDS), 24), weight))
    return made


def test_words_are_runs_of_letters_and_of_digits_without_accents_and_case():
    assert words_in("A Café-like TB303 'lead'…") == ["a", "cafe", "like", "tb", "303", "lead"]
    assert words_in("¿?") == []


def test_a_text_is_the_weighted_mean_of_its_words():
    vectors = table()
    bright, pad, both = vectors.encode(["bright", "pad", "bright pad"])
    assert torch.allclose(both, torch.nn.functional.normalize(bright + pad, dim=0), atol=5e-3)
    assert float(vectors.encode(["a pad"])[0] @ pad) > 0.999, "frequent words hardly count"


def test_unknown_words_do_not_count_and_plurals_are_looked_up_in_the_singular():
    vectors = table()
    assert torch.equal(*vectors.encode(["pad", "the pads"]))
    assert torch.equal(*vectors.encode(["808 Glass!", "808, glasses"]))
    assert not vectors.encode(["zzyzx", ""]).any()


def test_rows_on_disk_are_within_half_a_step():
    full = torch.randn(50, 24)
    packed = packed_words(full, torch.full((50,), 0.5))
    unit = torch.nn.functional.normalize(full, dim=1)
    step = unit.abs().amax(1, keepdim=True) / 127
    assert packed["rows"].dtype == torch.int8
    assert bool(((packed["rows"] * packed["scale"] - unit / 2).abs() <= step / 4 + 1e-6).all())


@given(st.lists(st.text(max_size=12), min_size=1, max_size=6))
def test_a_text_does_not_know_its_neighbours(texts):
    vectors = table()
    together = vectors.encode([*texts, "bright glass"])
    alone = torch.cat([vectors.encode([text]) for text in [*texts, "bright glass"]])
    assert torch.equal(together, alone)


def test_sentences_come_first_each_part_of_unit_length(small):
    worded = small.space.text_encoder
    assert isinstance(worded, WordedEncoder)
    found = worded.encode(["a bright pad"])[0]
    width = worded.sentences.shape.width
    assert len(found) == width + worded.words.width
    assert [float(part.norm()) for part in (found[:width], found[width:])] == pytest.approx([1, 1])


def test_the_bundled_table_knows_rare_adjectives(small):
    words = small.space.text_encoder.words
    assert {"bright", "plangent", "murky", "808"} <= set(words.words)
    near = words.encode(["gloomy", "murky", "trumpet"])
    assert float(near[0] @ near[1]) > float(near[0] @ near[2]) + 0.2
