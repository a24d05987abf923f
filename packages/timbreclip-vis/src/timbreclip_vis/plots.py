"""Plots of sounds and of how close they are to words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from timbreclip_core.audio import read_audio

from .figures.page import label, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WINDOW_S = 0.046
LOWEST_HZ = 30.0
RANGE_DB = 80.0
COLUMNS = 1000  # of a spectrogram, at most
FEWEST_SPOKES = 3


def save_spectrogram(path: Path, file: Path) -> None:
    """Level over time and frequency, dB below the loudest; the mean of the channels."""
    from matplotlib.mlab import specgram

    sound, rate = read_audio(file)
    mono = sound.mean(0).double().numpy()
    size = 1 << round(np.log2(max(64.0, WINDOW_S * rate)))
    mono = np.pad(mono, (0, max(0, size - len(mono))))
    hop = max(size // 8, -(-(len(mono) - size) // COLUMNS))
    found = specgram(mono, NFFT=size, Fs=rate, noverlap=size - min(hop, size))
    power, freqs_hz, times_s = map(np.asarray, found)
    level = 10 * np.log10(power / max(power.max(), 1e-30) + 1e-12)
    figure = _figure(9, 4)
    axis = figure.subplots()
    image = axis.pcolormesh(
        times_s, freqs_hz, level, vmin=-RANGE_DB, vmax=0, cmap="magma", rasterized=True
    )
    axis.set(
        yscale="log",
        ylim=(LOWEST_HZ, rate / 2),
        xlabel="Time in s",
        ylabel="Frequency in Hz",
        title=file.name,
    )
    figure.colorbar(image, ax=axis, pad=0.01).set_label("Level in dB, loudest = 0")
    save_figure(path, figure)


def save_bars(path: Path, names: Sequence[str], words: Sequence[str], weights: Tensor) -> None:
    """Weights of keywords as bars, a panel a sound, the heaviest keyword on top.

    Args:
        path: Where to write.
        names: Of the sounds.
        words: Keywords.
        weights: ``(sounds, keywords)``.
    """
    figure = _figure(3.2 * len(names) + 0.6, 0.6 + 0.21 * len(words))
    axes = figure.subplots(1, len(names), squeeze=False)[0]
    for axis, name, row in zip(axes, names, weights, strict=True):
        order = row.argsort().tolist()
        axis.barh([words[i] for i in order], [float(row[i]) for i in order], color="#1f5fa8")
        axis.set(title=label(name), xlabel="Weight", ylim=(-0.6, len(words) - 0.4))
        axis.tick_params(labelsize=8)
        axis.axvline(0, color="0.6", linewidth=0.8)
    save_figure(path, figure)


def save_radar(path: Path, names: Sequence[str], words: Sequence[str], weights: Tensor) -> None:
    """Weights of keywords around a circle, a line a sound; arguments as of ``save_bars``."""
    figure = _figure(6.5, 6)
    axis = figure.add_subplot(projection="polar")
    angles = np.linspace(0, 2 * np.pi, len(words), endpoint=False)
    for name, row in zip(names, weights.numpy(), strict=True):
        closed = np.append(row, row[0])
        (line,) = axis.plot(np.append(angles, angles[0]), closed, label=label(name))
        axis.fill(angles, row, color=line.get_color(), alpha=0.12)
    axis.set_xticks(angles, words, fontsize=8)
    axis.tick_params(axis="x", pad=12)
    axis.tick_params(axis="y", labelsize=7, colors="0.5")
    figure.legend(loc="outside lower center", ncols=4, fontsize=8)
    save_figure(path, figure)


def save_matrix(path: Path, names: Sequence[str], words: Sequence[str], cosines: Tensor) -> None:
    """Cosines of sounds, in rows, and words, in columns ``(sounds, words)``."""
    figure = _figure(1.8 + 0.5 * len(words), 1.6 + 0.32 * len(names))
    axis = figure.subplots()
    limit = max(0.05, float(cosines.abs().max()))
    image = axis.imshow(cosines.numpy(), cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
    axis.set_xticks(range(len(words)), words, rotation=50, ha="right", fontsize=8)
    axis.set_yticks(range(len(names)), [label(name) for name in names], fontsize=8)
    for (row, column), value in np.ndenumerate(cosines.numpy()):
        ink = "white" if abs(value) > 0.6 * limit else "0.2"
        axis.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=6.5, color=ink)
    figure.colorbar(image, ax=axis, pad=0.01).set_label("Cosine")
    save_figure(path, figure)


def save_map(
    path: Path, names: Sequence[str], places: np.ndarray, groups: Sequence[str] | None = None
) -> None:
    """Sounds as points of a plane.

    Args:
        path: Where to write.
        names: Of the sounds.
        places: ``(sounds, 2)``.
        groups: A word a sound, for colours.
    """
    figure = _figure(8, 7)
    axis = figure.subplots()
    if groups is None:
        axis.scatter(places[:, 0], places[:, 1], s=22, color="#1f5fa8")
    else:
        for number, group in enumerate(sorted(set(groups), key=groups.index)):
            inside = places[[g == group for g in groups]]
            axis.scatter(inside[:, 0], inside[:, 1], s=22, color=f"C{number % 10}", label=group)
        axis.legend(fontsize=8)
    for name, place in zip(names, places, strict=True):
        _name_point(axis, name, place)
    axis.set(xlabel="First direction", ylabel="Second direction", xticks=[], yticks=[])
    axis.margins(0.1)
    save_figure(path, figure)


def _name_point(axis: Axes, name: str, place: np.ndarray) -> None:
    where = (place[0], place[1])
    axis.annotate(
        label(name, 20),
        where,
        xytext=(4, 3),
        textcoords="offset points",
        fontsize=7,
        color="0.3",
    )


def _figure(width_in: float, height_in: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width_in, height_in), layout="constrained")
