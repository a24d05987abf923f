"""Options of our own image backends; apart from them, so that listing needs no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

from timbreclip_core.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class GlyphOptions:
    """Of ``glyph``.

    Args:
        size: Width and height of the pixels' picture.
    """

    size: int = 512

    def __post_init__(self) -> None:
        if not 16 <= self.size <= 8192:
            raise UsageError(f"size must be from 16 to 8192 pixels, not {self.size}.")


PRECISIONS = ("auto", "float32", "float16", "bfloat16")
OFFLOADS = ("none", "model", "sequential")


@dataclass(frozen=True, kw_only=True)
class DiffusersOptions:
    """Of ``diffusers``. A number of 0 and an empty text leave it to the pipeline.

    Args:
        model: Local folder of a pipeline, or a hub id.
        download: Fetch a hub id if it is not on this machine.
        variant: Of the weights, such as ``fp16``.
        precision: ``auto`` is float16 on a GPU, float32 elsewhere.
        steps: Of denoising.
        guidance: Scale of guidance; below 0 leaves it to the pipeline.
        negative: What the picture should not be.
        true_guidance: Flux only, whose ``guidance`` is another thing: scale of the guidance away
            from ``negative``, above 1.
        width: Pixels, a multiple of 8 (Flux, SD3: 16).
        height: Pixels, likewise.
        scheduler: A class of diffusers, such as ``DPMSolverMultistepScheduler``.
        tokens: Length of T5's input, SD3 and Flux only.
        batch: Pictures in one pass; 1 makes each the same, bit for bit, as alone.
        offload: ``model`` or ``sequential``: less GPU memory, slower.
        slicing: Attention in slices, and the decoder picture by picture: less memory.
        tiling: The decoder in tiles: less memory for large pictures.
    """

    model: str = ""
    download: bool = False
    variant: str = ""
    precision: str = "auto"
    steps: int = 0
    guidance: float = -1.0
    negative: str = ""
    true_guidance: float = 1.0
    width: int = 0
    height: int = 0
    scheduler: str = ""
    tokens: int = 0
    batch: int = 1
    offload: str = "none"
    slicing: bool = False
    tiling: bool = False

    def __post_init__(self) -> None:
        if not self.model:
            raise UsageError(
                "diffusers needs a pipeline: -O model=FOLDER, or a hub id with -O download=true."
            )
        for name, known in (("precision", PRECISIONS), ("offload", OFFLOADS)):
            if getattr(self, name) not in known:
                value = getattr(self, name)
                raise UsageError(f"{name} must be one of {', '.join(known)}, not {value!r}.")
        for name in ("steps", "width", "height", "tokens"):
            if getattr(self, name) < 0:
                raise UsageError(f"{name} must be 0 or more, not {getattr(self, name)}.")
        if self.batch < 1:
            raise UsageError(f"batch must be 1 or more, not {self.batch}.")
        if not (math.isfinite(self.guidance) and math.isfinite(self.true_guidance)):
            raise UsageError("guidance and true_guidance must be finite numbers.")
