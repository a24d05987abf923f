"""The repository's own synthesiser as a source: needs nothing installed."""

from __future__ import annotations

from collections.abc import Mapping

from timbreclip_core.errors import UsageError

from .base import MIDDLE_C, Audio, NotePlan, NoteSpec, Preset, Renderer

SOURCE = "synth"
PATCHES = 1000


class ParametricRenderer(Renderer):
    """Patches drawn at random, each with the labels that follow from its parameters.

    Args:
        options: ``patches``: how many (default 1000); ``seed``: of the first (default 0).
    """

    def __init__(self, options: Mapping[str, str] | None = None) -> None:
        options = options or {}
        try:
            self._count = int(options.get("patches", PATCHES))
            self._first = int(options.get("seed", 0))
        except ValueError as error:
            raise UsageError(f"patches and seed must be whole numbers: {error}") from error

    def check(self) -> None:
        """Nothing to install."""

    def presets(self) -> list[Preset]:
        return [_preset(seed) for seed in range(self._first, self._first + self._count)]

    def notes(self, preset: Preset, plan: NotePlan) -> list[NoteSpec]:
        return plan.drum(MIDDLE_C) if preset.unpitched else plan.melodic(preset.id)

    def render(self, preset: Preset, notes: list[NoteSpec], sample_rate: int) -> list[Audio]:
        import torch

        from .synth import render, sample_patch

        torch.set_num_threads(1)
        patch = sample_patch(preset.payload["seed"])
        return [
            render(patch, n.pitch, n.velocity, n.hold_s, n.release_s, sample_rate) for n in notes
        ]


def _preset(seed: int) -> Preset:
    from .synth import labels, sample_patch
    from .synth_patch import Drum

    patch = sample_patch(seed)
    words = labels(patch, MIDDLE_C)
    return Preset(
        id=f"synth-{seed:07d}",
        source=SOURCE,
        collection="synth",
        name=words["title"][0],
        category=words["category"][0],
        tags=(*words["family"], *words["tags"]),
        licence="Apache-2.0",
        payload={"seed": seed},
        unpitched=isinstance(patch.voice, Drum) or words["category"][0] in ("drums", "percussion"),
    )
