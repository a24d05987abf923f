"""Rendering a file by a preset: measured once, then read again whenever it is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .measure import CentroidMeter
from .plot import SpectrogramMeter
from .preset import Preset
from .render import check_amount, filtered_blocks, measure_levels
from .soundfiles import SoundHeader
from .streaming import Blocks, Kernel


class Shown:
    """What a report shows of a sound that comes in blocks.

    Args:
        sample_rate: Hz.
        frames: Samples of the whole sound.
        mono_peak: Largest sample of the channel mean.
    """

    def __init__(self, sample_rate: int, frames: int, mono_peak: float) -> None:
        self.centroid = CentroidMeter(sample_rate, mono_peak)
        self.spectrogram = SpectrogramMeter(sample_rate, frames)

    def through(self, blocks: Blocks) -> Blocks:
        """The same blocks, seen."""
        for block in blocks:
            self.centroid.add(block)
            self.spectrogram.add(block)
            yield block


class Render:
    """A file, a preset, and the gain that keeps the result as loud as wanted and unclipped.

    Args:
        preset: The EQ.
        header: The file; it is read once to find the gain.
        amount: Factor of the curve in dB, from -1 (the opposite) to 2.
        match_loudness: Give the result the loudness of the source, as far as the peaks allow.

    Raises:
        UsageError: An ``amount`` out of range.
        InputError: The file cannot be read to its end.
    """

    def __init__(
        self, preset: Preset, header: SoundHeader, *, amount: float, match_loudness: bool
    ) -> None:
        check_amount(amount)
        self.header = header
        self.kernel = preset.instance.kernel(preset.tensors, header.sample_rate, amount)
        self.levels = measure_levels(
            self.kernel, header.blocks, header.sample_rate, match_loudness=match_loudness
        )

    def shown(self) -> Iterator[Shown]:
        """For the source, and for the result."""
        for mono_peak in self.levels.mono_peaks:
            yield Shown(self.header.sample_rate, self.levels.frames, mono_peak)

    def blocks(self, before: Shown, after: Shown) -> Blocks:
        """The result in blocks ``(channels, samples)``, shown on the way."""
        source = before.through(self.header.blocks())
        return after.through(filtered_blocks(self.kernel, source, self.levels.gain_db))

    def pair(self) -> tuple[Callable[[], Blocks], Callable[[], Blocks]]:
        """Before and after, equally loud, neither above full scale."""
        before_db, after_db = self.levels.pair_db()

        def before() -> Blocks:
            return filtered_blocks(Kernel(), self.header.blocks(), before_db)

        def after() -> Blocks:
            return filtered_blocks(self.kernel, self.header.blocks(), after_db)

        return before, after
