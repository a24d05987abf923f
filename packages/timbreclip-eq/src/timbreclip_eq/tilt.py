"""The tilt EQ: one knob."""

from __future__ import annotations

from torch import Tensor

from .base import EQ, Values
from .params import Param

PIVOT_HZ, LOWEST_HZ, HIGHEST_HZ = 1_000.0, 20.0, 20_000.0


class TiltEQ(EQ):
    """A tilt: a straight line over log frequency through 0 dB at 1 kHz, level outside 20 Hz-20 kHz.

    No biquad has this response: it is rendered as a minimum-phase FIR.
    """

    name = "tilt"
    params = (Param("slope", -3.0, 3.0, unit="dB/octave"),)

    def response(self, values: Values, freqs_hz: Tensor, sample_rate: int) -> Tensor:
        octaves = (freqs_hz.clamp(LOWEST_HZ, HIGHEST_HZ) / PIVOT_HZ).log2()
        return 10 ** (values["slope"][:, None] * octaves / 20)
