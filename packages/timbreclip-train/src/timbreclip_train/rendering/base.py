"""What a source of rendered notes must offer."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from timbreclip_core.errors import TimbreClipError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# In quotes: listing renderers needs no numpy.
Audio: TypeAlias = "NDArray[np.float32]"
MIDDLE_C = 60


class RenderError(TimbreClipError):
    """One preset cannot be played; the run goes on without it."""


class MissingSynthError(TimbreClipError):
    """A synthesiser, its presets or its samples are not installed; the message says how."""

    def __init__(self, what: str, packages: tuple[str, ...] = (), *, how: str = "") -> None:
        how = how or f"Run: apt-get install {' '.join(packages)}"
        super().__init__(f"{what} is not installed. {how}")


@dataclass(frozen=True, kw_only=True)
class NoteSpec:
    """One note to play.

    Args:
        pitch: MIDI note number, 0 to 127; middle C is 60.
        velocity: 1 to 127.
        hold_s: Time from note-on to note-off, seconds.
        release_s: Time after note-off, seconds.
    """

    pitch: int
    velocity: int
    hold_s: float
    release_s: float

    def frames(self, sample_rate: int) -> tuple[int, int]:
        """Frames held and frames after, at ``sample_rate`` Hz."""
        return round(self.hold_s * sample_rate), round(self.release_s * sample_rate)


@dataclass(frozen=True, kw_only=True)
class Preset:
    """One sound of a source, and what its author says of it.

    Args:
        id: Unique over all sources and the same in every run; letters, digits and hyphens.
        source: Name of the renderer.
        collection: Bank, SoundFont or kit that it belongs to; what splits are made by.
        name: As the author wrote it.
        category: As the author or General MIDI says; None if nobody says.
        tags: Further words, such as the name of a drum kit.
        author: Empty if unknown.
        licence: SPDX identifier of the preset, or words.
        payload: What the renderer needs to play it; plain values that can be pickled.
        unpitched: Whether the pitch of a note says nothing about its sound (drums, samples).
    """

    id: str
    source: str
    collection: str
    name: str
    category: str | None = None
    tags: tuple[str, ...] = ()
    author: str = ""
    licence: str = ""
    payload: Mapping[str, Any] = field(default_factory=dict)
    unpitched: bool = False


@dataclass(frozen=True, kw_only=True)
class NotePlan:
    """Which notes of a preset are played.

    Args:
        pitches: The same pitches for all presets; None spreads them.
        per_patch: Notes of a preset if ``pitches`` is None. Two thirds of them go from
            ``lowest`` to ``highest`` in even steps at the first velocity, the others go over the
            same pitches in wider steps at the other velocities. Each preset is moved by up to
            three semitones, so that a collection covers all pitches.
        velocities: 1 to 127; with ``pitches``, each pitch is played at each velocity.
        hold_s: Time from note-on to note-off, seconds.
        release_s: Time after note-off, seconds.
        drum_velocities: Velocities of an unpitched sound.
        drum_hold_s: Longest time that an unpitched sound is let ring, seconds.
        lowest: MIDI note number.
        highest: MIDI note number.
    """

    pitches: tuple[int, ...] | None = None
    per_patch: int = 12
    velocities: tuple[int, ...] = (100, 50)
    hold_s: float = 3.0
    release_s: float = 1.0
    drum_velocities: tuple[int, ...] = (110, 60)
    drum_hold_s: float = 2.0
    lowest: int = 36
    highest: int = 84

    def melodic(self, preset_id: str, keys: tuple[int, int] = (0, 127)) -> list[NoteSpec]:
        """Notes of a preset that has a pitch, on the ``keys`` (lowest, highest) that it plays."""
        pairs = self._given() if self.pitches is not None else self._spread(preset_id, keys)
        return [
            NoteSpec(pitch=p, velocity=v, hold_s=self.hold_s, release_s=self.release_s)
            for p, v in pairs
        ]

    def drum(self, key: int, velocities: tuple[int, ...] | None = None) -> list[NoteSpec]:
        """Notes of one instrument of a kit, the sound on ``key``."""
        return [
            NoteSpec(pitch=key, velocity=v, hold_s=self.drum_hold_s, release_s=0.0)
            for v in velocities or self.drum_velocities
        ]

    def _given(self) -> list[tuple[int, int]]:
        return [(p, v) for v in self.velocities for p in self.pitches or ()]

    def _spread(self, preset_id: str, keys: tuple[int, int]) -> list[tuple[int, int]]:
        counts = _shares(self.per_patch, len(self.velocities))
        shift = int.from_bytes(hashlib.sha256(preset_id.encode()).digest()[:4], "big") % 7 - 3
        pairs = []
        for velocity, count in zip(self.velocities, counts, strict=True):
            ends = (self.lowest, self.highest) if count > 1 else (MIDDLE_C, MIDDLE_C)
            step = (ends[1] - ends[0]) / max(count - 1, 1)
            places = [round(ends[0] + i * step) + shift for i in range(count)]
            pairs += [(min(max(p, keys[0]), keys[1]), velocity) for p in places]
        # Narrow instruments: several steps end on one key.
        return list(dict.fromkeys(pairs))


def _shares(notes: int, velocities: int) -> list[int]:
    """Two thirds of the notes for the first velocity, the rest evenly over the others."""
    if velocities == 1:
        return [notes]
    rest = notes // 3
    others = [rest // (velocities - 1)] * (velocities - 1)
    for i in range(rest % (velocities - 1)):
        others[i] += 1
    return [notes - rest, *others]


class Renderer(ABC):
    """A source of notes.

    ``presets`` lists them in a fixed order. ``render`` must give the same samples whatever was
    played before: a run that was killed and taken up again equals one that was not.
    """

    @abstractmethod
    def check(self) -> None:
        """Raise ``MissingSynthError`` unless everything that is needed is installed."""

    @abstractmethod
    def presets(self) -> list[Preset]:
        """All presets, in an order that does not change, equal ones once."""

    @abstractmethod
    def render(self, preset: Preset, notes: list[NoteSpec], sample_rate: int) -> list[Audio]:
        """Play notes of a preset.

        Returns:
            One array of shape (2, samples) a note, full scale 1.0, not limited.
        Raises:
            RenderError: If the preset cannot be played.
        """

    def notes(self, preset: Preset, plan: NotePlan) -> list[NoteSpec]:
        """Which notes to play; sources with kits or samples say more."""
        return plan.melodic(preset.id)

    def close(self) -> None:  # noqa: B027  most sources have nothing to close
        """End child processes and give back memory."""
