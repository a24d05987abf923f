"""Changing a mel spectrogram as equalisers, recorders and careless cutting change a sound.

Random values are drawn first (``draw``), then applied (``apply``), so that the same draw can be
given to another sound, or its opposite to the same one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from timbreclip_core.encoders.mel import mel_centres_hz

from .config import AugmentConfig

LIMITS_HZ = (4_000.0, 8_000.0)
FRAMES = 200
FRAMES_LATER = 20
FEWEST_FRAMES = 25
QUIETEST = 1e-10
CONTRAST_OCTAVES = 0.5
BANDS_HIDDEN, FRAMES_HIDDEN = (2.0, 16.0), (4.0, 40.0)


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What happens to each sound of a batch.

    Args:
        gain_db: Of an equaliser, ``(batch, bands)``.
        cutoff_hz: Of a steep low-pass, ``(batch, 1)``; infinite for none.
        limit_hz: Where the sound ends as if sampled lower, ``(batch, 1)``; infinite for none.
        noise_db: Level of noise in a band, against the loudest cell, ``(batch, bands)``.
        later: Frames of silence before the sound, ``(batch,)``.
        frames: Frames after which the sound is cut off, ``(batch,)``.
        semitones: Up from the note's pitch, ``(batch,)``.
        contrast: Factor on levels in dB, ``(batch,)``.
        hidden: First band, bands, first frame, frames that are left out, ``(batch, 4)``; 0 bands
            and frames for none.
        seed: Of the noise.
    """

    gain_db: Tensor
    cutoff_hz: Tensor
    limit_hz: Tensor
    noise_db: Tensor
    later: Tensor
    frames: Tensor
    semitones: Tensor
    contrast: Tensor
    hidden: Tensor
    seed: int


def draw(config: AugmentConfig, batch: int, bands: int, generator: Generator) -> Changes:
    """Random changes for a batch."""

    def share(probability: float) -> Tensor:
        return torch.rand(batch, 1, generator=generator) < probability

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(batch, 1, generator=generator)

    never = torch.full((batch, 1), float("inf"))
    octave = (mel_centres_hz(bands) / 1_000).log2()[None]
    gain = equaliser_db(config, batch, octave, generator) * share(config.eq_share)
    cutoff = 1_000 * 2 ** uniform(-0.5, 4.0)
    limit = torch.where(share(0.5), torch.tensor(LIMITS_HZ[0]), torch.tensor(LIMITS_HZ[1]))
    colour = uniform(-6.0, 0.0) * (octave - octave.max())
    noise = uniform(-85.0, -40.0) - uniform(0.0, 1.0) * colour - 10.0
    later = (uniform(0, FRAMES_LATER + 1) * share(config.shift_share)).long()[:, 0]
    cut = uniform(FEWEST_FRAMES, FRAMES).long()
    farthest = config.transpose_semitones
    semitones = uniform(-farthest, farthest) * share(config.transpose_share)
    contrast = uniform(-CONTRAST_OCTAVES, CONTRAST_OCTAVES) * share(config.contrast_share)
    of_bands = (uniform(0, bands), uniform(*BANDS_HIDDEN))
    of_frames = (uniform(0, FRAMES), uniform(*FRAMES_HIDDEN))
    return Changes(
        gain_db=gain,
        cutoff_hz=torch.where(share(config.lowpass_share), cutoff, never),
        limit_hz=torch.where(share(config.limit_share), limit, never),
        noise_db=torch.where(share(config.noise_share), noise, -never),
        later=later,
        frames=torch.where(share(config.cut_share), cut, 1_000_000)[:, 0],
        semitones=semitones[:, 0],
        contrast=2 ** contrast[:, 0],
        hidden=torch.cat([*of_bands, *of_frames], 1) * share(config.mask_share),
        seed=int(torch.randint(2**31, (), generator=generator)),
    )


def equaliser_db(config: AugmentConfig, batch: int, octave: Tensor, generator: Generator) -> Tensor:
    """Tilt, two broad bands and a shelf at either end, ``(batch, bands)``, dB."""

    def normal(scale: float) -> Tensor:
        return torch.randn(batch, 1, generator=generator) * scale

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(batch, 1, generator=generator)

    gain = normal(config.tilt_db_per_octave) * octave
    for _ in range(2):
        off = (octave - uniform(-4.0, 4.0)) / uniform(0.4, 1.6)
        gain = gain + normal(config.band_db) * torch.exp(-off.square() / 2)
    high, low = (octave - uniform(0.0, 3.5)) / 0.25, (uniform(-3.5, -0.5) - octave) / 0.25
    half = (torch.rand(batch, 2, generator=generator) < 0.5).float()
    gain = gain + normal(config.shelf_db) * torch.sigmoid(high) * half[:, :1]
    return gain + normal(config.shelf_db) * torch.sigmoid(low) * half[:, 1:]


def opposite(changes: Changes, count: int) -> Changes:
    """The last ``count`` sounds get the equaliser of the first ``count``, upside down.

    With the same notes in both places, a batch then holds pairs that differ in nothing but how
    bright, thin or boomy they are.
    """
    gain = changes.gain_db.clone()
    if count:
        gain[-count:] = -gain[:count]
    return replace(changes, gain_db=gain)


def apply(power: Tensor, changes: Changes, *, limit_measured: bool = True) -> tuple[Tensor, Tensor]:
    """Changed mel power, and the same without added noise and with nothing hidden, for measuring.

    Args:
        power: ``(batch, bands, frames)``, loudest cell 1.
        changes: From ``draw``.
        limit_measured: Whether a limited sound is measured as limited, duller than it was.
    Returns:
        Two tensors of that shape.
    """
    hz = mel_centres_hz(power.shape[1])[None]
    steep = 48.0 * (hz / changes.cutoff_hz).log2().clamp(min=0)
    gain = 10 ** ((changes.gain_db - steep) / 10)
    within = (hz < changes.limit_hz)[:, :, None]
    power = transposed(power, changes.semitones) ** changes.contrast[:, None, None]
    full = _move(power * gain[:, :, None], changes)
    limited = _loudest_one(full * within)
    clean = limited if limit_measured else _loudest_one(full)
    heard = limited * _shown(changes.hidden, *power.shape[1:])
    noisy = torch.isfinite(changes.noise_db[:, 0]).nonzero()[:, 0]
    if len(noisy):
        own = Generator().manual_seed(changes.seed)
        level = 10 ** (changes.noise_db[noisy] / 10) * within[noisy, :, 0]
        # The power of noise in a cell is spread exponentially; a band averages a few bins.
        cells = torch.empty(len(noisy), *power.shape[1:]).exponential_(generator=own)
        heard[noisy] += level[:, :, None] * cells
    return heard, clean


def _loudest_one(power: Tensor) -> Tensor:
    return power / power.amax((1, 2), keepdim=True).clamp(min=1e-20)


def transposed(power: Tensor, semitones: Tensor) -> Tensor:
    """Spectra moved along frequency, formants and all, as by playing a recording faster.

    Args:
        power: ``(batch, bands, frames)``.
        semitones: Up, ``(batch,)``.
    """
    rows = (semitones != 0).nonzero()[:, 0]
    if not len(rows):
        return power
    bands = power.shape[1]
    centres = mel_centres_hz(bands)
    wanted = centres * 2 ** (-semitones[rows, None] / 12)
    above = torch.searchsorted(centres, wanted.contiguous()).clamp(1, bands - 1)
    low, high = centres[above - 1], centres[above]
    share = ((wanted - low) / (high - low)).clamp(0, 1)[:, :, None]
    level = (power[rows] + QUIETEST).log()
    over = (-1, -1, power.shape[2])
    below, beyond = (level.gather(1, (above - n)[:, :, None].expand(over)) for n in (1, 0))
    found = torch.lerp(below, beyond, share.expand(over)).exp()
    # Between silent cells there is silence.
    return power.index_copy(0, rows, torch.where(found > 2 * QUIETEST, found, 0.0))


def _shown(hidden: Tensor, bands: int, frames: int) -> Tensor:
    """0 where a band or a frame is hidden (Park et al. 2019, SpecAugment), else 1."""
    first_band, count, first_frame, length = (column[:, None] for column in hidden.T)
    band, frame = torch.arange(bands), torch.arange(frames)
    of_bands = (band >= first_band) & (band < first_band + count)
    of_frames = (frame >= first_frame) & (frame < first_frame + length)
    return (~(of_bands[:, :, None] | of_frames[:, None, :])).float()


def _move(power: Tensor, changes: Changes) -> Tensor:
    frames = power.shape[2]
    position = torch.arange(frames)[None]
    source = position - changes.later[:, None]
    present = (source >= 0) & (source < changes.frames[:, None])
    index = source.clamp(0, frames - 1)[:, None].expand(-1, power.shape[1], -1)
    return power.gather(2, index) * present[:, None]
