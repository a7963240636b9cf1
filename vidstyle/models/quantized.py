"""Convolutions in 8-bit integers, for processors that multiply them fastest (VNNI, AMX)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vidstyle.models.transformer import ResidualBlock, TransformerNet


class Int8Conv2d(nn.Module):
    """A convolution without padding, stride or bias: float32 in and out, 8 bits in between.

    Weights have one scale per output channel, the input one scale from its range. Pictures must
    therefore be passed one at a time, or they would depend on each other.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        weight = conv.weight.data.float()
        self.scale = weight.abs().amax(dim=(1, 2, 3)).clamp_(min=1e-12) / 127
        self.quantized = (weight / self.scale[:, None, None, None]).round().to(torch.int8)
        self.zero_point = torch.zeros(len(weight), dtype=torch.int32)
        self.packed: Tensor | None = None

    def forward(self, x: Tensor, limits: tuple[float, float] | None = None) -> Tensor:
        """``limits`` is the range of the whole input if x is a part of it; computed by default."""
        ops = torch.ops.onednn
        low, high = limits or value_range(x)
        # 254 steps, because rounding the zero point may add one; so nothing needs clamping.
        scale = max(high - low, 1e-12) / 254
        zero_point = round(-low / scale)
        coded = (x * (1 / scale)).add_(zero_point + 0.5).to(torch.uint8)
        if self.packed is None:
            self.packed = ops.qconv_prepack(
                self.quantized, self.scale, scale, 0, [1, 1], [0, 0], [1, 1], 1, list(x.shape)
            )
        return ops.qconv_pointwise(
            coded, scale, zero_point, self.packed, self.scale, self.zero_point, None,
            [1, 1], [0, 0], [1, 1], 1, 1.0, 0, torch.float32, "none", [], "",
        )  # fmt: skip


def value_range(x: Tensor) -> tuple[float, float]:
    """Minimum and maximum of the numbers and zero."""
    # In memory order: aminmax would first copy channels_last to another order.
    low, high = (float(v) for v in torch.aminmax(x.permute(0, 2, 3, 1)))
    return min(low, 0.0), max(high, 0.0)


def quantize_blocks(network: TransformerNet) -> TransformerNet:
    """Quantize the residual blocks, which do three quarters of the work; changes the network."""
    for block in network.modules():
        if isinstance(block, ResidualBlock):
            block.conv1 = Int8Conv2d(block.conv1)  # type: ignore[assignment]
            block.conv2 = Int8Conv2d(block.conv2)  # type: ignore[assignment]
    return network
