"""Random left/right mix to mono, as the paper prepares its notes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from timbreclip_core.audio import SILENCE
from timbreclip_core.errors import UsageError

from .base import Augmentation, NoteFacts


@dataclass(frozen=True)
class Mix:
    """Shares of the channels, sum 1."""

    shares: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class MonoMix(Augmentation):
    """One channel, a random mix of all: left times w plus right times 1 - w, w uniform.

    More channels get shares that are uniform among all that sum to 1. Where channels cancel to
    silence, the loudest alone is taken. The result has one channel.
    """

    name = "mono-mix"

    def draw(self, rng: np.random.Generator, facts: NoteFacts) -> Mix:
        return Mix(tuple(rng.dirichlet(np.ones(facts.channels)).tolist()))

    def apply(self, audio: Tensor, params: Mix, sample_rate: int) -> Tensor:
        if len(params.shares) != len(audio):
            raise UsageError(
                f"The mix was drawn for {len(params.shares)} channels, the sound has {len(audio)}."
            )
        mixed = (audio * torch.tensor(params.shares, dtype=audio.dtype)[:, None]).sum(0, True)
        if mixed.abs().amax() < SILENCE:
            loudest = int(audio.square().sum(1).argmax())
            return audio[loudest : loudest + 1].clone()
        return mixed
