"""What an image backend is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from timbreclip_core.errors import UsageError

from .mixing import Conditioning

if TYPE_CHECKING:
    from PIL.Image import Image

    from timbreclip_core import Model


class ImageBackend(ABC):
    """Encodes prompts, and renders pictures from mixtures of encoded prompts.

    Rendering is deterministic: the same conditioning, seed and options give the same picture,
    alone or among others.

    Attributes:
        in_model_space: Its prompts are understood by the text side of the model that hears the
            sounds: ``encode`` is given that model, and ``render`` what varied sounds make of the
            same prompts. Else both get None.
        name: Of its entry; set by ``load_backend``.
        options: By name; set by ``load_backend``.

    Source of the method: Jonason & Sturm, TimbreCLIP, "Timbre to Image Generation".
    """

    in_model_space: ClassVar[bool] = False
    name: str = ""
    options: dict[str, Any]

    @abstractmethod
    def encode(self, prompts: Sequence[str], model: Model | None) -> Conditioning:
        """Prompts to the backend's own conditioning: tensors by name, ``(prompts, ...)`` each."""

    @abstractmethod
    def render(
        self, mixed: Conditioning, *, seed: int, typical: Conditioning | None = None
    ) -> list[Image]:
        """Pictures of mixed conditioning.

        Args:
            mixed: ``(pictures, ...)`` each, of the names that ``encode`` gives.
            seed: The same for all of the pictures, so that only the sounds set them apart.
            typical: ``(sounds, ...)`` each: the same prompts mixed for varied sounds.
        """

    def render_svg(
        self, mixed: Conditioning, *, seed: int, typical: Conditioning | None = None
    ) -> list[str]:
        """As ``render``, SVG documents.

        Raises:
            UsageError: The backend makes pixels only.
        """
        raise UsageError(f"{self.name or 'This backend'} makes pixels, no SVG. Write a .png.")
