"""The transforms of torchaudio-augmentations 0.2.4 as augmentations.

That package imports WavAugment, which imports ``torchaudio.sox_effects``, which torchaudio 2.9
removed. Only two transforms use it; for the others, an empty module stands in while the package is
imported, and is taken away again. The two are listed as unavailable.
"""

from __future__ import annotations

import importlib
import math
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from timbreclip_core.errors import MissingExtraError, TimbreClipError, UnknownNameError

from .base import Augmentation, NoteFacts, TextChange
from .opposites import merged, opposed_to
from .third_party_list import SOX_REASON, TRANSFORMS, Transform

PACKAGE = "torchaudio_augmentations"
MISSING = "torchaudio.sox_effects"


class UnavailableError(TimbreClipError):
    """A transform that cannot work with the torchaudio that is installed."""


def import_package() -> ModuleType:
    """The package torchaudio-augmentations, imported without SoX.

    Raises:
        MissingExtraError: It is not installed.
    """
    if find_spec(PACKAGE) is None:
        raise MissingExtraError("torchaudio-augmentations", "augmentations", "timbreclip-train")
    if PACKAGE in sys.modules or find_spec(MISSING) is not None:
        return importlib.import_module(PACKAGE)
    with _stand_in():
        return importlib.import_module(PACKAGE)


@contextmanager
def _stand_in() -> Iterator[None]:
    """Modules without effects in the place of SoX's, for the length of an import."""
    outer, inner = ModuleType(MISSING), ModuleType(f"{MISSING}.sox_effects")
    inner.effect_names = list  # type: ignore[attr-defined]
    outer.sox_effects = inner  # type: ignore[attr-defined]
    sys.modules[outer.__name__], sys.modules[inner.__name__] = outer, inner
    try:
        yield
    finally:
        # Whoever asks for SoX later must be told that there is none.
        del sys.modules[outer.__name__], sys.modules[inner.__name__]


@dataclass(frozen=True)
class Seed:
    """What the transform's own random numbers start from."""

    seed: int


class ThirdParty(Augmentation):
    """One transform of the package, with its own default ranges.

    Its random numbers come from the process's global generators, which are seeded for the call and
    then put back: do not use it from several threads of one process.

    Args:
        transform: Which.
        options: For the transform's constructor, in place of its defaults.

    Raises:
        MissingExtraError: The package is not installed.
        UnavailableError: The transform needs SoX.
        UnknownNameError: There is no such transform.
    """

    def __init__(self, transform: str, **options: Any) -> None:
        if transform not in TRANSFORMS:
            raise UnknownNameError("transform", transform, TRANSFORMS)
        self.transform: Transform = TRANSFORMS[transform]
        if self.transform.sox:
            raise UnavailableError(f"{transform} cannot be used: {SOX_REASON}.")
        self.name = transform  # type: ignore[misc]
        self._kind = getattr(import_package(), self.transform.kind)
        self._options = options

    def draw(self, rng: np.random.Generator, facts: NoteFacts) -> Seed:
        return Seed(int(rng.integers(2**32)))

    def apply(self, audio: Tensor, params: Seed, sample_rate: int) -> Tensor:
        """As in ``Augmentation``; ``ta-random-resized-crop`` returns its ``seconds`` only."""
        options = dict(self._options)
        if self.transform.needs_rate:
            options["sample_rate"] = sample_rate
        if self.transform.needs_length:
            seconds = options.pop("seconds", self.transform.seconds)
            options["n_samples"] = min(round(seconds * sample_rate), audio.shape[-1])
        # Delay fails where its echo would begin after the end, Noise on a single sample.
        room = math.ceil(self.transform.longest_s * sample_rate) + 2
        padded = torch.nn.functional.pad(audio, (0, max(0, room - audio.shape[-1])))
        with _seeded(params.seed):
            out = torch.as_tensor(self._kind(**options)(padded.clone()))
        return out[..., : audio.shape[-1]].to(audio.dtype)

    def claims(self, params: Seed) -> TextChange:
        told = self.transform
        return TextChange(told.add, merged(told.remove, opposed_to(told.add)))


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Global generators of random, numpy and torch, seeded for a while."""
    states = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])
