"""Both methods of pitch shift against notes that the synthesiser itself played at the other pitch.

    OMP_NUM_THREADS=1 python benchmarks/augmentation/pitch_shift.py --json out.json

Figures are mean absolute differences in dB between mel spectrograms (80 bands, 40 Hz to 16 kHz,
70 dB deep), of the whole notes and of their first 0.3 s, and CPU milliseconds for a note.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections import defaultdict
from importlib.metadata import version
from pathlib import Path

import click
import numpy as np
import torch
from torch import Tensor
from torchaudio.transforms import MelSpectrogram

from timbreclip_train.augmentations.pitch_shift import PitchShift, Shift
from timbreclip_train.rendering.synth import render, sample_patch

RATE, PITCH, HOLD_S, RELEASE_S = 44_100, 57, 1.5, 0.5
HOP = RATE // 100
ONSET_FRAMES, DEPTH = 30, 1e-7


def played(seed: int, pitch: int) -> Tensor:
    """A note of the synthesiser, ``(1, samples)``."""
    audio = render(sample_patch(seed), pitch, 64, HOLD_S, RELEASE_S, RATE)
    return torch.from_numpy(audio).mean(0, keepdim=True)


def differences(first: Tensor, second: Tensor, mel: MelSpectrogram) -> tuple[float, float]:
    """Between two notes: of the whole, and of the onset, dB."""
    levels = []
    for audio in (first, second):
        power = mel(audio[0].float())
        levels.append(10 * torch.log10(power / power.max() + DEPTH))
    off = (levels[0] - levels[1]).abs()
    return float(off.mean()), float(off[:, :ONSET_FRAMES].mean())


@click.command()
@click.option("--patches", default=24, show_default=True, help="How many patches.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write figures here.")
def main(patches: int, json_path: Path | None) -> None:
    """Measure fidelity and cost of both methods."""
    torch.set_num_threads(1)
    mel = MelSpectrogram(RATE, n_fft=2048, hop_length=HOP, n_mels=80, f_min=40, f_max=16_000)
    found: dict[tuple[str, int], list[tuple[float, float, float]]] = defaultdict(list)
    for seed in range(patches):
        source = played(seed, PITCH)
        for semitones in (1, -1, 2, -2, 3, -3):
            wanted = played(seed, PITCH + semitones)
            found["none", abs(semitones)].append((*differences(source, wanted, mel), 0.0))
            for method in ("resample", "vocoder"):
                start = time.process_time()
                got = PitchShift(method=method).apply(source, Shift(semitones), RATE)
                cpu_ms = 1000 * (time.process_time() - start)
                found[method, abs(semitones)].append((*differences(got, wanted, mel), cpu_ms))
    rows = []
    click.echo(f"{'method':10}{'semitones':>10}{'whole dB':>10}{'onset dB':>10}{'CPU ms':>8}")
    for (method, semitones), values in sorted(found.items()):
        whole, onset, cpu_ms = np.mean(values, axis=0).tolist()
        rows.append(
            {
                "method": method,
                "semitones": semitones,
                "whole_db": whole,
                "onset_db": onset,
                "cpu_ms": cpu_ms,
            }
        )
        click.echo(f"{method:10}{semitones:10}{whole:10.2f}{onset:10.2f}{cpu_ms:8.1f}")
    if json_path is not None:
        setting = {
            "machine": platform.machine(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "versions": {
                n: version(n) for n in ("timbreclip-train", "torch", "torchaudio", "soxr")
            },
            "patches": patches,
        }
        json_path.write_text(json.dumps({"setting": setting, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
