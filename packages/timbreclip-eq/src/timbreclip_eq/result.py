"""What a fit found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from timbreclip_core.audio import as_batch

from .preset import Preset
from .render import Rendered


@dataclass(frozen=True, kw_only=True)
class EQResult:
    """An EQ found for a sound, and how well it does.

    Attributes:
        preset: The EQ and its values; can be saved.
        similarity_before: Cosine of the sound and the target.
        similarity_after: Cosine after filtering the waveform and embedding it anew.
        loss: Of the search, with penalties, at its end.
        history: Loss at the start and after each accepted step.
        evaluations: Of the loss, all starting points together.
        converged: False if the evaluations ran out.
        warnings: Sentences that a user should read.
    """

    preset: Preset
    similarity_before: float
    similarity_after: float
    loss: float
    history: list[float] = field(repr=False)
    evaluations: int
    converged: bool
    warnings: tuple[str, ...] = ()

    @property
    def similarity(self) -> dict[str, float]:
        """``before`` and ``after``, for records."""
        return {"before": self.similarity_before, "after": self.similarity_after}

    @property
    def bands(self) -> list[dict[str, Any]]:
        """What is set, one record a band (``Preset.bands``)."""
        return self.preset.bands()

    def curve(self, freqs_hz: Tensor | np.ndarray | list[float], amount: float = 1.0) -> np.ndarray:
        """Gain in dB ``(freqs,)`` at the sample rate of the sound fitted, without preamp."""
        return self.preset.curve(freqs_hz, amount=amount)

    def apply(
        self,
        audio: Tensor | np.ndarray,
        sample_rate: int,
        *,
        amount: float = 1.0,
        match_loudness: bool = False,
    ) -> Tensor:
        """Filter a sound at its own rate.

        Args:
            audio: ``(channels, samples)`` or ``(samples,)``; floating point, full scale 1.0.
            sample_rate: Hz; need not be that of the sound fitted.
            amount: Factor of the curve in dB, from -1 (the opposite) to 2.
            match_loudness: Give it the loudness of the source, as far as the peaks allow.

        Returns:
            Audio of the same shape; no sample is above full scale.

        Raises:
            InputError: Wrong shape or rate, NaN, no samples.
        """
        rendered = self.render(audio, sample_rate, amount=amount, match_loudness=match_loudness)
        return rendered.audio.reshape(torch.as_tensor(audio).shape)

    def render(
        self,
        audio: Tensor | np.ndarray,
        sample_rate: int,
        *,
        amount: float = 1.0,
        match_loudness: bool = False,
    ) -> Rendered:
        """As ``apply``, with loudness, preamp and warnings; audio ``(channels, samples)``."""
        batch = as_batch(audio, sample_rate)
        flat = batch.reshape(-1, batch.shape[-1])
        return self.preset.render(flat, sample_rate, amount=amount, match_loudness=match_loudness)
