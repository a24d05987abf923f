"""Pictures of what an EQ did."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from timbreclip_core.files import atomic_path

from .preset import Preset

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOWEST_HZ = 20.0
RANGE_DB = 80.0
COLUMNS, ROWS = 600, 240
MARGINS = {"left": 0.065, "right": 0.9, "bottom": 0.07, "top": 0.9, "hspace": 0.28, "wspace": 0.12}
TICKS_HZ = (20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000)
CURVE_COLOUR, HELD_COLOUR = "#1f5fa8", "#9a9a9a"


@dataclass(frozen=True)
class Picture:
    """What a picture shows.

    Attributes:
        before: Of ``SpectrogramMeter`` or ``spectrogram_db``.
        after: As ``before``.
        seconds: Length of the sound.
        sample_rate: Hz.
        preset: The EQ.
        amount: Factor of its curve.
        title: Name of the sound.
        facts: Lines under the title.
    """

    before: np.ndarray
    after: np.ndarray
    seconds: float
    sample_rate: int
    preset: Preset
    amount: float
    title: str
    facts: tuple[str, ...]


def save_picture(path: str | Path, picture: Picture) -> None:
    """Write the picture, in the format of the suffix."""
    save_figure(path, draw(picture))


def import_beside() -> None:
    """Import matplotlib in a thread of its own, while other work goes on: half a second."""
    threading.Thread(target=_import, daemon=True).start()


def _import() -> None:
    import matplotlib.backends.backend_agg
    import matplotlib.figure  # noqa: F401


def new_figure(width_in: float, height_in: float, layout: str | None = "constrained") -> Figure:
    """An empty figure that needs no display; sizes in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), layout=layout)  # type: ignore[arg-type]
    FigureCanvasAgg(figure)
    return figure


def save_figure(path: str | Path, figure: Figure) -> None:
    """Write a figure, in the format of the suffix."""
    with atomic_path(path) as temporary:
        # Of PNG alone: the usual level 6 takes four times as long for a tenth less.
        packing = {"compress_level": 2} if Path(path).suffix.lower() == ".png" else None
        figure.savefig(temporary, dpi=120, pil_kwargs=packing)


def draw(picture: Picture) -> Figure:
    """EQ curve on top, spectrograms before and after below; sized in inches, 11 by 7."""
    # Laid out by hand: matplotlib's own layout takes a quarter of the time of a picture.
    figure = new_figure(11, 7, layout=None)
    grid = figure.add_gridspec(2, 2, height_ratios=(1, 1.15), **MARGINS)
    _draw_curve(figure.add_subplot(grid[0, :]), picture)
    levels = (picture.before, picture.after)
    top = max(float(level.max()) for level in levels)
    axes = [figure.add_subplot(grid[1, 0])]
    axes.append(figure.add_subplot(grid[1, 1], sharex=axes[0], sharey=axes[0]))
    for axis, level, name in zip(axes, levels, ("Before", "After"), strict=True):
        image = _draw_spectrogram(axis, level, picture, top, name)
    low, high = axes[0].get_position().y0, axes[0].get_position().y1
    bar = figure.colorbar(image, cax=figure.add_axes((0.915, low, 0.018, high - low)))
    bar.set_label("Level in dB, loudest = 0")
    figure.suptitle("\n".join([picture.title, *picture.facts]), fontsize=11)
    return figure


class SpectrogramMeter:
    """Spectrogram of the channel mean of a sound that comes in blocks, on a logarithmic axis.

    Args:
        sample_rate: Hz.
        frames: Samples of the whole sound.
    """

    def __init__(self, sample_rate: int, frames: int) -> None:
        size = 1 << round(np.log2(max(64.0, 0.064 * sample_rate)))
        hop = max(1, min(size // 8, -(-frames // COLUMNS)))
        self._hop = max(hop, -(-frames // (4 * COLUMNS)))
        self._size = size
        self._columns = 1 + max(frames, size) // self._hop
        self._window = torch.hann_window(size)
        self._held = torch.zeros(size // 2)
        self._start = -(size // 2)  # where, in the sound, the held samples begin
        self._rows: list[np.ndarray] = []
        edges = np.geomspace(LOWEST_HZ, top_hz(sample_rate), ROWS + 1)
        step, last = sample_rate / size, size // 2
        low = np.clip(np.round(edges[:-1] / step).astype(int), 0, last)
        high = np.clip(np.ceil(edges[1:] / step).astype(int), low + 1, last + 1)
        self._ends = np.stack([low, high], axis=1).ravel()

    def add(self, block: Tensor) -> None:
        """The next samples ``(channels, samples)``."""
        self._held = torch.cat([self._held, block.detach().to("cpu", torch.float32).mean(0)])
        while True:
            skip = len(self._rows) * self._hop - self._size // 2 - self._start
            if skip > 0:
                self._held, self._start = (
                    self._held[skip:],
                    self._start + min(skip, len(self._held)),
                )
            if len(self._held) < self._size or len(self._rows) == self._columns:
                return
            bins = torch.fft.rfft(self._held[: self._size] * self._window)
            power = (bins.abs() / self._window.sum()).square().numpy()
            # The maximum from each low end to its high end; a last zero, for no index may be past.
            self._rows.append(np.maximum.reduceat(np.append(power, 0), self._ends)[::2])

    def level_db(self) -> np.ndarray:
        """Level ``(ROWS, columns)`` in dB, from 20 Hz to Nyquist or 20 kHz, whichever is lower.

        A row is the loudest bin in its range, or the nearest one. To be asked once.
        """
        while len(self._rows) < self._columns:
            self.add(torch.zeros(1, self._size))
        return 10 * np.log10(np.stack(self._rows, axis=1) + 1e-20)


def spectrogram_db(audio: Tensor, sample_rate: int) -> np.ndarray:
    """Of a whole sound ``(channels, samples)``; see ``SpectrogramMeter``."""
    meter = SpectrogramMeter(sample_rate, audio.shape[-1])
    meter.add(audio)
    return meter.level_db()


def top_hz(sample_rate: int) -> float:
    """Upper end of the frequency axes, Hz."""
    return min(20_000.0, sample_rate / 2)


def _draw_curve(axis: Axes, picture: Picture) -> None:
    preset, rate = picture.preset, picture.sample_rate
    freqs_hz = np.geomspace(LOWEST_HZ, top_hz(rate), 600)
    curve = preset.curve(freqs_hz, rate, picture.amount)
    axis.axhline(0, color="0.6", linewidth=0.8)
    heard = freqs_hz <= preset.heard_hz
    axis.fill_between(freqs_hz, 0, curve, color=CURVE_COLOUR, alpha=0.15)
    axis.plot(freqs_hz[heard], curve[heard], color=CURVE_COLOUR, label="EQ curve")
    if not heard.all():
        axis.plot(
            freqs_hz[~heard],
            curve[~heard],
            color=HELD_COLOUR,
            linestyle="--",
            label="held: above what the model hears",
        )
    _draw_bands(axis, [b for b in preset.bands(rate) if "centre_hz" in b], picture.amount)
    limit = max(6.0, 1.25 * float(np.abs(curve).max()))
    axis.set(
        xscale="log",
        xlim=(LOWEST_HZ, top_hz(rate)),
        ylim=(-limit, limit),
        xlabel="Frequency in Hz",
        ylabel="Gain in dB",
    )
    axis.set_title("", y=1.0)
    frequency_ticks(axis.xaxis, top_hz(rate))
    axis.grid(True, which="major", alpha=0.3)
    axis.legend(loc="best", fontsize=8)


def _draw_bands(axis: Axes, bands: list[dict[str, Any]], amount: float) -> None:
    shown = [b for b in bands if b["state"] != "off"]
    if not shown:
        return
    for state, face in (("heard", CURVE_COLOUR), ("held", "white")):
        points = [(b["centre_hz"], amount * b["gain_db"]) for b in shown if b["state"] == state]
        if points:
            axis.plot(
                *zip(*points, strict=True),
                "o",
                color=CURVE_COLOUR,
                markerfacecolor=face,
                markersize=5,
                label="bands" if state == "heard" else "bands held",
            )
    if len(shown) <= 15:
        for b in shown:
            gain_db = amount * b["gain_db"]
            axis.annotate(
                f"{gain_db:+.1f}",
                (b["centre_hz"], gain_db),
                xytext=(0, 7 if gain_db >= 0 else -14),
                textcoords="offset points",
                ha="center",
                fontsize=8,
            )


def _draw_spectrogram(
    axis: Axes, level: np.ndarray, picture: Picture, top: float, name: str
) -> Any:
    image = draw_spectrogram(axis, level - top, picture.seconds, picture.sample_rate)
    axis.set(xlabel="Time in s")
    axis.set_title(name, y=1.0)  # matplotlib measures every label to find a place of its own
    if name == "Before":
        axis.set_ylabel("Frequency in Hz")
    return image


def draw_spectrogram(axis: Axes, level: np.ndarray, seconds: float, sample_rate: int) -> Any:
    """What ``spectrogram_db`` gives, 0 dB the brightest, on a logarithmic axis; the image."""
    edges_hz = np.geomspace(LOWEST_HZ, top_hz(sample_rate), level.shape[0] + 1)
    edges_s = np.linspace(0, seconds, level.shape[1] + 1)
    image = axis.pcolormesh(
        edges_s, edges_hz, level, vmin=-RANGE_DB, vmax=0, cmap="magma", rasterized=True
    )
    axis.set(yscale="log")
    frequency_ticks(axis.yaxis, top_hz(sample_rate))
    return image


def frequency_ticks(axis: Any, highest_hz: float) -> None:
    """Whole numbers up to ``highest_hz`` on a logarithmic axis."""
    from matplotlib.ticker import NullLocator

    ticks = [f for f in TICKS_HZ if f <= highest_hz]
    axis.set_ticks(ticks, [f"{f // 1000}k" if f >= 1000 else str(f) for f in ticks])
    # Small ticks between them, of which there would be a hundred, take a third of a picture's time.
    axis.set_minor_locator(NullLocator())
