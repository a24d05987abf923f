"""What timbreclip-eq registers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from timbreclip_core import hookimpl

from .entries import EQEntry
from .options import CurveOptions, GraphicOptions, ParametricOptions

if TYPE_CHECKING:
    from .base import EQ


def tclip_addhooks(pm: Any) -> None:
    """Add this package's hooks."""
    from . import hookspecs

    pm.add_hookspecs(hookspecs)


def _load_graphic(options: GraphicOptions | None = None) -> EQ:
    from .graphic import GraphicEQ

    return GraphicEQ(options or GraphicOptions())


def _load_parametric(options: ParametricOptions | None = None) -> EQ:
    from .parametric import ParametricEQ

    return ParametricEQ(options or ParametricOptions())


def _load_curve(options: CurveOptions | None = None) -> EQ:
    from .curve import CurveEQ

    return CurveEQ(options or CurveOptions())


def _load_tilt(options: None = None) -> EQ:
    from .tilt import TiltEQ

    return TiltEQ()


@hookimpl
def tclip_eqs() -> Iterator[EQEntry]:
    yield EQEntry(
        name="graphic",
        summary="Faders at fixed centres: 10, 15 or 31 peaking bands.",
        load=_load_graphic,
        options=GraphicOptions,
    )
    yield EQEntry(
        name="parametric",
        summary="Low shelf, peaks, high shelf; gain, frequency and Q are found.",
        load=_load_parametric,
        options=ParametricOptions,
    )
    yield EQEntry(
        name="curve",
        summary="A smooth line through 16 points, as a minimum- or linear-phase filter.",
        load=_load_curve,
        options=CurveOptions,
    )
    yield EQEntry(
        name="tilt",
        summary="One knob: dB per octave around 1 kHz.",
        load=_load_tilt,
    )


@hookimpl
def tclip_commands(cli: Any) -> None:
    """``tclip eq`` and ``tclip eval eq``."""
    from timbreclip_core.cli.evaluate import eval_command

    from .cli import eq_command
    from .judging.cli import eval_eq

    cli.add_command(eq_command)
    eval_command.add_command(eval_eq)
