"""Pictures of what an EQ did."""

from __future__ import annotations

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
TICKS_HZ = (20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000)
CURVE_COLOUR, HELD_COLOUR = "#1f5fa8", "#9a9a9a"


@dataclass(frozen=True)
class Picture:
    """What a picture shows.

    Attributes:
        before: ``(channels, samples)``.
        after: ``(channels, samples)``.
        sample_rate: Hz.
        preset: The EQ.
        amount: Factor of its curve.
        title: Name of the sound.
        facts: Lines under the title.
    """

    before: Tensor
    after: Tensor
    sample_rate: int
    preset: Preset
    amount: float
    title: str
    facts: tuple[str, ...]


def save_picture(path: str | Path, picture: Picture) -> None:
    """Write the picture, in the format of the suffix."""
    save_figure(path, draw(picture))


def new_figure(width_in: float, height_in: float) -> Figure:
    """An empty figure that needs no display; sizes in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(path: str | Path, figure: Figure) -> None:
    """Write a figure, in the format of the suffix."""
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120)


def draw(picture: Picture) -> Figure:
    """EQ curve on top, spectrograms before and after below; sized in inches, 11 by 7."""
    figure = new_figure(11, 7)
    grid = figure.add_gridspec(2, 2, height_ratios=(1, 1.15))
    _draw_curve(figure.add_subplot(grid[0, :]), picture)
    levels = [spectrogram_db(x, picture.sample_rate) for x in (picture.before, picture.after)]
    top = max(float(level.max()) for level in levels)
    axes = [figure.add_subplot(grid[1, 0])]
    axes.append(figure.add_subplot(grid[1, 1], sharex=axes[0], sharey=axes[0]))
    for axis, level, name in zip(axes, levels, ("Before", "After"), strict=True):
        image = _draw_spectrogram(axis, level, picture, top, name)
    bar = figure.colorbar(image, ax=axes, pad=0.01)
    bar.set_label("Level in dB, loudest = 0")
    figure.suptitle("\n".join([picture.title, *picture.facts]), fontsize=11)
    return figure


def spectrogram_db(audio: Tensor, sample_rate: int) -> np.ndarray:
    """Level ``(ROWS, columns)`` in dB of the channel mean, on a logarithmic axis from 20 Hz.

    Rows end at Nyquist or 20 kHz, whichever is lower; a row is the loudest bin in its range, or
    the nearest one.
    """
    mono = audio.detach().to("cpu", torch.float32).mean(0)
    size = 1 << round(np.log2(max(64.0, 0.064 * sample_rate)))
    hop = max(1, min(size // 8, -(-len(mono) // COLUMNS)))
    hop = max(hop, -(-len(mono) // (4 * COLUMNS)))
    mono = torch.nn.functional.pad(mono, (0, max(0, size - len(mono))))
    window = torch.hann_window(size)
    bins = torch.stft(mono, size, hop, window=window, pad_mode="constant", return_complex=True)
    power = (bins.abs() / window.sum()).square().numpy()
    edges = np.geomspace(LOWEST_HZ, top_hz(sample_rate), ROWS + 1)
    step = sample_rate / size
    low = np.clip(np.round(edges[:-1] / step).astype(int), 0, len(power) - 1)
    high = np.clip(np.ceil(edges[1:] / step).astype(int), low + 1, len(power))
    rows = np.stack([power[a:b].max(0) for a, b in zip(low, high, strict=True)])
    return 10 * np.log10(rows + 1e-20)


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
    limit = max(6.0, 1.15 * float(np.abs(curve).max()))
    axis.set(
        xscale="log",
        xlim=(LOWEST_HZ, top_hz(rate)),
        ylim=(-limit, limit),
        xlabel="Frequency in Hz",
        ylabel="Gain in dB",
    )
    _frequency_ticks(axis.xaxis, rate)
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
    seconds = picture.before.shape[-1] / picture.sample_rate
    image = draw_spectrogram(axis, level - top, seconds, picture.sample_rate)
    axis.set(title=name, xlabel="Time in s")
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
    _frequency_ticks(axis.yaxis, sample_rate)
    return image


def _frequency_ticks(axis: Any, sample_rate: int) -> None:
    from matplotlib.ticker import NullFormatter

    ticks = [f for f in TICKS_HZ if f <= top_hz(sample_rate)]
    axis.set_ticks(ticks, [f"{f // 1000}k" if f >= 1000 else str(f) for f in ticks])
    axis.set_minor_formatter(NullFormatter())
