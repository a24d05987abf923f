"""Loudness, peak and brightness of a sound, block by block, with every case defined.

Audio is ``(channels, samples)``, full scale 1.0.
"""

from __future__ import annotations

import math

import numpy as np
import soxr
import torch
from torch import Tensor

from timbreclip_core.audio import BLOCK_FRAMES
from timbreclip_core.dsp import biquad
from timbreclip_core.dsp.filters import SectionState, sosfilt
from timbreclip_core.measures.analysis import FRAME_S, gate, gated_mean
from timbreclip_core.measures.spectral import frame_centroids

SHORTEST_S = 0.4  # a gating block of BS.1770
HOPS = 4  # of which a gating block consists
SLOWEST_HZ = 8_000  # below it the K weighting's shelf reaches Nyquist
# Of BS.1770: left, right, centre, left surround, right surround.
CHANNEL_GAINS = (1.0, 1.0, 1.0, 1.41, 1.41)
ABSOLUTE_GATE_LUFS, RELATIVE_GATE_LU, OFFSET_LU = -70.0, -10.0, -0.691
HEARD_HZ = 20_000.0
_FRAMES_AT_ONCE = 2_048
_EDGE = 64  # samples on either side that the interpolation looks at


class LoudnessMeter:
    """Integrated loudness of a sound that comes in blocks.

    The K weighting is the cookbook's filters as pyloudnorm sets them, so that both read the same;
    pyloudnorm itself wants the whole sound at once.

    Source: ITU-R BS.1770-4, annex 1.

    Args:
        channels: Of the sound.
        sample_rate: Hz.
    """

    def __init__(self, channels: int, sample_rate: int) -> None:
        self._resampler: soxr.ResampleStream | None = None
        if sample_rate < SLOWEST_HZ:
            finer = 2 * SLOWEST_HZ
            self._resampler = soxr.ResampleStream(sample_rate, finer, channels, "float64", "HQ")
        self._given_rate = sample_rate
        self.rate = 2 * SLOWEST_HZ if sample_rate < SLOWEST_HZ else sample_rate
        self.channels = channels
        self._sections = _k_weighting(self.rate)
        self._state: SectionState | None = None
        self._short: Tensor | None = torch.zeros(channels, 0, dtype=torch.float64)
        self._frames = 0
        # Energy of each whole hop, and of the one begun, by channel. Numbers: tensors that live
        # long between large ones that do not would keep the memory of these from being used again.
        self._hops: list[list[float]] = []
        self._open = [0.0] * channels
        self._power: Tensor | None = None

    def add(self, block: Tensor) -> None:
        """The next samples ``(channels, samples)``."""
        block = block.detach().to("cpu", torch.float64)
        if self._short is None:
            self._weigh(block)
            return
        held = torch.cat([self._short, block], -1)
        if held.shape[-1] < self._fewest:
            self._short = held
        else:
            self._short = None
            self._weigh(held)

    def lufs(self, gain_db: float = 0.0) -> float | None:
        """Of all that was added, with some gain; None below the standard's gate of -70 LUFS.

        A sound shorter than 0.4 s is repeated until it is that long. Of more than five channels,
        the energies are averaged. Nothing can be added any more.
        """
        if self._power is None:
            self._power = self._finish()
        return _integrated(self._power * 10 ** (gain_db / 10))

    def _finish(self) -> Tensor:
        """Weighted mean squares of the gating blocks, ``(blocks,)``."""
        if self._short is not None:
            held, self._short = self._short, None
            if held.shape[-1] == 0:
                return torch.zeros(0, dtype=torch.float64)
            times = -(-self._fewest // held.shape[-1])
            self._weigh(held.repeat(1, times)[:, : self._fewest])
        if self._resampler is not None:
            rest = self._resampler.resample_chunk(np.zeros((0, self.channels)), last=True)
            self._count(torch.from_numpy(np.ascontiguousarray(rest.T)))
        energy = self._block_energies()
        if self.channels > len(CHANNEL_GAINS):
            return energy.mean(1)
        return energy @ torch.tensor(CHANNEL_GAINS[: self.channels], dtype=torch.float64)

    @property
    def _fewest(self) -> int:
        return math.ceil(SHORTEST_S * self._given_rate) + 1

    def _weigh(self, block: Tensor) -> None:
        if self._resampler is None:
            self._count(block)
            return
        finer = self._resampler.resample_chunk(np.ascontiguousarray(block.T.numpy()))
        self._count(torch.from_numpy(np.ascontiguousarray(finer.T)))

    def _count(self, block: Tensor) -> None:
        """Energies of the hops that begin or end in a block of weighted samples."""
        if block.shape[-1] == 0:
            return
        weighted, self._state = sosfilt(block, self._sections, self._state)
        square, start = weighted.square_(), 0
        while True:
            edge = self._edge(len(self._hops) + 1) - self._frames
            energy = square[:, start : min(edge, block.shape[-1])].sum(-1).tolist()
            self._open = [a + b for a, b in zip(self._open, energy, strict=True)]
            if edge > block.shape[-1]:
                break
            self._hops.append(self._open)
            self._open, start = [0.0] * self.channels, edge
        self._frames += block.shape[-1]

    def _edge(self, hop: int) -> int:
        return int(SHORTEST_S * (hop / HOPS) * self.rate)

    def _block_energies(self) -> Tensor:
        """Mean squares of the gating blocks ``(blocks, channels)``, the last one maybe cut off."""
        seconds = self._frames / self.rate
        count = max(0, round((seconds - SHORTEST_S) / (SHORTEST_S / HOPS)) + 1)
        hops = torch.tensor([*self._hops, self._open], dtype=torch.float64)
        missing = max(0, count + HOPS - 1 - len(hops))
        hops = torch.cat([hops, hops.new_zeros(missing, self.channels)])
        blocks = hops.unfold(0, HOPS, 1).sum(-1)[:count]
        return blocks / (SHORTEST_S * self.rate)


def loudness_lufs(audio: Tensor, sample_rate: int) -> float | None:
    """Integrated loudness of a whole sound, LUFS; see ``LoudnessMeter``."""
    meter = LoudnessMeter(len(audio), sample_rate)
    meter.add(audio)
    return meter.lufs()


def _integrated(power: Tensor) -> float | None:
    """Gated loudness of the blocks' weighted mean squares ``(blocks,)``."""
    levels = OFFSET_LU + 10 * power.clamp(min=1e-300).log10()
    loud = levels >= ABSOLUTE_GATE_LUFS
    if not bool(loud.any()):
        return None
    relative = OFFSET_LU + 10 * math.log10(float(power[loud].mean())) + RELATIVE_GATE_LU
    loud = (levels > relative) & (levels > ABSOLUTE_GATE_LUFS)
    if not bool(loud.any()):
        return None
    return OFFSET_LU + 10 * math.log10(float(power[loud].mean()))


def _k_weighting(sample_rate: int) -> Tensor:
    def number(x: float) -> Tensor:
        return torch.tensor(x, dtype=torch.float64)

    shelf = biquad.high_shelf(number(4.0), number(1_500.0), number(0.5**0.5), sample_rate)
    return torch.stack([shelf, biquad.high_pass(number(38.0), number(0.5), sample_rate)])


class PeakMeter:
    """Largest values of a sound that comes in blocks.

    The true peak is that of the sound oversampled to 192 kHz or more (BS.1770-4 annex 2); only
    blocks loud enough to matter are looked at.

    Args:
        sample_rate: Hz.
        floor: True peaks below it are of no interest.
    """

    def __init__(self, sample_rate: int, floor: float = 0.0) -> None:
        self._factor = 4 if sample_rate < 96_000 else 2 if sample_rate < 192_000 else 1
        self._past: np.ndarray | None = None
        self._started = False
        self._finer = floor
        self.peak = 0.0
        self.mono_peak = 0.0
        self.frames = 0

    def add(self, block: Tensor) -> None:
        """The next samples ``(channels, samples)``."""
        samples = block.detach().cpu()
        if samples.shape[-1] == 0:
            return
        self.frames += samples.shape[-1]
        self.peak = max(self.peak, float(samples.abs().amax()))
        self.mono_peak = max(self.mono_peak, float(samples.mean(0).abs().amax()))
        if self._factor > 1:
            self._between(samples.numpy(), last=False)

    def true_peak(self) -> float:
        """Largest absolute value between the samples too, at least ``peak``."""
        if self._past is not None:
            self._between(self._past[:, :0], last=True)
            self._past = None
        return max(self.peak, self._finer)

    def _between(self, samples: np.ndarray, last: bool) -> None:
        past = samples[:, :0] if self._past is None else self._past
        extended = np.concatenate([past, samples], axis=1)
        # The interpolation is right where it sees both sides: not at the ends of a block.
        first = _EDGE if self._started else 0
        until = extended.shape[1] - (0 if last else _EDGE)
        if until > first:
            for channel in extended:
                # Between two samples a band-limited signal rises by a few dB, hardly ever by 6.
                if 2 * np.abs(channel).max() > max(self.peak, self._finer):
                    finer = soxr.resample(np.pad(channel, _EDGE), 1, self._factor, quality="HQ")
                    inside = finer[(first + _EDGE) * self._factor : (until + _EDGE) * self._factor]
                    self._finer = max(self._finer, float(np.abs(inside).max()))
            extended = extended[:, max(0, until - _EDGE) :]
            self._started = self._started or until > _EDGE
        self._past = extended.copy()


def true_peak(audio: Tensor, sample_rate: int) -> float:
    """Largest absolute value between the samples too, at least ``peak``; see ``PeakMeter``."""
    meter = PeakMeter(sample_rate)
    for start in range(0, audio.shape[-1], BLOCK_FRAMES):
        meter.add(audio[:, start : start + BLOCK_FRAMES])
    return meter.true_peak()


class CentroidMeter:
    """Spectral centroid of the channel mean of a sound that comes in blocks.

    Core's descriptor of that name, at the sound's own rate but of what people hear, up to 20 kHz:
    the mean frequency of a frame, weighted by amplitude, averaged over the frames within 40 dB of
    the loudest.

    Args:
        sample_rate: Hz.
        highest: Largest absolute sample of the channel mean.
    """

    def __init__(self, sample_rate: int, highest: float) -> None:
        self._highest = highest
        self._size = 1 << round(math.log2(max(32.0, FRAME_S * sample_rate)))
        self._window = torch.hann_window(self._size, dtype=torch.float64)
        freqs_hz = torch.linspace(0, sample_rate / 2, self._size // 2 + 1, dtype=torch.float64)
        self._heard = freqs_hz <= HEARD_HZ
        self._freqs_hz = freqs_hz[self._heard]
        self._held = torch.zeros(0, dtype=torch.float64)
        self._energies: list[float] = []
        self._centres: list[float] = []

    def add(self, block: Tensor) -> None:
        """The next samples ``(channels, samples)``."""
        mono = block.detach().to("cpu", torch.float64).mean(0)
        self._held = torch.cat([self._held, mono])
        hop = self._size // 4
        if self._highest == 0 or len(self._held) < self._size:
            return
        count = (len(self._held) - self._size) // hop + 1
        for frames in self._held.unfold(0, self._size, hop).split(_FRAMES_AT_ONCE):
            bins = torch.fft.rfft(frames * self._window / self._highest)
            power = bins[:, self._heard].abs().square().mT[None] / self._size
            self._energies += power.sum((0, 1)).tolist()
            self._centres += frame_centroids(power, self._freqs_hz)[0].tolist()
        self._held = self._held[count * hop :]

    def hz(self) -> float | None:
        """The centroid; None for silence. To be asked once."""
        if self._highest == 0:
            return None
        if not self._energies:
            missing = self._size - len(self._held)
            self.add(torch.zeros(1, missing, dtype=torch.float64))
        energies, centres = (
            torch.tensor(v, dtype=torch.float64) for v in (self._energies, self._centres)
        )
        return float(gated_mean(centres, gate(energies)))


def centroid_hz(audio: Tensor, sample_rate: int) -> float | None:
    """Spectral centroid of a whole sound, Hz; see ``CentroidMeter``."""
    mono = audio.detach().to("cpu", torch.float64).mean(0, keepdim=True)
    meter = CentroidMeter(sample_rate, float(mono.abs().max()))
    meter.add(mono)
    return meter.hz()
