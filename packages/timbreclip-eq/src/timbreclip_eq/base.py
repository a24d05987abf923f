"""What an EQ is: unit parameters in, magnitude response out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from timbreclip_core.dsp.fir import fir_for
from timbreclip_core.errors import InputError

from .params import Param
from .streaming import Kernel

Values = dict[str, Tensor]
HIGHEST = 0.45  # of the sample rate: above it a digital bell is squeezed out of shape


class EQ(ABC):
    """A parametrisation of an equaliser.

    A new one needs ``params`` and ``response``; the rest has defaults. ``values`` maps the name
    of a parameter to ``(batch,)``, or ``(batch, bands)`` if the parameter has bands.

    Attributes:
        name: Name of its entry.
        params: What can be turned.
        restarts: How many starting points its search needs by default.
        sketched: Whether the first of them is near a free curve that is drawn before; for bands
            that may lie anywhere.
    """

    name = ""
    params: tuple[Param, ...]
    restarts = 1
    sketched = False

    @abstractmethod
    def response(self, values: Values, freqs_hz: Tensor, sample_rate: int) -> Tensor:
        """Magnitude ``(batch, freqs)``, differentiable in ``values``, positive and finite.

        Args:
            values: Float64.
            freqs_hz: ``(freqs,)``, Hz, float64, from 0 to Nyquist.
            sample_rate: Of the sound that will be filtered, Hz.
        """

    def sections(self, values: Values, sample_rate: int) -> Tensor | None:
        """The exact filter as biquads ``(batch, n, 6)``; None: a minimum-phase FIR stands in."""
        return None

    def hold(self, values: Values, heard_hz: float) -> Values:
        """Values in which nothing that lies above ``heard_hz``, and so has no say, is free."""
        return values

    def bands(self, values: Values, sample_rate: int, heard_hz: float) -> list[dict[str, Any]]:
        """For people: what is set, one record a band, of a batch of one."""
        records = []
        for param in self.params:
            for number in values[param.name].reshape(-1).tolist():
                records.append({"name": param.name, "value": number, "unit": param.unit})
        return records

    @property
    def size(self) -> int:
        """Numbers in a unit vector."""
        return sum(p.size for p in self.params)

    def neutral(self) -> Tensor:
        """Unit vector ``(size,)``, float64, that the search starts from."""
        parts = [p.to_unit(float(v)) for p in self.params for v in p.neutral_values()]
        return torch.tensor(parts, dtype=torch.float64)

    def values(self, unit: Tensor) -> Values:
        """Unit vectors ``(batch, size)`` to values."""
        parts = unit.split([p.size for p in self.params], dim=-1)
        named = zip(self.params, parts, strict=True)
        return {p.name: p.to_value(u[:, 0] if p.bands is None else u) for p, u in named}

    def to_plain(self, values: Values) -> dict[str, float | list[float]]:
        """Values of a batch of one as numbers and lists, for files."""
        return {name: tensor[0].tolist() for name, tensor in values.items()}

    def from_plain(self, plain: Mapping[str, Any]) -> Values:
        """What ``to_plain`` gave, checked.

        Raises:
            InputError: A parameter is missing, unknown, of the wrong size or outside its range.
        """
        if set(plain) != {p.name for p in self.params}:
            wanted = ", ".join(p.name for p in self.params)
            raise InputError(f"The EQ {self.name!r} needs values for {wanted}, not {list(plain)}.")
        return {p.name: _checked(p, plain[p.name]) for p in self.params}

    def curve_db(
        self, values: Values, freqs_hz: Tensor, sample_rate: int, amount: float = 1.0
    ) -> Tensor:
        """Gain in dB ``(batch, freqs)``, times ``amount``; above Nyquist it is Nyquist's."""
        freqs_hz = freqs_hz.to(torch.float64).clamp(max=sample_rate / 2)
        return amount * _db(self.response(values, freqs_hz, sample_rate))

    def kernel(self, values: Values, sample_rate: int, amount: float = 1.0) -> Kernel:
        """The filter of values of a batch of one.

        The exact biquads if there are any, else, and for any other ``amount`` than 1, a
        minimum-phase FIR of the curve: both add no delay and no ringing before a sound.
        """
        if amount == 0:
            return Kernel()
        sections = self.sections(values, sample_rate) if amount == 1 else None
        if sections is not None:
            return Kernel(sections=sections[0])
        return Kernel(taps=fir_for(self.magnitude(values, sample_rate, amount), sample_rate))

    def filter(
        self, audio: Tensor, values: Values, sample_rate: int, amount: float = 1.0
    ) -> Tensor:
        """Filter ``(..., samples)`` with values of a batch of one; same shape and dtype."""
        return self.kernel(values, sample_rate, amount).apply(audio)

    def magnitude(
        self, values: Values, sample_rate: int, amount: float = 1.0
    ) -> Callable[[Tensor], Tensor]:
        """Frequencies ``(freqs,)`` in Hz to magnitudes ``(freqs,)``, for a batch of one."""
        return lambda freqs_hz: 10 ** (self.curve_db(values, freqs_hz, sample_rate, amount)[0] / 20)


def hold_gains(gains_db: Tensor, centres_hz: Tensor, heard_hz: float) -> Tensor:
    """Gains ``(batch, bands)`` with those above what is heard equal to the last that is heard.

    A word that lifts the top should lift all of it: a step back to 0 dB at the limit of the
    encoder's hearing would be heard as one.
    """
    last = max(int((centres_hz <= heard_hz).sum()) - 1, 0)
    held = gains_db[:, last : last + 1].expand(-1, gains_db.shape[1] - last - 1)
    return torch.cat([gains_db[:, : last + 1], held], dim=1)


def band_state(usable: bool, heard: bool) -> str:
    """What ``bands`` calls it: ``"off"``, ``"heard"`` or ``"held"``."""
    if not usable:
        return "off"
    return "heard" if heard else "held"


def _db(magnitude: Tensor) -> Tensor:
    return 20 * magnitude.to(torch.float64).clamp(min=1e-15).log10()


def _checked(param: Param, value: Any) -> Tensor:
    try:
        tensor = torch.as_tensor(value, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{param.name} must be numbers, not {value!r}.") from error
    if tensor.shape != (() if param.bands is None else (param.bands,)):
        raise InputError(f"{param.name} must be {param.size} numbers, not {value!r}.")
    slack = 1e-6 * (param.high - param.low)
    if not bool(((tensor >= param.low - slack) & (tensor <= param.high + slack)).all()):
        raise InputError(f"{param.name} must lie from {param.low} to {param.high}, not {value!r}.")
    return tensor[None]
