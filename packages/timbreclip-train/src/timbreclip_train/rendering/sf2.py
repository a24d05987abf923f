"""What a SoundFont says of itself: presets, keys, and which sounds are the same.

Reads the ``pdta`` list of SF2 and SF3 files, which holds everything but the samples.
Source: SoundFont Technical Specification 2.04, E-mu Systems, 2006, chapters 7 and 8.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from timbreclip_core.errors import InputError

KEY_RANGE, VELOCITY_RANGE, INSTRUMENT, SAMPLE = 43, 44, 41, 53
FULL = (0, 127)


@dataclass(frozen=True)
class FontPreset:
    """One preset of a SoundFont; ``bank`` 128 holds drum kits."""

    bank: int
    program: int
    name: str
    index: int = field(repr=False)


@dataclass(frozen=True)
class Layer:
    """A sample that sounds for some keys and velocities, with all that shapes it."""

    keys: tuple[int, int]
    velocities: tuple[int, int]
    sample: str
    signature: tuple[object, ...] = field(repr=False)


Generators = dict[int, int]
_RECORD_BYTES = {
    b"phdr": 38,
    b"pbag": 4,
    b"pmod": 10,
    b"pgen": 4,
    b"inst": 22,
    b"ibag": 4,
    b"imod": 10,
    b"igen": 4,
    b"shdr": 46,
}


class SoundFont:
    """The directory of a SoundFont file.

    Raises:
        InputError: If the file is no SoundFont.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        chunks = _chunks(path)
        self._samples = [_text(r[:20]) for r in _records(chunks, b"shdr")]
        self._sample_data = [r[20:] for r in _records(chunks, b"shdr")]
        self._preset_bags = _bags(chunks, b"pbag")
        self._preset_gens = _generators(chunks, b"pgen")
        self._preset_mods = _records(chunks, b"pmod")
        self._instrument_bags = _bags(chunks, b"ibag")
        self._instrument_gens = _generators(chunks, b"igen")
        self._instrument_mods = _records(chunks, b"imod")
        headers = _records(chunks, b"phdr")
        self._preset_starts = [struct.unpack_from("<H", r, 24)[0] for r in headers]
        self._instrument_starts = [
            struct.unpack_from("<H", r, 20)[0] for r in _records(chunks, b"inst")
        ]
        listed = [
            FontPreset(bank, program, _text(r[:20]), i)
            for i, r in enumerate(headers[:-1])
            for program, bank in [struct.unpack_from("<HH", r, 20)]
        ]
        self.presets = sorted(listed, key=lambda p: (p.bank, p.program))

    def layers(self, preset: FontPreset) -> list[Layer]:
        """All layers of a preset."""
        found: list[Layer] = []
        bags = range(self._preset_starts[preset.index], self._preset_starts[preset.index + 1])
        common: Generators = {}
        for bag in bags:
            gens = self._zone(self._preset_bags, self._preset_gens, bag)
            if INSTRUMENT not in gens:
                common = gens
                continue
            merged = {**common, **gens}
            mods = self._modulators(self._preset_bags, self._preset_mods, bag)
            found += self._instrument_layers(gens[INSTRUMENT], merged, mods)
        return found

    def recordings(self) -> dict[str, NDArray[np.int16]]:
        """Frames of every sample by its name; of two samples of one name, the last.

        Raises:
            InputError: An SF3 file, whose samples are compressed.
        """
        frames = np.frombuffer(_list_chunks(self.path, b"sdta").get(b"smpl", b""), "<i2")
        ends = [struct.unpack_from("<II", data) for data in self._sample_data[:-1]]
        if self.path.suffix.lower() == ".sf3" or any(end > len(frames) for _, end in ends):
            raise InputError(f"{self.path} holds compressed samples, or breaks off.")
        cuts = zip(self._samples[:-1], ends, strict=True)
        return {name: frames[start:end] for name, (start, end) in cuts}

    def key_signature(self, layers: list[Layer], key: int) -> tuple[object, ...]:
        """Equal for two keys, of any presets of this font, exactly if they sound the same."""
        return tuple(
            (layer.velocities, layer.signature)
            for layer in layers
            if layer.keys[0] <= key <= layer.keys[1]
        )

    def _instrument_layers(self, number: int, outer: Generators, mods: bytes) -> list[Layer]:
        found: list[Layer] = []
        common: Generators = {}
        keys, velocities = _range(outer, KEY_RANGE), _range(outer, VELOCITY_RANGE)
        shape = tuple(sorted(_shaping(outer).items()))
        for bag in range(self._instrument_starts[number], self._instrument_starts[number + 1]):
            gens = self._zone(self._instrument_bags, self._instrument_gens, bag)
            if SAMPLE not in gens:
                common = gens
                continue
            gens = {**common, **gens}
            inner = self._modulators(self._instrument_bags, self._instrument_mods, bag)
            sample = gens[SAMPLE]
            signature = (
                shape,
                mods,
                tuple(sorted(_shaping(gens).items())),
                inner,
                self._sample_data[sample],
            )
            both = _cut(keys, _range(gens, KEY_RANGE))
            loud = _cut(velocities, _range(gens, VELOCITY_RANGE))
            if both and loud:
                found.append(Layer(both, loud, self._samples[sample], signature))
        return found

    @staticmethod
    def _zone(bags: NDArray[np.uint16], gens: NDArray[np.uint16], bag: int) -> Generators:
        return {int(op): int(amount) for op, amount in gens[bags[bag, 0] : bags[bag + 1, 0]]}

    @staticmethod
    def _modulators(bags: NDArray[np.uint16], mods: list[bytes], bag: int) -> bytes:
        return b"".join(mods[bags[bag, 1] : bags[bag + 1, 1]])


def _shaping(gens: Generators) -> Generators:
    return {
        k: v for k, v in gens.items() if k not in (KEY_RANGE, VELOCITY_RANGE, INSTRUMENT, SAMPLE)
    }


def _range(gens: Generators, kind: int) -> tuple[int, int]:
    amount = gens.get(kind)
    return FULL if amount is None else (amount & 0xFF, amount >> 8)


def _cut(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int] | None:
    low, high = max(a[0], b[0]), min(a[1], b[1])
    return (low, high) if low <= high else None


def _text(raw: bytes) -> str:
    return raw.split(b"\0")[0].decode("latin-1").strip()


def _records(chunks: dict[bytes, bytes], name: bytes) -> list[bytes]:
    data, size = chunks[name], _RECORD_BYTES[name]
    return [data[i : i + size] for i in range(0, len(data) - size + 1, size)]


def _bags(chunks: dict[bytes, bytes], name: bytes) -> NDArray[np.uint16]:
    return np.frombuffer(chunks[name], "<u2").reshape(-1, 2)


def _generators(chunks: dict[bytes, bytes], name: bytes) -> NDArray[np.uint16]:
    return np.frombuffer(chunks[name], "<u2").reshape(-1, 2)


def _chunks(path: Path) -> dict[bytes, bytes]:
    """The records of the ``pdta`` list, by name."""
    found = _list_chunks(path, b"pdta")
    missing = set(_RECORD_BYTES) - set(found)
    if missing:
        raise InputError(f"{path} breaks off: it has no {sorted(missing)[0].decode()} records.")
    return found


def _list_chunks(path: Path, wanted: bytes) -> dict[bytes, bytes]:
    """The chunks of one of the file's lists, by name."""
    found: dict[bytes, bytes] = {}
    with path.open("rb") as stream:
        if stream.read(4) != b"RIFF" or not stream.read(8).endswith(b"sfbk"):
            raise InputError(f"{path} is no SoundFont (SF2 or SF3).")
        while len(head := stream.read(8)) == 8:
            name, size = struct.unpack("<4sI", head)
            if name == b"LIST" and stream.read(4) == wanted:
                found = _split(stream.read(size - 4))
            else:
                stream.seek(size - (4 if name == b"LIST" else 0) + size % 2, 1)
    return found


def _split(data: bytes) -> dict[bytes, bytes]:
    found, at = {}, 0
    while at + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        found[name] = data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
    return found
