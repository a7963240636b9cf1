"""Recipes for style transfer by optimization, with their sources and where they depart from them.

Absolute weights in a source were made for Oxford's VGG19, whose mean responses are 24, 145, 160,
590, 52 at relu1_1 to relu5_1, 390 at relu4_2 and 21 at relu5_2. Here responses are divided by their
means first, and these numbers are folded into the weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from vidstyle.errors import OptionError, suggestion
from vidstyle.models.layers import Layers, layer_names
from vidstyle.models.vgg import IMAGENET_STD
from vidstyle.options import OptimizeOptions


@dataclass(frozen=True)
class Recipe:
    """A named set of options.

    Attributes:
        source: author and year.
        about: what it does, and where it departs from the source.
    """

    options: OptimizeOptions
    source: str
    about: str


def _first_layers(*weights: float) -> Layers:
    """relu1_1, relu2_1 … with the given weights."""
    return tuple((f"relu{block}_1", weight) for block, weight in enumerate(weights, 1))


_DEFAULT = Recipe(
    OptimizeOptions(),
    "vidstyle",
    "Starts from the photo, coarse to fine, with each layer normalized by the painting's energy: "
    "the best look in the least time of everything tried.",
)

_GATYS = Recipe(
    OptimizeOptions(
        content_weight=0.03,
        style_weight=2.0**20,
        tv_weight=0.0,
        content_layers=(("relu4_2", 1.0),),
        style_layers=_first_layers(0.2, 0.2, 0.2, 0.2, 0.2),
        normalization="gatys",
        init="noise",
        optimizer="lbfgs",
        iterations=500,
        scales=1,
        pooling="average",
    ),
    "Gatys, Ecker, Bethge 2016, Image Style Transfer Using Convolutional Neural Networks",
    "Starts from noise; five layers with equal weights, average pooling, L-BFGS. The ratio of "
    "content to style is ours, chosen so that photos of 512×512 stay recognizable: the paper's "
    "10⁻³ is for a network whose channels were each rescaled to a mean response of 1 over many "
    "photos, while here each layer is rescaled over the given pictures. Content is a sum (eq. 1), "
    "so it counts for less in smaller pictures. 500 evaluations; the paper gives no number.",
)

_KERAS = Recipe(
    OptimizeOptions(
        content_weight=0.022,
        style_weight=1.7e5,
        tv_weight=1.0,
        content_layers=(("relu5_2", 1.0),),
        style_layers=_first_layers(1.8e-4, 0.06, 0.022, 1.0, 4e-6),
        normalization="gatys",
        tv_exponent=2.5,
        init="noise",
        noise=0.289,
        optimizer="lbfgs",
        iterations=200,
        scales=1,
        pooling="max",
    ),
    "Chollet 2015 and later, Neural style transfer, among the examples of Keras",
    "Starts from noise as wide as uniform colours; content of block5_conv2, total variation to "
    "the power of 1.25, ten rounds of twenty L-BFGS evaluations. As in the example, Gram losses "
    "are divided by the pixels of the full-size picture in every layer, so block4_conv1 has "
    "nearly all of the weight. Content has a thousand times the example's weight, because later "
    "versions start from the photo and hardly need it.",
)

_NOTEBOOK = Recipe(
    OptimizeOptions(
        content_weight=1.0,
        style_weight=1e6,
        tv_weight=0.0,
        content_layers=(("relu4_2", 1.0),),
        style_layers=_first_layers(1.0, 0.8, 0.5, 0.3, 0.1),
        normalization="mean",
        init="content",
        optimizer="adam",
        learning_rate=0.003 * sum(IMAGENET_STD) / 3,
        iterations=2000,
        scales=1,
        pooling="max",
    ),
    "Udacity 2018, Style Transfer with Deep Neural Networks, a notebook of its PyTorch course",
    "Starts from the photo; 2000 steps of Adam, style 10⁶ times as heavy as content, so only the "
    "start and the short steps preserve the photo. Its learning rate of 0.003 for normalized "
    "colours is converted to colours in [0, 1] by the mean over the channels.",
)

_LECTURE = Recipe(
    OptimizeOptions(
        content_weight=0.03,
        style_weight=2.0**20,
        tv_weight=0.0,
        content_layers=(("relu4_2", 1.0),),
        style_layers=tuple((name, 1 / 16) for name in layer_names()),
        normalization="gatys",
        init="content",
        optimizer="lbfgs",
        iterations=100,
        scales=1,
        pooling="max",
    ),
    "course lectures on deep learning",
    "Style from all sixteen convolutions with equal weights, content from the fourth block; "
    "starts from the photo, 50 to 100 evaluations of L-BFGS (use 200 from noise). The weights are "
    "those of gatys.",
)

_OWL = Recipe(
    OptimizeOptions(
        content_weight=5.0,
        style_weight=20.0,
        tv_weight=0.0,
        content_layers=(("relu4_2", 1.0),),
        style_layers=_first_layers(1.3e-7, 3.5e-4, 1e-3, 0.38, 9e-5),
        normalization="mean",
        init="noise",
        noise=0.256 / 255,
        optimizer="adam",
        learning_rate=10 / 255,
        iterations=250,
        scales=1,
        pooling="max",
    ),
    "after Athalye 2015, Neural Style, an early one in TensorFlow",
    "Starts from nearly flat grey (noise of 0.256 of 255 levels); 250 steps of Adam with a rate "
    "of ten levels, content 5 to style 20. The scale of its mean squared errors of Gram matrices "
    "at 512×512 is folded into the layers' weights. The name and these numbers were handed down "
    "to us; pictures used to be saved every 50 steps.",
)

RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        "default": _DEFAULT,
        "gatys": _GATYS,
        "keras": _KERAS,
        "notebook": _NOTEBOOK,
        "lecture": _LECTURE,
        "owl": _OWL,
    }
)
"""``default`` first, then the classics."""


def find_recipe(name: str) -> Recipe:
    """Find a recipe of ``RECIPES`` by its name.

    Raises:
        OptionError: there is none; the message suggests similar names.
    """
    if name in RECIPES:
        return RECIPES[name]
    raise OptionError(f"unknown recipe '{name}'; {suggestion(name, RECIPES)}")
