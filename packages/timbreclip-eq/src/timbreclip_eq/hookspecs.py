"""The hook that timbreclip-eq owns."""

from __future__ import annotations

from collections.abc import Iterable

from timbreclip_core import hookspec

from .entries import EQEntry


@hookspec
def tclip_eqs() -> Iterable[EQEntry]:
    """Parametrisations of equalisers."""
    return ()
