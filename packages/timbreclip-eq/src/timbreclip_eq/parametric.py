"""The parametric EQ: low shelf, peaks, high shelf."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from timbreclip_core.dsp import biquad

from .base import EQ, HIGHEST, Values
from .options import ParametricOptions
from .params import Param

LOW_HZ, HIGH_HZ = 30.0, 16_000.0
NARROWEST, WIDEST = 8.0, 0.3
SHELF_Q, PEAK_Q = 0.5**0.5, 1.0


class ParametricEQ(EQ):
    """Bands with gain, frequency and Q; the first is a low shelf, the last a high shelf.

    Frequencies are kept below what the encoder hears and below 0.45 of the sample rate.

    Args:
        options: Number of peaks and range of gain.
    """

    name = "parametric"
    sketched = True

    def __init__(self, options: ParametricOptions | None = None) -> None:
        options = options or ParametricOptions()
        self.options = options
        count, limit = options.peaks + 2, options.max_gain_db
        spread = [80 * (8_000 / 80) ** (i / (count - 1)) for i in range(count)]
        starts_q = (SHELF_Q, *[PEAK_Q] * options.peaks, SHELF_Q)
        self.params = (
            Param("gain_db", -limit, limit, unit="dB", bands=count),
            Param("freq_hz", LOW_HZ, HIGH_HZ, "Hz", "log", count, tuple(spread)),
            Param("q", WIDEST, NARROWEST, "", "log", count, starts_q),
        )

    def response(self, values: Values, freqs_hz: Tensor, sample_rate: int) -> Tensor:
        level = biquad.cascade_db(self.sections(values, sample_rate), freqs_hz, sample_rate)
        return 10 ** (level / 20)

    def sections(self, values: Values, sample_rate: int) -> Tensor:
        gain_db, q = values["gain_db"], values["q"]
        freq_hz = values["freq_hz"].clamp(max=HIGHEST * sample_rate)
        low = biquad.low_shelf(gain_db[:, :1], freq_hz[:, :1], _shelf_q(q[:, :1]), sample_rate)
        mid = biquad.peaking(gain_db[:, 1:-1], freq_hz[:, 1:-1], q[:, 1:-1], sample_rate)
        high = biquad.high_shelf(gain_db[:, -1:], freq_hz[:, -1:], _shelf_q(q[:, -1:]), sample_rate)
        return torch.cat([low, mid, high], dim=1)

    def hold(self, values: Values, heard_hz: float) -> Values:
        return {**values, "freq_hz": values["freq_hz"].clamp(max=heard_hz)}

    def bands(self, values: Values, sample_rate: int, heard_hz: float) -> list[dict[str, Any]]:
        count = self.options.peaks + 2
        kinds = ["low shelf", *["peak"] * self.options.peaks, "high shelf"]
        held = self.hold(values, heard_hz)
        freqs_hz = held["freq_hz"].clamp(max=HIGHEST * sample_rate)[0].tolist()
        gains_db, qs = values["gain_db"][0].tolist(), values["q"][0].tolist()
        for end in (0, count - 1):
            qs[end] = min(qs[end], 1.0)
        rows = zip(kinds, freqs_hz, gains_db, qs, strict=True)
        return [
            {
                "type": kind,
                "centre_hz": centre_hz,
                "gain_db": gain_db,
                "filter_gain_db": gain_db,
                "q": q,
                "state": "heard",
            }
            for kind, centre_hz, gain_db, q in rows
        ]


def _shelf_q(q: Tensor) -> Tensor:
    """A shelf with a higher Q overshoots by decibels that nobody asked for."""
    return q.clamp(max=1.0)
