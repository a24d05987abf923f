"""Encoding a batch in norm groups, which several processes share.

Batch norm looks at the sounds of one group alone. Which group a sound is in depends on its place
in the batch and not on how many processes there are, so that any number of them gives the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..config import TrainConfig
from ..processes import Processes

GROUPS_AT_MOST = 1 << 12
LARGEST_SEED = 1 << 50


def group_size(config: TrainConfig) -> int:
    """Sounds in a norm group."""
    return config.optimiser.norm_group or config.optimiser.batch


def check_groups(config: TrainConfig, processes: Processes) -> None:
    """Refuse settings under which the processes cannot share a batch.

    Raises:
        UsageError: With what to set.
    """
    processes.share(config.optimiser.batch // group_size(config))


def in_groups(
    encode: Callable[[Tensor], tuple[Tensor, ...]],
    network: nn.Module,
    parts: tuple[Tensor, ...],
    seed: int,
    processes: Processes,
) -> tuple[Tensor, ...]:
    """Vectors of a whole batch, of which this process encodes its share.

    Every group starts from the same running statistics of the batch norms, which become the mean
    over all groups afterwards, and has chances of its own, drawn from ``seed`` and its number.

    Args:
        encode: Sounds of a group to one or more tensors of as many rows.
        network: The network inside ``encode``.
        parts: Sounds by norm group.
        seed: Of the step. One group in one process takes chances as they come.
        processes: Who shares.

    Returns:
        What ``encode`` gives, for the whole batch; gradients flow into this process's share.
    """
    if len(parts) == 1 and processes.count == 1:
        return encode(parts[0].to(processes.device))
    statistics = _RunningStatistics(network)
    found = []
    for number in processes.share(len(parts)):
        torch.manual_seed(seed % LARGEST_SEED * GROUPS_AT_MOST + number + 1)
        statistics.restart()
        found.append(encode(parts[number].to(processes.device)))
        statistics.add()
    statistics.finish(len(parts), processes)
    torch.manual_seed(seed)
    whole = (torch.cat(tensors) for tensors in zip(*found, strict=True))
    return tuple(processes.gathered(tensor) for tensor in whole)


class _RunningStatistics:
    """Running means and variances of a network's batch norms, averaged over groups."""

    def __init__(self, network: nn.Module) -> None:
        self._norms = [
            m for m in network.modules() if isinstance(m, _BatchNorm) and m.track_running_stats
        ]
        self._steps = [cast(Tensor, norm.num_batches_tracked).clone() for norm in self._norms]
        self._start = self._now()
        self._sums = [(torch.zeros_like(mean), torch.zeros_like(var)) for mean, var in self._start]

    def _now(self) -> list[tuple[Tensor, Tensor]]:
        return [(cast(Tensor, n.running_mean), cast(Tensor, n.running_var)) for n in self._norms]

    def restart(self) -> None:
        # New tensors, not copies in place: autograd still needs those of the group before.
        for norm, (mean, var) in zip(self._norms, self._start, strict=True):
            norm.running_mean, norm.running_var = mean.clone(), var.clone()

    def add(self) -> None:
        for sums, values in zip(self._sums, self._now(), strict=True):
            for total, value in zip(sums, values, strict=True):
                total.add_(value)

    def finish(self, groups: int, processes: Processes) -> None:
        processes.sum_into(total for sums in self._sums for total in sums)
        for norm, steps, (mean, var) in zip(self._norms, self._steps, self._sums, strict=True):
            norm.running_mean, norm.running_var = mean / groups, var / groups
            norm.num_batches_tracked = steps + 1
