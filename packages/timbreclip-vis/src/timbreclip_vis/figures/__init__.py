"""Figures of many pictures: sheets and maps of sounds, effects, paths, and a sound over time."""
