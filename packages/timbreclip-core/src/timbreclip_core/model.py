"""The embedding API: an encoder and its space under one roof."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from . import audio as au
from .checkpoints import CONFIG, Checkpoint, open_checkpoint, require
from .embedding import Embedding, check_same_space
from .encoders.base import TEXT, TIMBRE, Encoder, unit
from .errors import InputError, SpaceMismatchError, TimbreClipError, UsageError
from .files import sha256
from .plugins import EncoderEntry, SpaceEntry, plugin_manager
from .precision import PRECISIONS, settle
from .spaces.base import Space

SECONDS_AT_ONCE = 128  # of audio in one pass, which bounds the memory of the activations
WINDOWS_AT_ONCE = 256
REFERENCE = "reference.safetensors"


@dataclass(frozen=True)
class FileResult:
    """What became of one file: ``vectors`` by kind ``(1, dim)``, or the ``error``."""

    path: Path
    vectors: dict[str, Embedding] | None = None
    error: TimbreClipError | None = None


class Model:
    """Embeds audio and text into one space.

    Args:
        encoder: A frozen encoder.
        checkpoint: The folder that it came from, if it came from one.
        digest: Names the weights in ``id``.
        space: The space of its ``"text"`` vectors; loaded when first needed if None.
        precision: ``"float32"``; ``"bfloat16"``, which differs by about 1e-3; or ``"auto"``, the
            quicker one on this device. Which it is, ``precision`` tells.
        device: Where the encoder is.
    """

    def __init__(
        self,
        encoder: Encoder,
        checkpoint: Checkpoint | None = None,
        *,
        digest: str = "unsaved",
        space: Space | None = None,
        precision: str = "float32",
        device: str = "cpu",
    ) -> None:
        self.encoder = encoder.freeze()
        self.checkpoint = checkpoint
        self.digest = checkpoint.digest if checkpoint else digest
        self.precision = settle(precision, device)
        self.device = device
        self._space = space

    @property
    def id(self) -> str:
        """Names these very weights: ``name@digest``."""
        return f"{self.encoder.name}@{self.digest}"

    @cached_property
    def space(self) -> Space:
        """The text side.

        Raises:
            SpaceMismatchError: The encoder was trained for another space.
        """
        space = self._space or _load_space(self.encoder, self.checkpoint, self.device)
        if space.space_id != self.encoder.spaces[TEXT]:
            raise SpaceMismatchError(self.encoder.spaces[TEXT], space.space_id)
        return space

    def kind_for_sounds(self) -> str:
        """The kind of vector that compares sounds with sounds."""
        return TIMBRE if TIMBRE in self.encoder.spaces else TEXT

    @cached_property
    def reference(self) -> Embedding | None:
        """``"text"`` vectors ``(sounds, dim)`` of varied reference sounds, if the model has them.

        They calibrate scores: how a sound fits a word compared with other sounds.
        """
        if self.checkpoint is None or REFERENCE not in self.checkpoint.config["files"]:
            return None
        vectors = self.checkpoint.tensors(REFERENCE)["text"]
        return Embedding.of(unit(vectors), self.encoder.spaces[TEXT])

    def embed_audio(
        self, audio: Tensor | np.ndarray, *, sample_rate: int, kind: str = TEXT
    ) -> Embedding:
        """Unit vectors ``(batch, dim)`` of audio.

        The channels are averaged, the result resampled, cut into windows (``encoder.windowing``)
        and the windows' vectors averaged with their energy as weight. A vector does not depend on
        its neighbours in the batch. Gradients flow to ``audio`` if it requires them.

        Args:
            audio: ``(batch, channels, samples)``, ``(channels, samples)`` or ``(samples,)``;
                floating point, full scale 1.0.
            sample_rate: Hz, whole.
            kind: ``"text"`` to compare with texts, ``"timbre"`` to compare with other sounds.

        Raises:
            InputError: Wrong shape or rate, NaN or infinite samples; its subclasses
                ``EmptyAudioError`` and ``SilentAudioError``.
        """
        return self.embed_audio_kinds(audio, sample_rate=sample_rate, kinds=(kind,))[kind]

    def embed_audio_kinds(
        self, audio: Tensor | np.ndarray, *, sample_rate: int, kinds: Sequence[str] | None = None
    ) -> dict[str, Embedding]:
        """As ``embed_audio``, several kinds of vector (default: all) from one pass."""
        batch = au.as_batch(audio, sample_rate)
        mono = au.to_mono(batch)
        if batch.shape[1] > 1:
            au.check_audible(mono, "The mean of the channels")
        mono = au.resample(mono, sample_rate, self.encoder.sample_rate).float()
        au.check_audible(mono)
        windows = self.encoder.windowing.cut(mono)
        flat = windows.reshape(-1, windows.shape[-1])
        with self._gradients(mono.requires_grad):
            parts = [self._run(chunk, kinds) for chunk in flat.split(self._at_once(flat.shape[-1]))]
            energy = None
            if windows.shape[1] > 1:
                energy = windows.square().mean(-1, keepdim=True).to(self.device)
            mixed = {}
            for kind in parts[0]:
                vectors = torch.cat([p[kind] for p in parts]).reshape(*windows.shape[:2], -1)
                whole = vectors[:, 0] if energy is None else (vectors * energy).sum(1)
                mixed[kind] = self._label(whole, kind)
        return mixed

    def embed_file(self, path: str | Path, *, kind: str = TEXT) -> Embedding:
        """Unit vector ``(1, dim)`` of an audio file of any length, read in blocks."""
        return self.embed_file_kinds(path, kinds=(kind,))[kind]

    def embed_file_kinds(
        self, path: str | Path, *, kinds: Sequence[str] | None = None
    ) -> dict[str, Embedding]:
        """As ``embed_file``, several kinds of vector (default: all) from one pass.

        Raises:
            InputError: Unreadable, empty, silent, NaN or infinite.
        """
        blocks = au.stream_mono(path, self.encoder.sample_rate)
        windows = self.encoder.windowing.stream(torch.from_numpy(b) for b in blocks)
        sums: dict[str, Tensor] = {}
        loudest = 0.0
        for batch in _batched(windows, self._at_once(self.encoder.windowing.length)):
            loudest = max(loudest, float(batch.abs().amax()))
            energy = batch.square().mean(-1, keepdim=True).to(self.device)
            with self._gradients(False):
                for kind, vectors in self._run(batch, kinds).items():
                    sums[kind] = sums.get(kind, torch.zeros(())) + (vectors * energy).sum(0, True)
        au.check_audible(torch.tensor([[loudest]]), str(path))
        return {kind: self._label(total, kind) for kind, total in sums.items()}

    def embed_files(
        self, paths: Iterable[str | Path], *, kinds: Sequence[str] | None = None
    ) -> Iterator[FileResult]:
        """Vectors of many files, one result each; a bad file yields its error and goes on."""
        for path in map(Path, paths):
            try:
                yield FileResult(path, self.embed_file_kinds(path, kinds=kinds))
            except InputError as error:
                yield FileResult(path, error=error)

    def embed_text(self, texts: str | Sequence[str]) -> Embedding:
        """Unit vectors ``(batch, dim)`` of one text or several, for ``"text"`` audio vectors."""
        vectors = self.space.embed_text(texts)
        return Embedding.of(vectors.plain().to(self.device), vectors.space)

    def similarity(
        self, first: Tensor | str | Sequence[str], second: Tensor | str | Sequence[str]
    ) -> Tensor:
        """Cosines ``(first, second)``; texts are embedded on the way.

        Raises:
            SpaceMismatchError: Vectors of two spaces, as of kinds "text" and "timbre".
        """
        a, b = (v if isinstance(v, Tensor) else self.embed_text(v) for v in (first, second))
        check_same_space(a, b)
        return (unit(torch.atleast_2d(a)) @ unit(torch.atleast_2d(b)).mT).as_subclass(Tensor)

    def _space_id(self, kind: str = TEXT) -> str:
        try:
            return self.encoder.spaces[kind]
        except KeyError:
            known = ", ".join(self.encoder.spaces)
            message = f"{self.encoder.name} has no {kind!r} vectors, only {known}."
            raise UsageError(message) from None

    def _label(self, vectors: Tensor, kind: str) -> Embedding:
        return Embedding.of(unit(vectors), self._space_id(kind))

    def _run(self, windows: Tensor, kinds: Sequence[str] | None) -> dict[str, Tensor]:
        for kind in kinds or ():
            self._space_id(kind)
        dtype = PRECISIONS[self.precision]
        # The device type alone: autocast takes "cuda", not "cuda:0".
        half = torch.autocast(torch.device(self.device).type, dtype, enabled=dtype is not None)
        with half:
            vectors = self.encoder(windows.to(self.device))
        return {k: v.float() for k, v in vectors.items() if kinds is None or k in kinds}

    def _at_once(self, window_samples: int) -> int:
        fitting = SECONDS_AT_ONCE * self.encoder.sample_rate // window_samples
        return max(1, min(WINDOWS_AT_ONCE, fitting))

    @staticmethod
    def _gradients(wanted: bool) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext() if wanted else torch.no_grad()


def _batched(windows: Iterator[Tensor], size: int) -> Iterator[Tensor]:
    """Stacks of up to ``size`` windows of one length."""
    held: list[Tensor] = []
    for window in windows:
        held.append(window)
        if len(held) == size:
            yield torch.stack(held)
            held = []
    if held:
        yield torch.stack(held)


def load_model(
    name: str | Path = "small",
    *,
    weights: str | Path | None = None,
    device: str = "cpu",
    precision: str = "float32",
) -> Model:
    """Load a model; nothing is ever fetched.

    Args:
        name: Name of an encoder (``tclip models``), path of a model folder, or ``NAME=PATH``.
        weights: Weights to use instead of the installed ones: a model folder, or a file in the
            format that the encoder's authors published.
        device: As torch names it.
        precision: ``"float32"``, ``"bfloat16"`` or ``"auto"``, as for ``Model``.

    Raises:
        UnknownNameError, MissingWeightsError, CheckpointError: What to do is in the message.
    """
    text = str(name)
    if "=" in text and not Path(text).exists():
        text, _, weights = text.partition("=")
    if weights is None and (Path(text) / CONFIG).is_file():
        weights = Path(text)
        encoder_options = open_checkpoint(weights).config["encoder"]
        if encoder_options is None:
            raise UsageError(f"{weights} is a space of words, without an audio encoder.")
        text = encoder_options["name"]
    elif weights is None and Path(text).is_file():
        raise UsageError(f"Say which encoder the file {text} is for, as in wav2clip={text}")
    entry = plugin_manager().find(EncoderEntry, text)
    root = Path(weights) if weights is not None else require(entry)
    if not root.exists():
        raise InputError(f"There is no {str(root)!r} to load {text} from.")
    encoder = entry.load(root, device)
    checkpoint = open_checkpoint(root) if root.is_dir() else None
    digest = "" if checkpoint else sha256(root)[:16]
    return Model(encoder, checkpoint, digest=digest, precision=precision, device=device)


def _load_space(encoder: Encoder, checkpoint: Checkpoint | None, device: str) -> Space:
    """The space that the checkpoint carries, or else the installed one that the entry names."""
    manager = plugin_manager()
    carried = checkpoint.config["space"] if checkpoint else None
    if checkpoint and carried and "file" in carried:
        return manager.find(SpaceEntry, carried["name"]).load(checkpoint.root, device)
    name = carried["name"] if carried else manager.find(EncoderEntry, encoder.name).space
    if not name:
        raise UsageError(
            f"{encoder.name} knows no words: it compares sounds with sounds. "
            "Use another model for texts."
        )
    return load_space(name, device=device)


def load_space(name: str, *, weights: str | Path | None = None, device: str = "cpu") -> Space:
    """Load a space of words (and pictures) by name; nothing is ever fetched.

    Args:
        name: Name of a space (``tclip models``), ``open-clip:ARCH@TAG`` or ``open-clip:ARCH@FILE``.
        weights: Weights to use instead of the installed ones: a model folder, or a file in the
            format that the space's authors published.
        device: As torch names it.

    Raises:
        UnknownNameError, MissingWeightsError, CheckpointError: What to do is in the message.
    """
    entry = plugin_manager().find(SpaceEntry, name)
    root = Path(weights) if weights is not None else require(entry)
    if not root.exists():
        raise InputError(f"There is no {str(root)!r} to load {name} from.")
    return entry.load(root, device)
