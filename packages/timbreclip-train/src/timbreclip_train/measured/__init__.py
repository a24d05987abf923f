"""Measured attributes: what of a sound can be measured, relative to a corpus, in words."""
