"""A look as a bilateral grid of affine colour transforms, which any frame can be sliced from.

Chen, Paris, Durand 2007, "Real-time Edge-Aware Image Processing with the Bilateral Grid"; Gharbi,
Chen, Barron, Hasinoff, Durand 2017, "Deep Bilateral Learning for Real-Time Image Enhancement".
There a network predicts the grid; here it is the solution of least squares, of one frame and its
result.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vidstyle.stylizers.color import LUMA

CELLS, LEVELS = 16, 8
"""Vertices along the longer side, and along luma."""
SMOOTHNESS = 1.0
"""Weight of the squared differences between neighbours, beside the squared errors of a vertex's
mean share of the pixels."""
RIDGE = 0.1
"""Weight of the squared distance from the one transform that suits all pixels best."""
PRIOR = 1e-6
"""Weight of that transform's squared distance from leaving colours as they are."""
SLOPE = 0.1
"""Scale of colours beside the offset. Below 1, what varies from place to place becomes a varying
offset rather than steep slopes, which would amplify noise and blocks of the source."""
ITERATIONS = 80
"""Of conjugate gradients."""
STRIP = 1 << 18
"""Pixels that are sliced at once, which bounds the memory."""


@dataclass(frozen=True, eq=False)
class BilateralGrid:
    """Affine transforms of colours in [0, 1] by place and luma.

    Attributes:
        transforms: R×C×L×12 float32: at R rows and C columns of vertices, evenly from edge to edge,
            and L levels of luma, 3×4 matrices by columns: the images of red, green, blue, and the
            offset.
    """

    transforms: Tensor

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Transform a picture of any size, H×W×3 uint8, or float32 from 0 to 255; of its type."""
        height, width = image.shape[:2]
        result = np.empty_like(image)
        rows = max(STRIP // width, 1)
        for top in range(0, height, rows):
            colors = torch.from_numpy(image[top : top + rows]).float().div(255)
            drawn = self._strip(colors, top, height).mul_(255)
            if image.dtype == np.uint8:
                drawn = drawn.round_().byte()
            result[top : top + rows] = drawn.numpy()
        return result

    def _strip(self, colors: Tensor, top: int, height: int) -> Tensor:
        vertices, weights = corners(colors, top, height, self.transforms.shape[:3])
        table = self.transforms.view(-1, 12)
        sliced = F.embedding_bag(vertices, table, mode="sum", per_sample_weights=weights)
        red, green, blue, offset = sliced.view(*colors.shape[:2], 4, 3).unbind(dim=2)
        result = torch.addcmul(offset, red, colors[:, :, :1])
        result.addcmul_(green, colors[:, :, 1:2]).addcmul_(blue, colors[:, :, 2:])
        return result.clamp_(0, 1)

    def mixed(self, other: BilateralGrid, share: float) -> BilateralGrid:
        """Between this grid and another of the same size, of which it gets a share from 0 to 1."""
        return BilateralGrid(torch.lerp(self.transforms, other.transforms, share))


def corners(colors: Tensor, top: int, height: int, shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """The eight vertices around each pixel, and their weights: P×8 int32 and P×8 float32.

    Args:
        colors: h×W×3 in [0, 1], rows of a picture from ``top``.
        height: of the whole picture.
        shape: rows, columns and levels of the grid.
    """
    width, levels = colors.shape[1], shape[2]
    z, above = _split((colors @ torch.tensor(LUMA)).clamp_(0, 1).mul_(levels - 1), levels)
    z, above = z.view(-1, 1), above.view(-1, 1)
    part = slice(top * width, (top + len(colors)) * width)
    columns, shares = (each[part] for each in _places(height, width, *shape))
    low = columns + z
    return torch.cat([low, low + 1], 1), torch.cat([shares * (1 - above), shares * above], 1)


@lru_cache(maxsize=2)
def _places(height: int, width: int, rows: int, columns: int, levels: int) -> tuple[Tensor, Tensor]:
    """The lowest vertices of the four columns around each pixel, P×4 int32, and their weights."""
    y, below = (each[:, None] for each in _between(torch.arange(height), height, rows))
    x, right = _between(torch.arange(width), width, columns)
    first = (y * columns + x) * levels
    steps = torch.tensor([0, levels, columns * levels, (columns + 1) * levels], dtype=torch.int32)
    shares = [a * b for a in (1 - below, below) for b in (1 - right, right)]
    return first.view(-1, 1) + steps, torch.stack(shares, dim=2).view(-1, 4)


def _between(positions: Tensor, size: int, vertices: int) -> tuple[Tensor, Tensor]:
    """Which vertex lies before each of ``size`` pixels, and how far behind it the pixel is."""
    return _split((positions + 0.5) * ((vertices - 1) / size), vertices)


def _split(positions: Tensor, vertices: int) -> tuple[Tensor, Tensor]:
    before = positions.int().clamp_(max=vertices - 2)
    return before, positions - before


# ---- learning -----------------------------------------------------------------------------


def fit_grid(image: np.ndarray, result: np.ndarray) -> BilateralGrid:
    """The smooth grid that makes a result of a picture best, by regularized least squares.

    Args:
        image, result: H×W×3 uint8.
    """
    colors, wanted = (torch.from_numpy(picture).float().div(255) for picture in (image, result))
    height, width = image.shape[:2]
    rows, columns = (max(round(CELLS * side / max(height, width)), 2) for side in (height, width))
    shape = (rows, columns, LEVELS)
    vertices, weights = corners(colors, 0, height, shape)
    known = F.pad(SLOPE * colors, (0, 1), value=1.0).view(-1, 4)
    pixels, cells = len(known), rows * columns * LEVELS
    places = torch.stack([torch.arange(pixels).repeat_interleave(8), vertices.flatten().long()])
    slicing = torch.sparse_coo_tensor(
        places, weights.flatten(), (pixels, cells), check_invariants=False
    )
    slicing, adjoint = slicing.coalesce(), slicing.t().coalesce()
    change = wanted.view(-1, 3) - colors.view(-1, 3)
    moments = (known.T @ known).double() / pixels + PRIOR * torch.eye(4).double()
    overall = torch.linalg.solve(moments, (known.T @ change).double() / pixels).float()
    share = cells / pixels

    def splat(errors: Tensor) -> Tensor:
        products = known[:, :, None] * errors[:, None]
        return (adjoint @ products.view(pixels, 12)) * share

    def normal(grid: Tensor) -> Tensor:
        sliced = (slicing @ grid).view(pixels, 4, 3)
        data = splat((known[:, :, None] * sliced).sum(dim=1))
        return data + SMOOTHNESS * _roughness(grid.view(*shape, 12)).view(cells, 12) + RIDGE * grid

    local = conjugate_gradients(normal, splat(change - known @ overall), ITERATIONS)
    scale = torch.tensor([SLOPE] * 9 + [1.0] * 3)
    photo = torch.eye(4)[:, :3].flatten()
    return BilateralGrid((photo + scale * (overall.flatten() + local)).view(*shape, 12))


def _roughness(grid: Tensor) -> Tensor:
    """Half the gradient of the summed squared differences between neighbours; R×C×L×K."""
    result = torch.zeros_like(grid)
    for axis in range(3):
        steps = grid.diff(dim=axis)
        size = steps.shape[axis]
        result.narrow(axis, 0, size).sub_(steps)
        result.narrow(axis, 1, size).add_(steps)
    return result


def conjugate_gradients(
    matrix: Callable[[Tensor], Tensor], right: Tensor, iterations: int
) -> Tensor:
    """Solve ``matrix(x) = right`` for a symmetric positive definite matrix, from 0.

    Ends early when the residual has become a millionth.
    """
    x = torch.zeros_like(right)
    residual, direction = right.clone(), right.clone()
    square = first = float(residual.square().sum())
    for _ in range(iterations):
        if square <= 1e-12 * first:
            break
        product = matrix(direction)
        step = square / float((direction * product).sum())
        x += step * direction
        residual -= step * product
        square, before = float(residual.square().sum()), square
        direction = residual + square / before * direction
    return x
