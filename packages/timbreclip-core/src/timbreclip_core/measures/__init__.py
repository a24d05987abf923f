"""How the descriptors of :mod:`timbreclip_core.descriptors` are measured, one module per aspect."""
