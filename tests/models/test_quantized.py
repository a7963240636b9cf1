"""Convolutions in 8 bits against float64."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from vidstyle.device import has_int8
from vidstyle.models.quantized import Int8Conv2d, quantize_blocks
from vidstyle.models.transformer import TransformerNet

pytestmark = pytest.mark.skipif(not has_int8(), reason="no 8-bit convolutions here")


def convolution(inputs: int = 32, outputs: int = 48) -> nn.Conv2d:
    torch.manual_seed(0)
    return nn.Conv2d(inputs, outputs, 3, bias=False).requires_grad_(False)


@pytest.mark.parametrize("offset", [-3.0, 0.0, 3.0])
def test_a_convolution_is_right_to_a_few_percent(offset: float) -> None:
    conv = convolution()
    x = (torch.randn(1, 32, 20, 31) + offset).contiguous(memory_format=torch.channels_last)
    expected = F.conv2d(x.double(), conv.weight.double())
    result = Int8Conv2d(conv)(x)
    assert result.dtype == torch.float32
    assert result.shape == expected.shape
    error = (result - expected).square().mean().sqrt()
    assert error < 0.03 * expected.square().mean().sqrt()


@pytest.mark.parametrize("value", [0.0, 0.7, -0.7])
def test_constant_inputs(value: float) -> None:
    conv = convolution()
    x = torch.full((1, 32, 9, 9), value).contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(Int8Conv2d(conv)(x), conv(x), atol=0.02, rtol=0.02)


def test_only_residual_blocks_are_replaced() -> None:
    network = quantize_blocks(TransformerNet())
    replaced = [name for name, m in network.named_modules() if isinstance(m, Int8Conv2d)]
    blocks = network.architecture.deep_blocks + network.architecture.fine_blocks
    assert len(replaced) == 2 * blocks
    assert all(name.startswith(("deep.", "fine.")) for name in replaced)
