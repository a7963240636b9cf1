"""The yardstick: the feed-forward network of Johnson, Alahi, Fei-Fei 2016 as people run it.

Architecture as in their supplement, with instance normalization (Ulyanov et al. 2016), reflection
padding and nearest-neighbour upsampling: 1.68 million parameters, random weights.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PaddedConv(nn.Module):
    """Reflection padding and a convolution."""

    def __init__(self, inputs: int, outputs: int, size: int, stride: int = 1) -> None:
        super().__init__()
        self.pad = nn.ReflectionPad2d(size // 2)
        self.conv = nn.Conv2d(inputs, outputs, size, stride)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(self.pad(x))


class PlainBlock(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = PaddedConv(channels, channels, 3)
        self.norm1 = nn.InstanceNorm2d(channels, affine=True)
        self.conv2 = PaddedConv(channels, channels, 3)
        self.norm2 = nn.InstanceNorm2d(channels, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.norm1(self.conv1(x)))
        return self.norm2(self.conv2(y)) + x


class PlainJohnson(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        down = [(3, 32, 9, 1), (32, 64, 3, 2), (64, 128, 3, 2)]
        self.down = nn.Sequential(*(layer for sizes in down for layer in self._layer(*sizes)))
        self.blocks = nn.Sequential(*(PlainBlock(128) for _ in range(5)))
        self.up1 = nn.Sequential(*self._layer(128, 64, 3))
        self.up2 = nn.Sequential(*self._layer(64, 32, 3))
        self.out = PaddedConv(32, 3, 9)

    @staticmethod
    def _layer(inputs: int, outputs: int, size: int, stride: int = 1) -> list[nn.Module]:
        norm = nn.InstanceNorm2d(outputs, affine=True)
        return [PaddedConv(inputs, outputs, size, stride), norm, nn.ReLU()]

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.down(x))
        x = self.up1(F.interpolate(x, scale_factor=2, mode="nearest"))
        x = self.up2(F.interpolate(x, scale_factor=2, mode="nearest"))
        return self.out(x)
