"""For tests of EQs and of what uses them: a contract check, and a model that needs no weights."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from timbreclip_core.encoders.base import TEXT, Encoder, SpectralEncoder, unit
from timbreclip_core.model import Model
from timbreclip_core.spaces.base import Space
from timbreclip_core.windows import Windowing

from .base import EQ

SPACE_ID = "band-shapes"
BANDS = 24
FLAT_DB = 20.0  # mean deviation of a shape that counts as much as its being flat
_FFT, _HOP = 2_048, 512


def check_eq(eq: EQ, sample_rates: Sequence[int] = (8_000, 44_100, 96_000)) -> None:
    """Check that an EQ keeps the contract; ``AssertionError`` says where it does not.

    Its response is finite, positive, of the right shape, the same alone and in a batch, with a
    finite gradient that is not zero; its values survive being saved; its filter has its response.
    """
    unit_rows = torch.rand(4, eq.size, generator=torch.Generator().manual_seed(0)).double()
    for rate in sample_rates:
        _check_response(eq, unit_rows, rate)
        _check_filter(eq, unit_rows[:1], rate)
    values = eq.values(unit_rows[:1])
    back = eq.from_plain(eq.to_plain(values))
    _require(all(torch.allclose(values[k], back[k]) for k in values), "values change when saved")
    neutral = eq.neutral()
    _require(neutral.shape == (eq.size,), "neutral() has the wrong size")
    _require(bool(((neutral >= 0) & (neutral <= 1)).all()), "neutral() lies outside 0..1")


def _check_response(eq: EQ, rows: Tensor, rate: int) -> None:
    freqs_hz = torch.linspace(0, rate / 2, 100, dtype=torch.float64)
    rows = rows.clone().requires_grad_()
    out = eq.response(eq.values(rows), freqs_hz, rate)
    _require(out.shape == (len(rows), 100), f"the response has the shape {tuple(out.shape)}")
    _require(bool(torch.isfinite(out).all()), "the response is not finite")
    _require(bool((out > 0).all()), "the response is not positive")
    alone = eq.response(eq.values(rows[1:2]), freqs_hz, rate)
    _require(torch.allclose(out[1:2], alone), "the response depends on its neighbours")
    (gradient,) = torch.autograd.grad(out.log().square().sum(), rows)
    _require(bool(torch.isfinite(gradient).all()), "the gradient is not finite")
    _require(bool((gradient != 0).any()), "the gradient is zero")


def _check_filter(eq: EQ, row: Tensor, rate: int) -> None:
    impulse = torch.zeros(1, 2 * rate, dtype=torch.float64)
    impulse[0, 0] = 1
    heard = torch.fft.rfft(eq.filter(impulse, eq.values(row), rate)).abs()[0]
    freqs_hz = torch.linspace(0, rate / 2, len(heard), dtype=torch.float64)
    wanted = eq.response(eq.values(row), freqs_hz, rate)[0]
    inside = freqs_hz > 20
    error_db = (20 * (heard / wanted).log10()).abs()[inside].max()
    _require(float(error_db) < 0.2, f"the filter is {float(error_db):.2f} dB off its response")


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)


class BandEncoder(SpectralEncoder):
    """The shape of a spectrum as a vector: mean level in dB of 24 log-spaced bands, less its mean.

    One entry more is constant: it is all that a flat spectrum has, and the more shape a sound
    has, the less of it. Nothing is trained, so what an EQ does to a vector can be worked out by
    hand: before scaling to length 1, a gain of x dB in a band moves that entry by x.
    """

    name = "bands"
    bank: Tensor
    window: Tensor
    sample_rate = 32_000
    windowing = Windowing(length=64_000, hop=32_000)

    def __init__(self, hears_to_hz: float = 16_000.0) -> None:
        super().__init__()
        self.spaces = {TEXT: SPACE_ID}
        self.sample_rate = round(2 * hears_to_hz)
        edges = torch.logspace(1.6, math.log10(hears_to_hz), BANDS + 1)
        low, high = edges[:-1, None], edges[1:, None]
        bins = torch.linspace(0, self.sample_rate / 2, _FFT // 2 + 1)
        inside = ((bins >= low) & (bins < high)).float()
        nearest = torch.nn.functional.one_hot(
            (bins[None] - (low * high).sqrt()).abs().argmin(1), len(bins)
        )
        bank = torch.where(inside.sum(1, keepdim=True) > 0, inside, nearest.float())
        self.register_buffer("bank", bank / bank.sum(1, keepdim=True))
        self.bank: Tensor
        self.window: Tensor
        self.height: Tensor
        self.register_buffer("window", torch.hann_window(_FFT))

    @property
    def freqs_hz(self) -> Tensor:
        return torch.linspace(0, self.sample_rate / 2, _FFT // 2 + 1, device=self.window.device)

    def spectrogram(self, mono: Tensor) -> Tensor:
        bins = torch.stft(
            mono, _FFT, _HOP, window=self.window, pad_mode="constant", return_complex=True
        )
        return bins.abs().square()

    def from_power(self, power: Tensor) -> dict[str, Tensor]:
        mean = power.mean(-1)
        mean = mean / mean.amax(-1, keepdim=True).clamp(min=1e-20)
        level = 10 * (mean @ self.bank.mT + 1e-7).log10()
        shape = level - level.mean(-1, keepdim=True)
        flat = torch.full_like(shape[:, :1], FLAT_DB * BANDS**0.5)
        return {TEXT: unit(torch.cat([shape, flat], -1))}


class WaveBandEncoder(Encoder):
    """``BandEncoder`` as an encoder that takes only waveforms."""

    name = "wave-bands"
    sample_rate, windowing = BandEncoder.sample_rate, BandEncoder.windowing

    def __init__(self) -> None:
        super().__init__()
        self.inner = BandEncoder()
        self.spaces = self.inner.spaces

    def forward(self, mono: Tensor) -> dict[str, Tensor]:
        return self.inner(mono)


class BandSpace(Space):
    """Words that mean a shape of the spectrum; a text is the mean of those that it holds.

    ``bright`` rises over log frequency, ``dark`` falls, ``thin`` lacks the low end, ``boomy`` has
    too much of it, ``nasal`` has a bump at 1 kHz; a text with none of them is flat.
    """

    name, space_id, dim = "bands", SPACE_ID, BANDS + 1

    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        return torch.stack([self._shape(text) for text in texts])

    @staticmethod
    def _shape(text: str) -> Tensor:
        height = torch.linspace(-1, 1, BANDS)
        words = {
            "bright": height,
            "dark": -height,
            "thin": -(height < -0.4).float(),
            "boomy": (height < -0.4).float(),
            "nasal": torch.exp(-((height - 0.1) ** 2) / 0.02),
        }
        found = [shape for word, shape in words.items() if word in text.lower().split()]
        if not found:
            return torch.nn.functional.one_hot(torch.tensor(BANDS), BANDS + 1).float()
        shape = torch.stack(found).mean(0)
        return torch.cat([shape - shape.mean(), torch.zeros(1)])


def band_model(*, waveform: bool = False, hears_to_hz: float = 16_000.0) -> Model:
    """A model whose words are shapes of the spectrum; quick, exact, without weights.

    Args:
        waveform: Let the encoder take waveforms only.
        hears_to_hz: Highest frequency that the encoder hears.
    """
    encoder = WaveBandEncoder() if waveform else BandEncoder(hears_to_hz)
    return Model(encoder, digest="band-shapes", space=BandSpace())
