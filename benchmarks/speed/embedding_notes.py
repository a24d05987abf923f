"""How fast are the notes of a dataset embedded, beside a loop that takes one after the other?

Peer: for every note read it, embed it alone (float32, one thread), go on. Ours, of
``timbreclip_train.evaluation``: every file decoded once, notes heard in batches by a thread a core,
vectors kept; in float32, in bfloat16 where the processor has units for it, and a second time from
the store. All on the same notes, with decoding, in turns; medians. Then where a core's time goes.

    OMP_NUM_THREADS=1 python benchmarks/speed/embedding_notes.py --root CORPUS --notes 2000
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from timbreclip_core import Model, load_model
from timbreclip_core.errors import TimbreClipError
from timbreclip_core.precision import settle
from timbreclip_train.datasets.base import Note, NoteDataset
from timbreclip_train.datasets.opening import open_dataset
from timbreclip_train.datasets.reading import read_clips
from timbreclip_train.evaluation.hearing import cores, hear
from timbreclip_train.evaluation.store import VectorStore, model_source

BATCH = 32


def one_by_one(dataset: NoteDataset, notes: list[Note], model: Model) -> np.ndarray:
    """The peer."""
    rows = []
    for note in notes:
        samples, rate = dataset.read(note)
        rows.append(model.embed_audio(samples, sample_rate=rate).plain().numpy())
    return np.concatenate(rows)


def in_batches(
    dataset: NoteDataset, notes: list[Note], model: Model, folder: Path, jobs: int
) -> np.ndarray:
    """Ours."""
    store = VectorStore(model_source(model), folder)
    heard = hear(dataset, notes, model, store=store, jobs=jobs, progress=False)
    return heard.vectors["text"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="folder of tclip data render")
    parser.add_argument("--split", default="test")
    parser.add_argument("--notes", type=int, default=2000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=cores())
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    dataset = open_dataset("rendered", options.root)
    models = {p: load_model("small", precision=p) for p in ("float32", settle("auto"))}
    notes = _audible(dataset, options.split, options.notes, models["float32"])
    times: dict[str, list[tuple[float, float]]] = {}
    cosines: dict[str, float] = {}
    for run in range(options.runs):
        with tempfile.TemporaryDirectory() as scratch:
            exact = _timed(times, "one by one", one_by_one, dataset, notes, models["float32"])
            for precision, model in models.items():
                ours = (dataset, notes, model, Path(scratch) / f"{run}{precision}", options.jobs)
                rows = _timed(times, precision, in_batches, *ours)
                cosines[precision] = float((rows * exact).sum(1).min())
                _timed(times, f"{precision}, kept", in_batches, *ours)
    profile = _profile(dataset, notes, models)
    _report(times, cosines, profile, options, len(notes))


def _audible(dataset: NoteDataset, split: str, count: int, model: Model) -> list[Note]:
    """The first notes of a split, whole patches as an evaluation has them, without silent ones."""
    with tempfile.TemporaryDirectory() as scratch:
        store = VectorStore(model_source(model), Path(scratch))
        notes = dataset.in_split(split)[:count]
        return list(hear(dataset, notes, model, store=store, progress=False).notes)


def _timed(times, name, work, *arguments):
    wall, cpu = time.perf_counter(), time.process_time()
    result = work(*arguments)
    times.setdefault(name, []).append((time.perf_counter() - wall, time.process_time() - cpu))
    return result


def _profile(dataset: NoteDataset, notes: list[Note], models: dict[str, Model]) -> dict[str, float]:
    """Milliseconds of one core a note, step by step."""
    clips = []
    for _, clip in read_clips(dataset, notes[: 3 * BATCH]):
        if isinstance(clip, TimbreClipError):
            raise clip
        clips.append(clip)
    length = max(c[0].shape[1] for c in clips)
    full = [c[0] for c in clips if c[0].shape[1] == length][:BATCH]
    mono = torch.stack([torch.from_numpy((c[0] + c[-1]) / 2) for c in full])[:, None]
    rate = models["float32"].encoder.sample_rate
    count = len(notes)

    def embed(model: Model) -> Callable[[], object]:
        return lambda: model.embed_audio_kinds(mono, sample_rate=rate)

    def each(notes: list[Note]) -> None:
        for note in notes:
            dataset.read(note)

    return {
        "decode, note by note": _cpu_ms(lambda: each(notes), count),
        "decode, file by file": _cpu_ms(lambda: list(map(len, read_clips(dataset, notes))), count),
        "mean of the channels": _cpu_ms(lambda: [(c[0] + c[-1]) / 2 for c in full], len(full)),
        "embed alone": _cpu_ms(
            lambda: [models["float32"].embed_audio(m, sample_rate=rate) for m in mono], len(full)
        ),
        **{f"embed in batches, {p}": _cpu_ms(embed(m), len(full)) for p, m in models.items()},
    }


def _cpu_ms(work: Callable[[], object], count: int, runs: int = 3) -> float:
    spent = []
    for _ in range(runs):
        start = time.process_time()
        work()
        spent.append(1e3 * (time.process_time() - start) / count)
    return statistics.median(spent)


def _report(times, cosines, profile, options, notes: int) -> None:
    base = None
    rows = []
    for name, pairs in times.items():
        wall, cpu = (statistics.median(column) for column in zip(*pairs, strict=True))
        base = base or (wall, cpu)
        rows.append(
            {
                "way": name,
                "notes_per_second": notes / wall,
                "notes_per_core_second": notes / cpu,
                "times_wall": base[0] / wall,
                "times_cpu": base[1] / cpu,
                "cores_got": cpu / wall,
                "lowest_cosine": cosines.get(name),
            }
        )
    print(f"{notes} notes, {options.jobs} threads")
    for row in rows:
        print(
            f"{row['way']:16}{row['notes_per_second']:8.1f} notes/s{row['times_wall']:7.2f} x"
            f"{row['notes_per_core_second']:9.1f} notes/core-s{row['times_cpu']:7.2f} x"
            f"   on {row['cores_got']:.2f} cores   cosine {row['lowest_cosine'] or 1:.6f}"
        )
    print("\n".join(f"{name:28}{ms:7.2f} ms/note of a core" for name, ms in profile.items()))
    if options.json:
        record = {"notes": notes, "jobs": options.jobs, "rows": rows, "profile": profile}
        options.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
