"""Perceptual losses (Gatys, Ecker, Bethge 2016; Johnson, Alahi, Fei-Fei 2016), one per picture.

Style and content are normalized per layer by the target's own energy, which the papers do not do:
layers and paintings then weigh alike, and a loss of 1 means "as far off as a blank picture".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
CONTENT_LAYER = "relu4_2"


def gram_matrix(features: Tensor) -> Tensor:
    """``G = F Fᵀ / (C·H·W)`` (Gatys 2016, eq. 3): N×C×H×W to N×C×C, in float32."""
    n, c, h, w = features.shape
    rows = features.permute(0, 2, 3, 1).reshape(n, h * w, c)
    return torch.bmm(rows.transpose(1, 2), rows).float() / (c * h * w)


def gram_matrices(features: Mapping[str, Tensor], layers: Sequence[str]) -> dict[str, Tensor]:
    return {layer: gram_matrix(features[layer]) for layer in layers}


def style_distance(grams: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> Tensor:
    """``Σ_l ‖G_l − T_l‖² / ‖T_l‖²`` for each picture: N."""
    total = torch.zeros(())
    for layer, target in targets.items():
        error = (grams[layer] - target).square().sum(dim=(1, 2))
        total = total.to(error.device) + error / target.square().sum(dim=(1, 2))
    return total


def content_distance(features: Tensor, target: Tensor) -> Tensor:
    """``‖F − P‖² / ‖P‖²`` for each picture: N."""
    error = (features.float() - target.float()).square().sum(dim=(1, 2, 3))
    return error / target.float().square().sum(dim=(1, 2, 3))


def lattice_energy(image: Tensor) -> Tensor:
    """How much of a checkerboard there is in each picture: N.

    Pixel shuffle puts four pictures of half the size together (Odena, Dumoulin, Olah 2016 on what
    comes of that). Over an area, the four must agree: the result is the variance between their
    means over 16×16 pixels, colours in [0, 1].
    """
    phases = F.avg_pool2d(F.pixel_unshuffle(image, 2), 8)
    n, c, h, w = phases.shape
    return phases.view(n, c // 4, 4, h, w).var(dim=2, correction=0).mean(dim=(1, 2, 3))
