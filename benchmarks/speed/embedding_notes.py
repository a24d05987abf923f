"""How fast are the notes of a dataset embedded, beside a loop that takes one after the other?

Peer: for every note read it, embed it alone (float32), go on. Ours, of
``timbreclip_train.evaluation``: read ahead in threads, embed in batches, keep the vectors; at both
precisions, and a second time from the store. All on the same notes, with decoding, in turns;
medians.

    OMP_NUM_THREADS=1 python benchmarks/speed/embedding_notes.py --root CORPUS --notes 2000
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from timbreclip_core import Model, load_model
from timbreclip_train.datasets.base import Note, NoteDataset
from timbreclip_train.datasets.opening import open_dataset
from timbreclip_train.evaluation.hearing import hear
from timbreclip_train.evaluation.store import VectorStore, model_source


def one_by_one(dataset: NoteDataset, notes: list[Note], model: Model) -> np.ndarray:
    """The peer."""
    rows = []
    for note in notes:
        samples, rate = dataset.read(note)
        rows.append(model.embed_audio(samples, sample_rate=rate).plain().numpy())
    return np.concatenate(rows)


def in_batches(dataset: NoteDataset, notes: list[Note], model: Model, folder: Path) -> np.ndarray:
    """Ours."""
    store = VectorStore(model_source(model), folder)
    return hear(dataset, notes, model, store=store, progress=False).vectors["text"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="folder of tclip data render")
    parser.add_argument("--notes", type=int, default=2000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    dataset = open_dataset("rendered", options.root)
    step = max(1, len(dataset.notes) // options.notes)
    models = {p: load_model("small", precision=p) for p in ("float32", "bfloat16")}
    notes = list(dataset.notes[::step])[: options.notes]
    with tempfile.TemporaryDirectory() as scratch:
        found = hear(
            dataset, notes, models["float32"], store=_store(models, scratch), progress=False
        )
    notes = list(found.notes)
    times: dict[str, list[tuple[float, float]]] = {}
    cosines: dict[str, float] = {}
    for run in range(options.runs):
        with tempfile.TemporaryDirectory() as scratch:
            exact = _timed(times, "one by one", one_by_one, dataset, notes, models["float32"])
            for precision, model in models.items():
                place = Path(scratch) / f"{run}{precision}"
                rows = _timed(times, precision, in_batches, dataset, notes, model, place)
                cosines[precision] = float((rows * exact).sum(1).min())
                _timed(times, f"{precision}, kept", in_batches, dataset, notes, model, place)
    _report(times, cosines, len(notes), options.json)


def _store(models: dict[str, Model], scratch: str) -> VectorStore:
    return VectorStore(model_source(models["float32"]), Path(scratch))


def _timed(times, name, work, *arguments):
    wall, cpu = time.perf_counter(), time.process_time()
    result = work(*arguments)
    times.setdefault(name, []).append((time.perf_counter() - wall, time.process_time() - cpu))
    return result


def _report(times, cosines, notes: int, path: Path | None) -> None:
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
                "lowest_cosine": cosines.get(name),
            }
        )
    for row in rows:
        print(
            f"{row['way']:16}{row['notes_per_second']:8.1f} notes/s{row['times_wall']:7.2f} x"
            f"{row['notes_per_core_second']:9.1f} notes/core-s{row['times_cpu']:7.2f} x"
            f"   cosine {row['lowest_cosine'] or 1:.6f}"
        )
    if path:
        path.write_text(json.dumps({"notes": notes, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
