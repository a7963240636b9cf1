"""The style of any painting at once: a network that predicts a style vector from statistics.

After Ghiasi, Lee, Kudlur, Dumoulin, Shlens 2017, "Exploring the structure of a real-time, arbitrary
neural artistic stylization network". It departs from the paper in what the network sees: means and
deviations of VGG19's channels at four depths, which the losses need anyway, instead of an
Inception network of its own.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from vidstyle.models.layers import BLOCKS
from vidstyle.models.losses import STYLE_LAYERS
from vidstyle.models.vgg import VGG19

STATISTICS = 2 * sum(BLOCKS[int(layer[4]) - 1][0] for layer in STYLE_LAYERS)
"""How many numbers describe a painting: mean and deviation of every channel."""
_LEAST = 1e-3
"""Added before the logarithm, as some of VGG19's channels see nothing in a painting."""


def channels(vgg: VGG19) -> int:
    """How many channels a VGG19 has at ``STYLE_LAYERS``: 960, unless it was pruned."""
    layers = (vgg.names.index("conv" + layer[-3:]) for layer in STYLE_LAYERS)
    return sum(vgg.convolutions[n].weight.shape[0] for n in layers)  # type: ignore[index, union-attr, misc]


def painting_statistics(features: Mapping[str, Tensor]) -> Tensor:
    """Describe paintings by the logarithms of their channels' means and deviations.

    Args:
        features: VGG19's responses at ``STYLE_LAYERS``, each N×C×h×w.

    Returns:
        N×``STATISTICS``.
    """
    parts = []
    for layer in STYLE_LAYERS:
        deviation, mean = torch.std_mean(features[layer].float(), dim=(2, 3))
        parts += [mean, deviation]
    return (torch.cat(parts, 1) + _LEAST).log()


class StylePredictor(nn.Module):
    """Predicts the style vector of a painting for one backbone.

    Args:
        size: length of the style vectors, V.
        bottleneck: how many numbers a painting is reduced to; the paper has 100.
    """

    centre: Tensor
    spread: Tensor
    mean: Tensor
    scale: Tensor

    def __init__(self, size: int, bottleneck: int = 100) -> None:
        super().__init__()
        for name, length in (("centre", STATISTICS), ("mean", size)):
            self.register_buffer(name, torch.zeros(length))
        for name, length in (("spread", STATISTICS), ("scale", size)):
            self.register_buffer(name, torch.ones(length))
        self.reduce = nn.Linear(STATISTICS, bottleneck)
        self.expand = nn.Linear(bottleneck, size)
        nn.init.zeros_(self.expand.bias)

    def standardize(self, statistics: Tensor, vectors: Tensor) -> None:
        """Set what inputs and outputs are measured by: the means and deviations of examples.

        Args:
            statistics: of some paintings, P×``STATISTICS``.
            vectors: trained style vectors, S×V. The prediction begins at their mean.
        """
        self.centre, self.mean = statistics.mean(0), vectors.mean(0)
        self.spread = statistics.std(0).clamp_min(0.05)
        self.scale = vectors.std(0).clamp_min(1e-3)
        with torch.no_grad():
            self.expand.weight.mul_(0.1)

    def forward(self, statistics: Tensor) -> Tensor:
        """Style vectors, N×V, from what ``painting_statistics`` tells."""
        seen = ((statistics - self.centre) / self.spread).clamp(-4, 4)
        return self.mean + self.scale * self.expand(torch.tanh(self.reduce(seen)))
