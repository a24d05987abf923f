"""What sets the families of pipelines apart: what their prompts become, and how to say it."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

from timbreclip_core.errors import InputError

from ..mixing import Conditioning

NEGATIVE = "negative_"


@dataclass(frozen=True)
class Family:
    """A class of pipeline of diffusers.

    Args:
        pipeline: Its name.
        encoded: What ``encode_prompt`` returns, by the names that the pipeline's call takes; None
            for what the call works out by itself.
        true_guidance: Guidance away from a negative prompt is a thing of its own, since
            ``guidance_scale`` is an input of the network.
    """

    pipeline: str
    encoded: tuple[str | None, ...]
    true_guidance: bool = False


_PAIR = ("prompt_embeds", "negative_prompt_embeds")
_POOLED = (*_PAIR, "pooled_prompt_embeds", "negative_pooled_prompt_embeds")
FAMILIES = (
    Family("StableDiffusionPipeline", _PAIR),
    Family("StableDiffusionXLPipeline", _POOLED),
    Family("StableDiffusion3Pipeline", _POOLED),
    Family("FluxPipeline", ("prompt_embeds", "pooled_prompt_embeds", None), true_guidance=True),
)


def family_of(pipeline: Any) -> Family:
    """The family of a ``DiffusionPipeline``.

    Raises:
        InputError: It is of none.
    """
    name = type(pipeline).__name__
    for family in FAMILIES:
        if family.pipeline == name:
            return family
    known = ", ".join(family.pipeline for family in FAMILIES)
    raise InputError(f"Pictures can be mixed with {known}, not with {name}.")


def encode_prompt(
    pipeline: Any,
    family: Family,
    prompt: str,
    *,
    negative: str | None = None,
    guided: bool = False,
    tokens: int = 0,
) -> Conditioning:
    """One prompt as the pipeline's call takes it, ``(1, ...)`` each.

    Args:
        pipeline: What encodes.
        family: Of ``pipeline``.
        prompt: Text.
        negative: What the picture should not be; None for the pipeline's own emptiness.
        guided: Encode ``negative`` too, under the names that begin with ``negative_``.
        tokens: Length of T5's input; 0 for the pipeline's own.
    """
    given: dict[str, Any] = {
        "prompt": prompt,
        "prompt_2": None,
        "prompt_3": None,
        "device": pipeline._execution_device,
        "num_images_per_prompt": 1,
        "do_classifier_free_guidance": guided,
        "negative_prompt": negative,
    }
    if tokens:
        given["max_sequence_length"] = tokens
    known = inspect.signature(pipeline.encode_prompt).parameters
    found = pipeline.encode_prompt(**{k: v for k, v in given.items() if k in known})
    named = {k: v for k, v in zip(family.encoded, found, strict=True) if k and v is not None}
    if guided and family.true_guidance:
        against = encode_prompt(pipeline, family, negative or "", tokens=tokens)
        named |= {NEGATIVE + name: values for name, values in against.items()}
    return named
