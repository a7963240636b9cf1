"""VGG19 as a feature extractor (Simonyan, Zisserman 2014), by the papers' layer names."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidstyle.errors import TrainingError

BLOCKS = ((64, 64), (128, 128), (256,) * 4, (512,) * 4, (512,) * 4)
"""Output channels of each convolution, by block."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def convolution_names() -> dict[str, int]:
    """``conv1_1`` … ``conv5_4`` with torchvision's index of each in ``vgg19().features``."""
    names, index = {}, 0
    for block, channels in enumerate(BLOCKS, start=1):
        for number in range(1, len(channels) + 1):
            names[f"conv{block}_{number}"] = index
            index += 2
        index += 1
    return names


class VGG19(nn.Module):
    """The convolutional part up to a layer, frozen, for RGB in [0, 1].

    Args:
        state: torchvision's names, ``features.0.weight`` …
        last: name of the deepest layer that will be asked for, such as ``relu4_2``.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, state: Mapping[str, Tensor], last: str = "relu5_4") -> None:
        super().__init__()
        indices = convolution_names()
        self.names = list(indices)[: list(indices).index("conv" + last[-3:]) + 1]
        self.convolutions = nn.ModuleList()
        for name in self.names:
            weight = state[f"features.{indices[name]}.weight"].float()
            conv = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1)
            conv.weight.data.copy_(weight)
            conv.bias.data.copy_(state[f"features.{indices[name]}.bias"].float())  # type: ignore[union-attr]
            self.convolutions.append(conv)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN)[:, None, None])
        self.register_buffer("std", torch.tensor(IMAGENET_STD)[:, None, None])
        self.requires_grad_(False)

    def forward(self, image: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        """Features of N×3×H×W pictures at ``relu…`` layers, each N×C×h×w."""
        wanted = set(layers)
        x = (image - self.mean) / self.std
        features: dict[str, Tensor] = {}
        for name, conv in zip(self.names, self.convolutions, strict=True):
            if name.endswith("_1") and name != "conv1_1":
                x = F.max_pool2d(x, 2)
            x = F.relu(conv(x), inplace=True)
            relu = "relu" + name[-3:]
            if relu in wanted:
                features[relu] = x
                if len(features) == len(wanted):
                    break
        return features


def load_vgg19(path: str | Path | None = None, last: str = "relu5_4") -> VGG19:
    """VGG19 from a ``.safetensors`` or ``.pth`` file, else ``VIDSTYLE_VGG19``, else torchvision.

    Raises:
        TrainingError: no weights are to be had, or the file holds something else.
    """
    path = path or os.environ.get("VIDSTYLE_VGG19")
    state = _read_weights(Path(path)) if path else _download_weights()
    try:
        return VGG19(state, last).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    except (KeyError, RuntimeError) as error:
        raise TrainingError(f"{path}: not VGG19 weights under torchvision's names") from error


def _read_weights(path: Path) -> Mapping[str, Tensor]:
    if not path.is_file():
        raise TrainingError(f"{path}: no such VGG19 weights file")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # each format has error types of its own
        raise TrainingError(f"{path}: cannot be read as VGG19 weights ({error})") from error


def _download_weights() -> Mapping[str, Tensor]:
    remedy = "name a file with --vgg or VIDSTYLE_VGG19"
    try:
        from torchvision.models import VGG19_Weights
    except ImportError as error:
        raise TrainingError(
            f"VGG19 needs torchvision (pip install 'vidstyle[train]'); or {remedy}"
        ) from error
    try:
        return VGG19_Weights.IMAGENET1K_V1.get_state_dict(progress=True, check_hash=True)
    except OSError as error:
        raise TrainingError(f"VGG19 weights could not be downloaded ({error}); {remedy}") from error
