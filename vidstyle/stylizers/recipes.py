"""Recipes of style transfer by optimization, each with its source and what departs from it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from vidstyle.errors import OptionError
from vidstyle.models.vgg import Layers, layer_names
from vidstyle.stylizers.optimize import OptimizeOptions


@dataclass(frozen=True)
class Recipe:
    """Options that belong together.

    Attributes:
        source: who made it, and when.
        about: what is special about it, and what departs from the source.
    """

    options: OptimizeOptions
    source: str
    about: str


def _first_layers(*weights: float) -> Layers:
    """relu1_1, relu2_1 … with these weights."""
    return tuple((f"relu{block}_1", weight) for block, weight in enumerate(weights, 1))


RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        "default": Recipe(OptimizeOptions(), "ours", "the best looks in the least time"),
        "gatys": Recipe(
            OptimizeOptions(
                content_weight=1.0,
                style_weight=1e3,
                style_layers=_first_layers(0.2, 0.2, 0.2, 0.2, 0.2),
                normalization="gatys",
                init="noise",
                pooling="average",
                iterations=500,
                scales=1,
            ),
            "Gatys, Ecker, Bethge 2016",
            "",
        ),
        "keras": Recipe(
            OptimizeOptions(
                content_weight=0.05,
                style_weight=1.0,
                tv_weight=1.0,
                tv_exponent=2.5,
                content_layers=(("relu5_2", 1.0),),
                style_layers=_first_layers(*(0.2 / 16**block for block in range(5))),
                normalization="gatys",
                init="noise",
                noise=0.289,
                iterations=200,
                scales=1,
            ),
            "Chollet, Keras's example of neural style transfer, 2015",
            "",
        ),
        "notebook": Recipe(
            OptimizeOptions(
                content_weight=1.0,
                style_weight=1e6,
                style_layers=_first_layers(1.0, 0.8, 0.5, 0.3, 0.1),
                normalization="mean",
                optimizer="adam",
                learning_rate=0.003 * 0.226,
                iterations=2000,
                scales=1,
            ),
            "Udacity, notebook of a deep learning course, 2018",
            "",
        ),
        "lecture": Recipe(
            OptimizeOptions(
                content_weight=1.0,
                style_weight=1e3,
                style_layers=tuple((name, 1 / 16) for name in layer_names()),
                normalization="gatys",
                iterations=100,
                scales=1,
            ),
            "lectures on deep learning",
            "",
        ),
        "owl": Recipe(
            OptimizeOptions(
                content_weight=5.0,
                style_weight=20.0,
                normalization="mean",
                init="noise",
                noise=0.256,
                optimizer="adam",
                learning_rate=10 / 255,
                iterations=250,
                scales=1,
            ),
            "after Athalye 2015",
            "",
        ),
    }
)
"""``default`` first, then the classics."""


def find_recipe(name: str) -> Recipe:
    """A recipe of ``RECIPES`` by its name.

    Raises:
        OptionError: there is none; the nearest are named.
    """
    if name in RECIPES:
        return RECIPES[name]
    near = difflib.get_close_matches(name.lower(), RECIPES, n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(RECIPES)}"
    raise OptionError(f"no recipe '{name}'; {hint}")
