"""What a training holds and saves: networks, optimiser, learning rate, and the step it is at."""

from __future__ import annotations

import math
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn

from timbreclip_core.descriptors import DESCRIPTORS
from timbreclip_core.encoders.base import TEXT, TIMBRE
from timbreclip_core.encoders.small import SmallEncoder, SmallShape
from timbreclip_core.errors import CheckpointError
from timbreclip_core.files import atomic_path
from timbreclip_core.spaces.small import Projection

from .config import NetworkConfig, TrainConfig
from .loss import Temperature

CHECKPOINT = "checkpoint.pt"
START_SHARE, END_SHARE = 0.04, 1e-3


def make_encoder(config: NetworkConfig) -> SmallEncoder:
    """The audio network with fresh weights."""
    shape = SmallShape(
        widths=config.widths, hidden=config.hidden, dim=config.dim, dropout=config.dropout
    )
    return SmallEncoder(shape, space_ids(config))


def make_projection(config: NetworkConfig, text_width: int) -> Projection:
    """The layers after the sentence encoder with fresh weights."""
    return Projection(text_width, config.dim, config.text_hidden, config.text_dropout)


def space_ids(config: NetworkConfig) -> dict[str, str]:
    """Space ids by kind of vector."""
    return {kind: f"timbreclip-small-{config.version}/{kind}" for kind in (TEXT, TIMBRE)}


def rate_share(step: int, steps: int, warm_up: float) -> float:
    """Learning rate of a step relative to its highest: half a cosine up, half a cosine down.

    Source: Smith and Topin 2019 (one cycle).
    """
    rise = max(1.0, warm_up * steps)
    if step < rise:
        low, high, done = START_SHARE, 1.0, step / rise
    else:
        low, high, done = END_SHARE, 1.0, 1 - (step - rise) / max(1.0, steps - rise)
    return low + (high - low) * (1 - math.cos(math.pi * min(max(done, 0.0), 1.0))) / 2


class TrainState:
    """Networks and optimiser of one training.

    Args:
        config: All settings.
        text_width: Numbers in a vector of the text encoder.
        teacher_width: Numbers in a vector of the teacher, 0 for no teacher.
    """

    def __init__(self, config: TrainConfig, text_width: int, teacher_width: int = 0) -> None:
        torch.manual_seed(config.run.seed)
        self.config = config
        self.step = 0
        self.encoder = make_encoder(config.network)
        self.encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.text_width = text_width
        self.projection = make_projection(config.network, text_width)
        self.temperature = Temperature(config.loss.temperature, config.loss.largest_factor)
        self.to_teacher = nn.Linear(config.network.hidden, max(1, teacher_width))
        self.to_descriptors = nn.Linear(config.network.hidden, len(DESCRIPTORS))
        self.average = {
            name: {k: v.detach().clone() for k, v in module.state_dict().items()}
            for name, module in self._averaged().items()
        }
        self.optimiser = torch.optim.AdamW(self._groups())

    def _modules(self) -> dict[str, nn.Module]:
        return {
            "encoder": self.encoder,
            "projection": self.projection,
            "temperature": self.temperature,
            "to_teacher": self.to_teacher,
            "to_descriptors": self.to_descriptors,
        }

    def _averaged(self) -> dict[str, nn.Module]:
        return {"encoder": self.encoder, "projection": self.projection}

    def averaged(self) -> tuple[SmallEncoder, Projection]:
        """Frozen networks with the running mean of the weights (Polyak and Juditsky 1992)."""
        encoder = make_encoder(self.config.network)
        encoder.load_state_dict(self.average["encoder"])
        projection = make_projection(self.config.network, self.text_width)
        projection.load_state_dict(self.average["projection"])
        encoder.freeze()
        return encoder, projection.eval().requires_grad_(False)

    def _move_average(self) -> None:
        # Early weights are far off: the mean starts short and grows to its full length.
        kept = min(self.config.run.average, (1 + self.step) / (10 + self.step))
        for name, module in self._averaged().items():
            for key, value in module.state_dict().items():
                mean = self.average[name][key]
                if value.is_floating_point():
                    mean.lerp_(value, 1 - kept)
                else:
                    mean.copy_(value)

    def _groups(self) -> list[dict[str, Any]]:
        config = self.config.optimiser
        own = list(self.encoder.parameters())
        decayed: list[Tensor] = [p for p in own if p.ndim > 1]
        others: list[Tensor] = [p for p in own if p.ndim <= 1]
        for module in (self.temperature, self.to_teacher, self.to_descriptors):
            others += module.parameters()
        projected: list[Tensor] = list(self.projection.parameters())
        return [
            {"params": decayed, "weight_decay": config.weight_decay, "share": 1.0},
            {"params": others, "weight_decay": 0.0, "share": 1.0},
            {"params": projected, "weight_decay": 0.0, "share": config.projection_share},
        ]

    def trained(self) -> list[Tensor]:
        """Every parameter that is trained."""
        return [p for group in self.optimiser.param_groups for p in group["params"]]

    def update(self, loss: Tensor) -> float:
        """One step down the gradient of ``loss``; returns the gradient's norm."""
        config = self.config.optimiser
        share = rate_share(self.step, config.steps, config.warm_up)
        for group in self.optimiser.param_groups:
            group["lr"] = config.learning_rate * share * group["share"]
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.trained(), config.clip)
        self.optimiser.step()
        self.step += 1
        self._move_average()
        return float(norm)

    def save(self, folder: Path) -> None:
        """Write the checkpoint as a whole."""
        content = {
            "step": self.step,
            "optimiser": self.optimiser.state_dict(),
            "random": torch.get_rng_state(),
            "average": self.average,
            **{name: module.state_dict() for name, module in self._modules().items()},
        }
        with atomic_path(folder / CHECKPOINT) as temporary:
            torch.save(content, temporary)

    @staticmethod
    def teacher_width(folder: Path) -> int:
        """Numbers in a teacher's vector, by the checkpoint in a folder; 1 where there is none."""
        return len(_read(folder / CHECKPOINT)["to_teacher"]["bias"])

    def load(self, folder: Path) -> None:
        """Go on from the checkpoint in a folder.

        Raises:
            CheckpointError: It is damaged or of another network.
        """
        path = folder / CHECKPOINT
        content = _read(path)
        try:
            for name, module in self._modules().items():
                module.load_state_dict(content[name])
            self.optimiser.load_state_dict(content["optimiser"])
            torch.set_rng_state(content["random"])
            self.average = content["average"]
            self.step = int(content["step"])
        except (RuntimeError, LookupError, ValueError) as error:
            raise _unusable(path, error) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, LookupError, ValueError, EOFError, OSError, UnpicklingError) as error:
        raise _unusable(path, error) from error
    return content


def _unusable(path: Path, error: Exception) -> CheckpointError:
    return CheckpointError(
        f"{path} cannot be gone on from: {error} Delete the folder to start again."
    )
