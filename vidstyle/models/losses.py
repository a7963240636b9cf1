"""Perceptual losses (Gatys, Ecker, Bethge 2016; Johnson, Alahi, Fei-Fei 2016), one per picture.

Unlike in the papers, style and content are normalized per layer by the energy of the target: all
layers and paintings then weigh the same, and a loss of 1 means "as far off as a blank picture".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import FunctionCtx

from vidstyle.models.layers import Normalization

STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
CONTENT_LAYER = "relu4_2"
STRUCTURE_LAYERS = ("relu3_1", "relu4_1")
"""Where ``normalized_content`` and ``self_similarity`` compare a painting with its photo. Both are
style layers, so they cost nothing extra."""


def gram_matrix(features: Tensor) -> Tensor:
    """``G = F Fᵀ / (C·H·W)`` (Gatys 2016, eq. 3): N×C×H×W to N×C×C, in float32."""
    n, c, h, w = features.shape
    rows = features.permute(0, 2, 3, 1).reshape(n, h * w, c)
    product: Tensor = _InnerProducts.apply(rows)
    return product.float() / (c * h * w)


class _InnerProducts(torch.autograd.Function):
    """``rowsᵀ rows``: N×P×C to N×C×C.

    Autograd would compute one product per factor, transpose the first in memory and add both up;
    their sum is a single product.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, rows: Tensor) -> Tensor:
        ctx.save_for_backward(rows)
        return torch.bmm(rows.transpose(1, 2), rows)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (rows,) = ctx.saved_tensors
        return torch.bmm(rows, (gradient + gradient.transpose(1, 2)).to(rows.dtype))


def region_grams(features: Tensor, regions: Tensor) -> Tensor:
    """Gram matrices by region, each divided by its region's area: R×C×C, in float32.

    Args:
        features: 1×C×h×w.
        regions: 1×R×H×W, how much of each pixel belongs to each region, from 0 to 1.
    """
    weights = F.adaptive_avg_pool2d(regions, (features.shape[2], features.shape[3]))[0, :, None]
    grams = gram_matrix(features * weights.sqrt().to(features.dtype))
    return grams / weights.mean(dim=(2, 3)).clamp(min=1e-6)[:, :, None].view(-1, 1, 1)


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
    """Strength of the checkerboard in each picture: N.

    Pixel shuffle interleaves four pictures of half the size, which may differ (Odena, Dumoulin,
    Olah 2016). Over an area the four must agree, so the result is the variance of their means over
    16×16 pixels, colours in [0, 1].
    """
    phases = F.avg_pool2d(F.pixel_unshuffle(image, 2), 8)
    n, c, h, w = phases.shape
    return phases.view(n, c // 4, 4, h, w).var(dim=2, correction=0).mean(dim=(1, 2, 3))


def normalized_content(features: Tensor, target: Tensor) -> Tensor:
    """Mean squared difference of features normalized to mean 0 and deviation 1 per channel: N.

    Changes of colour and contrast, which affect a channel as a whole, cost nothing; changes of
    where a channel responds do (as in StyTr2, Deng et al. 2022, and MCCNet, Deng et al. 2021).
    From 0 to about 2, the value of unrelated features; computed in float32.
    """
    first, second = (F.instance_norm(f.float(), eps=1e-5) for f in (features, target))
    return (first - second).square().mean(dim=(1, 2, 3))


def self_similarity(features: Tensor, cells: int = 20) -> Tensor:
    """Distances between all places of a picture: N×K×K, each column normalized to sum to 1.

    Cosine distance of features averaged into ``cells``×``cells`` places, minus their mean (STROTSS,
    Kolkin, Salavon, Shakhnarovich 2019, section 2.2, which samples places instead).
    """
    places = F.adaptive_avg_pool2d(features.float(), cells).flatten(2)
    places = F.normalize(places - places.mean(dim=2, keepdim=True), dim=1, eps=1e-6)
    distance = 1 - places.transpose(1, 2) @ places
    return distance / distance.sum(dim=1, keepdim=True)


def self_similarity_distance(similarity: Tensor, target: Tensor) -> Tensor:
    """Mean over columns of the summed absolute difference of two self-similarities: N."""
    return (similarity - target).abs().sum(dim=1).mean(dim=1)


def luma(image: Tensor) -> Tensor:
    """BT.601 luma, N×3×H×W to N×1×H×W."""
    weights = torch.tensor([0.299, 0.587, 0.114], device=image.device, dtype=image.dtype)
    return torch.einsum("nchw,c->nhw", image, weights)[:, None]


def tone_correlation(image: Tensor, photo: Tensor, size: int) -> Tensor:
    """Pearson correlation of luma averaged over ``size``×``size`` pixels: N."""
    return correlation(*(F.avg_pool2d(luma(picture), size) for picture in (image, photo)))


def edge_correlation(image: Tensor, photo: Tensor, size: int, exponent: float = 1.0) -> Tensor:
    """Pearson correlation of edge strength: N.

    Edge strength is the length of the gradient (forward differences) of luma averaged over
    ``size``×``size`` pixels, to the power of ``exponent``; below 1, faint edges weigh more.
    """
    first, second = (F.avg_pool2d(luma(picture), size) for picture in (image, photo))
    return correlation(*(_gradient_length(x).pow(exponent) for x in (first, second)))


def _gradient_length(x: Tensor) -> Tensor:
    corner = x[:, :, :-1, :-1]
    across, down = x[:, :, :-1, 1:] - corner, x[:, :, 1:, :-1] - corner
    # The square root has no gradient at zero.
    return (across.square() + down.square() + 1e-6).sqrt()


def halo(image: Tensor, photo: Tensor) -> Tensor:
    """How much lighter a painting is beside dark objects than elsewhere on the same ground: N.

    A network rewarded for strong edges draws light rims along dark outlines. The photo is no
    lighter there than further away, so any difference comes from the painting. Strokes also differ,
    but in both directions, and cancel out over all rims of a picture.

    Returns:
        The mean difference, in standard deviations of the painting's luma; 0 without dark outlines.
        0.05 is invisible, 0.3 obvious. For the negatives of both pictures it measures dark rims
        along light objects.
    """
    drawn, ground = (F.avg_pool2d(luma(picture), 4) for picture in (image, photo))
    with torch.no_grad():
        flat = _largest(ground, 1) + _largest(-ground, 1) < 0.08
        dark_near = ground + _largest(-ground, _RIM) > 0.2
        # For means over those surroundings that are as light in the photo as the place itself.
        levels = torch.linspace(0, 1, _LEVELS, device=photo.device).view(1, -1, 1, 1)
        shares = (1 - (ground - levels).abs() * (_LEVELS - 1)).clamp(min=0)
        elsewhere = shares * (flat & ~dark_near)
        count = (shares * _box_mean(elsewhere, _SURROUNDINGS)).sum(dim=1, keepdim=True)
        rim = (flat & dark_near & (count > 0.02)).float()
    expected = (shares * _box_mean(elsewhere * drawn, _SURROUNDINGS)).sum(dim=1, keepdim=True)
    lighter = rim * (drawn - expected / count.clamp(min=1e-4))
    mean = lighter.sum(dim=(1, 2, 3)) / rim.sum(dim=(1, 2, 3)).clamp(min=1)
    return mean / drawn.std(dim=(1, 2, 3)).clamp(min=1e-3)


_LEVELS = 9
"""Levels of luma that ``halo`` sorts the grounds into."""
_RIM, _SURROUNDINGS = 3, 10
"""Width of rims around dark objects, and radius of the surroundings, in cells of 4×4 pixels."""


def _largest(x: Tensor, radius: int) -> Tensor:
    """The largest value within ``radius`` of each place."""
    return F.max_pool2d(x, 2 * radius + 1, stride=1, padding=radius)


def _box_mean(x: Tensor, radius: int) -> Tensor:
    side = 2 * radius + 1
    rows = F.avg_pool2d(x, (1, side), 1, (0, radius), count_include_pad=False)
    return F.avg_pool2d(rows, (side, 1), 1, (radius, 0), count_include_pad=False)


def correlation(first: Tensor, second: Tensor) -> Tensor:
    """Pearson correlation of all values of each picture: N; 0 if there is no variance."""
    first, second = (x.flatten(1) - x.flatten(1).mean(dim=1, keepdim=True) for x in (first, second))
    return F.cosine_similarity(first, second, dim=1, eps=1e-6)


def content_loss(features: Tensor, target: Tensor, normalization: Normalization) -> Tensor:
    """Distance of one layer's responses F, N×C×H×W, from the photo's P: N.

    ``relative``: ``‖F − P‖² / ‖P‖²``; ``gatys``: ``½ Σ (F − P)²`` (Gatys 2016, eq. 1); ``mean``:
    the mean of ``(F − P)²``.
    """
    if normalization == "relative":
        return content_distance(features, target)
    squares = (features.float() - target.float()).square()
    if normalization == "gatys":
        return squares.sum(dim=(1, 2, 3)) / 2
    return squares.mean(dim=(1, 2, 3))


def style_loss(
    gram: Tensor, target: Tensor, normalization: Normalization, positions: int
) -> Tensor:
    """Distance of one layer's Gram matrix G, N×C×C, from the painting's A: N.

    Both are as ``gram_matrix`` returns them, divided by their number of positions. ``relative``:
    ``‖G − A‖² / ‖A‖²``; ``gatys``: ``¼ ‖G − A‖²`` (Gatys 2016, eq. 4); ``mean``: the mean of
    ``(G′ − A′)²`` divided by C·M, where G′ and A′ are the matrices times C·M.

    Args:
        positions: M, the height times the width of the layer in the picture.
    """
    error = (gram - target).square().sum(dim=(1, 2))
    if normalization == "relative":
        return error / target.square().sum(dim=(1, 2))
    if normalization == "gatys":
        return error / 4
    return error * (positions / gram.shape[1])


def total_variation(image: Tensor, exponent: float = 2.0) -> Tensor:
    """Mean over channels and positions of ``(Δx² + Δy²)^(exponent/2)``: N×C×H×W to N.

    Forward differences at the (H−1)×(W−1) positions that have both (Mahendran, Vedaldi 2015, eq. 4,
    which takes the sum; the exponent is β there).

    Args:
        exponent: at least 2; below, the gradient is unbounded where the picture is flat.
    """
    corner = image[:, :, :-1, :-1]
    across, down = image[:, :, :-1, 1:] - corner, image[:, :, 1:, :-1] - corner
    squares = across.square() + down.square()
    return squares.pow(exponent / 2).mean(dim=(1, 2, 3))
