"""Vectors of single words beside a sentence encoder: what a larger encoder knows of them.

A small sentence encoder knows little of rare adjectives. Vectors of words by a larger one, made
smaller, are looked up and averaged, frequent words weighing less (Arora et al. 2017, smooth inverse
frequency); the sentence encoder still tells order, negation and context.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .inflect import singular
from .text_encoder import TextEncoder, rows_in_int8

_WORD = re.compile(r"[a-z]+|[0-9]+")


def words_in(text: str) -> list[str]:
    """Runs of letters and of digits, lower case, without accents.

    >>> words_in("A café-like TB303 lead")
    ['a', 'cafe', 'like', 'tb', '303', 'lead']
    """
    plain = unicodedata.normalize("NFKD", text.lower())
    return _WORD.findall("".join(c for c in plain if not unicodedata.combining(c)))


class WordVectors(nn.Module):
    """A table of words, as int8 rows with a scale each.

    Args:
        words: One for each row.
        width: Numbers in a row.
    """

    def __init__(self, words: Sequence[str], width: int) -> None:
        super().__init__()
        self.rows: Tensor
        self.scale: Tensor
        self.register_buffer("rows", torch.zeros(len(words), width, dtype=torch.int8))
        self.register_buffer("scale", torch.ones(len(words), 1))
        self._place = {word: i for i, word in enumerate(words)}

    @property
    def width(self) -> int:
        """Numbers in a vector."""
        return self.rows.shape[1]

    @property
    def words(self) -> list[str]:
        """In the order of the rows."""
        return list(self._place)

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Texts to weighted means of their words' vectors, of unit length, ``(texts, width)``.

        A word that is not known is looked up in the singular; a text of which no word is known
        has zeros.
        """
        found = [self._places(text) for text in texts]
        device = self.scale.device
        whose = [(i, place) for i, row in enumerate(found) for place in row]
        owner, place = torch.tensor(whose, dtype=torch.long, device=device).reshape(-1, 2).T
        out = torch.zeros(len(texts), self.width, device=device)
        out.index_add_(0, owner, self.rows[place].float() * self.scale[place])
        return F.normalize(out, dim=1)

    def know(self, text: str) -> bool:
        """Whether every word of a text has a row of its own."""
        return all(word in self._place for word in words_in(text))

    def _places(self, text: str) -> list[int]:
        found = (word if word in self._place else singular(word) for word in words_in(text))
        return [self._place[word] for word in found if word in self._place]


class WordedEncoder(nn.Module):
    """A sentence encoder's vectors, and after them those of the words, each of unit length.

    Args:
        sentences: Of whole texts.
        words: Of single ones.
    """

    def __init__(self, sentences: TextEncoder, words: WordVectors) -> None:
        super().__init__()
        self.sentences, self.words = sentences, words

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Texts to vectors ``(texts, width of a sentence + width of a word)``."""
        found = F.normalize(self.sentences.encode(texts), dim=1)
        return torch.cat([found, self.words.encode(texts)], 1)


def packed_words(vectors: Tensor, weight: Tensor) -> dict[str, Tensor]:
    """What goes to disk of word vectors.

    Args:
        vectors: ``(words, width)``.
        weight: Of each word in a text, ``(words,)``.
    """
    rows, scale = rows_in_int8(F.normalize(vectors.float(), dim=1))
    return {"rows": rows, "scale": scale * weight[:, None]}
