"""Every encoder by its quickest paths beside named peers, on the same notes in one run.

    OMP_NUM_THREADS=1 python benchmarks/speed/encoders.py --json encoders.json

Peers: the PyPI package ``wav2clip`` as its users call it, one array, or one file through librosa,
at a time; and for the bundled model the quickest path of Wav2CLIP's ResNet-18. Ways take turns,
and medians of CPU time count. bfloat16 is measured where the processor has matrix units for it.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import numpy as np
import soxr
import torch
from wav2clip_reference import (
    SAMPLE_RATE,
    Embed,
    measure,
    reference_ways,
    setting,
    synthetic_notes,
    write_checkpoint,
    write_stereo,
)

from timbreclip_core import audio as au
from timbreclip_core.model import Model, load_model
from timbreclip_core.precision import settle

FILE_RATE = 44_100
REFERENCE = "PyPI wav2clip, one by one"
LIBROSA = "librosa.load + wav2clip, one by one"
LOADING = "librosa.load(sr=16000)"


@dataclass(frozen=True)
class Row:
    """One way of doing a work; times are medians over the runs.

    Args:
        work: What is done.
        way: How.
        per_core_second: Notes.
        ratio: CPU time of the work's peer over this one's.
        bar: That the ratio is to reach; None for a peer, and for what is only reported.
        cosine: Lowest and mean cosine to the exact vectors; None for loading.
    """

    work: str
    way: str
    per_core_second: float
    ratio: float
    bar: float | None
    cosine: tuple[float, float] | None


@dataclass(frozen=True)
class Work:
    """Ways of doing the same thing.

    Args:
        name: For the table.
        peer: The way that the others are set beside; of this work or of another.
        exact: The way whose vectors are the true ones; None where there are none.
        ways: By name.
        bars: By way.
    """

    name: str
    peer: str
    exact: str | None
    ways: dict[str, Embed]
    bars: dict[str, float]


def paths_of(
    name: str, weights: Path | None, engines: Sequence[str], half: bool
) -> dict[str, Model]:
    """An encoder by each engine and precision that this machine has."""
    precisions = ("float32", "bfloat16") if half else ("float32",)
    devices = {"torch": "cpu", "openvino": "openvino"}
    return {
        f"{engine} {precision}": load_model(
            name, weights=weights, device=devices[engine], precision=precision
        )
        for engine in engines
        for precision in precisions
    }


def of_arrays(model: Model, notes: np.ndarray) -> Embed:
    """All notes ``(notes, samples)``, at the model's rate, at once."""
    rate = model.encoder.sample_rate
    return lambda: model.embed_audio(notes[:, None], sample_rate=rate).plain().numpy()


def of_files(model: Model, files: list[Path]) -> Embed:
    """All files, decoding and all."""

    def embed() -> np.ndarray:
        found = list(model.embed_files(files, kinds=("text",), jobs=1))
        if lost := next((r.error for r in found if r.error), None):
            raise lost  # a file less would flatter the time
        return torch.cat([r.vectors["text"].plain() for r in found if r.vectors]).numpy()

    return embed


def loading(files: list[Path]) -> dict[str, Embed]:
    """Files to mono at 16 kHz, and nothing else; the sums, so that nothing is left out."""
    import librosa

    def theirs() -> np.ndarray:
        return np.array([librosa.load(f, sr=SAMPLE_RATE)[0].sum() for f in files])[:, None]

    def ours() -> np.ndarray:
        sums = (np.concatenate(list(au.stream_mono(f, SAMPLE_RATE))).sum() for f in files)
        return np.array(list(sums))[:, None]

    return {LOADING: theirs, "ours: soxr HQ, in blocks": ours}


def works(folder: Path, count: int, seconds: float, engines: Sequence[str]) -> list[Work]:
    """Everything that is measured, on the same notes."""
    high = _at(synthetic_notes(count, seconds), SAMPLE_RATE, FILE_RATE)
    notes = {rate: _at(high, FILE_RATE, rate) for rate in (SAMPLE_RATE, 32_000)}
    files = write_stereo(folder, high, FILE_RATE)
    checkpoint = folder / "Wav2CLIP.pt"
    write_checkpoint(checkpoint)
    theirs = list(reference_ways(checkpoint, notes[SAMPLE_RATE], files).values())
    half = settle("auto") == "bfloat16"
    wav2clip = paths_of("wav2clip", checkpoint, engines, half)
    small = paths_of("small", None, engines, half)
    bars = {"torch bfloat16": 4.5, "openvino bfloat16": 9.0, "openvino float32": 2.0}
    arrays = {way: of_arrays(model, notes[SAMPLE_RATE]) for way, model in wav2clip.items()}
    folders = {f"files: {way}": of_files(model, files) for way, model in wav2clip.items()}
    bundled = {f"small: {way}": of_arrays(m, notes[32_000]) for way, m in small.items()}
    return [
        Work("Wav2CLIP, arrays", REFERENCE, REFERENCE, {REFERENCE: theirs[0], **arrays}, bars),
        Work(
            "44.1 kHz stereo WAV folder",
            LIBROSA,
            LIBROSA,
            {LIBROSA: theirs[1], **folders},
            dict.fromkeys(folders, 7.0),
        ),
        Work("loading alone", LOADING, None, loading(files), {"ours: soxr HQ, in blocks": 3.5}),
        Work(
            "bundled model, arrays",
            "the best of Wav2CLIP",
            "small: torch float32",
            bundled,
            dict.fromkeys(bundled, 3.0),
        ),
    ]


def _at(notes: np.ndarray, was: int, to: int) -> np.ndarray:
    return np.stack([soxr.resample(note, was, to, quality="VHQ") for note in notes])


def table(made: list[Work], runs: int, count: int) -> list[Row]:
    """Every way of every work, measured in turns."""
    ways = {way: embed for work in made for way, embed in work.ways.items()}
    for embed in ways.values():
        embed()
    found = measure(ways, runs)
    cpu = {way: seconds for way, (seconds, _, _) in found.items()}
    cpu["the best of Wav2CLIP"] = min(cpu[way] for way in made[0].ways if way != REFERENCE)
    rows = []
    for work in made:
        true = None if work.exact is None else found[work.exact][2]
        for way in work.ways:
            cosine = None if true is None else _cosines(found[way][2], true)
            ratio, bar = cpu[work.peer] / cpu[way], work.bars.get(way)
            rows.append(Row(work.name, way, count / cpu[way], ratio, bar, cosine))
    return rows


def _cosines(ours: np.ndarray, true: np.ndarray) -> tuple[float, float]:
    found = (ours * true).sum(1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(true, axis=1)
    return float(found.min()), float(found.mean())


def show(rows: Sequence[Row], say: Callable[[str], None]) -> None:
    """The table for people."""
    say(f"{'':38}{'notes/core-s':>13}{'x peer':>8}{'bar':>6}{'lowest':>12}{'mean':>12}")
    work = ""
    for row in rows:
        if row.work != work:
            work = row.work
            say(work)
        bar = "" if row.bar is None else f"{row.bar:g}"
        cosine = "" if row.cosine is None else "".join(f"{c:12.7f}" for c in row.cosine)
        say(f"  {row.way:36}{row.per_core_second:13.1f}{row.ratio:8.2f}{bar:>6}{cosine}")


@click.command()
@click.option("--notes", "count", default=200, show_default=True)
@click.option("--seconds", default=4.0, show_default=True, help="Length of a note.")
@click.option("--runs", default=3, show_default=True, help="Of every way; medians count.")
@click.option("--engine", "engines", multiple=True, default=("torch", "openvino"))
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write figures here.")
def main(
    count: int, seconds: float, runs: int, engines: tuple[str, ...], json_path: Path | None
) -> None:
    """Speed of every encoder beside its peer, and how near its vectors are."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        rows = table(works(Path(folder), count, seconds, engines), runs, count)
    about = setting(1, runs, count, seconds)
    click.echo(f"{count} notes of {seconds:g} s, one thread, median of {runs} runs")
    if settle("auto") != "bfloat16":
        click.echo("No matrix units here: bfloat16 is left out.")
    show(rows, click.echo)
    if json_path is not None:
        result = {"setting": about, "rows": [asdict(row) for row in rows]}
        json_path.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
