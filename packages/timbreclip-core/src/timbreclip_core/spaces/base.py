"""What a space is: the side of words, and of pictures where there is one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..embedding import Embedding
from ..encoders.base import unit
from ..errors import UsageError

if TYPE_CHECKING:
    from PIL.Image import Image


class Space(ABC):
    """Turns texts (and pictures, where ``can_see``) into unit vectors of one space.

    Attributes:
        name: Name of its entry.
        space_id: Names the space; equal ids mean comparable vectors.
        dim: Numbers in a vector.
    """

    name: str
    space_id: str
    dim: int
    can_see = False

    def __init__(self) -> None:
        self._known: dict[str, Tensor] = {}

    @abstractmethod
    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        """Texts to vectors ``(batch, dim)``, of any length; no caching, no labels."""

    def encode_images(self, images: Sequence[Image]) -> Tensor:
        """Pictures to vectors ``(batch, dim)``."""
        raise UsageError(f"The space {self.name!r} has words only. Use a CLIP space for pictures.")

    def embed_text(self, texts: str | Sequence[str]) -> Embedding:
        """Unit vectors ``(batch, dim)`` of one text or several; remembered for this process.

        Raises:
            UsageError: If a text is empty or is not a string.
        """
        texts = [texts] if isinstance(texts, str) else list(texts)
        if not texts:
            raise UsageError("No text was given.")
        for text in texts:
            if not isinstance(text, str) or not text.strip():
                raise UsageError(f"A text must be a string that is not empty, not {text!r}.")
        new = [t for t in dict.fromkeys(texts) if t not in self._known]
        if new:
            with torch.inference_mode(False), torch.no_grad():
                vectors = unit(self.encode_texts(new)).cpu()
            self._known.update(zip(new, vectors, strict=True))
        return Embedding.of(torch.stack([self._known[t] for t in texts]), self.space_id)

    def embed_image(self, images: Image | Sequence[Image]) -> Embedding:
        """Unit vectors ``(batch, dim)`` of one picture or several."""
        images = images if isinstance(images, Sequence) else [images]
        with torch.no_grad():
            return Embedding.of(unit(self.encode_images(images)).cpu(), self.space_id)
