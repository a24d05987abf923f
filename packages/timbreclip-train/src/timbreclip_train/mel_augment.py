"""Changing a mel spectrogram as equalisers, recorders and careless cutting change a sound.

Random values are drawn first (``draw``), then applied (``apply``), so that the same draw can be
given to another sound, or its opposite to the same one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from timbreclip_core.encoders.small import mel_centres_hz

from .config import AugmentConfig

LIMITS_HZ = (4_000.0, 8_000.0)
FRAMES_LATER = 20
FEWEST_FRAMES = 25


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
        seed: Of the noise.
    """

    gain_db: Tensor
    cutoff_hz: Tensor
    limit_hz: Tensor
    noise_db: Tensor
    later: Tensor
    frames: Tensor
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
    cut = uniform(FEWEST_FRAMES, 200).long()
    return Changes(
        gain_db=gain,
        cutoff_hz=torch.where(share(config.lowpass_share), cutoff, never),
        limit_hz=torch.where(share(config.limit_share), limit, never),
        noise_db=torch.where(share(config.noise_share), noise, -never),
        later=later,
        frames=torch.where(share(config.cut_share), cut, 1_000_000)[:, 0],
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


def apply(power: Tensor, changes: Changes) -> tuple[Tensor, Tensor]:
    """Changed mel power, and the same without added noise, for measuring.

    Args:
        power: ``(batch, bands, frames)``, loudest cell 1.
        changes: From ``draw``.
    Returns:
        Two tensors of that shape.
    """
    hz = mel_centres_hz(power.shape[1])[None]
    steep = 48.0 * (hz / changes.cutoff_hz).log2().clamp(min=0)
    gain = 10 ** ((changes.gain_db - steep) / 10) * (hz < changes.limit_hz)
    clean = _move(power * gain[:, :, None], changes)
    loudest = clean.amax((1, 2), keepdim=True).clamp(min=1e-20)
    clean = clean / loudest
    noisy = torch.isfinite(changes.noise_db[:, 0]).nonzero()[:, 0]
    if not len(noisy):
        return clean, clean
    own = Generator().manual_seed(changes.seed)
    level = 10 ** (changes.noise_db[noisy] / 10) * (hz < changes.limit_hz[noisy])
    # The power of noise in a cell is spread exponentially; a band averages a few bins.
    cells = torch.empty(len(noisy), *power.shape[1:]).exponential_(generator=own)
    heard = clean.clone()
    heard[noisy] += level[:, :, None] * cells
    return heard, clean


def _move(power: Tensor, changes: Changes) -> Tensor:
    frames = power.shape[2]
    position = torch.arange(frames)[None]
    source = position - changes.later[:, None]
    present = (source >= 0) & (source < changes.frames[:, None])
    index = source.clamp(0, frames - 1)[:, None].expand(-1, power.shape[1], -1)
    return power.gather(2, index) * present[:, None]
