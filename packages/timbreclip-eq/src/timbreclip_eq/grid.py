"""Sounds in rows, prompts in columns, what the EQ made of them in the cells.

After figure 3 of the TimbreCLIP paper.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from timbreclip_core.errors import InputError

from .fit import Fitter, Sound
from .plot import (
    CURVE_COLOUR,
    LOWEST_HZ,
    draw_spectrogram,
    new_figure,
    save_figure,
    spectrogram_db,
    top_hz,
)
from .result import EQResult
from .soundfiles import read_sound

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CELL_IN = (2.3, 1.7)
LEAST_RANGE_DB = 6.0


@dataclass(frozen=True)
class Row:
    """A sound and what was found for it, one result a prompt."""

    name: str
    sound: Sound
    results: tuple[EQResult, ...]

    def as_record(self, prompts: Sequence[str]) -> dict[str, Any]:
        """For JSON."""
        cells = [
            {
                "prompt": prompt,
                "similarity": r.similarity,
                "bands": r.bands,
            }
            for prompt, r in zip(prompts, self.results, strict=True)
        ]
        return {"file": self.name, "cells": cells}


def fit_rows(files: Sequence[Path], fitters: Sequence[Fitter]) -> Iterator[Row | dict[str, Any]]:
    """A row a file, or ``file`` and ``error`` of one that cannot be used.

    Args:
        files: Sounds.
        fitters: One a prompt.
    """
    for file in files:
        try:
            content = read_sound(file)
            sound = Sound(content.audio, content.sample_rate)
            results = []
            for fitter in fitters:
                prepared = fitter.prepare(sound)
                results.append(fitter.judge(prepared, fitter.find([prepared])[0]))
            yield Row(str(file), sound, tuple(results))
        except InputError as error:
            yield {"file": str(file), "error": str(error)}


def save_grid(path: Path, rows: Sequence[Row], prompts: Sequence[str]) -> None:
    """Draw the grid, in the format of the suffix."""
    save_figure(path, draw_grid(rows, prompts))


def draw_grid(rows: Sequence[Row], prompts: Sequence[str]) -> Figure:
    """Spectrograms before and after every EQ, with its curve; all curves on one scale."""
    columns = 1 + len(prompts)
    figure = new_figure(CELL_IN[0] * columns + 1.2, CELL_IN[1] * len(rows) + 1.0)
    axes = figure.subplots(len(rows), columns, squeeze=False)
    limit = max(LEAST_RANGE_DB, *(_largest_db(r, row.sound) for row in rows for r in row.results))
    for number, row in enumerate(rows):
        image = _draw_row(axes[number], row, limit)
        axes[number, 0].set_ylabel(f"{Path(row.name).stem[:24]}\nHz", fontsize=8)
    for axis, title in zip(axes[0], ("before", *prompts), strict=True):
        axis.set_title(title, fontsize=10)
    for axis in axes[-1]:
        axis.set_xlabel("s", fontsize=8)
    bar = figure.colorbar(image, ax=axes, pad=0.01)
    bar.set_label(f"Level in dB, loudest = 0; curves: EQ, full height ±{limit:.0f} dB", fontsize=8)
    return figure


def _draw_row(axes: Sequence[Axes], row: Row, limit: float) -> Any:
    rate = row.sound.sample_rate
    sounds = [row.sound.audio]
    sounds += [r.apply(row.sound.audio, rate) for r in row.results]
    levels = [spectrogram_db(audio, rate) for audio in sounds]
    top = max(float(level.max()) for level in levels)
    seconds = row.sound.audio.shape[-1] / rate
    for column, (axis, level) in enumerate(zip(axes, levels, strict=True)):
        image = draw_spectrogram(axis, level - top, seconds, rate)
        axis.tick_params(labelsize=7, labelleft=column == 0)
        if column:
            _draw_curve(axis, row.results[column - 1], rate, seconds, limit)
    return image


def _draw_curve(axis: Axes, result: EQResult, rate: int, seconds: float, limit: float) -> None:
    """The curve from bottom to top as frequency runs, boosts to the right."""
    freqs_hz = np.geomspace(LOWEST_HZ, top_hz(rate), 200)
    place = seconds * (0.5 + 0.5 * result.preset.curve(freqs_hz, rate) / limit)
    axis.axvline(seconds / 2, color="white", linewidth=0.5, alpha=0.6)
    axis.plot(place, freqs_hz, color="white", linewidth=2.2)
    axis.plot(place, freqs_hz, color=CURVE_COLOUR, linewidth=1.2)
    axis.set_xlim(0, seconds)
    gain = result.similarity_after - result.similarity_before
    axis.text(
        0.97, 0.04, f"{gain:+.2f}", transform=axis.transAxes, ha="right", color="white", fontsize=7
    )


def _largest_db(result: EQResult, sound: Sound) -> float:
    freqs_hz = np.geomspace(LOWEST_HZ, top_hz(sound.sample_rate), 200)
    return float(np.abs(result.preset.curve(freqs_hz, sound.sample_rate)).max())
