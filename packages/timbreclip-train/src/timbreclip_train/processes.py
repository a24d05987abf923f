"""Several processes that train one network: who does which part, and how they tell each other.

Every process draws the same batch, encodes its own share of it and takes the same step, so that
weights are the same everywhere and any number of processes gives what one gives, up to rounding.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, distributed

from timbreclip_core.errors import UsageError

# The others wait while the first computes spectrograms or validates.
PATIENCE = timedelta(hours=24)


@dataclass(frozen=True)
class Processes:
    """The processes of a training, seen from one of them.

    Args:
        rank: Number of this one, 0 to ``count - 1``.
        count: How many there are.
        local_rank: Its number on its own machine.
        device: Where it computes.
    """

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def first(self) -> bool:
        """Whether this is the one that writes files, validates and reports."""
        return self.rank == 0

    @property
    def first_here(self) -> bool:
        """Whether this is the first of its machine, which prepares the data on it."""
        return self.local_rank == 0

    def share(self, parts: int) -> range:
        """Which of so many equal parts of a batch this process encodes.

        Raises:
            UsageError: The processes cannot share them evenly.
        """
        if parts % self.count:
            raise UsageError(
                f"{self.count} processes cannot share {parts} groups of sounds evenly. Set "
                "optimiser.norm_group so that optimiser.batch / optimiser.norm_group is a "
                f"multiple of {self.count}."
            )
        own = parts // self.count
        return range(self.rank * own, (self.rank + 1) * own)

    def gathered(self, own: Tensor) -> Tensor:
        """Rows of all processes in the order of their ranks; gradients flow into one's own alone.

        Args:
            own: ``(rows, ...)``, of one shape everywhere.
        """
        if self.count == 1:
            return own
        parts = [torch.empty_like(own) for _ in range(self.count)]
        distributed.all_gather(parts, own.detach().contiguous())
        parts[self.rank] = own
        return torch.cat(parts)

    def sum_into(self, tensors: Iterable[Tensor], share: float = 1.0) -> None:
        """Replace tensors, in place, by ``share`` times their sums over all processes."""
        several = list(tensors)
        if self.count == 1 or not several:
            return
        flat = torch.cat([t.reshape(-1) for t in several])
        distributed.all_reduce(flat)
        for tensor, part in zip(several, flat.split([t.numel() for t in several]), strict=True):
            tensor.copy_(part.view_as(tensor) * share)

    def told(self, content: Any = None) -> Any:
        """What the first process says; what others pass does not count."""
        if self.count == 1:
            return content
        said = [content if self.first else None]
        distributed.broadcast_object_list(said, 0, device=self.device)
        return said[0]

    def wait(self) -> None:
        """Until all processes are here."""
        self.told()


def start(device: str = "cpu") -> Processes:
    """Join the processes that torchrun started, or be the only one.

    It reads RANK, WORLD_SIZE and LOCAL_RANK as torchrun sets them. CPUs talk through gloo, GPUs
    through NCCL.

    Args:
        device: ``"cpu"``, ``"cuda"`` for one GPU a process, or as torch names one.

    Raises:
        UsageError: No such device here.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    rank = int(os.environ.get("RANK", "0"))
    local_rank = int(os.environ.get("LOCAL_RANK", str(rank)))
    chosen = _device(device, local_rank)
    if count > 1 and not distributed.is_initialized():
        backend = "nccl" if chosen.type == "cuda" else "gloo"
        distributed.init_process_group(backend, timeout=PATIENCE)
    return Processes(rank, count, local_rank, chosen)


def finish() -> None:
    """Leave the processes, at the end."""
    if distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()


def _device(name: str, local_rank: int) -> torch.device:
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"There is no device {name!r}. Use cpu, cuda or cuda:NUMBER.") from error
    if device.type != "cuda":
        return device
    if device.index is None:
        device = torch.device("cuda", local_rank)
    if not torch.cuda.is_available() or device.index >= torch.cuda.device_count():
        raise UsageError(f"There is no device {name!r} here. Use --device cpu.")
    torch.cuda.set_device(device)
    return device
