"""The few functions of libfluidsynth that playing notes offline needs.

The library is called directly: floating-point output, which Python's usual binding lacks, has no
dither, so a note is the same whatever was played before it.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
from pathlib import Path

import numpy as np

from .base import Audio, MissingSynthError, RenderError

PACKAGES = ("libfluidsynth3",)
BLOCK_FRAMES = 64
GAIN = 0.5
_POINTER, _INT = ctypes.c_void_p, ctypes.c_int
_FUNCTIONS: dict[str, tuple[object, list[object]]] = {
    "new_fluid_settings": (_POINTER, []),
    "delete_fluid_settings": (None, [_POINTER]),
    "fluid_settings_setnum": (_INT, [_POINTER, ctypes.c_char_p, ctypes.c_double]),
    "fluid_settings_setint": (_INT, [_POINTER, ctypes.c_char_p, _INT]),
    "new_fluid_synth": (_POINTER, [_POINTER]),
    "delete_fluid_synth": (None, [_POINTER]),
    "fluid_synth_sfload": (_INT, [_POINTER, ctypes.c_char_p, _INT]),
    "fluid_synth_program_select": (_INT, [_POINTER, _INT, _INT, _INT, _INT]),
    "fluid_synth_noteon": (_INT, [_POINTER, _INT, _INT, _INT]),
    "fluid_synth_noteoff": (_INT, [_POINTER, _INT, _INT]),
    "fluid_synth_cc": (_INT, [_POINTER, _INT, _INT, _INT]),
    "fluid_synth_all_sounds_off": (_INT, [_POINTER, _INT]),
    "fluid_synth_write_float": (
        _INT,
        [_POINTER, _INT, _POINTER, _INT, _INT, _POINTER, _INT, _INT],
    ),
    "fluid_set_log_function": (_POINTER, [_INT, _POINTER, _POINTER]),
}


@functools.cache
def library() -> ctypes.CDLL:
    """The loaded library.

    Raises:
        MissingSynthError: If it is not installed.
    """
    name = ctypes.util.find_library("fluidsynth")
    try:
        lib = ctypes.CDLL(name) if name else None
    except OSError:
        lib = None
    if lib is None:
        raise MissingSynthError("libfluidsynth", PACKAGES)
    for function, (result, arguments) in _FUNCTIONS.items():
        entry = getattr(lib, function)
        entry.restype, entry.argtypes = result, arguments
    # Warnings (level 2) and below: a missing default font, samples out of range.
    for level in (2, 3, 4):
        lib.fluid_set_log_function(level, None, None)
    return lib


class FluidSynth:
    """One SoundFont, played on MIDI channel 0 without reverberation, chorus or sound card."""

    def __init__(self, font: Path, sample_rate: int) -> None:
        self._lib = library()
        self._settings = self._lib.new_fluid_settings()
        self._lib.fluid_settings_setnum(self._settings, b"synth.sample-rate", float(sample_rate))
        self._lib.fluid_settings_setnum(self._settings, b"synth.gain", GAIN)
        for name in (b"synth.reverb.active", b"synth.chorus.active"):
            self._lib.fluid_settings_setint(self._settings, name, 0)
        # Only the samples of the chosen preset are read and, in SF3, decoded.
        self._lib.fluid_settings_setint(self._settings, b"synth.dynamic-sample-loading", 1)
        self._synth = self._lib.new_fluid_synth(self._settings)
        self._font = self._lib.fluid_synth_sfload(self._synth, str(font).encode(), 0)
        if self._font < 0:
            self.close()
            raise RenderError(f"libfluidsynth cannot load {font}.")

    def select(self, bank: int, program: int) -> None:
        """Choose a preset; raises ``RenderError`` if there is none."""
        if self._lib.fluid_synth_program_select(self._synth, 0, self._font, bank, program) < 0:
            raise RenderError(f"The SoundFont has no preset {bank}:{program}.")

    def play(self, pitch: int, velocity: int, hold: int, release: int) -> Audio:
        """One note of ``hold`` and ``release`` frames, shape (2, hold + release)."""
        # Breath (2) opens presets that wait for a wind controller.
        self._lib.fluid_synth_cc(self._synth, 0, 2, velocity)
        self._lib.fluid_synth_cc(self._synth, 0, 11, 127)
        self._lib.fluid_synth_noteon(self._synth, 0, pitch, velocity)
        held = self._write(hold)
        self._lib.fluid_synth_noteoff(self._synth, 0, pitch)
        let_go = self._write(release)
        self._lib.fluid_synth_all_sounds_off(self._synth, 0)
        self._write(BLOCK_FRAMES)
        return np.concatenate([held, let_go], axis=1)

    def _write(self, frames: int) -> Audio:
        # Whole blocks, so that the next event falls on a block's start again.
        whole = -(-frames // BLOCK_FRAMES) * BLOCK_FRAMES
        out = np.zeros((2, max(whole, BLOCK_FRAMES)), np.float32)
        if whole:
            self._lib.fluid_synth_write_float(
                self._synth, whole, out[0].ctypes.data, 0, 1, out[1].ctypes.data, 0, 1
            )
        return out[:, :frames]

    def close(self) -> None:
        if self._synth:
            self._lib.delete_fluid_synth(self._synth)
            self._lib.delete_fluid_settings(self._settings)
            self._synth = self._settings = None
