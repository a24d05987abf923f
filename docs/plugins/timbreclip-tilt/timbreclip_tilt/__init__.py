from timbreclip_core import hookimpl
from timbreclip_eq import EQEntry


def load(options=None):
    from .tilt import TiltEQ

    return TiltEQ()


@hookimpl
def tclip_eqs():
    yield EQEntry(name="tilt", summary="One knob: dB per octave.", load=load)
