"""Filters: ``biquad`` designs and responses, ``filters`` applies them, ``fir`` makes FIRs."""
