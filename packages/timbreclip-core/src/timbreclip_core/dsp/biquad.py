"""Second-order filters: their coefficients and their responses, differentiable.

A filter is a row ``b0 b1 b2 a0 a1 a2`` with ``a0 = 1`` (the order of ``scipy.signal.sosfilt``).
Parameters are tensors of any shapes that broadcast; coefficients have one dimension more, of
size 6. Work in float64 where it matters: close to 0 Hz, float32 coefficients cancel out.

Source: R. Bristow-Johnson, Cookbook formulae for audio equalizer biquad filter coefficients
(W3C Note, 2021).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def peaking(gain_db: Tensor, centre_hz: Tensor, q: Tensor, sample_rate: int) -> Tensor:
    """Bell that boosts or cuts around a centre.

    Args:
        gain_db: Gain at the centre, dB.
        centre_hz: Centre, Hz; above 0 and below Nyquist.
        q: Quality factor, > 0; the bandwidth is taken between the points of half the gain in dB,
            so that the same cut undoes a boost.
        sample_rate: Hz.

    Returns:
        Sections ``(..., 6)``.

    Raises:
        ValueError: If a centre is not between 0 and Nyquist, or a ``q`` is not positive.

    >>> sos = peaking(torch.zeros(1), torch.tensor([1e3]), torch.ones(1), 44_100)
    >>> torch.equal(sos[:, :3], sos[:, 3:])  # 0 dB changes nothing
    True
    """
    cos, alpha = _angle(centre_hz, q, sample_rate)
    root = 10 ** (gain_db / 40)
    up, down = alpha * root, alpha / root
    return _normalise((1 + up, -2 * cos, 1 - up), (1 + down, -2 * cos, 1 - down))


def low_shelf(gain_db: Tensor, corner_hz: Tensor, q: Tensor, sample_rate: int) -> Tensor:
    """Boosts or cuts all below a corner, which itself has half the gain in dB.

    Args:
        gain_db: Gain far below the corner, dB.
        corner_hz: Corner, Hz; above 0 and below Nyquist.
        q: Quality factor, > 0; ``1/sqrt(2)`` is the steepest without a bump.
        sample_rate: Hz.

    Returns:
        Sections ``(..., 6)``.

    Raises:
        ValueError: As ``peaking``.
    """
    return _shelf(gain_db, corner_hz, q, sample_rate, sign=1.0)


def high_shelf(gain_db: Tensor, corner_hz: Tensor, q: Tensor, sample_rate: int) -> Tensor:
    """Boosts or cuts all above a corner; otherwise as ``low_shelf``."""
    return _shelf(gain_db, corner_hz, q, sample_rate, sign=-1.0)


def low_pass(cutoff_hz: Tensor, q: Tensor, sample_rate: int) -> Tensor:
    """Second-order low-pass with gain ``q`` at the cutoff, ``(..., 6)``; errors as ``peaking``."""
    cos, alpha = _angle(cutoff_hz, q, sample_rate)
    edge = (1 - cos) / 2
    return _normalise((edge, 2 * edge, edge), (1 + alpha, -2 * cos, 1 - alpha))


def high_pass(cutoff_hz: Tensor, q: Tensor, sample_rate: int) -> Tensor:
    """Second-order high-pass with gain ``q`` at the cutoff, ``(..., 6)``; errors as ``peaking``."""
    cos, alpha = _angle(cutoff_hz, q, sample_rate)
    edge = (1 + cos) / 2
    return _normalise((edge, -2 * edge, edge), (1 + alpha, -2 * cos, 1 - alpha))


def band_pass(centre_hz: Tensor, q: Tensor, sample_rate: int) -> Tensor:
    """Second-order band-pass, 0 dB at the centre, ``(..., 6)``; errors as ``peaking``."""
    cos, alpha = _angle(centre_hz, q, sample_rate)
    zero = torch.zeros_like(alpha)
    return _normalise((alpha, zero, -alpha), (1 + alpha, -2 * cos, 1 - alpha))


def notch(centre_hz: Tensor, q: Tensor, sample_rate: int) -> Tensor:
    """Second-order notch, zero at the centre, ``(..., 6)``; errors as ``peaking``."""
    cos, alpha = _angle(centre_hz, q, sample_rate)
    one = torch.ones_like(alpha)
    return _normalise((one, -2 * cos, one), (1 + alpha, -2 * cos, 1 - alpha))


def response(sections: Tensor, freqs_hz: Tensor, sample_rate: int) -> Tensor:
    """Complex response of each section.

    Args:
        sections: ``(..., 6)``.
        freqs_hz: ``(freqs,)``, Hz, from 0 to Nyquist.
        sample_rate: Hz.

    Returns:
        ``(..., freqs)``, complex.
    """
    turn = torch.polar(torch.ones_like(freqs_hz), -2 * math.pi * freqs_hz / sample_rate)
    powers = torch.stack([torch.ones_like(turn), turn, turn * turn]).to(_complex(sections))
    b, a = sections[..., :3].to(powers.dtype), sections[..., 3:].to(powers.dtype)
    return (b @ powers) / (a @ powers)


def power_response(sections: Tensor, freqs_hz: Tensor, sample_rate: int) -> Tensor:
    """|H|^2 of each section, ``(..., freqs)``, real: quicker than ``response`` and smooth at 0.

    With phi = sin^2(w/2), |b0 + b1 z^-1 + b2 z^-2|^2 is a parabola in phi (same source).
    """
    phi = torch.sin(math.pi * freqs_hz.to(sections.dtype) / sample_rate) ** 2
    return _parabola(sections[..., :3], phi) / _parabola(sections[..., 3:], phi)


def cascade_db(sections: Tensor, freqs_hz: Tensor, sample_rate: int) -> Tensor:
    """Gain in dB of filters one after the other: ``(..., n, 6)`` to ``(..., freqs)``."""
    power = power_response(sections, freqs_hz, sample_rate)
    # A notch is exactly zero at its centre: -300 dB stands for it, so that sums stay finite.
    return 10 * power.clamp(min=1e-30).log10().sum(dim=-2)


def _parabola(c: Tensor, phi: Tensor) -> Tensor:
    c0, c1, c2 = c[..., 0:1], c[..., 1:2], c[..., 2:3]
    linear = c0 * c1 + 4 * c0 * c2 + c1 * c2
    return (c0 + c1 + c2) ** 2 - 4 * linear * phi + 16 * c0 * c2 * phi * phi


def _angle(freq_hz: Tensor, q: Tensor, sample_rate: int) -> tuple[Tensor, Tensor]:
    inside = (freq_hz > 0) & (freq_hz < sample_rate / 2)
    if not bool(inside.all()):
        raise ValueError(f"Filter frequencies must lie between 0 and {sample_rate / 2:g} Hz.")
    if not bool((q > 0).all()):
        raise ValueError("Quality factors must be positive.")
    omega = 2 * math.pi * freq_hz / sample_rate
    return torch.cos(omega), torch.sin(omega) / (2 * q)


def _shelf(
    gain_db: Tensor, corner_hz: Tensor, q: Tensor, sample_rate: int, *, sign: float
) -> Tensor:
    cos, alpha = _angle(corner_hz, q, sample_rate)
    cos = sign * cos
    root = 10 ** (gain_db / 40)
    slope = 2 * root.sqrt() * alpha
    plus, minus = root + 1, root - 1
    b = (
        root * (plus - minus * cos + slope),
        sign * 2 * root * (minus - plus * cos),
        root * (plus - minus * cos - slope),
    )
    a = (plus + minus * cos + slope, -sign * 2 * (minus + plus * cos), plus + minus * cos - slope)
    return _normalise(b, a)


def _normalise(b: tuple[Tensor, ...], a: tuple[Tensor, ...]) -> Tensor:
    rows = torch.broadcast_tensors(*b, *a)
    return torch.stack(rows, dim=-1) / rows[3][..., None]


def _complex(like: Tensor) -> torch.dtype:
    return torch.complex128 if like.dtype == torch.float64 else torch.complex64
