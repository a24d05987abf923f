"""Notes per core-second of our Wav2CLIP beside the PyPI package ``wav2clip``, on the same notes.

    OMP_NUM_THREADS=1 python benchmarks/speed/wav2clip_reference.py --json out.json

The reference is called as its README says: one array, or one file through librosa, at a time.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import click
import numpy as np
import soundfile
import torch

from timbreclip_core.encoders.wav2clip import SAMPLE_RATE, Wav2Clip
from timbreclip_core.model import Model, load_model

Embed = Callable[[], np.ndarray]


@dataclass(frozen=True)
class Row:
    """One way of embedding all notes; times are medians over the runs."""

    way: str
    cpu_s: float
    wall_s: float
    notes_per_core_second: float
    times_the_reference: float
    lowest_cosine: float


def synthetic_notes(count: int, seconds: float, seed: int = 0) -> np.ndarray:
    """Decaying harmonic tones with some noise, float32 ``(count, samples)`` at 16 kHz."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    notes = np.empty((count, len(t)), np.float32)
    for note in notes:
        pitch = 440 * 2 ** ((rng.uniform(24, 96) - 69) / 12)
        tilt = rng.uniform(0.5, 2)
        partials = np.arange(1, min(30, int(7_500 / pitch)) + 1)
        tone = sum(np.sin(2 * np.pi * pitch * k * t) / k**tilt for k in partials)
        audio = tone * np.exp(-t * rng.uniform(0.3, 6)) + rng.uniform(0, 0.1) * rng.normal(
            size=len(t)
        )
        note[:] = 0.8 * audio / np.abs(audio).max()
    return notes


def write_stereo(folder: Path, notes: Iterable[np.ndarray], rate: int) -> list[Path]:
    """Notes as files of 16 bits, the right channel a little softer."""
    files = []
    for number, note in enumerate(notes):
        files.append(folder / f"{number}.wav")
        soundfile.write(files[-1], np.stack([note, 0.9 * note], 1), rate, "PCM_16")
    return files


def write_checkpoint(path: Path) -> None:
    """Random weights as a file with the published names."""
    torch.manual_seed(0)
    state = Wav2Clip().state_dict()
    for name, tensor in state.items():
        if name.endswith("running_mean"):
            tensor.normal_(0, 0.3)
        elif name.endswith("running_var"):
            tensor.uniform_(0.5, 2)
    state["audio_encoder.spectrogram.window"] = torch.hann_window(512)
    torch.save(state, path)


def reference_ways(checkpoint: Path, notes: np.ndarray, files: list[Path]) -> dict[str, Embed]:
    """The PyPI package, one array or file at a time."""
    import librosa
    import wav2clip
    from wav2clip.model.encoder import ResNetExtractor

    state = torch.load(checkpoint, weights_only=True)
    model = ResNetExtractor(checkpoint=state, scenario="frozen", transform=True)

    def arrays() -> np.ndarray:
        return np.concatenate([wav2clip.embed_audio(note, model) for note in notes])

    def from_files() -> np.ndarray:
        loaded = (librosa.load(file, sr=SAMPLE_RATE)[0] for file in files)
        return np.concatenate([wav2clip.embed_audio(note, model) for note in loaded])

    return {"reference: arrays one by one": arrays, "reference: files one by one": from_files}


def our_ways(model: Model, notes: np.ndarray, files: list[Path]) -> dict[str, Embed]:
    """Ours, one by one and all at once."""

    def one_by_one() -> np.ndarray:
        made = [model.embed_audio(note, sample_rate=SAMPLE_RATE) for note in notes]
        return torch.cat([m.plain() for m in made]).numpy()

    def at_once() -> np.ndarray:
        return model.embed_audio(notes[:, None], sample_rate=SAMPLE_RATE).plain().numpy()

    def from_files() -> np.ndarray:
        return torch.cat([model.embed_file(file).plain() for file in files]).numpy()

    return {
        "ours: arrays one by one": one_by_one,
        "ours: arrays at once": at_once,
        "ours: files one by one": from_files,
    }


def measure(ways: dict[str, Embed], runs: int) -> dict[str, tuple[float, float, np.ndarray]]:
    """CPU and wall seconds (medians) and vectors of every way, the ways taking turns."""
    cpu: dict[str, list[float]] = {way: [] for way in ways}
    wall: dict[str, list[float]] = {way: [] for way in ways}
    vectors: dict[str, np.ndarray] = {}
    for _ in range(runs):
        for way, embed in ways.items():
            cpu_start, wall_start = time.process_time(), time.perf_counter()
            vectors[way] = embed()
            cpu[way].append(time.process_time() - cpu_start)
            wall[way].append(time.perf_counter() - wall_start)
    median = statistics.median
    return {way: (median(cpu[way]), median(wall[way]), vectors[way]) for way in ways}


def rows(measured: dict[str, tuple[float, float, np.ndarray]], count: int) -> list[Row]:
    """The table; every way of ours beside the reference's way from the same input."""
    made = []
    for way, (cpu_s, wall_s, vectors) in measured.items():
        source = "files" if "files" in way else "arrays"
        base_s, _, base = measured[f"reference: {source} one by one"]
        lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(base, axis=1)
        cosines = (vectors * base).sum(1) / lengths
        made.append(Row(way, cpu_s, wall_s, count / cpu_s, base_s / cpu_s, float(cosines.min())))
    return made


def setting(threads: int, runs: int, count: int, seconds: float) -> dict[str, object]:
    """What the figures were measured on."""
    packages = ("timbreclip-core", "wav2clip", "torch", "torchaudio", "librosa")
    return {
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in packages},
        "threads": threads,
        "runs": runs,
        "notes": count,
        "seconds_per_note": seconds,
    }


@click.command()
@click.option("--notes", "count", default=200, show_default=True, help="How many notes.")
@click.option("--seconds", default=4.0, show_default=True, help="Length of a note.")
@click.option("--runs", default=3, show_default=True, help="Runs of every way; medians count.")
@click.option("--threads", default=1, show_default=True, help="Threads of torch.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write figures here.")
def main(count: int, seconds: float, runs: int, threads: int, json_path: Path | None) -> None:
    """Compare speed and vectors of our Wav2CLIP and the PyPI package."""
    torch.set_num_threads(threads)
    notes = synthetic_notes(count, seconds)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "Wav2CLIP.pt"
        write_checkpoint(checkpoint)
        files = [Path(folder) / f"{i}.wav" for i in range(count)]
        for file, note in zip(files, notes, strict=True):
            soundfile.write(file, note, SAMPLE_RATE, "FLOAT")
        ours = our_ways(load_model("wav2clip", weights=checkpoint), notes, files)
        ways = {**reference_ways(checkpoint, notes, files), **ours}
        for embed in ways.values():
            embed()
        table = rows(measure(ways, runs), count)
    click.echo(f"{count} notes of {seconds:g} s, {threads} thread(s), median of {runs} runs")
    click.echo(f"{'':30}{'CPU s':>8}{'notes/core-s':>14}{'x reference':>13}{'cosine':>12}")
    for row in table:
        click.echo(
            f"{row.way:30}{row.cpu_s:8.2f}{row.notes_per_core_second:14.1f}"
            f"{row.times_the_reference:13.2f}{row.lowest_cosine:12.7f}"
        )
    if json_path is not None:
        result = {
            "setting": setting(threads, runs, count, seconds),
            "rows": [asdict(r) for r in table],
        }
        json_path.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
