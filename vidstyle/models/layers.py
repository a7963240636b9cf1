"""VGG19's layers by the papers' names, as text: no network is needed to check them."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable
from typing import Literal

from vidstyle.errors import OptionError

BLOCKS = ((64, 64), (128, 128), (256,) * 4, (512,) * 4, (512,) * 4)
"""Output channels of each convolution, by block."""

Layers = tuple[tuple[str, float], ...]
"""Layers by their names, ``relu1_1`` …, each with its weight."""

Pooling = Literal["max", "average"]
Normalization = Literal["relative", "gatys", "mean"]
"""How the losses of layers are made comparable; ``OptimizeOptions`` has the formulas."""


def convolution_names() -> dict[str, int]:
    """``conv1_1`` … ``conv5_4`` with torchvision's index of each in ``vgg19().features``."""
    names, index = {}, 0
    for block, channels in enumerate(BLOCKS, start=1):
        for number in range(1, len(channels) + 1):
            names[f"conv{block}_{number}"] = index
            index += 2
        index += 1
    return names


def layer_names() -> list[str]:
    """``relu1_1`` … ``relu5_4``, from the picture's end."""
    return ["relu" + name[-3:] for name in convolution_names()]


def layer_name(text: str) -> str:
    """The name used here for a layer of any spelling: ``conv4_2``, ``block4_conv2``, ``4_2``.

    All mean the rectified response, here ``relu4_2``: Gatys's Caffe network rectifies in place, and
    a layer of Keras includes its activation.

    Raises:
        OptionError: there is no such layer; the nearest are named.
    """
    cleaned = text.strip().lower()
    found = re.fullmatch(r"(?:(?:relu|conv)?(\d)_|block(\d)_conv)(\d)", cleaned)
    name = f"relu{found[1] or found[2]}_{found[3]}" if found else cleaned
    if name in (known := layer_names()):
        return name
    near = _nearest(name) if found else difflib.get_close_matches(name, known, n=2, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {known[0]} to {known[-1]}"
    raise OptionError(f"VGG19 has no layer '{text.strip()}'; {hint}")


def _nearest(name: str) -> list[str]:
    """Layers of the same block, or of the block nearest to it, with the most similar number."""
    block, number = int(name[-3]), int(name[-1])
    return sorted(
        layer_names(), key=lambda other: (abs(int(other[-3]) - block), abs(int(other[-1]) - number))
    )[:2]


def parse_layers(text: str) -> Layers:
    """``relu1_1:1,relu2_1:0.8`` as names and weights; the weight is 1 where none is given.

    Raises:
        OptionError: no layers, an unknown one, one named twice, or a weight that makes no sense.
    """
    parts = [part for part in text.split(",") if part.strip()]
    layers = tuple(_parse_layer(part) for part in parts)
    check_layers(layers)
    return layers


def _parse_layer(text: str) -> tuple[str, float]:
    name, colon, weight = text.partition(":")
    try:
        return layer_name(name), float(weight) if colon else 1.0
    except ValueError as error:
        if isinstance(error, OptionError):
            raise
        raise OptionError(f"layer {text.strip()}: '{weight}' is no weight") from error


def check_layers(layers: Layers) -> None:
    """Raises OptionError unless the names are known and the weights make sense together."""
    if not layers:
        raise OptionError("no layers are named")
    names = [name for name, _ in layers]
    for name, weight in layers:
        if (usual := layer_name(name)) != name:
            raise OptionError(f"layer '{name}' goes by the name {usual} here")
        if names.count(name) > 1:
            raise OptionError(f"layer {name} is named twice")
        if not (math.isfinite(weight) and weight >= 0):
            raise OptionError(f"layer {name}: the weight is 0 or more, not {weight:g}")
    if not any(weight for _, weight in layers):
        raise OptionError(f"the weights of {', '.join(names)} are all zero")


def active_layers(layers: Layers, weight: float) -> dict[str, float]:
    """Weights of the layers that count in a loss of some weight, by name."""
    return {name: weight * share for name, share in layers if weight * share > 0}


def deepest(layers: Iterable[str]) -> str:
    """The layer furthest from the picture."""
    return max(layers, key=layer_names().index)


def smallest_side(layer: str) -> int:
    """Pixels that the sides of a picture need for 2×2 values at a layer: less is no texture."""
    return 2 ** int(layer[-3])


def values_per_pixel(last: str) -> float:
    """Responses of all layers up to one, for each pixel of the picture."""
    names = layer_names()[: layer_names().index(last) + 1]
    return sum(layer_values(name) for name in names)


def layer_values(layer: str) -> float:
    """Responses of one layer, for each pixel of the picture."""
    block = int(layer[-3])
    return BLOCKS[block - 1][0] / 4 ** (block - 1)
