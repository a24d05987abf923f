"""From vectors of sounds to pictures: weights, mixed prompts, and what a backend makes of them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from timbreclip_core import Embedding
from timbreclip_core.embedding import check_same_space
from timbreclip_core.scores import embed_words
from timbreclip_core.templates import templates

from .base import ImageBackend
from .keywords import weigh
from .mixing import Conditioning, mix
from .scheme import Scheme

if TYPE_CHECKING:
    from PIL.Image import Image

    from timbreclip_core import Model


class Painter:
    """Draws sounds, and changes of sounds.

    Prompts are encoded once, when the first picture is made.

    Args:
        model: Hears the sounds and knows the keywords.
        backend: Makes the pictures.
        scheme: How a sound becomes weights.

    Source of the method: Jonason & Sturm, TimbreCLIP, "Timbre to Image Generation".
    """

    def __init__(self, model: Model, backend: ImageBackend, scheme: Scheme) -> None:
        self.model = model
        self.backend = backend
        self.scheme = scheme
        self._typical: dict[bool, Conditioning] = {}

    @cached_property
    def texts(self) -> Embedding:
        """Vectors of the keywords, ``(keywords, dim)``."""
        return embed_words(self.model, self.scheme.keywords, templates(self.scheme.sentences))

    @cached_property
    def conditioning(self) -> Conditioning:
        """The backend's encoding of the prompts."""
        if not self.backend.in_model_space:
            return self.backend.encode(self.scheme.prompts(), None)
        # Keywords first, always: the last bit of a text's vector depends on those embedded with it.
        _ = self.texts
        return self.backend.encode(self.scheme.prompts(), self.model)

    def closeness(self, vectors: Tensor) -> Tensor:
        """Products ``(batch, keywords)`` of vectors with the keywords' unit vectors.

        For a sound, of length 1, it is the cosine. For a change it grows with how much changed.

        Raises:
            SpaceMismatchError: Vectors of another space.
        """
        check_same_space(vectors, self.texts)
        plain = torch.atleast_2d(vectors).as_subclass(Tensor).cpu().float()
        # A sound at a time, so that none depends on its neighbours by a rounding error.
        return torch.stack([self.texts.plain().cpu() @ row for row in plain])

    def weights(self, vectors: Tensor) -> Tensor:
        """Weights ``(batch, keywords)`` of sounds, or of changes ``a(f(x)) - a(x)``."""
        return weigh(
            self.closeness(vectors),
            weighting=self.scheme.weighting,
            temperature=self.scheme.temperature,
            top_k=self.scheme.top_k,
        )

    def paint(self, weights: Tensor, *, seed: int = 0, change: bool = False) -> list[Image]:
        """Pictures, one a row of weights.

        Args:
            weights: ``(pictures, keywords)``, finite.
            seed: The same for all of them.
            change: The weights are of changes, not of sounds.
        """
        mixed = mix(self.conditioning, weights, self.scheme.mixing)
        return self.backend.render(mixed, seed=seed, typical=self.typical(change))

    def paint_svg(self, weights: Tensor, *, seed: int = 0, change: bool = False) -> list[str]:
        """As ``paint``, SVG documents, if the backend can."""
        mixed = mix(self.conditioning, weights, self.scheme.mixing)
        return self.backend.render_svg(mixed, seed=seed, typical=self.typical(change))

    def typical(self, change: bool) -> Conditioning | None:
        """The prompts mixed for the model's reference sounds, or for differences between them.

        Differences are mirrored at no change at all, so that this lies in their middle. A model
        without reference sounds is asked about the keywords themselves instead.
        """
        if not self.backend.in_model_space:
            return None
        if change not in self._typical:
            self._typical[change] = self._changes() if change else self._mixed(self._varied())
        return self._typical[change]

    def _varied(self) -> Tensor:
        return self.texts if self.model.reference is None else self.model.reference

    def _mixed(self, vectors: Tensor) -> Conditioning:
        return mix(self.conditioning, self.weights(vectors), self.scheme.mixing)

    def _changes(self) -> Conditioning:
        vectors = self._varied()
        found = self._mixed(vectors - vectors.roll(1, 0))
        level = 0.0 if self.scheme.weighting == "raw" else 1 / len(self.scheme.keywords)
        still = torch.full((1, len(self.scheme.keywords)), level)
        middle = mix(self.conditioning, still, self.scheme.mixing)
        return {name: torch.cat([x, 2 * middle[name] - x]) for name, x in found.items()}
