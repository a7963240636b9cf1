"""What keeps a result photorealistic: the matting Laplacian and the guided filter."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import FunctionCtx

RIDGE = 1e-5
"""ε of Levin et al., for colours in [0, 1]. At their 1e-7, the quantization of 8-bit pictures
decides what is locally affine in flat areas."""
OFFSETS = [(dy, dx) for dy in range(-2, 3) for dx in range(-2, 3)]
"""Where two pixels of a 3×3 window can lie from one another, in the order of their columns."""


def matting_laplacian(image: Tensor, ridge: float = RIDGE) -> Tensor:
    """The matting Laplacian of a picture, as a sparse matrix (H·W)×(H·W) of its dtype.

    A picture x costs ``xᵀ L x``: how far each of its 3×3 windows is from an affine map of the
    image's colours there (Levin, Lischinski, Weiss 2008, "A Closed-Form Solution to Natural Image
    Matting", eq. 12).

    Args:
        image: 1×3×H×W in [0, 1], at least 3×3 pixels.
        ridge: ε, above 0; larger ones hold flat areas more firmly.
    """
    height, width = image.shape[2:]
    costs = _window_costs(image, ridge).view(height - 2, width - 2, 9, 9)
    planes = costs.new_zeros(len(OFFSETS), height, width)
    for i in range(9):
        top, left = divmod(i, 3)
        for j in range(9):
            plane = planes[OFFSETS.index((j // 3 - top, j % 3 - left))]
            plane[top : height - 2 + top, left : width - 2 + left] += costs[:, :, i, j]
    return _banded(planes.to(image.dtype))


def _window_costs(image: Tensor, ridge: float) -> Tensor:
    """The Laplacian of each 3×3 window by itself: W×9×9, in double precision, as many are added."""
    colors = F.unfold(image.double(), 3).view(3, 9, -1).permute(2, 1, 0)
    colors = colors - colors.mean(dim=1, keepdim=True)
    covariance = colors.transpose(1, 2) @ colors / 9
    inverse = torch.linalg.inv(covariance + ridge / 9 * torch.eye(3).to(covariance))
    affinity = (1 + colors @ inverse @ colors.transpose(1, 2)) / 9
    return torch.eye(9).to(affinity) - affinity


def _banded(planes: Tensor) -> Tensor:
    """A sparse matrix between pixels: the values 25×H×W of each with those at ``OFFSETS``."""
    height, width = planes.shape[1:]
    pixels = height * width
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    dy, dx = torch.tensor(OFFSETS).T[:, :, None, None]
    inside = (y + dy >= 0) & (y + dy < height) & (x + dx >= 0) & (x + dx < width)
    inside = inside.flatten(1).T
    shifts = torch.tensor([dy * width + dx for dy, dx in OFFSETS])
    columns = (torch.arange(pixels)[:, None] + shifts)[inside]
    rows = torch.arange(pixels).repeat_interleave(inside.sum(dim=1))
    return torch.sparse_coo_tensor(
        torch.stack([rows, columns]).to(planes.device),
        planes.flatten(1).T[inside.to(planes.device)],
        (pixels, pixels),
        is_coalesced=True,
        check_invariants=False,
    )


def photorealism_loss(image: Tensor, laplacian: Tensor) -> Tensor:
    """``Σ_c V_cᵀ L V_c`` over the channels of a picture 1×3×H×W, divided by its pixels: a scalar
    (Luan, Paris, Shechtman, Bala 2017, "Deep Photo Style Transfer", eq. 2)."""
    values = image.flatten(2)[0].T.contiguous()
    return _QuadraticForm.apply(values, laplacian) / len(values)  # type: ignore[no-any-return]


class _QuadraticForm(torch.autograd.Function):
    """``Σ_c v_cᵀ L v_c`` of N×C values and a symmetric matrix.

    Its gradient is 2 L v; autograd would transpose the sparse matrix and multiply a second time.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, values: Tensor, matrix: Tensor) -> Tensor:
        product = matrix @ values
        ctx.save_for_backward(product)
        return (values * product).sum()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (product,) = ctx.saved_tensors
        return 2 * gradient * product, None


def guided_filter(guide: Tensor, image: Tensor, radius: int, ridge: float) -> Tensor:
    """Locally affine in the guide, and otherwise as close to the image as that allows: 1×C×H×W.

    He, Sun, Tang 2010, "Guided Image Filtering", with a guide in colour (eq. 14 to 16).

    Args:
        guide: 1×3×H×W in [0, 1].
        image: 1×C×H×W.
        radius: of the square windows, in pixels.
        ridge: ε; windows with less variance than this are evened out.
    """
    colors, channels = guide.double(), image.double()
    mean, target = _box_mean(colors, radius), _box_mean(channels, radius)
    covariance = _products(colors, colors, radius) - mean[0, :, None] * mean[0, None]
    shared = _products(colors, channels, radius) - mean[0, :, None] * target[0, None]
    covariance = covariance.permute(2, 3, 0, 1) + ridge * torch.eye(3).to(covariance)
    slope = torch.linalg.solve(covariance, shared.permute(2, 3, 0, 1)).permute(2, 3, 0, 1)
    offset = target - torch.einsum("kchw,khw->chw", slope, mean[0])[None]
    smooth = torch.einsum("kchw,khw->chw", _box_mean(slope, radius), colors[0])
    return (smooth[None] + _box_mean(offset, radius)).to(image.dtype)


def _products(first: Tensor, second: Tensor, radius: int) -> Tensor:
    """Local means of the products of all channels of two pictures: A×B×H×W."""
    return _box_mean(first[0, :, None] * second[0, None], radius)


def _box_mean(x: Tensor, radius: int) -> Tensor:
    side = 2 * radius + 1
    rows = F.avg_pool2d(x, (1, side), 1, (0, radius), count_include_pad=False)
    return F.avg_pool2d(rows, (side, 1), 1, (radius, 0), count_include_pad=False)
