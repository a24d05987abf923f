"""What an effect looks like: pictures of ``a(f(x)) - a(x)`` at rising intensity."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from timbreclip_core.audio import read_audio
from timbreclip_core.effects import load_effect
from timbreclip_core.errors import UsageError

from ..job import Subject
from .page import SMALL, label, new_page, put_caption, put_picture, save_figure, subtitle

if TYPE_CHECKING:
    from timbreclip_core import Model

TAIL_S = 1.0  # of silence after the sound, into which reverb and echo ring


def check_levels(levels: Sequence[float]) -> None:
    """Raise ``UsageError`` unless there are levels, each from 0 to 1."""
    if not levels or not all(0 <= level <= 1 for level in levels):
        raise UsageError(f"Levels are numbers from 0 to 1, as 0.25,0.5,1, not {list(levels)}.")


def effect_subjects(
    model: Model, file: Path, effects: Sequence[str], levels: Sequence[float]
) -> Iterator[tuple[str, Subject]]:
    """The change that each effect makes at each level, level by level.

    A second of silence is added to the sound, before and after alike, so that tails are heard.

    Args:
        model: Hears.
        file: A sound.
        effects: Names of ``tclip effect list``.
        levels: From 0 to 1.

    Source: Jonason & Sturm, TimbreCLIP, figure 5.
    """
    loaded = {name: load_effect(name) for name in effects}
    sound, rate = read_audio(file)
    sound = torch.nn.functional.pad(sound, (0, round(TAIL_S * rate)))
    dry = model.embed_audio(sound, sample_rate=rate)
    for level in levels:
        for name, effect in loaded.items():
            wet = model.embed_audio(effect.apply(sound, rate, level), sample_rate=rate)
            source = {"file": file.name, "effect": name, "level": level}
            yield f"{name} {level:g}", Subject(wet - dry, source, change=True)


def save_effects(path: Path, records: Sequence[dict[str, Any]], columns: int) -> None:
    """Effects in columns, intensity in rows (after the paper's figure 5).

    Args:
        path: Where to write.
        records: Of ``draw_cells``, row by row.
        columns: Effects.
    """
    figure, axes = new_page(len(records) // columns, columns)
    for axis, record in zip(axes.flat, records, strict=True):
        put_picture(axis, record["picture"])
        put_caption(axis, record)
    for axis, record in zip(axes[0], records, strict=False):
        axis.set_title(record["source"]["effect"], fontsize=10)
    for axis, record in zip(axes[:, 0], records[::columns], strict=True):
        axis.set_ylabel(f"{record['source']['level']:g}", fontsize=9)
    title = label(records[0]["source"]["file"], 60)
    figure.suptitle(f"{title}\n{subtitle(records[0])}", fontsize=SMALL, color="0.4")
    save_figure(path, figure)


def save_curves(path: Path, records: Sequence[dict[str, Any]], columns: int) -> None:
    """How the weights of keywords move with the intensity, a panel an effect.

    Arguments as of ``save_effects``. Named are the keywords that weigh most at the last level.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.0 * columns + 0.6, 3.0), layout="constrained")
    axes = figure.subplots(1, columns, squeeze=False, sharey=True)[0]
    for number, axis in enumerate(axes):
        rows = records[number::columns]
        levels = [row["source"]["level"] for row in rows]
        last = rows[-1]["weights"]
        named = sorted(range(len(last)), key=lambda i: -last[i])[:4]
        for i, word in enumerate(rows[0]["keywords"]):
            heights = [row["weights"][i] for row in rows]
            if i in named:
                axis.plot(levels, heights, "o-", label=word, markersize=3)
            else:
                axis.plot(levels, heights, color="0.85", zorder=0)
        axis.set(title=rows[0]["source"]["effect"], xlabel="Level")
        axis.legend(fontsize=SMALL)
    axes[0].set_ylabel("Weight")
    figure.suptitle(records[0]["source"]["file"], fontsize=9)
    save_figure(path, figure)
