from timbreclip_core import hookimpl
from timbreclip_eq import EQEntry


def load(options=None):
    from .treble import TrebleEQ

    return TrebleEQ()


@hookimpl
def tclip_eqs():
    yield EQEntry(name="treble", summary="One knob: what lies above 1 kHz.", load=load)
