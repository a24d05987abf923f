"""LAION CLAP (Wu et al. 2023) through transformers' ClapModel: HTS-AT into a space of words.

transformers' own feature extractor cuts long sounds, and picks one of a batch, at random. Here
windows are fixed, and the same sound gives the same vector.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import CheckpointError
from ..windows import Windowing
from .base import TEXT, TIMBRE, Published, SpectralEncoder, unit
from .clap_source import NAME, ClapSource, open_source

POWER_FLOOR = 1e-10


@dataclass(frozen=True, kw_only=True)
class ClapHearing:
    """How a ClapModel's spectrogram is made, in the names of ``preprocessor_config.json``.

    Args:
        sampling_rate: Hz.
        max_length_s: Length of a window, s.
        fft_window_size: Samples in a frame.
        hop_length: Samples from one frame to the next.
        feature_size: Mel bands.
        frequency_min: Where the lowest band begins, Hz.
        frequency_max: Where the highest band ends, Hz.
        truncation: ``"fusion"`` for models with fusion, whose mel bands are HTK's; those of others
            are Slaney's.
        padding: What a short sound is filled up with: ``"repeatpad"`` itself, as often as it fits
            whole, then silence; ``"repeat"`` itself; ``"pad"`` silence.
    """

    sampling_rate: int = 48_000
    max_length_s: int = 10
    fft_window_size: int = 1_024
    hop_length: int = 480
    feature_size: int = 64
    frequency_min: float = 0
    frequency_max: float = 14_000
    truncation: str = "fusion"
    padding: str = "repeatpad"


class ClapEncoder(SpectralEncoder):
    """Mono audio at 48 kHz to vectors for words and, before the projection, for timbre.

    Sounds up to 10 s are heard in one piece, repeated to fill it as in training; longer ones in
    windows of 10 s, without fusion.

    Args:
        config: A ``ClapConfig``.
        how: The spectrogram.
        spaces: Space ids of the two kinds of vector.
    """

    window: Tensor
    mel: Tensor

    name = NAME
    seconds_at_once = 40

    def __init__(self, config: Any, how: ClapHearing, spaces: Mapping[str, str]) -> None:
        from transformers.models.clap.modeling_clap import ClapAudioModel, ClapProjectionLayer

        super().__init__()
        self.spaces = dict(spaces)
        self.how = how
        self.sample_rate = how.sampling_rate
        length = how.max_length_s * how.sampling_rate
        self.windowing = Windowing(length=length, hop=length // 2, fill=False)
        self.audio_model = ClapAudioModel(config.audio_config)
        self.audio_projection = ClapProjectionLayer(config.audio_config)
        self.fusion = bool(config.audio_config.enable_fusion)
        hann = torch.hann_window(how.fft_window_size, dtype=torch.float64)
        self.register_buffer("window", hann, persistent=False)
        self.register_buffer("mel", mel_filters(how), persistent=False)

    @property
    def freqs_hz(self) -> Tensor:
        bins = self.how.fft_window_size // 2 + 1
        return torch.linspace(0, self.sample_rate / 2, bins, device=self.mel.device)

    def spectrogram(self, mono: Tensor) -> Tensor:
        filled = fill_up(mono, self.windowing.length, self.how.padding)
        # In double, as the feature extractor: the floor lies below single precision's noise.
        bins = torch.stft(
            filled.to(self.window),
            self.how.fft_window_size,
            self.how.hop_length,
            window=self.window,
            return_complex=True,
        )
        return (bins.real.square() + bins.imag.square()).float()

    def features(self, mono: Tensor) -> Tensor:
        """Decibels in mel bands, ``(batch, frames, bands)``."""
        return self.decibels(self.spectrogram(mono))

    def from_power(self, power: Tensor) -> dict[str, Tensor]:
        return self.from_features(self.decibels(power))

    def decibels(self, power: Tensor) -> Tensor:
        """Power ``(batch, bins, frames)`` to decibels in mel bands ``(batch, frames, bands)``."""
        with torch.autocast(power.device.type, enabled=False):
            return 10 * torch.log10((power.mT.float() @ self.mel).clamp(min=POWER_FLOOR))

    def from_features(self, features: Tensor) -> dict[str, Tensor]:
        crops = features[:, None]
        longer = None
        if self.fusion:  # the whole window, and no crops of something longer
            crops = crops.expand(-1, 4, -1, -1)
            longer = torch.zeros(len(features), 1, dtype=torch.bool, device=features.device)
        pooled = self.audio_model(input_features=crops, is_longer=longer).pooler_output
        return {TEXT: unit(self.audio_projection(pooled)), TIMBRE: unit(pooled)}


def fill_up(mono: Tensor, length: int, padding: str) -> Tensor:
    """Sounds ``(batch, samples)`` of up to ``length`` samples to ``(batch, length)``."""
    samples = mono.shape[-1]
    if padding == "repeat":
        return mono.repeat(1, -(-length // samples))[:, :length]
    if padding == "repeatpad":
        mono = mono.repeat(1, length // samples)
    return F.pad(mono, (0, length - mono.shape[-1]))


def mel_filters(how: ClapHearing) -> Tensor:
    """Filters ``(FFT bins, bands)``: HTK's of peak 1, or Slaney's of area 1."""
    from transformers.audio_utils import mel_filter_bank

    fusion = how.truncation == "fusion"
    filters = mel_filter_bank(
        num_frequency_bins=how.fft_window_size // 2 + 1,
        num_mel_filters=how.feature_size,
        min_frequency=how.frequency_min,
        max_frequency=how.frequency_max,
        sampling_rate=how.sampling_rate,
        norm=None if fusion else "slaney",
        mel_scale="htk" if fusion else "slaney",
    )
    return torch.from_numpy(filters).float()


def load(path: Path, device: str = "cpu") -> ClapEncoder:
    """Read the audio side of a ClapModel; frozen, in float32.

    Args:
        path: A folder as the hub lays it out, its file of weights, or a model folder.
        device: As torch names it.

    Raises:
        CheckpointError: Damaged, or of another model.
        MissingExtraError: transformers is not installed.
    """
    source = open_source(path)
    config = source.config()
    spaces = {kind: source.space_id(kind) for kind in (TEXT, TIMBRE)}
    encoder = ClapEncoder(config, _hearing(source, config.audio_config.num_mel_bins), spaces)
    source.fill(encoder, "audio_model", "audio_projection")
    if source.published:
        encoder.published = Published(source.digest, path)
    encoder.to(torch.device(device)).freeze()
    return encoder


def _hearing(source: ClapSource, bands: int) -> ClapHearing:
    known = {field.name for field in fields(ClapHearing)}
    try:
        how = ClapHearing(**{k: v for k, v in source.hearing.items() if k in known})
        if how.feature_size != bands:
            raise ValueError(f"{how.feature_size} bands where the model hears {bands}")
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"The spectrogram of {source.root} is wrong: {error}.") from error
    return how
