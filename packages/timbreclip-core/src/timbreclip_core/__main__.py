"""``python -m timbreclip_core`` is ``tclip``."""

from .cli.main import cli

cli(prog_name="tclip")
