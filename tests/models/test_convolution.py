"""Convolutions with fixed weights against a float64 reference."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from vidstyle.models.convolution import FixedConv2d


@pytest.mark.parametrize(
    ("channels", "height", "width"),
    [
        ((3, 16), 20, 30),
        ((16, 24), 1, 7),
        ((32, 16), 96, 17),
        ((16, 16), 97, 33),
        ((16, 32), 250, 9),
    ],
)
def test_responses_and_gradients_are_those_of_a_direct_convolution(
    channels: tuple[int, int], height: int, width: int
) -> None:
    torch.manual_seed(0)
    conv = FixedConv2d(*channels)
    x = torch.randn(2, channels[0], height, width, requires_grad=True)
    weighting = torch.randn(2, channels[1], height, width)
    found = conv(x)
    (gradient,) = torch.autograd.grad((found * weighting).sum(), x)
    y = x.detach().double().requires_grad_()
    assert conv.bias is not None
    expected = F.conv2d(y, conv.weight.double(), conv.bias.double(), padding=1)
    (exact,) = torch.autograd.grad((expected * weighting.double()).sum(), y)
    torch.testing.assert_close(found.double(), expected.detach(), rtol=0, atol=3e-5)
    torch.testing.assert_close(gradient.double(), exact, rtol=0, atol=3e-5)


def test_a_result_may_be_changed_in_place() -> None:
    conv = FixedConv2d(16, 16)
    x = torch.randn(1, 16, 200, 8, requires_grad=True)
    F.relu(conv(x), inplace=True).sum().backward()
    assert x.grad is not None


def test_weights_do_not_learn() -> None:
    conv = FixedConv2d(16, 16)
    assert not any(parameter.requires_grad for parameter in conv.parameters())
