"""FIR filters from a magnitude response."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

FLOOR = 1e-5  # -100 dB: deeper cuts have no finite logarithm


def minimum_phase(magnitude: Tensor, taps: int) -> Tensor:
    """Minimum-phase FIR whose response has the given magnitude.

    The phase follows from the folded real cepstrum; the impulse response is cut to ``taps`` with
    a half-cosine fade over its last quarter.

    Args:
        magnitude: ``(..., bins)`` at equal steps from 0 to Nyquist inclusive; at least ``4 * taps``
            steps keep the cepstrum from aliasing. Values below -100 dB of the largest are raised.
        taps: Length of the filter.

    Returns:
        ``(..., taps)``, float64.

    Raises:
        ValueError: More taps than points.

    Source: A. V. Oppenheim and R. W. Schafer, Discrete-Time Signal Processing, section 13.3.
    """
    size = 2 * (magnitude.shape[-1] - 1)
    if taps > size:
        raise ValueError(f"{taps} taps need a response of more than {magnitude.shape[-1]} points.")
    magnitude = magnitude.to(torch.float64)
    floor = magnitude.amax(dim=-1, keepdim=True).clamp(min=1e-300) * FLOOR
    cepstrum = torch.fft.irfft(torch.maximum(magnitude, floor).log(), size)
    fold = torch.zeros(size, dtype=torch.float64, device=magnitude.device)
    fold[0] = fold[size // 2] = 1.0
    fold[1 : size // 2] = 2.0
    spectrum = torch.exp(torch.fft.rfft(cepstrum * fold))
    return torch.fft.irfft(spectrum, size)[..., :taps] * _fade(taps, magnitude)


def fir_for(response: Callable[[Tensor], Tensor], sample_rate: int, seconds: float = 0.6) -> Tensor:
    """Minimum-phase FIR for a magnitude response given as a function of frequency.

    Args:
        response: ``(freqs,)`` in Hz to magnitude ``(..., freqs)``.
        sample_rate: Hz.
        seconds: Length at least; the longer, the finer the low end: 0.6 s resolves bands of a
            third of an octave from 25 Hz to better than 0.1 dB.

    Returns:
        ``(..., taps)``, float64; ``taps`` is a power of two.
    """
    taps = 1 << math.ceil(math.log2(max(64.0, seconds * sample_rate)))
    freqs_hz = torch.linspace(0, sample_rate / 2, 2 * taps + 1, dtype=torch.float64)
    return minimum_phase(response(freqs_hz), taps)


def linear_phase_for(
    response: Callable[[Tensor], Tensor], sample_rate: int, seconds: float = 0.6
) -> Tensor:
    """Linear-phase FIR for a magnitude response; it delays by half its length.

    Args:
        response: ``(freqs,)`` in Hz to magnitude ``(freqs,)``.
        sample_rate: Hz.
        seconds: Length at least, as in ``fir_for``.

    Returns:
        ``(taps,)``, float64, symmetric; ``taps`` is odd.

    Source: frequency sampling with a window; Oppenheim and Schafer, section 7.5.
    """
    half = 1 << math.ceil(math.log2(max(64.0, seconds * sample_rate) / 2))
    freqs_hz = torch.linspace(0, sample_rate / 2, 4 * half + 1, dtype=torch.float64)
    impulse = torch.fft.irfft(response(freqs_hz).to(torch.float64), 8 * half)
    # The Hann window's slope would smear the low end; the fade of ``fir_for`` leaves it alone.
    side = impulse[: half + 1] * _fade(half + 1, impulse)
    return torch.cat([side[1:].flip(0), side])


def _fade(taps: int, like: Tensor) -> Tensor:
    window = torch.ones(taps, dtype=torch.float64, device=like.device)
    tail = taps // 4
    if tail:
        steps = torch.arange(1, tail + 1, dtype=torch.float64, device=like.device)
        window[-tail:] = 0.5 + 0.5 * torch.cos(math.pi * steps / (tail + 1))
    return window
