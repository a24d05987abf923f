"""Which numbers a network computes in: exact ones, or shorter ones where they are quicker."""

from __future__ import annotations

import torch

from .errors import UsageError

AUTO = "auto"
PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16}


def settle(precision: str, device: str | torch.device = "cpu") -> str:
    """A precision by name; ``"auto"`` is the quicker one of ``PRECISIONS`` on this device.

    A processor without matrix units computes in bfloat16 some five times slower than in float32,
    one with them (AMX), or a GPU, several times faster.

    Args:
        precision: ``"auto"`` or a name of ``PRECISIONS``.
        device: Where the network is.

    Raises:
        UsageError: Another name.
    """
    if precision == AUTO:
        return "bfloat16" if _has_matrix_units(torch.device(device)) else "float32"
    if precision not in PRECISIONS:
        known = ", ".join(PRECISIONS)
        raise UsageError(f"precision must be {known} or {AUTO}, not {precision!r}.")
    return precision


def _has_matrix_units(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and bool(torch.cpu.get_capabilities().get("amx_bf16"))
