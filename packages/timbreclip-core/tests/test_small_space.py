import json
import warnings

import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from timbreclip_core.checkpoints import write_checkpoint
from timbreclip_core.errors import CheckpointError, UsageError
from timbreclip_core.files import sha256
from timbreclip_core.spaces.small import Projection, Projections, SmallSpace, load
from timbreclip_core.text_encoder import (
    TextEncoder,
    TextShape,
    TruncatedTextWarning,
    open_tokenizer,
    quantise,
    unpacked,
)
from timbreclip_core.word_vectors import WordedEncoder, packed_words

torch.set_num_threads(1)
SHAPE = TextShape(vocabulary=40, width=16, layers=2, heads=2, hidden=32, max_tokens=12)


def tokenizer():
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *(f"w{i}" for i in range(36))]
    made = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return made


def encoder(table=torch.float32):
    torch.manual_seed(1)
    made = TextEncoder(SHAPE, tokenizer(), table)
    if table.is_floating_point:
        made.tokens.rows.normal_()
        made.positions.data.normal_(std=0.1)
    return made.eval().requires_grad_(False)


def test_a_text_does_not_know_its_neighbours():
    texts = ["w1", "w1 w2 w3 w4 w5", "w7 w8", "w1 w1 w1 w1 w1 w1 w1 w1 w1"]
    together = encoder().encode(texts)
    alone = torch.cat([encoder().encode([t]) for t in texts])
    assert float((together - alone).abs().max()) < 1e-5


def test_the_order_of_tokens_matters():
    first, second = encoder().encode(["w1 w2", "w2 w1"])
    assert float((first - second).abs().max()) > 1e-3


def test_a_layer_is_torchs_own_transformer_layer():
    ours = encoder().layers[0]
    theirs = torch.nn.TransformerEncoderLayer(
        16, 2, 32, dropout=0.0, activation="gelu", layer_norm_eps=1e-12, batch_first=True
    ).eval()
    pairs = {
        "self_attn.in_proj_weight": ours.query_key_value.weight,
        "self_attn.in_proj_bias": ours.query_key_value.bias,
        "self_attn.out_proj.weight": ours.attended.weight,
        "self_attn.out_proj.bias": ours.attended.bias,
        "linear1.weight": ours.grow.weight,
        "linear1.bias": ours.grow.bias,
        "linear2.weight": ours.shrink.weight,
        "linear2.bias": ours.shrink.bias,
    }
    for n, norm in ((1, ours.norm_1), (2, ours.norm_2)):
        pairs |= {f"norm{n}.weight": norm.weight, f"norm{n}.bias": norm.bias}
    theirs.load_state_dict(pairs)
    x = torch.randn(3, 7, 16)
    mask = torch.arange(7) < torch.tensor([[7], [4], [1]])
    with torch.no_grad():
        expected = theirs(x, src_key_padding_mask=~mask)
    assert torch.allclose(ours(x, mask)[mask], expected[mask], atol=1e-5)


def test_a_long_text_is_cut_with_a_warning():
    with pytest.warns(TruncatedTextWarning, match="20 tokens is cut to 12"):
        cut = encoder().encode([" ".join(["w5"] * 18)])
    assert torch.allclose(cut, encoder().encode([" ".join(["w5"] * 10)]), atol=1e-6)


def test_a_text_that_just_fits_is_not_warned_about():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder().encode([" ".join(["w5"] * 10)])


def test_int8_rows_are_within_half_a_step():
    full = encoder()
    packed = quantise(full.state_dict())
    assert packed["tokens.rows"].dtype == torch.int8
    again = packed["tokens.rows"] * packed["tokens.scale"]
    step = full.tokens.rows.abs().amax(1, keepdim=True) / 127
    assert bool(((again - full.tokens.rows).abs() <= step / 2 + 1e-6).all())
    plain = {k for k in packed if "tokens" not in k and f"{k}.scales" not in packed}
    assert {packed[k].dtype for k in plain if not k.endswith(".scales")} == {torch.float16}


def test_int8_matrices_are_within_half_a_step_of_64_weights():
    torch.manual_seed(2)
    state = {"layers.0.grow.weight": torch.randn(5, 192) * torch.logspace(-3, 3, 192)}
    rows = {"tokens.rows": torch.zeros(3, 4), "tokens.scale": torch.ones(3, 1)}
    packed = quantise({**state, **rows})
    assert packed["layers.0.grow.weight"].dtype == torch.int8
    assert packed["layers.0.grow.weight.scales"].shape == (5, 3)
    [again, whole] = [each["layers.0.grow.weight"] for each in (unpacked(packed), state)]
    step = whole.reshape(5, 3, 64).abs().amax(2).repeat_interleave(64, 1) / 127
    assert bool(((again - whole).abs() <= step * 0.5001).all())


def test_what_has_its_matrices_in_float16_is_read_as_before():
    halves = {name: value.half() for name, value in encoder().state_dict().items()}
    assert unpacked(halves).keys() == halves.keys()
    assert all(torch.equal(value, halves[name]) for name, value in unpacked(halves).items())


def write(folder, words=(), copies=1, **changes):
    tokenizer().save(str(folder / "t.json"))
    (folder / "v.txt").write_text("\n".join(words))
    options = {
        "name": "small",
        "file": "sentences.safetensors",
        "projection": "words.safetensors",
        "tokenizer": "tokenizer.json",
        "space_id": "here/text",
        "dim": 8,
        "shape": vars(SHAPE),
        **changes,
    }
    sentences, weight = quantise(encoder().state_dict()), torch.eye(8, 16).half()
    config = {"name": "x", "licence": "none", "encoder": {"name": "small"}, "space": options}
    tensors = {"sentences.safetensors": sentences, "words.safetensors": {"weight": weight}}
    if options["projection"] is None:
        del options["projection"], tensors["words.safetensors"]
        sentences["projection.weight"] = weight
    if copies > 1:
        files = [f"words-{n}.safetensors" for n in range(copies)]
        options |= {"projection": files, "dim": 8 * copies}
        tensors |= dict.fromkeys(files, tensors["words.safetensors"])
    if words:
        options |= {"words": "vocabulary.safetensors", "vocabulary": "vocabulary.txt"}
        vectors = torch.eye(len(words), 4)
        tensors["vocabulary.safetensors"] = packed_words(vectors, torch.ones(len(words)))
        tensors["words.safetensors"] = {"weight": torch.eye(8, 20).roll(16, 1).half()}
    files = {"tokenizer.json": folder / "t.json", "vocabulary.txt": folder / "v.txt"}
    write_checkpoint(folder / "m", config, tensors, files)
    return folder / "m"


def test_a_saved_space_says_nearly_the_same(tmp_path):
    space = load(write(tmp_path))
    vectors = space.embed_text(["w1 w2", "W1 W2", "w9"])
    assert vectors.space == "here/text" and vectors.shape == (3, 8)
    expected = torch.nn.functional.normalize(encoder().encode(["w1 w2", "w9"])[:, :8], dim=1)
    assert torch.allclose(vectors.plain()[::2], expected, atol=0.02)
    assert torch.equal(vectors[0].plain(), vectors[1].plain()), "case does not matter"


def test_a_space_in_one_file_as_up_to_version_3_is_read(tmp_path):
    (tmp_path / "one").mkdir()
    one, two = load(write(tmp_path / "one", projection=None)), load(write(tmp_path))
    assert torch.equal(one.encode_texts(["w1 w2"]), two.encode_texts(["w1 w2"]))


def test_several_projections_say_the_mean_of_what_each_says():
    torch.manual_seed(3)
    several = [
        Projection(16, dim, hidden).requires_grad_(False) for dim, hidden in ((8, 4), (6, 0))
    ]
    sentences = torch.randn(2, 16)
    joint = Projections(several)(sentences)
    alone = [torch.nn.functional.normalize(project(sentences), dim=1) for project in several]
    expected = sum(float(v[0] @ v[1]) for v in alone) / 2
    assert joint.shape == (2, 14) and Projections(several).dim == 14
    assert float(joint[0] @ joint[1]) == pytest.approx(expected, abs=1e-5)
    assert torch.allclose(joint.norm(dim=1), torch.ones(2), atol=1e-5)


def test_a_folder_may_have_a_projection_for_each_network(tmp_path):
    (tmp_path / "one").mkdir()
    one, two = load(write(tmp_path / "one")), load(write(tmp_path, copies=2))
    assert two.dim == 2 * one.dim == 16
    for vectors in two.embed_text(["w1 w2", "w9"]).plain().chunk(2, 1):
        expected = one.embed_text(["w1 w2", "w9"]).plain() / 2**0.5
        assert torch.allclose(vectors, expected, atol=1e-6)


def test_word_vectors_stand_beside_the_sentence_encoder(tmp_path):
    space = load(write(tmp_path, words=("bright", "dark", "pad")))
    assert isinstance(space.text_encoder, WordedEncoder)
    found = space.encode_texts(["bright", "dark", "bright pads"])
    assert torch.allclose(found[:2, :4] * 2**0.5, torch.eye(4)[:2], atol=1e-3)
    assert torch.allclose(found[2, :4], (torch.eye(4)[0] + torch.eye(4)[2]) / 2, atol=1e-3)


def test_word_vectors_that_do_not_fit_their_vocabulary_are_refused(tmp_path):
    folder = write(tmp_path, words=("bright", "dark", "pad"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "vocabulary.txt").write_text("bright dark")
    config["files"]["vocabulary.txt"] = sha256(folder / "vocabulary.txt")
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="no text side"):
        load(folder)


def test_a_plural_lies_halfway_to_its_singular(small):
    space = SmallSpace(small.space.text_encoder, small.space.projection, "x", near_singular=True)
    far = SmallSpace(small.space.text_encoder, small.space.projection, "x")
    texts = ["kicks", "dark", "soft ocarinas of brass", "soft ocarina of brass"]
    near = space.embed_text(texts).plain()
    own = far.embed_text([*texts, "kick"]).plain()
    halfway = torch.nn.functional.normalize(own[0] + own[4], dim=0)
    assert torch.allclose(near[0], halfway, atol=1e-5)
    assert torch.allclose(near[[1, 3]], own[[1, 3]], atol=1e-5), "singulars stay where they are"
    before, after = float(own[2] @ own[3]), float(near[2] @ near[3])
    assert after == pytest.approx(((1 + before) / 2) ** 0.5, abs=1e-5)


def test_a_plural_that_the_word_vectors_lack_lies_at_its_singular(small):
    words = small.space.text_encoder.words
    assert words.know("an ocarina") and words.know("ocarinas") and not words.know("shakuhachis")
    one, many, known, knowns = small.embed_text(
        ["shakuhachi", "shakuhachis", "ocarina", "ocarinas"]
    ).plain()
    assert float(one @ many) > 0.999999 > float(known @ knowns) > 0.9


def test_an_empty_text_is_refused(tmp_path):
    with pytest.raises(UsageError):
        load(write(tmp_path)).embed_text([" "])


def test_text_weights_of_other_sizes_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match="no text side"):
        load(write(tmp_path, shape={**vars(SHAPE), "layers": 3}))


@pytest.mark.parametrize("change", [{"dim": 9}, {"words": ("bright", "dark", "pad"), "dim": 9}])
def test_projections_of_other_sizes_are_refused(tmp_path, change):
    with pytest.raises(CheckpointError, match="of other sizes"):
        load(write(tmp_path, **change))


def test_a_projection_for_other_vectors_is_refused(tmp_path):
    folder = write(tmp_path, words=("bright", "dark", "pad"))
    config = json.loads((folder / "config.json").read_text())
    del config["space"]["words"]
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="of other sizes"):
        load(folder)


def test_the_tokenizer_file_neither_pads_nor_cuts(tmp_path):
    made = tokenizer()
    made.enable_padding(length=30)
    made.enable_truncation(4)
    made.save(str(tmp_path / "t.json"))
    assert len(open_tokenizer(tmp_path / "t.json").encode("w1 w2 w3 w4 w5").ids) == 7


def test_the_bundled_words_do_not_depend_on_batch_mates(small):
    texts = ["bright", "a very long and winding description of a dark, warm pad", "kick", "Bright"]
    together = small.space.encode_texts(texts)
    alone = torch.cat([small.space.encode_texts([t]) for t in texts])
    assert float((together - alone).abs().max()) < 1e-5
    assert torch.allclose(together[0], together[3], atol=1e-6)


def test_the_bundled_words_tell_bright_from_dark(small):
    cosines = small.similarity(["bright", "dark"], ["brilliant", "dull"])
    assert float(cosines[0, 0]) > float(cosines[0, 1])
    assert float(cosines[1, 1]) > float(cosines[1, 0])
    assert float(small.similarity("bright", "dark")) < 0.2


@pytest.mark.parametrize("text", ["🎹", "ümlaut", "\u200b x", "1" * 300, "日本の琴"])
def test_odd_texts_have_finite_vectors(small, text):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TruncatedTextWarning)
        assert torch.isfinite(small.embed_text(text)).all()
