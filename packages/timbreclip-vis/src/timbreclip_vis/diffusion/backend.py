"""Mixed prompts through Stable Diffusion 1.5 and 2, XL, 3, and Flux."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch

from timbreclip_core.errors import InputError, UsageError

from ..base import ImageBackend
from ..mixing import Conditioning
from ..options import DiffusersOptions
from .families import NEGATIVE, encode_prompt, family_of
from .loading import open_pipeline

if TYPE_CHECKING:
    from PIL.Image import Image

    from timbreclip_core import Model


class DiffusersBackend(ImageBackend):
    """A text-to-image pipeline whose prompts are given as embeddings.

    The embedding of a prompt is all that the pipeline's text encoders make of it: a vector a
    token and, where the family has it, a pooled vector. A prompt is padded to the encoders' full
    length, so that all have the same shape. What the picture should not be is encoded once and
    never mixed. Noise is drawn on the CPU, the same on every device.

    Args:
        pipeline: Of a family of ``families.FAMILIES``.
        options: How to render.

    Raises:
        InputError: A pipeline of no known family.
        UsageError: A negative prompt that could have no effect.
    """

    def __init__(self, pipeline: Any, options: DiffusersOptions) -> None:
        self.pipeline = pipeline
        self.family = family_of(pipeline)
        self.chosen = options
        self._against: Conditioning | None = None
        self._guided = not self.family.true_guidance
        if self.family.true_guidance and options.negative:
            if options.true_guidance <= 1:
                raise UsageError("Flux heeds a negative prompt with -O true_guidance=4 or so.")
            self._guided = True

    def encode(self, prompts: Sequence[str], model: Model | None) -> Conditioning:
        """``prompt_embeds`` ``(prompts, tokens, width)`` and, of most, pooled ones."""
        with torch.no_grad():
            encoded = [self._encode(prompt) for prompt in prompts]
        self.pipeline.maybe_free_model_hooks()
        return {name: torch.cat([item[name] for item in encoded]) for name in encoded[0]}

    def render(
        self, mixed: Conditioning, *, seed: int, typical: Conditioning | None = None
    ) -> list[Image]:
        return [picture for part in self._parts(mixed) for picture in self._run(part, seed)]

    def _encode(self, prompt: str) -> Conditioning:
        # One by one: in a batch the last bits differ from those of the plain prompt.
        first = self._against is None
        found = encode_prompt(
            self.pipeline,
            self.family,
            prompt,
            negative=self.chosen.negative or None,
            guided=first and self._guided,
            tokens=self.chosen.tokens,
        )
        if first:
            self._against = {k: v for k, v in found.items() if k.startswith(NEGATIVE)}
        return {k: v for k, v in found.items() if not k.startswith(NEGATIVE)}

    def _parts(self, mixed: Conditioning) -> Iterator[Conditioning]:
        names, split = list(mixed), [values.split(self.chosen.batch) for values in mixed.values()]
        for part in zip(*split, strict=True):
            yield dict(zip(names, part, strict=True))

    def _run(self, part: Conditioning, seed: int) -> list[Image]:
        count = len(next(iter(part.values())))
        against = {k: v.expand(count, *v.shape[1:]) for k, v in (self._against or {}).items()}
        noise = [torch.Generator("cpu").manual_seed(seed) for _ in range(count)]
        try:
            found = self.pipeline(**part, **against, **self._settings(), generator=noise)
        except ValueError as error:
            raise UsageError(f"The pipeline refuses: {error}") from error
        except torch.OutOfMemoryError as error:
            raise InputError(
                "The GPU has too little memory. Try -O batch=1, -O slicing=true, -O offload=model "
                "or a smaller picture."
            ) from error
        if any(getattr(found, "nsfw_content_detected", None) or ()):
            warnings.warn(
                "The model's safety checker blanked a picture. Another seed or template may help.",
                UserWarning,
                stacklevel=2,
            )
        return list(found.images)

    def _settings(self) -> dict[str, Any]:
        o = self.chosen
        settings: dict[str, Any] = {
            "num_inference_steps": o.steps or None,
            "width": o.width or None,
            "height": o.height or None,
            "guidance_scale": o.guidance if o.guidance >= 0 else None,
            "true_cfg_scale": o.true_guidance if self.family.true_guidance else None,
        }
        return {name: value for name, value in settings.items() if value is not None}


def load(options: DiffusersOptions, device: str) -> ImageBackend:
    """A pipeline from its folder, on ``device``."""
    return DiffusersBackend(open_pipeline(options, device), options)
