"""The curves of every word over the sounds, opposite words beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..plot import frequency_ticks, new_figure, save_figure
from .finding import Found
from .scores import Verdict
from .words import BARK_HZ, HumanCurve, antonym_pairs, synonym_pairs

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANEL_IN = (4.6, 1.75)
MEAN_COLOUR, PEOPLE_COLOUR = "black", "#d1495b"


def save_curves(
    path: Path,
    verdict: Verdict,
    found: Mapping[str, Mapping[str, Found]],
    people: Mapping[str, HumanCurve],
    title: str,
) -> None:
    """Draw one EQ's curves: a panel a word, a thin line a sound, the mean thick.

    Args:
        path: Of the picture.
        verdict: Of the judges on this EQ.
        found: By word and sound.
        people: Curves of people, drawn where there is one, at the height of the mean.
        title: Above all panels.
    """
    rows = _rows(list(found))
    figure = new_figure(2 * PANEL_IN[0], PANEL_IN[1] * len(rows) + 1.2)
    axes = figure.subplots(len(rows), 2, squeeze=False, sharex=True, sharey=True)
    notes = {d.word: f"{d.right} of {d.total} {d.descriptor}" for d in verdict.directions}
    limit = max(3.0, *(np.nanmax(np.abs(f.curve_db)) for s in found.values() for f in s.values()))
    for row, line in zip(axes, rows, strict=True):
        for axis, word in zip(row, line, strict=True):
            if word is None:
                axis.set_axis_off()
                continue
            _draw(axis, found[word], people.get(word))
            _draw_synonym(axis, word, found)
            note = f" ({notes[word]})" if word in notes else ""
            axis.set_title(f"{word}{note}", fontsize=9, loc="left")
    for axis in axes.flat:
        axis.set(xscale="log", xlim=(BARK_HZ[0], BARK_HZ[-1]), ylim=(-1.1 * limit, 1.1 * limit))
        frequency_ticks(axis.xaxis, BARK_HZ[-1])
        axis.tick_params(labelsize=7)
        axis.grid(True, which="major", alpha=0.3)
    for axis in axes[-1]:
        axis.set_xlabel("Frequency in Hz", fontsize=8)
    for axis in axes[:, 0]:
        axis.set_ylabel("Gain in dB", fontsize=8)
    _legend(figure, axes[0, 0])
    figure.suptitle(title, fontsize=11)
    save_figure(path, figure)


def _rows(words: Sequence[str]) -> list[tuple[str | None, str | None]]:
    """Opposite words in one row, the others two by two below; synonyms go with their word."""
    pairs = [pair for pair in antonym_pairs() if set(pair) <= set(words)]
    used = {word for pair in pairs for word in pair}
    used |= {other for word, other in synonym_pairs() if word in used}
    rest: list[str | None] = [word for word in words if word not in used]
    if len(rest) % 2:
        rest.append(None)
    return [*pairs, *zip(rest[::2], rest[1::2], strict=True)]


def _draw(axis: Axes, sounds: Mapping[str, Found], people: HumanCurve | None) -> None:
    from matplotlib import colormaps

    colours = colormaps["tab10"].colors  # type: ignore[attr-defined]
    for number, (name, entry) in enumerate(sounds.items()):
        colour = colours[number % len(colours)]
        axis.plot(BARK_HZ, entry.curve_db, color=colour, linewidth=0.8, alpha=0.8, label=name)
    mean = np.mean([entry.curve_db for entry in sounds.values()], axis=0)
    axis.axhline(0, color="0.6", linewidth=0.8)
    axis.plot(BARK_HZ, mean, color=MEAN_COLOUR, linewidth=2, label="mean")
    if people is not None:
        height = np.nanstd(mean) / max(float(people.gains.std()), 1e-12)
        axis.plot(
            BARK_HZ,
            height * people.gains,
            color=PEOPLE_COLOUR,
            linewidth=2,
            linestyle="--",
            label="people, shape",
        )


def _draw_synonym(axis: Axes, word: str, found: Mapping[str, Mapping[str, Found]]) -> None:
    other = next((b for a, b in synonym_pairs() if a == word and b in found), None)
    if other is None:
        return
    mean = np.mean([entry.curve_db for entry in found[other].values()], axis=0)
    axis.plot(BARK_HZ, mean, color=MEAN_COLOUR, linewidth=1.2, linestyle=":", label="like word")
    note, where = f"dotted: {other}", axis.transAxes
    axis.text(0.98, 0.95, note, transform=where, ha="right", va="top", fontsize=7)


def _legend(figure: object, axis: Axes) -> None:
    handles, labels = axis.get_legend_handles_labels()
    figure.legend(  # type: ignore[attr-defined]
        handles, labels, loc="outside lower center", ncols=6, fontsize=8
    )
