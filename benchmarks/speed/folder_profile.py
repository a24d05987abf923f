"""Where does the time of a folder of sound files go?

    OMP_NUM_THREADS=1 python benchmarks/speed/folder_profile.py --files 2000

Each step is done with all the steps before it and nothing after, in turns; a step's time is what it
adds. Vectors are those of ``Model.embed_files``, which does all of them.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

import click
import numpy as np
import soundfile
import soxr
import torch
from torch import Tensor
from wav2clip_reference import SAMPLE_RATE, synthetic_notes, write_stereo

from timbreclip_core import audio as au
from timbreclip_core.model import Model, load_model
from timbreclip_core.precision import settle

FILE_RATE = 44_100


def write_files(folder: Path, count: int, seconds: float) -> list[Path]:
    """Notes at 44.1 kHz, of which the first hundred come again, shifted."""
    notes = synthetic_notes(min(count, 100), seconds)
    shifted = (np.roll(notes[i % len(notes)], i) for i in range(count))
    return write_stereo(
        folder, (soxr.resample(note, SAMPLE_RATE, FILE_RATE) for note in shifted), FILE_RATE
    )


def opened(files: list[Path]) -> Iterator[np.ndarray]:
    """Samples as they are stored."""
    for file in files:
        with soundfile.SoundFile(file) as f:
            yield f.read(dtype="int16")


def blocks(files: list[Path]) -> Iterator[np.ndarray]:
    """The mean of the channels."""
    for file in files:
        yield from au.stream_mono(file, FILE_RATE)


def windows(model: Model, files: list[Path]) -> Iterator[Tensor]:
    """What the encoder is given."""
    for file in files:
        yield from model.windows_of_file(file)


def batches(model: Model, files: list[Path]) -> Iterator[Tensor]:
    """As many windows as are heard at once; all are of one length here."""
    every = windows(model, files)
    size = model.windows_at_once(model.encoder.windowing.length)
    while held := list(islice(every, size)):
        yield torch.stack(held)


@torch.inference_mode()
def features(model: Model, files: list[Path]) -> Iterator[Tensor]:
    """Spectrograms."""
    for batch in batches(model, files):
        yield model.encoder.features(batch)


def steps(model: Model, files: list[Path]) -> dict[str, Callable[[], Iterable[object]]]:
    """Each with all before it."""
    return {
        "open, decode": lambda: opened(files),
        "mean of the channels": lambda: blocks(files),
        "resample, cut into windows": lambda: windows(model, files),
        "spectrogram": lambda: features(model, files),
        "network": lambda: (model.hear(batch) for batch in batches(model, files)),
        "the rest: weights, labels, order": lambda: model.embed_files(files, jobs=1),
    }


@click.command()
@click.option("--model", "name", default="small", show_default=True)
@click.option("--files", "count", default=2_000, show_default=True)
@click.option("--seconds", default=4.0, show_default=True, help="Length of a file.")
@click.option("--runs", default=3, show_default=True)
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write figures here.")
def main(name: str, count: int, seconds: float, runs: int, json_path: Path | None) -> None:
    """Profile of embedding a folder, CPU time of one core."""
    torch.set_num_threads(1)
    model = load_model(name, precision=settle("auto"))
    with tempfile.TemporaryDirectory() as folder:
        made = steps(model, write_files(Path(folder), count, seconds))
        spent: dict[str, list[float]] = {step: [] for step in made}
        for _ in range(runs):
            for step, work in made.items():
                start = time.process_time()
                deque(work(), maxlen=0)
                spent[step].append(1e3 * (time.process_time() - start) / count)
    until = [statistics.median(times) for times in spent.values()]
    own = dict(zip(spent, np.diff([0.0, *until]).tolist(), strict=True))
    click.echo(f"{model.id}, {model.precision}, {count} stereo files of {seconds:g} s, one core")
    for step, ms in own.items():
        click.echo(f"  {step:34}{ms:8.2f} ms a file{100 * ms / until[-1]:7.1f} %")
    click.echo(f"  {'all':34}{until[-1]:8.2f} ms a file, {1e3 / until[-1]:.1f} files a core-second")
    if json_path is not None:
        result = {"model": model.id, "files": count, "ms_a_file": own, "all_ms": until[-1]}
        json_path.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
