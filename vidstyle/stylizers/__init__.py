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
from vidstyle.stylizers.photorealism import Photorealism
from vidstyle.stylizers.recipes import RECIPES, Recipe, find_recipe
from vidstyle.stylizers.regions import Regions, find_pair, read_pair

__all__ = [
    "RECIPES",
    "Anchor",
    "FastOptions",
    "FastStylizer",
    "Losses",
    "OptimizeOptions",
    "OptimizeStylizer",
    "Photorealism",
    "Recipe",
    "Regions",
    "Step",
    "find_pair",
    "find_recipe",
    "read_pair",
    "reconstruct",
    "synthesize_texture",
]
