"""The curve EQ: a smooth line over log frequency."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from timbreclip_core.dsp.fir import linear_phase_for

from .base import EQ, HIGHEST, Values, band_state, hold_gains
from .options import CurveOptions
from .params import Param
from .streaming import Kernel

LOWEST_HZ, HIGHEST_HZ = 30.0, 16_000.0


class CurveEQ(EQ):
    """A cubic spline of the gain in dB over log frequency, level outside 30 Hz to 16 kHz.

    The points pull the curve, which runs smoothly near them and never leaves their range (uniform
    cubic B-splines are positive and add up to 1). Rendered as an FIR: minimum phase adds no delay
    and no ringing before a sound; linear phase keeps the shape of waves, and its delay is taken
    out again.

    Source: C. de Boor, A Practical Guide to Splines, chapter 9.

    Args:
        options: Number of points, range, phase.
    """

    name = "curve"

    def __init__(self, options: CurveOptions | None = None) -> None:
        self.options = options or CurveOptions()
        limit, count = self.options.max_gain_db, self.options.points
        self.params = (Param("gain_db", -limit, limit, unit="dB", bands=count),)
        steps = torch.linspace(0, 1, count, dtype=torch.float64)
        self.centres_hz = LOWEST_HZ ** (1 - steps) * HIGHEST_HZ**steps  # the ends are exact

    def response(self, values: Values, freqs_hz: Tensor, sample_rate: int) -> Tensor:
        weights = self._weights(freqs_hz.clamp(max=HIGHEST * sample_rate))
        return 10 ** (values["gain_db"].to(torch.float64) @ weights / 20)

    def _weights(self, freqs_hz: Tensor) -> Tensor:
        """How much each point counts at each frequency, ``(points, freqs)``, columns of sum 1."""
        count = len(self.centres_hz)
        spacing = math.log(HIGHEST_HZ / LOWEST_HZ) / (count - 1)
        place = (freqs_hz.clamp(LOWEST_HZ, HIGHEST_HZ) / LOWEST_HZ).log() / spacing
        # A point before the first and one after the last, equal to them, close the sum at the ends.
        numbers = torch.arange(-1, count + 1, dtype=place.dtype, device=place.device)
        away = (place[None] - numbers[:, None]).abs()
        near = 2 / 3 - away.square() + away**3 / 2
        far = (2 - away).clamp(min=0) ** 3 / 6
        weights = torch.where(away < 1, near, far)
        inner = weights[1:-1].clone()
        inner[0] += weights[0]
        inner[-1] += weights[-1]
        return inner

    def hold(self, values: Values, heard_hz: float) -> Values:
        return {"gain_db": hold_gains(values["gain_db"], self.centres_hz, heard_hz)}

    def bands(self, values: Values, sample_rate: int, heard_hz: float) -> list[dict[str, Any]]:
        reached_db = self.curve_db(values, self.centres_hz, sample_rate)[0].tolist()
        rows = zip(self.centres_hz.tolist(), reached_db, strict=True)
        return [
            {
                "type": "point",
                "centre_hz": centre_hz,
                "gain_db": gain_db,
                "filter_gain_db": gain_db,
                "q": 0.0,
                "state": band_state(centre_hz < HIGHEST * sample_rate, centre_hz <= heard_hz),
            }
            for centre_hz, gain_db in rows
        ]

    def kernel(self, values: Values, sample_rate: int, amount: float = 1.0) -> Kernel:
        if self.options.phase == "minimum" or amount == 0:
            return super().kernel(values, sample_rate, amount)
        taps = linear_phase_for(self.magnitude(values, sample_rate, amount), sample_rate)
        return Kernel(taps=taps, delay=len(taps) // 2)
