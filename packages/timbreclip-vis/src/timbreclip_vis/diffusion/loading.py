"""Opening a pipeline of diffusers from a folder or, when asked to, from the hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from timbreclip_core.errors import InputError, MissingExtraError, UsageError

from ..options import DiffusersOptions

INDEX = "model_index.json"


def open_pipeline(options: DiffusersOptions, device: str) -> Any:
    """A ``DiffusionPipeline``, ready on its device.

    Raises:
        MissingExtraError: diffusers, or what it needs for an option, is not installed.
        InputError: No pipeline can be read there.
        UsageError: An unknown scheduler, or an offload that this machine cannot do.
    """
    diffusers = _diffusers()
    _check_place(options)
    try:
        pipeline = diffusers.DiffusionPipeline.from_pretrained(
            options.model,
            dtype=_dtype(options.precision, device),
            local_files_only=not options.download,
            **({"variant": options.variant} if options.variant else {}),
        )
    except (OSError, ValueError, AttributeError, ImportError) as error:
        raise InputError(f"{options.model} cannot be opened as a pipeline: {error}") from error
    pipeline.set_progress_bar_config(disable=True)
    if options.scheduler:
        pipeline.scheduler = _scheduler(diffusers, options.scheduler, pipeline)
    _save_memory(pipeline, options)
    return _place(pipeline, options.offload, device)


def _diffusers() -> Any:
    try:
        import diffusers
        import transformers
    except ImportError as error:
        raise MissingExtraError("diffusers", "diffusers", "timbreclip-vis") from error
    for library in (diffusers, transformers):
        library.utils.logging.disable_progress_bar()
    return diffusers


def _check_place(options: DiffusersOptions) -> None:
    folder = Path(options.model)
    if folder.is_dir() and not (folder / INDEX).is_file():
        raise InputError(f"{folder} is no pipeline of diffusers: it holds no {INDEX}.")
    looks_local = folder.is_absolute() or options.model.startswith(".")
    if not folder.exists() and (looks_local or "/" not in options.model):
        raise InputError(f"There is no folder {options.model!r} to load a pipeline from.")


def _dtype(precision: str, device: str) -> torch.dtype:
    if precision == "auto":
        return torch.float32 if torch.device(device).type == "cpu" else torch.float16
    return getattr(torch, precision)


def _scheduler(diffusers: Any, name: str, pipeline: Any) -> Any:
    kind = getattr(diffusers, name, None)
    if kind is None or not hasattr(kind, "set_timesteps"):
        raise UsageError(f"diffusers has no scheduler {name!r}.")
    return kind.from_config(pipeline.scheduler.config)


def _save_memory(pipeline: Any, options: DiffusersOptions) -> None:
    if options.slicing:
        pipeline.enable_attention_slicing()
        pipeline.vae.enable_slicing()
    if options.tiling:
        pipeline.vae.enable_tiling()


def _place(pipeline: Any, offload: str, device: str) -> Any:
    if offload == "none":
        return pipeline.to(device)
    if torch.device(device).type == "cpu":
        raise UsageError("Offloading moves parts off a GPU: give --device cuda, or offload=none.")
    try:
        if offload == "model":
            pipeline.enable_model_cpu_offload(device=device)
        else:
            pipeline.enable_sequential_cpu_offload(device=device)
    except ImportError as error:
        raise MissingExtraError("accelerate", "diffusers", "timbreclip-vis") from error
    except RuntimeError as error:
        raise UsageError(f"Offloading does not work on {device}: {error}") from error
    return pipeline
