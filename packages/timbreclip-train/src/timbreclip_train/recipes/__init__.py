"""Recipes: what is trained on what. ``network.name`` of the settings says which."""

from __future__ import annotations

from importlib import import_module

from ..config import TrainConfig
from .base import Material, ModelParts, Prepared, Recipe

__all__ = ["Material", "ModelParts", "Prepared", "Recipe", "recipe_of"]

_RECIPES = {
    "small": (".small", "SmallRecipe"),
    "wav2clip": (".names", "NamesRecipe"),
}


def recipe_of(config: TrainConfig) -> type[Recipe]:
    """The recipe that settings ask for; imports what it needs and no other's."""
    module, name = _RECIPES[config.network.name]
    found: type[Recipe] = getattr(import_module(module, __name__), name)
    return found
