"""Networks that only infer: the same results up to rounding, sooner."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

M = TypeVar("M", bound=nn.Module)


def folded(network: M) -> M:
    """The network itself, its batch norms folded into the convolutions before them.

    A norm belongs to the convolution that its module names just before it, as in a
    ``Sequential``. Filters are laid out with the channels last, as processors read them best.

    Args:
        network: In evaluation mode; it cannot be trained any more.
    """
    for parent in list(network.modules()):
        before: tuple[str, nn.Module] = ("", parent)
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.BatchNorm2d) and isinstance(before[1], nn.Conv2d):
                setattr(parent, before[0], fuse_conv_bn_eval(before[1], child))
                setattr(parent, name, nn.Identity())
            before = (name, child)
    network.requires_grad_(False)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network
