"""The networks of the paper: Wav2CLIP, trained further."""

from __future__ import annotations

import copy

import torch
from torch import nn

from timbreclip_core.encoders.wav2clip import Wav2Clip

from ..config import TrainConfig
from ..loss import Temperature
from ..networks import Average, Networks, ParameterGroup, by_shape


class NamesNetworks(Networks):
    """Wav2CLIP's audio network and the temperature.

    Args:
        config: All settings.
        encoder: To start from; one with random weights if None.
    """

    encoder: Wav2Clip

    def __init__(self, config: TrainConfig, encoder: Wav2Clip | None = None) -> None:
        torch.manual_seed(config.run.seed)
        self.config = config
        self.encoder = (encoder or Wav2Clip()).requires_grad_(True)
        self.temperature = Temperature(config.loss.temperature, config.loss.largest_factor)

    def modules(self) -> dict[str, nn.Module]:
        return {"encoder": self.encoder, "temperature": self.temperature}

    def groups(self) -> list[ParameterGroup]:
        decay = self.config.optimiser.weight_decay
        return by_shape(self.encoder, decay, self.temperature.parameters())

    def frozen(self, weights: Average) -> NamesNetworks:
        new = copy.copy(self)
        new.encoder = Wav2Clip()
        new.encoder.load_state_dict(weights["encoder"])
        new.encoder.freeze()
        return new
