"""Embedding many files into one file of vectors, and reading it back."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import torch
from tqdm import tqdm

from .embedding import Embedding
from .errors import InputError, MissingExtraError
from .files import atomic_path
from .model import Model, load_model

AUDIO_SUFFIXES = (
    *(".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc"),
    *(".caf", ".w64", ".rf64", ".au", ".snd"),
)
FORMAT = "timbreclip-vectors"


def sound_files(inputs: Iterable[Path]) -> list[Path]:
    """Files as given, folders replaced by the sound files below them, sorted; no path twice.

    Raises:
        InputError: Nothing is left.
    """
    found: dict[Path, None] = {}
    for item in inputs:
        if item.is_dir():
            below = (p for p in sorted(item.rglob("*")) if p.suffix.lower() in AUDIO_SUFFIXES)
            found.update(dict.fromkeys(p for p in below if p.is_file()))
        else:
            found[item] = None
    if not found:
        raise InputError("There are no sound files in what was given.")
    return list(found)


@dataclass(frozen=True)
class VectorFile:
    """Vectors ``(files, dim)`` with the files' names and what made them."""

    vectors: Embedding
    names: list[str]
    info: dict[str, Any]


def embed_to_file(
    inputs: Iterable[Path],
    out: Path,
    *,
    model_name: str,
    kind: str,
    device: str = "cpu",
    precision: str = "float32",
    jobs: int | None = None,
) -> dict[str, Any]:
    """Embed sound files into ``out``; bad ones are reported on stderr and left out.

    Args:
        inputs: Files, and folders of files.
        out: Where to write; its suffix names the format.
        model_name: As ``load_model`` takes it, like ``device`` and ``precision``.
        kind: Of vector.
        jobs: As ``Model.embed_files`` takes it.

    Returns:
        ``embedded``, ``dim``, ``failed`` (a list of file and error), ``out`` and the model's info.

    Raises:
        InputError: Not one file could be embedded; nothing is written.
    """
    files = sound_files(inputs)
    check_writable(out)
    model = load_model(model_name, device=device, precision=precision)
    names, vectors, failed = [], [], []
    results = model.embed_files(files, kinds=(kind,), jobs=jobs)
    for result in tqdm(results, total=len(files), unit="file", disable=None):
        if result.vectors is None:
            click.echo(f"Left out: {result.error}", err=True)
            failed.append({"file": str(result.path), "error": str(result.error)})
        else:
            names.append(str(result.path))
            vectors.append(result.vectors[kind])
    if not vectors:
        raise InputError("None of the files could be embedded.")
    info = _info(model, kind)
    stacked = Embedding.of(torch.cat(vectors).cpu(), info["space"])
    write_vectors(out, VectorFile(stacked, names, info))
    counts = {"embedded": len(names), "dim": stacked.shape[-1], "failed": failed}
    return {**counts, "out": str(out), **info}


def _info(model: Model, kind: str) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "format_version": 1,
        "model": model.id,
        "model_digest": model.digest,
        "space": model.encoder.spaces[kind],
        "kind": kind,
        "precision": model.precision,
        "engine": model.engine,
    }


def check_writable(out: Path) -> None:
    """Find out before the work, not after it, that a result cannot be written.

    Raises:
        InputError: No such folder.
        MissingExtraError: Parquet without pyarrow.
    """
    if not out.parent.is_dir():
        raise InputError(f"The folder {str(out.parent)!r} does not exist. Make it first.")
    if out.suffix == ".parquet":
        _pyarrow()


def write_vectors(out: Path, content: VectorFile) -> None:
    """Write safetensors, npy (with names and info in a .json beside it) or Parquet, by suffix."""
    values = content.vectors.plain().contiguous()
    meta = {**content.info, "names": content.names}
    with atomic_path(out) as path:
        if out.suffix == ".safetensors":
            from safetensors.torch import save_file

            text = {k: v if isinstance(v, str) else json.dumps(v) for k, v in meta.items()}
            save_file({"vectors": values}, path, metadata=text)
        elif out.suffix == ".npy":
            import numpy as np

            np.save(path, values.numpy(), allow_pickle=False)
            with atomic_path(out.with_suffix(".json")) as side:
                side.write_text(json.dumps(meta, indent=1) + "\n", "utf-8")
        else:
            _write_parquet(path, content)


def read_vectors(path: Path) -> VectorFile:
    """Read what ``write_vectors`` wrote.

    Raises:
        InputError: Not such a file.
    """
    try:
        if path.suffix == ".safetensors":
            return _read_safetensors(path)
        if path.suffix == ".npy":
            import numpy as np

            values = torch.from_numpy(np.load(path, allow_pickle=False))
            return _unpack(values, json.loads(path.with_suffix(".json").read_text("utf-8")))
        return _read_parquet(path)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path} is no file of vectors from tclip embed: {error}") from error


def _read_safetensors(path: Path) -> VectorFile:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as f:
            values, meta = f.get_tensor("vectors"), f.metadata()
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    numbers = {"names": json.loads(meta["names"]), "format_version": int(meta["format_version"])}
    return _unpack(values, {**meta, **numbers})


def _unpack(values: torch.Tensor, meta: dict[str, Any]) -> VectorFile:
    names = list(meta.pop("names"))
    return VectorFile(Embedding.of(values, meta["space"]), names, meta)


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError("pyarrow, which writes Parquet,", "parquet") from error
    return pyarrow


def _write_parquet(path: Path, content: VectorFile) -> None:
    pa = _pyarrow()
    values = content.vectors.plain()
    flat = pa.array(values.flatten().numpy())
    vectors = pa.FixedSizeListArray.from_arrays(flat, values.shape[-1])
    table = pa.table({"file": content.names, "vector": vectors})
    meta = {"timbreclip": json.dumps(content.info)}
    pa.parquet.write_table(table.replace_schema_metadata(meta), path)


def _read_parquet(path: Path) -> VectorFile:
    table = _pyarrow().parquet.read_table(path)
    info = json.loads(table.schema.metadata[b"timbreclip"])
    column = table["vector"].combine_chunks()
    values = torch.from_numpy(column.flatten().to_numpy().copy()).reshape(len(table), -1)
    return VectorFile(Embedding.of(values, info["space"]), table["file"].to_pylist(), info)
