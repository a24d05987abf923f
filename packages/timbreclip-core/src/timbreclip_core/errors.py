"""Every error that a user may see. Each message says what to do next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class TimbreClipError(Exception):
    """Base of all errors raised on purpose; ``exit_code`` is what the command line ends with."""

    exit_code = 1


class UsageError(TimbreClipError, ValueError):
    """The call itself is wrong: an option, an argument, a combination of them."""

    exit_code = 2


class UnknownNameError(UsageError):
    """A name that no installed package provides."""

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = "") -> None:
        known = sorted(known)
        close = difflib.get_close_matches(name, known, n=1)
        meant = f" Did you mean {close[0]!r}?" if close else ""
        listed = ", ".join(known) if known else "none are installed"
        super().__init__(f"Unknown {kind} {name!r}.{meant} Known: {listed}.{hint and ' ' + hint}")


class PluginError(TimbreClipError):
    """Two plugins claim one name, or a plugin yields what it should not."""


class MissingExtraError(TimbreClipError, ImportError):
    """A part of timbreclip, or a library that it needs, is not installed."""

    def __init__(self, what: str, extra: str, package: str = "timbreclip-core") -> None:
        super().__init__(f"{what} is not installed. Run: pip install '{package}[{extra}]'")


class InputError(TimbreClipError, ValueError):
    """Input that cannot be used: a broken file, NaN samples, no samples at all."""


class EmptyAudioError(InputError):
    """Audio of zero length."""


class SilentAudioError(InputError):
    """Audio without a single sample louder than the silence threshold: it has no timbre."""


class SpaceMismatchError(UsageError):
    """Vectors of two spaces meet; their products mean nothing."""

    def __init__(self, first: str, second: str, hint: str = "") -> None:
        super().__init__(
            f"Vectors of the spaces {first!r} and {second!r} cannot be mixed or compared."
            f"{hint and ' ' + hint}"
        )


class CheckpointError(TimbreClipError):
    """A checkpoint that is damaged, of another format, or of a newer version."""


class MissingWeightsError(TimbreClipError, FileNotFoundError):
    """A model is known but its weights are not on this machine."""
