"""3×3 convolutions with fixed weights, using Winograd's algorithm where it is fastest."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx

_FEWEST_CHANNELS = 16
"""With fewer, transforming the picture costs more than multiplying it."""
_STRIP = 96
"""Rows convolved at a time, which bounds the memory of the transformed picture."""


class FixedConv2d(nn.Conv2d):
    """A size-preserving 3×3 convolution whose weights are not trained.

    On a CPU in float32, it and its gradient use NNPACK (Winograd's algorithm, Lavin and Gray 2016),
    which takes half of oneDNN's time without AMX. Its rounding error is about ten times that of a
    direct convolution: 1e-5 of the largest response. PyTorch has no public function for it, and
    chooses it only where oneDNN is missing.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 3, padding=1)
        self.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        few = min(self.in_channels, self.out_channels) < _FEWEST_CHANNELS
        if few or x.device.type != "cpu" or x.dtype != torch.float32 or not _has_nnpack():
            return super().forward(x)
        result: Tensor = _Winograd.apply(x, self.weight, self.bias)
        return result


class _Winograd(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(weight)
        return _convolve(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (weight,) = ctx.saved_tensors
        return _convolve(gradient, weight.flip(2, 3).transpose(0, 1), None), None, None


def _convolve(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    weight, height = weight.contiguous(), x.shape[2]
    if height <= _STRIP:
        return _convolve_strip(x, weight, bias)
    strips = []
    for top in range(0, height, _STRIP):
        first, bottom = max(top - 1, 0), min(top + _STRIP, height)
        drawn = _convolve_strip(x[:, :, first : bottom + 1], weight, bias)
        strips.append(drawn[:, :, top - first : bottom - first])
    return torch.cat(strips, dim=2)


def _convolve_strip(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return torch._nnpack_spatial_convolution(x.contiguous(), weight, bias, [1, 1], [1, 1])


def _has_nnpack() -> bool:
    """Whether NNPACK works here; the call also initializes it."""
    return bool(torch._nnpack_available())
