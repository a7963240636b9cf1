"""VGG19's layers by the papers' names, as text: no network is needed to check them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Literal

from vidstyle.errors import OptionError, suggestion

BLOCKS = ((64, 64), (128, 128), (256,) * 4, (512,) * 4, (512,) * 4)
"""Output channels of each convolution, by block."""

Layers = tuple[tuple[str, float], ...]
"""Layers by their names, ``relu1_1`` …, each with its weight."""

Pooling = Literal["max", "average"]
Normalization = Literal["relative", "gatys", "mean"]
"""How the losses of layers are made comparable; ``OptimizeOptions`` has the formulas."""


def convolution_names() -> dict[str, int]:
    """``conv1_1`` … ``conv5_4``, each with its index in torchvision's ``vgg19().features``."""
    names, index = {}, 0
    for block, channels in enumerate(BLOCKS, start=1):
        for number in range(1, len(channels) + 1):
            names[f"conv{block}_{number}"] = index
            index += 2
        index += 1
    return names


def layer_names() -> list[str]:
    """``relu1_1`` … ``relu5_4``, in the order of computation."""
    return ["relu" + name[-3:] for name in convolution_names()]


def layer_name(text: str) -> str:
    """Normalize the spelling of a layer: ``conv4_2``, ``block4_conv2``, ``4_2`` to ``relu4_2``.

    They all mean the rectified response: Gatys's Caffe network rectifies in place, and a Keras
    layer includes its activation.

    Raises:
        OptionError: there is no such layer; the message suggests similar ones.
    """
    cleaned = text.strip().lower()
    found = re.fullmatch(r"(?:(?:relu|conv)?(\d)_|block(\d)_conv)(\d)", cleaned)
    name = f"relu{found[1] or found[2]}_{found[3]}" if found else cleaned
    if name in (known := layer_names()):
        return name
    hint = f"did you mean {' or '.join(_nearest(name))}?" if found else suggestion(name, known, 2)
    raise OptionError(f"VGG19 has no layer '{text.strip()}'; {hint}")


def _nearest(name: str) -> list[str]:
    """The two layers with the most similar block, then number."""
    block, number = int(name[-3]), int(name[-1])
    return sorted(
        layer_names(), key=lambda other: (abs(int(other[-3]) - block), abs(int(other[-1]) - number))
    )[:2]


def parse_layers(text: str) -> Layers:
    """Parse ``relu1_1:1,relu2_1:0.8`` to names and weights; weights default to 1.

    Raises:
        OptionError: no layers, an unknown or duplicate layer, or an invalid weight.
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
        raise OptionError(
            f"layer {name.strip()}: weight must be a number, not '{weight}'"
        ) from error


def check_layers(layers: Layers) -> None:
    """Raise OptionError unless the names are known and the weights are valid together."""
    if not layers:
        raise OptionError("no layers are given")
    names = [name for name, _ in layers]
    for name, weight in layers:
        if (usual := layer_name(name)) != name:
            raise OptionError(f"layer '{name}' must be spelled {usual}")
        if names.count(name) > 1:
            raise OptionError(f"layer {name} is given twice")
        if not (math.isfinite(weight) and weight >= 0):
            raise OptionError(f"layer {name}: weight must be 0 or more, not {weight:g}")
    if not any(weight for _, weight in layers):
        raise OptionError(f"the weights of {', '.join(names)} are all zero")


def active_layers(layers: Layers, weight: float) -> dict[str, float]:
    """Weights of the layers that count in a loss of some weight, by name."""
    return {name: weight * share for name, share in layers if weight * share > 0}


def deepest(layers: Iterable[str]) -> str:
    """The layer that is computed last."""
    return max(layers, key=layer_names().index)


def smallest_side(layer: str) -> int:
    """Smallest side, in pixels, for 2×2 values at a layer, below which there is no texture."""
    return 2 ** int(layer[-3])


def values_per_pixel(last: str) -> float:
    """Number of responses of all layers up to one, per pixel of the picture."""
    names = layer_names()[: layer_names().index(last) + 1]
    return sum(layer_values(name) for name in names)


def layer_values(layer: str) -> float:
    """Number of responses of one layer, per pixel of the picture."""
    block = int(layer[-3])
    return BLOCKS[block - 1][0] / 4 ** (block - 1)
