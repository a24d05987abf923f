"""What a mel spectrogram says of the spectrum, fast enough to be measured after every change.

The values are core's spectral descriptors, but of bands instead of narrow bins: somewhat off where
the spectrum is steep, so they are compared with each other only. Their rank correlation with the
descriptors of the audio is 0.91 (sub), 0.94 (centroid in octaves), 0.96 (slope) and 0.98 or more
(all others), on 3,072 training notes of the rendered corpus.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool1d

from timbreclip_core.descriptors import spectral_from_power
from timbreclip_core.encoders.mel import mel_centres_hz

BANDS = 96
MEASURES = (
    "centroid_hz",
    "centroid_octaves",
    "spread_hz",
    "rolloff_hz",
    "sub_share_db",
    "low_share_db",
    "low_mid_share_db",
    "mid_share_db",
    "presence_share_db",
    "high_share_db",
    "air_share_db",
    "slope_db_per_octave",
)
FRAMES_TOGETHER = 4


def measure(power: Tensor) -> Tensor:
    """Spectral descriptors of mel spectrograms.

    Args:
        power: Mel power ``(batch, bands, frames)``.
    Returns:
        ``(batch, measures)`` in the order of ``MEASURES``, each in the unit of its descriptor.
    """
    together = min(FRAMES_TOGETHER, power.shape[2])
    pooled = avg_pool1d(power, together)
    found = spectral_from_power(pooled, mel_centres_hz(power.shape[1]).to(power))
    return torch.stack([found[name] for name in MEASURES], 1)
