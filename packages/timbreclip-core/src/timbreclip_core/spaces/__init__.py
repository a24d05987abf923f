"""Spaces of words and pictures, one file each."""
