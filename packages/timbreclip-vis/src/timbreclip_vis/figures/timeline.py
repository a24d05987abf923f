"""What a sound looks like while it sounds: a picture a window."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from timbreclip_core.errors import SilentAudioError, UsageError

from ..job import Subject
from .page import CELL_IN, SMALL, clear, label, put_caption, put_picture, save_figure, subtitle

if TYPE_CHECKING:
    from timbreclip_core import Model

MOST_WINDOWS = 60
COLUMNS = 1500  # of the drawn waveform


@dataclass(frozen=True)
class Cut:
    """How a sound is cut, in seconds.

    Args:
        window_s: Length of a window.
        hop_s: From one window's start to the next.
    """

    window_s: float = 0.5
    hop_s: float = 0.5

    def starts(self, seconds: float) -> np.ndarray:
        """Starts of the windows of a sound, in seconds; the last may reach past its end.

        Raises:
            UsageError: Lengths of 0 or less, or more windows than a figure can hold.
        """
        if not (self.window_s > 0 and self.hop_s > 0):
            raise UsageError("--window and --hop must be above 0 seconds.")
        count = max(1, int(np.ceil((seconds - self.window_s) / self.hop_s - 1e-9)) + 1)
        if count > MOST_WINDOWS:
            raise UsageError(
                f"{seconds:.1f} s would be {count} pictures; {MOST_WINDOWS} fit. "
                "Use a longer --hop."
            )
        return np.arange(count) * self.hop_s


def timeline_subjects(
    model: Model, file: Path, sound: Tensor, rate: int, cut: Cut
) -> Iterator[tuple[str, Subject]]:
    """The windows of a sound that are not silent.

    Args:
        model: Hears.
        file: Names the sound.
        sound: ``(channels, samples)``.
        rate: Hz.
        cut: How to cut.
    """
    for start_s in cut.starts(sound.shape[-1] / rate):
        first = round(start_s * rate)
        piece = sound[:, first : first + max(1, round(cut.window_s * rate))]
        try:
            vector = model.embed_audio(piece, sample_rate=rate)
        except SilentAudioError:
            continue
        source = {"file": file.name, "start_s": float(start_s), "window_s": cut.window_s}
        yield f"{start_s:g} s", Subject(vector, source)


def save_timeline(
    path: Path, records: Sequence[dict[str, Any]], sound: Tensor, rate: int, cut: Cut
) -> None:
    """The waveform, and below each window its picture."""
    from matplotlib.figure import Figure

    starts = cut.starts(sound.shape[-1] / rate)
    count = len(starts)
    size = CELL_IN if count <= 12 else 0.7 * CELL_IN
    figure = Figure(figsize=(size * count + 0.4, size + 2.4), layout="constrained")
    grid = figure.add_gridspec(2, count, height_ratios=(0.45, 1))
    _draw_wave(figure.add_subplot(grid[0, :]), sound, rate, float(starts[-1] + cut.hop_s))
    by_start = {record["source"]["start_s"]: record for record in records}
    for number, start_s in enumerate(starts):
        axis = figure.add_subplot(grid[1, number])
        clear(axis)
        axis.set_title(f"{start_s:.2f} s", fontsize=SMALL)
        record = by_start.get(float(start_s))
        if record is None:
            axis.text(0.5, 0.5, "silent", ha="center", fontsize=SMALL, transform=axis.transAxes)
            continue
        put_picture(axis, record["picture"])
        put_caption(axis, record)
    title = f"{label(records[0]['source']['file'], 60)}\n{subtitle(records[0])}"
    figure.suptitle(title, fontsize=SMALL, color="0.4")
    save_figure(path, figure)


def _draw_wave(axis: Any, sound: Tensor, rate: int, end_s: float) -> None:
    mono = sound.mean(0).numpy()
    step = max(1, len(mono) // COLUMNS)
    blocks = mono[: len(mono) // step * step].reshape(-1, step)
    times = np.arange(len(blocks)) * step / rate
    axis.fill_between(times, blocks.min(1), blocks.max(1), color="0.35", linewidth=0)
    axis.set(xlim=(0, end_s), yticks=[], xlabel="Time in s")
    axis.tick_params(labelsize=SMALL)
    for side in ("left", "right", "top"):
        axis.spines[side].set_visible(False)
