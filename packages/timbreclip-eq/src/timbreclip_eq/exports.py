"""A found EQ for other programs: Equalizer APO, REW, convolvers, spreadsheets, pedalboard.

Every format holds the curve and a preamp that keeps the whole curve at or below 0 dB, for most of
these programs clip or complain otherwise; it follows from the total curve, not from the largest
band. Numbers have a point and few decimals whatever the locale: Equalizer APO reads ``22.123`` as
22 123.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import soundfile
import torch

from timbreclip_core.audio import check_rate
from timbreclip_core.dsp.fir import fir_for
from timbreclip_core.errors import UsageError
from timbreclip_core.files import atomic_path

from .preset import Preset
from .riff import clear_time

LOWEST_HZ, HIGHEST_HZ = 20.0, 20_000.0
POINTS_AN_OCTAVE = 48
GRAPHIC_POINTS = 32  # of GraphicEQ at least; one more wherever a straight line is off
GRAPHIC_DB = 0.05
FLAT_DB = 0.005  # rounds to nothing
# Low and high shelves with a Q: plain LS and HS have a fixed slope, and some readers drop the Q.
_APO_TYPES = {"peak": "PK", "low shelf": "LSC", "high shelf": "HSC"}
_PEDALBOARD_TYPES = {
    "peak": "PeakFilter",
    "low shelf": "LowShelfFilter",
    "high shelf": "HighShelfFilter",
}


@dataclass(frozen=True, kw_only=True)
class Export:
    """A preset at one sample rate and amount.

    Args:
        preset: What was found.
        sample_rate: Of the sounds that will be filtered, Hz; matters near Nyquist alone.
        amount: Factor of the curve in dB, beside the preset's own.

    Raises:
        InputError: An impossible sample rate.
    """

    preset: Preset
    sample_rate: int
    amount: float = 1.0

    def __post_init__(self) -> None:
        check_rate(self.sample_rate)

    @property
    def _factor(self) -> float:
        return self.preset.amount * self.amount

    def curve_db(self, freqs_hz: np.ndarray) -> np.ndarray:
        """The wanted gain, dB, without the preamp, ``(freqs,)``."""
        return self.preset.curve(freqs_hz, self.sample_rate, self._factor)

    @cached_property
    def preamp_db(self) -> float:
        """At most 0: minus the highest gain of the whole curve."""
        freqs_hz = np.geomspace(5.0, self.sample_rate / 2, 4_096)
        return min(0.0, -float(self.curve_db(freqs_hz).max()))

    def bands(self) -> list[dict[str, Any]]:
        """Biquads that make the curve: ``type``, ``centre_hz``, ``filter_gain_db``, ``q``.

        Raises:
            UsageError: The EQ is not made of biquads.
        """
        values = dict(self.preset.tensors)
        eq = self.preset.instance
        if eq.sections(values, self.sample_rate) is None or "gain_db" not in values:
            other = ", ".join(name for name, entry in FORMATS.items() if not entry.biquads)
            raise UsageError(
                f"The EQ {self.preset.eq!r} is not made of filters that this format can name. "
                f"Export it as one of {other}."
            )
        values["gain_db"] = values["gain_db"] * self._factor
        found = eq.bands(values, self.sample_rate, self.preset.heard_hz)
        return [
            band
            for band in found
            if band["state"] != "off" and abs(band["filter_gain_db"]) >= FLAT_DB
        ]

    def title(self) -> str:
        """A line that says what it is."""
        return f"timbreclip: {self.preset.target or 'EQ'} ({self.preset.eq}, {self.sample_rate} Hz)"


def apo(export: Export) -> bytes:
    """Parametric text for Equalizer APO, REW and what reads theirs.

    At an amount other than 1 the gains of the bands are scaled; the curve is then nearly, not
    exactly, the scaled one, as bells of another height have another shape.
    """
    lines = [f"# {_one_line(export.title())}", f"Preamp: {export.preamp_db:.2f} dB"]
    for number, band in enumerate(export.bands(), 1):
        lines.append(
            f"Filter {number}: ON {_APO_TYPES[band['type']]} Fc {band['centre_hz']:.2f} Hz "
            f"Gain {band['filter_gain_db']:.2f} dB Q {band['q']:.4f}"
        )
    return _text(lines)


def graphic_eq(export: Export) -> bytes:
    """One line for Equalizer APO's GraphicEQ, Wavelet, Poweramp and others; preamp included."""
    freqs_hz = np.unique(np.geomspace(LOWEST_HZ, HIGHEST_HZ, 2_000).round(1))
    gains_db = export.curve_db(freqs_hz) + export.preamp_db
    chosen = _corners(np.log(freqs_hz), gains_db)
    freqs_hz, gains_db = freqs_hz[chosen], gains_db[chosen]
    points = (f"{hz:.1f} {db:.2f}" for hz, db in zip(freqs_hz, gains_db, strict=True))
    return _text([f"GraphicEQ: {'; '.join(points)}"])


def _corners(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Places between which straight lines keep within ``GRAPHIC_DB`` of the curve."""
    kept = np.zeros(len(x), bool)
    kept[np.linspace(0, len(x) - 1, GRAPHIC_POINTS).astype(int)] = True
    while True:
        off = np.abs(np.interp(x, x[kept], y[kept]) - y)
        if off.max() <= GRAPHIC_DB:
            return np.flatnonzero(kept)
        kept[off.argmax()] = True


def table(export: Export) -> bytes:
    """CSV with AutoEq's names of columns, 48 points an octave; preamp included."""
    octaves = np.log2(HIGHEST_HZ / LOWEST_HZ)
    freqs_hz = np.geomspace(LOWEST_HZ, HIGHEST_HZ, int(octaves * POINTS_AN_OCTAVE) + 1)
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["frequency", "equalization"])
    rows = zip(freqs_hz, export.curve_db(freqs_hz) + export.preamp_db, strict=True)
    writer.writerows((f"{hz:.2f}", f"{db:.3f}") for hz, db in rows)
    return stream.getvalue().encode()


def impulse_response(export: Export) -> bytes:
    """WAV, mono, float, minimum phase, for convolvers; preamp included."""

    def response(freqs_hz: torch.Tensor) -> torch.Tensor:
        gains_db = export.curve_db(freqs_hz.numpy()) + export.preamp_db
        return 10 ** (torch.from_numpy(gains_db) / 20)

    taps = fir_for(response, export.sample_rate).numpy()
    stream = io.BytesIO()
    soundfile.write(stream, taps, export.sample_rate, "FLOAT", format="WAV")
    clear_time(stream)
    return stream.getvalue()


def pedalboard(export: Export) -> bytes:
    """Python for Spotify's pedalboard (GPL-3.0: not needed here, and not imported)."""
    bands = export.bands()
    kinds = sorted({_PEDALBOARD_TYPES[band["type"]] for band in bands})
    lines = [f"# {_one_line(export.title())}"]
    lines.append(f"from pedalboard import {', '.join(['Gain', *kinds, 'Pedalboard'])}")
    lines += ["", "board = Pedalboard(", "    ["]
    lines.append(f"        Gain(gain_db={export.preamp_db:.2f}),")
    for band in bands:
        lines.append(
            f"        {_PEDALBOARD_TYPES[band['type']]}(cutoff_frequency_hz="
            f"{band['centre_hz']:.2f}, gain_db={band['filter_gain_db']:.3f}, q={band['q']:.4f}),"
        )
    return _text([*lines, "    ]", ")"])


@dataclass(frozen=True)
class Format:
    """A format to export to.

    Args:
        make: Bytes of the file.
        suffix: Of its name.
        summary: For people.
        biquads: Whether it needs an EQ that is made of biquads.
    """

    make: Callable[[Export], bytes]
    suffix: str
    summary: str
    biquads: bool = False


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "apo": Format(apo, ".apo.txt", "Equalizer APO and REW, parametric", biquads=True),
        "graphiceq": Format(graphic_eq, ".graphiceq.txt", "Equalizer APO's GraphicEQ, Wavelet"),
        "csv": Format(table, ".csv", "frequency and gain, AutoEq's names"),
        "ir": Format(impulse_response, ".ir.wav", "impulse response for convolvers"),
        "pedalboard": Format(pedalboard, ".pedalboard.py", "Python for pedalboard", biquads=True),
    }
)


def write_export(
    preset: Preset, name: str, path: Path, sample_rate: int | None = None, amount: float = 1.0
) -> Path:
    """Write a preset for another program.

    Args:
        preset: What was found.
        name: One of ``FORMATS``.
        path: Of the file.
        sample_rate: Hz; that of the sound fitted if None.
        amount: Factor of the curve in dB.

    Raises:
        UsageError: A format that cannot hold this EQ.
    """
    export = Export(preset=preset, sample_rate=sample_rate or preset.sample_rate, amount=amount)
    content = FORMATS[name].make(export)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
    return path


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _text(lines: list[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode()
