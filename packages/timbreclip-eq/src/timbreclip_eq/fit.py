"""From sounds and a target to EQs: the main calls of this package."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from timbreclip_core.audio import as_batch
from timbreclip_core.embedding import Embedding, check_same_space
from timbreclip_core.encoders.base import SpectralEncoder, unit
from timbreclip_core.errors import InputError
from timbreclip_core.model import Model, load_model
from timbreclip_core.target import Target, as_target

from .base import EQ
from .entries import load_eq
from .hearing import FilteredHearing, Hearing, hearing
from .objective import Aim
from .preset import Preset
from .result import EQResult
from .search import Candidate, SearchConfig, polish, search
from .soundfiles import SoundHeader, read_sound

NEUTRAL = "a sound"  # where the words' move starts from, for a directional loss


@dataclass(frozen=True)
class Sound:
    """A sound to equalise: ``audio`` ``(channels, samples)``, floating point, full scale 1.0."""

    audio: Tensor
    sample_rate: int


def equalize(
    audio: Tensor | np.ndarray,
    *,
    sample_rate: int,
    target: str | Target | Iterable[str],
    eq: str | EQ = "graphic",
    model: str | Path | Model = "small",
    config: SearchConfig | None = None,
) -> EQResult:
    """Find the EQ that brings a sound nearest to words, other sounds, or a mix of them.

    Args:
        audio: ``(channels, samples)`` or ``(samples,)``; floating point, full scale 1.0.
        sample_rate: Hz.
        target: A prompt, several prompts in the syntax of ``parse_target``, or a ``Target``.
        eq: Name of an EQ, or an EQ.
        model: Name or path of a model, or a model.
        config: How to search.

    Raises:
        InputError: Wrong shape or rate, NaN, silence, no samples.
        UsageError: A target, an EQ or a model that is not one.
    """
    batch = as_batch(audio, sample_rate)
    if len(batch) != 1:
        raise InputError("equalize takes one sound. Use equalize_many for several.")
    sound = Sound(batch[0], int(sample_rate))
    return equalize_many([sound], target=target, eq=eq, model=model, config=config)[0]


def equalize_many(
    sounds: Sequence[Sound],
    *,
    target: str | Target | Iterable[str],
    eq: str | EQ = "graphic",
    model: str | Path | Model = "small",
    config: SearchConfig | None = None,
    together: bool = False,
) -> list[EQResult]:
    """As ``equalize``, for several sounds in one batch.

    Args:
        together: Find one EQ for all of them; the results then share it and differ in how well
            it does.

    Returns:
        One result a sound.
    """
    if not sounds:
        return []
    loaded = model if isinstance(model, Model) else load_model(model)
    found = load_eq(eq) if isinstance(eq, str) else eq
    fitter = Fitter(found, loaded, as_target(target), config or SearchConfig())
    prepared = [fitter.prepare(sound) for sound in sounds]
    groups = fitter.find(prepared, together=together)
    return [fitter.judge(item, group) for item, group in zip(prepared, groups, strict=True)]


@dataclass(frozen=True)
class Prepared:
    """A sound, and what the search needs of it.

    Args:
        sound: Itself, or where it is.
        aims: One for each hearing of the fitter.
    """

    sound: Sound | SoundHeader
    aims: tuple[Aim, ...]

    @property
    def aim(self) -> Aim:
        """That of the first hearing."""
        return self.aims[0]


class Fitter:
    """An EQ, a model, a target and a way to search, for any number of sounds.

    ``prepare`` and ``judge`` take one sound each and fail alone; ``find`` searches for many.
    """

    def __init__(self, eq: EQ, model: Model, target: Target, config: SearchConfig) -> None:
        self.eq, self.model, self.target, self.config = eq, model, target, config
        self.kind = target.kind(model)
        self.hearings = self._hearings()

    @property
    def hearing(self) -> Hearing:
        """What the search starts with."""
        return self.hearings[0]

    def _hearings(self) -> tuple[Hearing, ...]:
        """The quick hearing finds the place, the true filter polishes it."""
        quick = hearing(self.model, self.kind)
        exact = self.config.optimiser == "lbfgs" and self.config.polish_evaluations > 0
        if not exact or not isinstance(self.model.encoder, SpectralEncoder):
            return (quick,)
        return quick, FilteredHearing(self.model, self.kind)

    def prepare(self, sound: Sound | SoundHeader) -> Prepared:
        """Hear a sound, or a file of any length, and set its goal.

        Raises:
            InputError: Silence, or the target is no point for this sound.
        """
        most = self.config.max_windows
        if isinstance(sound, Sound):
            windows = self.hearing.windows(sound.audio, sound.sample_rate, most)
        else:
            windows = self.hearing.windows_of_file(sound.path, most)
        with torch.no_grad():
            data = [ear.prepare(windows) for ear in self.hearings]
            flat = torch.ones(len(self.hearing.freqs_hz(data[0])), device=self.hearing.device)
            origin = self._label(self.hearing.mix(data[0], flat)[None])
            directional = self.config.loss == "directional"
            goal = self._move(origin) if directional else None
            goal = self.target.vector(self.model, origin).plain()[0] if goal is None else goal
        start = origin.plain()[0] if directional else None
        return Prepared(sound, tuple(Aim(d, sound.sample_rate, goal, start) for d in data))

    def find(
        self, prepared: Sequence[Prepared], *, together: bool = False
    ) -> list[list[Candidate]]:
        """Search, in one batch; per sound, its candidates, best first.

        Args:
            together: One EQ for all: every sound gets the same candidates.
        """
        first, *finer = self.hearings
        problems = [_problems([p.aims[i] for p in prepared], together) for i in (0, -1)]
        found = search(self.eq, first, problems[0], self.config)
        for ear in finer:
            found = polish(self.eq, ear, problems[1], found, self.config)
        return found * len(prepared) if together else found

    def similarity(self, sound: Sound, others: Sequence[Tensor]) -> list[float]:
        """Cosines to the target of the sound itself and of versions of it, embedded anew."""
        with torch.no_grad():
            return self._cosines(
                self.model.embed_audio(audio, sample_rate=sound.sample_rate, kind=self.kind)
                for audio in (sound.audio, *others)
            )

    def similarity_of_files(self, source: Path, *others: Path) -> list[float]:
        """As ``similarity``, of files of any length.

        Raises:
            InputError: One of them is silent or cannot be read.
        """
        files = (source, *others)
        return self._cosines(self.model.embed_file(file, kind=self.kind) for file in files)

    def _cosines(self, vectors: Iterable[Embedding]) -> list[float]:
        """Of each to the target, whose source is the first."""
        found = list(vectors)
        goal = self.target.vector(self.model, found[0])
        return [float(self.model.similarity(vector, goal)) for vector in found]

    def judge(self, prepared: Prepared, candidates: Sequence[Candidate]) -> EQResult:
        """Truly filter the sound with the best candidate, and say how near it comes."""
        sound = prepared.sound
        if not isinstance(sound, Sound):
            content = read_sound(sound.path)
            sound = Sound(content.audio, content.sample_rate)
        preset = self.preset(prepared, candidates)
        filtered = preset.instance.filter(sound.audio, preset.tensors, sound.sample_rate)
        before, after = self.similarity(sound, [filtered])
        return self.result(preset, candidates, (before, after))

    def preset(self, prepared: Prepared, candidates: Sequence[Candidate]) -> Preset:
        """The best candidate as a preset."""
        values = self.eq.hold(self.eq.values(candidates[0].unit[None]), self.hearing.heard_hz)
        return Preset.of(
            self.eq,
            values,
            sample_rate=prepared.sound.sample_rate,
            heard_hz=self.hearing.heard_hz,
            target=self.target.describe(),
            model=self.model.id,
        )

    def result(
        self, preset: Preset, candidates: Sequence[Candidate], similarity: tuple[float, float]
    ) -> EQResult:
        """A preset, the search behind it, and how near it brings the sound: before and after."""
        (before, after), best = similarity, candidates[0]
        return EQResult(
            preset=preset,
            similarity_before=before,
            similarity_after=after,
            loss=best.loss,
            history=best.history,
            evaluations=sum(c.evaluations for c in candidates),
            converged=best.converged,
            warnings=tuple(self._warnings(best, preset, after - before)),
        )

    def _move(self, origin: Embedding) -> Tensor:
        """The direction ``(dim,)`` in which words and sounds would have the sound go."""
        move = torch.zeros_like(origin.plain())
        neutral = self.model.embed_text(NEUTRAL).plain() if self.target.texts else move
        for text, weight in self.target.texts:
            move = move + weight * (self.model.embed_text(text).plain() - neutral)
        for sound, weight in self.target.sounds:
            if not isinstance(sound, Embedding):
                sound = self.model.embed_file(sound, kind=self.kind)
            check_same_space(sound, origin)
            move = move + weight * (sound.plain() - origin.plain())
        return unit(move)[0]

    def _label(self, vectors: Tensor) -> Embedding:
        return Embedding.of(vectors, self.model.encoder.spaces[self.kind])

    def _warnings(self, best: Candidate, preset: Preset, gain: float) -> list[str]:
        sentences = []
        if gain < 0:
            sentences.append(
                "The EQ brings the sound no nearer to the target: this sound may have nothing "
                "that an EQ could bring out. Try another prompt or --eq parametric."
            )
        if not best.converged:
            sentences.append("The search stopped before it converged. Allow more evaluations.")
        held = [b for b in preset.bands() if b.get("state") == "held"]
        if held:
            names = ", ".join(f"{b['centre_hz']:.0f}" for b in held)
            sentences.append(
                f"The model hears up to {preset.heard_hz:.0f} Hz: the bands at {names} Hz are held "
                "at the value of the last one that it hears."
            )
        return sentences


def _problems(aims: list[Aim], together: bool) -> list[list[Aim]]:
    return [aims] if together else [[aim] for aim in aims]
