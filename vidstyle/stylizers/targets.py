"""The paintings' Gram matrices, which the optimization engine imitates."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from vidstyle import image as images
from vidstyle.errors import OptionError
from vidstyle.models.pixels import as_tensor
from vidstyle.models.vgg import VGG19
from vidstyle.stylizers.objective import Target
from vidstyle.stylizers.regions import Regions

Paintings = Sequence[tuple[np.ndarray, float]]
"""RGB uint8 H×W×3 pictures of any size, each with its weight."""

KEPT_SIZES = 8
"""Number of painting sizes whose Gram matrices are cached."""


class StyleTargets:
    """Gram matrices of paintings at the sizes that are asked for.

    Args:
        paintings: as ``normalized`` returns them.
        layers: the layers of ``vgg`` to compute them for; without any, there are no targets.
        adapt: matches a painting's colours to a photo's first; None leaves paintings as they are.
        regions: of the painting, of which there is then one; its targets are by region.
    """

    def __init__(
        self,
        paintings: Paintings,
        layers: Mapping[str, float],
        vgg: VGG19,
        device: torch.device,
        adapt: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None,
        regions: Regions | None = None,
    ) -> None:
        self.paintings = paintings
        self.layers = layers
        self.vgg = vgg
        self.device = device
        self.adapt = adapt
        self.regions = regions
        self.cached: dict[int, dict[str, Target]] = {}

    def __call__(self, photo: np.ndarray | None, side: int) -> dict[str, Target]:
        """Targets by layer, from the paintings with a short side of ``side`` pixels."""
        if not self.layers:
            return {}
        if self.adapt and photo is not None:
            adapted = [(self.adapt(p, photo), weight) for p, weight in self.paintings]
            return self._mixed(adapted, side)
        if side not in self.cached:
            while len(self.cached) >= KEPT_SIZES:
                del self.cached[next(iter(self.cached))]
            self.cached[side] = self._mixed(self.paintings, side)
        return self.cached[side]

    @torch.no_grad()
    def _mixed(self, paintings: Paintings, side: int) -> dict[str, Target]:
        each: list[dict[str, Target]] = []
        for painting, _ in paintings:
            picture = as_tensor(images.resize_short_side(painting, side)).to(self.device)
            regions = self._regions_of(picture)
            features = self.vgg(picture, self.layers)
            each.append({layer: Target.style(f, regions) for layer, f in features.items()})
        weights = [weight for _, weight in paintings]
        return {layer: Target.mixed([t[layer] for t in each], weights) for layer in self.layers}

    def _regions_of(self, picture: Tensor) -> Tensor | None:
        if self.regions is None:
            return None
        height, width = picture.shape[2:]
        return self.regions.at((width, height)).to(picture.device)


def normalized(paintings: Paintings) -> list[tuple[np.ndarray, float]]:
    """The paintings with a weight above 0, their weights scaled to add up to 1.

    Raises:
        OptionError: no paintings, not a picture, or weights that make no sense.
    """
    if not paintings:
        raise OptionError("no painting given to take the style from")
    for painting, weight in paintings:
        check_picture(painting, "painting", 1)
        if not (math.isfinite(weight) and weight >= 0):
            raise OptionError(f"a painting's weight must be 0 or more, not {weight:g}")
    total = sum(weight for _, weight in paintings)
    if not total:
        raise OptionError("the weights of the paintings are all zero")
    return [(painting, weight / total) for painting, weight in paintings if weight]


def check_picture(image: np.ndarray, kind: str, side: int) -> None:
    """Raise OptionError unless an array is a picture with sides of at least ``side`` pixels."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise OptionError(f"a {kind} must be uint8 H×W×3, not {image.dtype} {image.shape}")
    check_size(kind, image.shape[1], image.shape[0], side)


def check_size(kind: str, width: int, height: int, side: int) -> None:
    """Raise OptionError if a picture is too small for the layers that look at it."""
    if min(width, height) < side:
        raise OptionError(
            f"the {kind} has {width}×{height} pixels, but the layers need at least {side} on each "
            "side; use a larger one or fewer layers"
        )
