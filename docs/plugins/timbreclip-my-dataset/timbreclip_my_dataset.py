"""A dataset plugin: sounds/INSTRUMENT_PITCH.wav, and labels.json with words for each instrument."""

import json

from timbreclip_core import hookimpl
from timbreclip_train import DatasetEntry
from timbreclip_train.datasets import Note, NoteDataset, Problem, attributes, hash_split


class MyDataset(NoteDataset):
    name = "my-dataset"

    def scan(self):
        labels = json.loads((self.root / "labels.json").read_text("utf-8"))
        for path in sorted(self.root.glob("sounds/*.wav")):
            instrument, _, pitch = path.stem.rpartition("_")
            if instrument not in labels or not pitch.isdigit():
                yield Problem(path.name, "is not called INSTRUMENT_PITCH.wav")
                continue
            yield Note(
                id=path.stem,
                patch=instrument,
                audio=f"sounds/{path.name}",
                split=hash_split(instrument),
                pitch=int(pitch),
                text=attributes(title=instrument, tags=labels[instrument]),
            )


@hookimpl
def tclip_datasets():
    yield DatasetEntry(
        name="my-dataset",
        summary="My instruments, note by note.",
        load=MyDataset,
        licence="CC0-1.0",
        citation="Me: My Instruments, 2024.",
        source="https://example.org/my-dataset",
    )
