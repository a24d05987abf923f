"""A found EQ as a file: which EQ, its values, and where it comes from."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from timbreclip_core.audio import check_rate
from timbreclip_core.errors import InputError
from timbreclip_core.files import atomic_path

from .base import EQ, Values
from .entries import load_eq
from .render import Rendered, render

FORMAT, FORMAT_VERSION = "timbreclip-eq", 1


@dataclass(frozen=True, kw_only=True)
class Preset:
    """An EQ with its values; works at any sample rate.

    Args:
        eq: Name of the EQ, as ``tclip eq list`` shows.
        options: Options of the EQ.
        values: Number, or list of numbers, by parameter.
        sample_rate: Of the sound that it was found on, Hz.
        heard_hz: Highest frequency that the encoder heard, Hz; bands above it were held.
        target: What was asked for, in words.
        model: Id of the model that was asked.
        amount: Factor of the curve in dB that goes with it; ``--amount`` multiplies it.
    """

    eq: str
    options: Mapping[str, Any] = field(default_factory=dict)
    values: Mapping[str, float | list[float]]
    sample_rate: int
    heard_hz: float
    target: str = ""
    model: str = ""
    amount: float = 1.0

    @classmethod
    def of(cls, eq: EQ, values: Values, **about: Any) -> Preset:
        """A preset of an EQ at hand, which need not be one that a plugin registers.

        Args:
            eq: The EQ.
            values: Of a batch of one.
            about: The other fields.
        """
        options: Any = getattr(eq, "options", None)
        plain = {} if options is None else dataclasses.asdict(options)
        preset = cls(eq=eq.name, options=plain, values=eq.to_plain(values), **about)
        preset.__dict__["instance"] = eq  # where cached_property keeps it
        return preset

    @cached_property
    def instance(self) -> EQ:
        """The EQ; its plugin must be installed."""
        return load_eq(self.eq, self.options)

    @cached_property
    def tensors(self) -> Values:
        """The values as a batch of one."""
        return self.instance.from_plain(self.values)

    def bands(self, sample_rate: int | None = None) -> list[dict[str, Any]]:
        """What is set, one record a band; ``gain_db`` is that of the fitted curve, amount 1.

        Records of our own EQs hold ``type``, ``centre_hz``, ``gain_db``, ``filter_gain_db``, ``q``
        and ``state``: ``"heard"``; ``"held"``: above what the encoder hears; ``"off"``: too near
        to Nyquist at this sample rate.
        """
        rate = sample_rate or self.sample_rate
        return self.instance.bands(self.tensors, rate, self.heard_hz)

    def curve(
        self,
        freqs_hz: Tensor | np.ndarray | list[float],
        sample_rate: int | None = None,
        amount: float | None = None,
    ) -> np.ndarray:
        """Gain in dB ``(freqs,)``, float64, without any preamp.

        Args:
            freqs_hz: Hz; above Nyquist the gain is that at Nyquist.
            sample_rate: Of the sound to be filtered, Hz; default: of the sound fitted.
            amount: Factor of the curve in dB; default: the preset's own.
        """
        freqs = torch.as_tensor(freqs_hz, dtype=torch.float64)
        factor = self.amount if amount is None else amount
        rate = sample_rate or self.sample_rate
        return self.instance.curve_db(self.tensors, freqs, rate, factor)[0].numpy()

    def render(
        self,
        audio: Tensor,
        sample_rate: int,
        *,
        amount: float | None = None,
        match_loudness: bool = False,
    ) -> Rendered:
        """Filter ``(channels, samples)``; see ``render.render``."""
        check_rate(sample_rate)
        factor = self.amount if amount is None else amount
        return render(
            self.instance,
            self.tensors,
            audio,
            int(sample_rate),
            amount=factor,
            match_loudness=match_loudness,
        )

    def save(self, path: str | Path) -> None:
        """Write it as JSON."""
        content = {"format": FORMAT, "format_version": FORMAT_VERSION, **self.as_dict()}
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")

    def as_dict(self) -> dict[str, Any]:
        """Plain data; ``Preset(**...)`` takes it back."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}


def load_preset(path: str | Path) -> Preset:
    """Read a preset.

    Raises:
        InputError: No preset, damaged, or of a newer version.
        UnknownNameError: Its EQ is not installed.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is no EQ preset: {error}") from error
    if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
        raise InputError(f"{path} is no EQ preset. `tclip eq fit` makes one.")
    if content.pop("format_version", 0) > FORMAT_VERSION:
        raise InputError(f"{path} was made by a newer timbreclip-eq. Upgrade yours.")
    known = {f.name for f in dataclasses.fields(Preset)}
    try:
        preset = Preset(**{k: v for k, v in content.items() if k in known})
        check_rate(preset.sample_rate)
        float(preset.amount), float(preset.heard_hz), dict(preset.options), dict(preset.values)
        _check_text(preset.eq)
    except (TypeError, ValueError) as error:
        raise InputError(f"{path} is a damaged EQ preset: {error}") from error
    preset.tensors  # noqa: B018  checks the values now, not when the first sound is half done
    return preset


def _check_text(value: Any) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no name")
