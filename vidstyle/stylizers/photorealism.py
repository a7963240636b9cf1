"""What keeps the result of the optimization engine a photo.

Luan, Paris, Shechtman, Bala 2017, "Deep Photo Style Transfer".
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vidstyle.models.layers import deepest
from vidstyle.models.matting import guided_filter, matting_laplacian
from vidstyle.options import OptimizeOptions, PhotorealismOptions
from vidstyle.stylizers.regions import LAYER, Regions

SMALLEST_SIDE = 3
"""Pixels that the sides of a photo need at least, for one window of the matting Laplacian."""

REACH = 1 / 12
"""Radius of the guided filter's windows, as a share of the picture's shorter side: in smaller ones,
blotches remain, which the Laplacian allows, as it looks at 3×3 pixels at a time."""
EVENNESS = 1e-4
"""Variance of colours in [0, 1] below which the guided filter evens out a window."""


@dataclass(frozen=True, eq=False)
class Photorealism:
    """The photorealism term, and by which regions a photo is like the style.

    Attributes:
        weight: of the term, 0 or more.
        regions: of the photo and of the style; None where all is one region.
    """

    weight: float
    regions: tuple[Regions, Regions] | None = None

    def laplacian(self, photo: Tensor) -> tuple[Tensor, float]:
        """The photo's matting Laplacian, of 1×3×H×W, and its weight."""
        return matting_laplacian(photo), self.weight

    def regions_at(self, size: tuple[int, int], device: torch.device) -> Tensor | None:
        """The photo's regions at a width and height: 1×R×H×W."""
        return None if self.regions is None else self.regions[0].at(size).to(device)

    def finish(self, photo: Tensor, result: Tensor) -> Tensor:
        """The result without what is not locally affine in the photo: 1×3×H×W."""
        radius = max(round(REACH * min(photo.shape[2:])), 1)
        return guided_filter(photo, result, radius, EVENNESS)


def deepest_layer(optimize: OptimizeOptions, options: PhotorealismOptions) -> str:
    """How far VGG19 has to be computed, also to find regions."""
    return deepest([optimize.deepest_layer, *([LAYER] if options.auto_regions else [])])
