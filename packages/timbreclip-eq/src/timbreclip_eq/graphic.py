"""The graphic EQ: faders at fixed centres."""

from __future__ import annotations

import functools
import math
from typing import Any

import torch
from torch import Tensor

from timbreclip_core.dsp import biquad

from .base import EQ, HIGHEST, Values, band_state, hold_gains
from .options import GraphicOptions
from .params import Param

# Tenths of a decade from 1 kHz, after IEC 61260-1: whole, two-thirds and third octaves.
_STEPS = {10: range(-15, 13, 3), 15: range(-16, 13, 2), 31: range(-17, 14)}
_OCTAVES = {10: 1.0, 15: 2 / 3, 31: 1 / 3}
# Bands are wider than their spacing: faders side by side make a plateau with a ripple below 1 dB.
_OVERLAP = 1.4
_PROBE_DB = 6.0  # half the range: where the neighbours' leak is measured
_REFINEMENTS = 2


class GraphicEQ(EQ):
    """Peaking bands whose faders are the curve itself.

    The gain of a fader is the gain that the whole curve has at its centre, to about 0.1 dB; the
    gains of the peaking filters follow from it, for each of them leaks into its neighbours (all
    faders at +12 dB would otherwise give +18 dB or more).

    Source: V. Välimäki and J. Liski, Accurate cascade graphic equalizer, IEEE Signal Processing
    Letters 24(2), 2017; here for three spacings and for any sample rate.

    Args:
        options: Bands and range.
    """

    name = "graphic"

    def __init__(self, options: GraphicOptions | None = None) -> None:
        options = options or GraphicOptions()
        self.options = options
        steps = torch.tensor(list(_STEPS[options.bands]), dtype=torch.float64)
        self.centres_hz = 1000 * 10 ** (steps / 10)
        self.octaves = _OVERLAP * _OCTAVES[options.bands]
        limit = options.max_gain_db
        self.params = (Param("gain_db", -limit, limit, unit="dB", bands=options.bands),)

    def response(self, values: Values, freqs_hz: Tensor, sample_rate: int) -> Tensor:
        level = biquad.cascade_db(self.sections(values, sample_rate), freqs_hz, sample_rate)
        return 10 ** (level / 20)

    def sections(self, values: Values, sample_rate: int) -> Tensor:
        count = self._usable(sample_rate)
        gains_db = self.filter_gains_db(values["gain_db"], sample_rate)
        return self._filters(gains_db, count, sample_rate)

    def hold(self, values: Values, heard_hz: float) -> Values:
        return {"gain_db": hold_gains(values["gain_db"], self.centres_hz, heard_hz)}

    def bands(self, values: Values, sample_rate: int, heard_hz: float) -> list[dict[str, Any]]:
        filter_gains_db = self.filter_gains_db(values["gain_db"], sample_rate)[0].tolist()
        count = self._usable(sample_rate)
        filter_gains_db += [0.0] * (len(self.centres_hz) - count)
        qs = self.qs(sample_rate).tolist() + [0.0] * (len(self.centres_hz) - count)
        centres_hz, gains_db = self.centres_hz.tolist(), values["gain_db"][0].tolist()
        rows = zip(centres_hz, gains_db, filter_gains_db, qs, strict=True)
        return [
            {
                "type": "peak",
                "centre_hz": centre_hz,
                "gain_db": gain_db,
                "filter_gain_db": filter_gain_db,
                "q": q,
                "state": band_state(index < count, centre_hz <= heard_hz),
            }
            for index, (centre_hz, gain_db, filter_gain_db, q) in enumerate(rows)
        ]

    def filter_gains_db(self, gains_db: Tensor, sample_rate: int) -> Tensor:
        """Gains of the peaking filters ``(batch, usable bands)`` for faders ``(batch, bands)``."""
        count = self._usable(sample_rate)
        wanted = gains_db[:, :count].to(torch.float64)
        inverse = self._inverse_leak(sample_rate)
        found = wanted @ inverse.mT
        for _ in range(_REFINEMENTS if count else 0):
            sections = self._filters(found, count, sample_rate)
            reached = biquad.cascade_db(sections, self.centres_hz[:count], sample_rate)
            found = found + (wanted - reached) @ inverse.mT
        return found

    def qs(self, sample_rate: int) -> Tensor:
        """Q of the usable bands, ``(usable bands,)``.

        Near Nyquist the bilinear transform squeezes a band; a lower Q makes up for it, so that no
        gaps open between the faders at the top (cookbook: alpha by bandwidth in octaves).
        """
        omega = 2 * math.pi * self.centres_hz[: self._usable(sample_rate)] / sample_rate
        return 1 / (2 * torch.sinh(math.log(2) / 2 * self.octaves * omega / torch.sin(omega)))

    def _usable(self, sample_rate: int) -> int:
        return int((self.centres_hz < HIGHEST * sample_rate).sum())

    def _filters(self, gains_db: Tensor, count: int, sample_rate: int) -> Tensor:
        return biquad.peaking(gains_db, self.centres_hz[:count], self.qs(sample_rate), sample_rate)

    def _inverse_leak(self, sample_rate: int) -> Tensor:
        return _inverse_leak(self.options.bands, sample_rate)


@functools.cache
def _inverse_leak(bands: int, sample_rate: int) -> Tensor:
    """Inverse of dB at centre i per dB of filter j, ``(usable, usable)``."""
    eq = GraphicEQ(GraphicOptions(bands=bands))
    count = eq._usable(sample_rate)
    probes = torch.full((count,), _PROBE_DB, dtype=torch.float64)
    sections = eq._filters(probes, count, sample_rate)[:, None]
    leak = biquad.cascade_db(sections, eq.centres_hz[:count], sample_rate) / _PROBE_DB
    return torch.linalg.inv(leak.mT)
