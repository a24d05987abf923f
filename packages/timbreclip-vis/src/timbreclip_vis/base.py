"""What an image backend is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor

if TYPE_CHECKING:
    from PIL.Image import Image


class ImageBackend(ABC):
    """Encodes prompts, and renders pictures from mixtures of encoded prompts.

    Source of the method: Jonason & Sturm, TimbreCLIP, "Timbre to Image Generation".
    """

    @abstractmethod
    def encode(self, prompts: Sequence[str]) -> Any:
        """Prompts to the backend's own conditioning, one item a prompt."""

    @abstractmethod
    def render(self, conditioning: Any, weights: Tensor, *, seed: int) -> list[Image]:
        """One picture per row of ``weights`` ``(pictures, prompts)``."""
