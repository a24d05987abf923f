"""The embedding API: an encoder and its space under one roof."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from . import audio as au
from .checkpoints import CONFIG, Checkpoint, open_checkpoint, require
from .crowd import FileResult, embed_crowd, embed_group
from .embedding import Embedding, check_same_space
from .encoders.base import TEXT, TIMBRE, Encoder, unit
from .engines import OPENVINO, TORCH, OpenVinoNetwork, check_engine
from .errors import InputError, SpaceMismatchError, UsageError
from .files import sha256
from .plugins import EncoderEntry, SpaceEntry, plugin_manager
from .precision import PRECISIONS, settle
from .spaces.base import Space

SECONDS_AT_ONCE = 128  # of audio in one pass, which bounds the memory of the activations
WINDOWS_AT_ONCE = 256
REFERENCE = "reference.safetensors"


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
        engine: What runs its network: ``"torch"``, or ``"openvino"``, quicker on many processors.
            Whatever needs a gradient runs in torch.

    Raises:
        MissingExtraError: OpenVINO is not installed.
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
        engine: str = TORCH,
    ) -> None:
        check_engine(engine, device)
        self.encoder = encoder.freeze()
        self.checkpoint = checkpoint
        self.digest = checkpoint.digest if checkpoint else digest
        self.precision = settle(precision, device)
        self.device = device
        self.engine = engine
        self._network = OpenVinoNetwork(encoder, self.precision) if engine == OPENVINO else None
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
        at_once = self.windows_at_once(flat.shape[-1])
        parts = [self.hear(some, kinds) for some in flat.split(at_once)]
        energy = None
        if windows.shape[1] > 1:
            energy = au.energy(windows).to(self.device)
        mixed = {}
        for kind in parts[0]:
            vectors = torch.cat([p[kind] for p in parts]).reshape(*windows.shape[:2], -1)
            whole = vectors[:, 0] if energy is None else (vectors * energy).sum(1)
            mixed[kind] = self.label(whole, kind)
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
        [result] = embed_group(self, [Path(path)], kinds)
        if result.vectors is None:
            raise result.error or InputError(f"{path} could not be embedded.")
        return result.vectors

    def embed_files(
        self,
        paths: Iterable[str | Path],
        *,
        kinds: Sequence[str] | None = None,
        jobs: int | None = None,
    ) -> Iterator[FileResult]:
        """Vectors of many files, one result each, in order; a bad file yields its error.

        The vectors are those of ``embed_file`` up to rounding, and the same to the bit whatever
        ``jobs`` is.

        Args:
            paths: Of the files.
            kinds: Of vectors; all if None.
            jobs: Threads that decode and hear, a core each; as many as torch uses if None.
        """
        jobs = torch.get_num_threads() if jobs is None else jobs
        if jobs < 1:
            raise UsageError(f"jobs must be at least 1, not {jobs}.")
        return embed_crowd(self, [Path(path) for path in paths], kinds, jobs)

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

    def label(self, vectors: Tensor, kind: str) -> Embedding:
        """Vectors ``(batch, dim)`` of any length as unit vectors that know their space."""
        return Embedding.of(unit(vectors), self._space_id(kind))

    def hear(self, windows: Tensor, kinds: Sequence[str] | None = None) -> dict[str, Tensor]:
        """Unit vectors ``(batch, dim)`` by kind (default: all) of windows ``(batch, samples)``.

        The windows are as ``encoder.windowing`` cuts them, and few enough for one pass.
        """
        for kind in kinds or ():
            self._space_id(kind)
        if torch.is_grad_enabled() and windows.requires_grad:
            vectors = self._computed(windows)
        else:
            with torch.inference_mode():
                found = self._computed(windows)
            # Made outside of that mode, a vector can take part in whatever needs a gradient.
            vectors = {kind: vector.clone() for kind, vector in found.items()}
        return {k: v for k, v in vectors.items() if kinds is None or k in kinds}

    def _computed(self, windows: Tensor) -> dict[str, Tensor]:
        dtype = PRECISIONS[self.precision]
        # The device type alone: autocast takes "cuda", not "cuda:0".
        half = torch.autocast(torch.device(self.device).type, dtype, enabled=dtype is not None)
        windows = windows.to(self.device)
        with half:
            if self._network is None or torch.is_grad_enabled():
                vectors = self.encoder(windows)
            else:
                vectors = self._network(self.encoder.features(windows))
        return {kind: vector.float() for kind, vector in vectors.items()}

    def windows_of_file(self, path: str | Path) -> Iterator[Tensor]:
        """What the encoder is given of a file of any length, each ``(samples,)``, read in blocks.

        Raises:
            InputError: Unreadable, empty, NaN or infinite; or silent, which its end tells.
        """
        loudest = 0.0
        blocks = au.stream_mono(path, self.encoder.sample_rate)
        for window in self.encoder.windowing.stream(torch.from_numpy(block) for block in blocks):
            loudest = max(loudest, au.peak(window))
            yield window
        au.check_audible(torch.tensor([[loudest]]), str(path))

    def windows_at_once(self, window_samples: int) -> int:
        """How many windows of some length one pass hears."""
        on_cpu = torch.device(self.device).type == "cpu"
        seconds = self.encoder.seconds_at_once if on_cpu else SECONDS_AT_ONCE
        fitting = int(seconds * self.encoder.sample_rate) // window_samples
        return max(1, min(WINDOWS_AT_ONCE, fitting))


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
        device: As torch names it, or ``"openvino"``: the processor through OpenVINO.
        precision: ``"float32"``, ``"bfloat16"`` or ``"auto"``, as for ``Model``.

    Raises:
        UnknownNameError, MissingWeightsError, CheckpointError: What to do is in the message.
        MissingExtraError: A library that the model or ``device`` needs is not installed.
    """
    engine, device = (OPENVINO, "cpu") if device == OPENVINO else (TORCH, device)
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
    check_engine(engine, device)
    encoder, checkpoint = entry.load(root, device), None
    if encoder.published is not None:
        digest = encoder.published.digest
    elif root.is_dir():
        checkpoint, digest = open_checkpoint(root), ""
    else:
        digest = sha256(root)[:16]
    return Model(
        encoder, checkpoint, digest=digest, precision=precision, device=device, engine=engine
    )


def _load_space(encoder: Encoder, checkpoint: Checkpoint | None, device: str) -> Space:
    """The space that the weights bring along, or else the installed one that the entry names."""
    manager = plugin_manager()
    if encoder.published is not None:
        name = manager.find(EncoderEntry, encoder.name).space
        return manager.find(SpaceEntry, name).load(encoder.published.words, device)
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
