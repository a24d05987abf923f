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
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import numpy as np
import soundfile
import soxr
import torch
from torch import Tensor
from wav2clip_reference import synthetic_notes

from timbreclip_core import audio as au
from timbreclip_core.model import Model, load_model
from timbreclip_core.precision import settle

FILE_RATE, NOTE_RATE = 44_100, 16_000


def write_files(folder: Path, count: int, seconds: float) -> list[Path]:
    """Stereo notes at 44.1 kHz, 16 bits."""
    files = [folder / f"{i}.wav" for i in range(count)]
    notes = synthetic_notes(min(count, 100), seconds)
    for i, file in enumerate(files):
        note = soxr.resample(np.roll(notes[i % len(notes)], i), NOTE_RATE, FILE_RATE)
        soundfile.write(file, np.stack([note, 0.9 * note], 1), FILE_RATE, "PCM_16")
    return files


def steps(model: Model, files: list[Path]) -> dict[str, Callable[[], None]]:
    """Each with all before it."""
    rate, encoder = model.encoder.sample_rate, model.encoder
    length = encoder.windowing.length

    def read() -> None:
        for file in files:
            with soundfile.SoundFile(file) as f:
                f.read(dtype="int16")

    def mono() -> None:
        for file in files:
            for _ in au.stream_mono(file, FILE_RATE):
                pass

    def windows() -> Iterator[Tensor]:
        for file in files:
            blocks = (torch.from_numpy(b) for b in au.stream_mono(file, rate))
            yield from encoder.windowing.stream(blocks)

    def resampled() -> None:
        for _ in windows():
            pass

    def batches() -> Iterator[Tensor]:
        waiting: list[Tensor] = []
        for window in windows():
            waiting.append(window)
            if len(waiting) == model.windows_at_once(length):
                yield torch.stack(waiting)
                waiting = []
        if waiting:
            yield torch.stack(waiting)

    def features() -> None:
        with torch.inference_mode():
            for batch in batches():
                encoder.features(batch)

    def network() -> None:
        for batch in batches():
            model.hear(batch)

    def everything() -> None:
        for _ in model.embed_files(files, jobs=1):
            pass

    return {
        "open, decode": read,
        "mean of the channels": mono,
        "resample, cut into windows": resampled,
        "spectrogram": features,
        "network": network,
        "the rest: weights, labels, order": everything,
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
                work()
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
