"""What can be measured of training sounds as they are heard, and which attributes they have."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from timbreclip_core.descriptors import DESCRIPTORS

from .datasets.base import Note
from .measured.corpus import pitches_of
from .measured.judging import degrees_of
from .measured.reference import Reference
from .measured.table import DescriptorTable
from .measures import MEASURES, measure
from .mel_augment import Changes
from .spectra import Spectra

# No stereo width: an encoder that hears mono cannot learn it.
NAMES = tuple(d.name for d in DESCRIPTORS)
NOTES_TO_FIT = 4_096
NOTES_AT_ONCE = 256
LOUD_NOISE_DB = -65.0
_SPECTRAL = np.array([NAMES.index(name) for name in MEASURES], np.int64)
# What a sound that was cut off no longer tells, and what noise or a steep filter changes.
_OF_ITS_COURSE = (
    "temporal_centroid_s",
    "effective_duration_s",
    "decay_time_s",
    "sustain_level_db",
    "release_level_db",
    "brightness_change_octaves",
    "vibrato_rate_hz",
    "tremolo_rate_hz",
)
_OF_ITS_NOISE = ("noise_db", "harmonicity_db", "flatness_db", "roughness", "flux", "inharmonicity")
_FROM_SPECTRA_ALONE = ("cutoff_hz", "flatness_db")  # an equaliser changes them, bands do not tell
Floats = NDArray[np.float32]


def _columns(names: Sequence[str]) -> NDArray[np.int64]:
    return np.array([NAMES.index(name) for name in names], np.int64)


class Judge:
    """Descriptors of notes, after they were changed.

    Args:
        sounds: Notes with spectrograms.
        table: Their descriptors as ``tclip data describe`` measured them; None if nobody has.
            What needs more than a spectrum is then unknown.
        reference: What is usual; fitted to ``sounds`` if None.
    """

    def __init__(
        self,
        sounds: Spectra,
        table: DescriptorTable | None = None,
        reference: Reference | None = None,
    ) -> None:
        self.sounds = sounds
        self._rows = _rows_of(sounds.notes, table)
        self.pitches = pitches_of(sounds.notes)
        self.reference = reference or self._fit()

    def _fit(self) -> Reference:
        known = np.flatnonzero(~np.isnan(self._rows).all(1))
        names = NAMES if len(known) else MEASURES
        places = known if len(known) else np.arange(len(self.sounds))
        chosen = places[:: max(1, len(places) // NOTES_TO_FIT)]
        values = self.unchanged(chosen)[:, _columns(names)]
        ids = tuple(self.sounds.notes[i].id for i in chosen)
        return Reference.fit(DescriptorTable(ids, names, values), self.pitches[chosen])

    def unchanged(self, chosen: NDArray[np.int64]) -> Floats:
        """Descriptors of notes as they are, ``(notes, NAMES)``; NaN for what is unknown."""
        parts = np.array_split(chosen, max(1, len(chosen) // NOTES_AT_ONCE))
        found = [self.values(self.sounds.mel_power(part), part) for part in parts]
        return np.concatenate(found)

    def values(
        self,
        power: Tensor,
        chosen: NDArray[np.int64],
        changes: Changes | None = None,
        altered: NDArray[np.bool_] | None = None,
    ) -> Floats:
        """Descriptors of sounds, ``(sounds, NAMES)``; NaN for what is unknown.

        Args:
            power: Mel power as changed, but without noise, ``(sounds, bands, frames)``.
            chosen: Their notes, ``(sounds,)``.
            changes: What was done to them.
            altered: Sounds of which nothing is known but their spectra, ``(sounds,)``.
        """
        found = self._rows[chosen].copy()
        if altered is not None:
            found[altered] = np.nan
        found[:, _SPECTRAL] = measure(power).numpy()
        if changes is None:
            return found
        found[:, _columns(_FROM_SPECTRA_ALONE)] = np.nan
        cut = (changes.frames < power.shape[2]).numpy()
        loud = (changes.noise_db.amax(1) > LOUD_NOISE_DB).numpy()
        steep = torch.isfinite(changes.cutoff_hz).any(1).numpy()
        other = (changes.contrast != 1).numpy()
        found[np.ix_(cut | other, _columns(_OF_ITS_COURSE))] = np.nan
        found[np.ix_(loud | steep | other, _columns(_OF_ITS_NOISE))] = np.nan
        return found

    def degrees(
        self, values: Floats, chosen: NDArray[np.int64], changes: Changes | None = None
    ) -> Tensor:
        """How far sounds have each attribute, ``(sounds, attributes)``: see ``degrees_of``.

        Args:
            values: From ``values``.
            chosen: Their notes, ``(sounds,)``.
            changes: What was done to them; what is usual depends on the pitch that they have now.
        """
        ids = tuple(str(i) for i in chosen)
        table = DescriptorTable(ids, NAMES, values)
        pitches = self.pitches[chosen]
        if changes is not None:
            pitches = pitches + changes.semitones.numpy()
        return torch.from_numpy(degrees_of(self.reference, table, pitches)).float()


def _rows_of(notes: Sequence[Note], table: DescriptorTable | None) -> Floats:
    rows = np.full((len(notes), len(NAMES)), np.nan, np.float32)
    if table is None:
        return rows
    shared = [name for name in NAMES if name in table.names]
    theirs = np.array([table.names.index(name) for name in shared], np.int64)
    for row, note in enumerate(notes):
        if (place := table.positions.get(note.id)) is not None:
            rows[row, _columns(shared)] = table.values[place, theirs]
    return rows


def ranks(values: Floats) -> Tensor:
    """Place of every sound among those whose value is known, by column, -1 to 1; NaN for others.

    Args:
        values: ``(sounds, columns)``.
    """
    found = np.full(values.shape, np.nan, np.float32)
    for column, row in enumerate(values.T):
        known = np.flatnonzero(np.isfinite(row))
        if len(known) > 1:
            order = row[known].argsort(kind="stable").argsort(kind="stable")
            found[known, column] = 2 * order / (len(known) - 1) - 1
    return torch.from_numpy(found)
