"""The two engines, which turn pictures into stylized pictures."""

from vidstyle.stylizers.descent import Losses, Step
from vidstyle.stylizers.fast import FastOptions, FastStylizer
from vidstyle.stylizers.objective import Anchor
from vidstyle.stylizers.optimize import (
    OptimizeOptions,
    OptimizeStylizer,
    reconstruct,
    synthesize_texture,
)
from vidstyle.stylizers.recipes import RECIPES, Recipe, find_recipe

__all__ = [
    "RECIPES",
    "Anchor",
    "FastOptions",
    "FastStylizer",
    "Losses",
    "OptimizeOptions",
    "OptimizeStylizer",
    "Recipe",
    "Step",
    "find_recipe",
    "reconstruct",
    "synthesize_texture",
]
