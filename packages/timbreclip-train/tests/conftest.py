"""What several tests learn from."""

import csv

import numpy as np
import pytest
import soundfile

from timbreclip_train.datasets.patches import Patches
from timbreclip_train.rendering.synth import labels, render, sample_patch

RATE = 32_000


@pytest.fixture(scope="session")
def synth_patches():
    """A function that writes patches of the repository's synthesiser as a dataset of patches."""

    def write(root, count, pitches, hold_s, release_s):
        with (root / "manifest.csv").open("w", newline="") as stream:
            table = csv.writer(stream)
            table.writerow(["file", "patch", "title", "category", "tags", "pitch", "velocity"])
            for seed in range(count):
                patch = sample_patch(seed)
                for pitch in pitches:
                    known = labels(patch, pitch)
                    name = f"{seed:03d}-{pitch}.flac"
                    audio = render(patch, pitch, 100, hold_s, release_s, RATE)
                    soundfile.write(root / name, (audio / np.abs(audio).max()).T * 0.9, RATE)
                    row = [name, f"patch-{seed:03d}", known["title"][0], known["category"][0]]
                    table.writerow([*row, ";".join(known["tags"]), pitch, 100])
        return Patches(root)

    return write
