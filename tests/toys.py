"""Small stand-ins made when a test wants them: a backbone with styles, VGG19, photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from vidstyle.image import write_image
from vidstyle.models.transformer import Architecture, TransformerNet
from vidstyle.styles import Style, StyleFile, StyleInfo, write_style_file
from vidstyle.styles.file import backbone_hash

TINY = replace(Architecture(), width=8, deep=16, deep_blocks=1, half=8)


def toy_network(seed: int = 0, architecture: Architecture = TINY) -> TransformerNet:
    """Random weights, large enough that every layer shows in the output."""
    torch.manual_seed(seed)
    network = TransformerNet(architecture).requires_grad_(False).eval()
    network.load_state_dict({k: v.half().float() for k, v in network.state_dict().items()})
    return network


def toy_vector(network: TransformerNet, seed: int = 0) -> Tensor:
    """A random style near the one that training starts from."""
    generator = torch.Generator().manual_seed(seed)
    start = network.new_style()
    return (start + 0.3 * torch.randn(start.shape, generator=generator)).half().float()


def toy_file(names: Sequence[str] = ("alpha",), seed: int = 0) -> StyleFile:
    """A whole style file in memory, the identity among its styles."""
    network = toy_network(seed)
    backbone = dict(network.state_dict())
    vectors = {name: toy_vector(network, n + 10 * seed) for n, name in enumerate(names)}
    vectors["photo"] = network.identity_style()
    return StyleFile(
        path=None,
        architecture=network.architecture,
        backbone_id=backbone_hash(backbone),
        backbone=backbone,
        vectors=vectors,
        infos={name: StyleInfo(name, name.title(), "Nobody", "2000") for name in vectors},
    )


def write_toy(path: Path, names: Sequence[str] = ("alpha",), seed: int = 0) -> Path:
    return write_style_file(toy_file(names, seed), path)


def identity() -> Style:
    """A style that returns the photo."""
    network = toy_network()
    vector = network.identity_style()
    return Style("none", StyleInfo("none"), network, vector, vector)


def toy_style(seed: int = 0) -> Style:
    network = toy_network(seed)
    vector = toy_vector(network, seed)
    return Style("toy", StyleInfo("toy"), network, vector, network.identity_style())


def toy_photo(width: int = 64, height: int = 48, seed: int = 0) -> np.ndarray:
    """Coloured clouds with some grain, using all of the range."""
    rng = np.random.default_rng(seed)
    clouds = rng.random((5, 6, 3), np.float32)
    smooth = cv2.resize(clouds, (width, height), interpolation=cv2.INTER_CUBIC)
    grain = rng.normal(0, 0.02, (height, width, 3))
    return ((smooth + grain).clip(0, 1) * 255).astype(np.uint8)


def write_photos(folder: Path, count: int, width: int = 64, height: int = 48) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        write_image(folder / f"{number:04d}.png", toy_photo(width, height, seed=number))
    return folder


def write_vgg(path: Path) -> Path:
    """The weights of ``toy_vgg`` as a file."""
    save_file(toy_vgg(), path)
    return path


def toy_vgg(width: int = 8, seed: int = 0) -> dict[str, Tensor]:
    """Weights under torchvision's names, each layer ``width``/64 as wide as VGG19's."""
    generator = torch.Generator().manual_seed(seed)
    indices = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34)
    widths = [64] * 2 + [128] * 2 + [256] * 4 + [512] * 8
    state, channels = {}, 3
    for index, full in zip(indices, widths, strict=True):
        out = full * width // 64
        gain = (2 / (9 * channels)) ** 0.5
        state[f"features.{index}.weight"] = gain * torch.randn(
            (out, channels, 3, 3), generator=generator
        )
        state[f"features.{index}.bias"] = 0.1 * torch.randn(out, generator=generator)
        channels = out
    return state


VGG_LAYOUT = (
    *("1_1", "1_2", "P"),
    *("2_1", "2_2", "P"),
    *("3_1", "3_2", "3_3", "3_4", "P"),
    *("4_1", "4_2", "4_3", "4_4", "P"),
    *("5_1", "5_2", "5_3", "5_4", "P"),
)
"""torchvision's "E" configuration: P pools, and each number is a convolution and its ReLU."""


def exact_features(
    state: dict[str, Tensor], image: Tensor, pooling: str = "max"
) -> dict[str, Tensor]:
    """All of VGG19's features in double precision, walking through torchvision's modules."""
    mean = torch.tensor([0.485, 0.456, 0.406]).double().view(3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).double().view(3, 1, 1)
    pool = torch.nn.MaxPool2d(2, 2) if pooling == "max" else torch.nn.AvgPool2d(2, 2)
    x, index, features = (image.double() - mean) / std, 0, {}
    for name in VGG_LAYOUT:
        if name == "P":
            x = pool(x) if min(x.shape[-2:]) > 1 else x
            index += 1
            continue
        weight, bias = (state[f"features.{index}.{kind}"].double() for kind in ("weight", "bias"))
        x = F.conv2d(x, weight, bias, padding=1).clamp(min=0)
        features[f"relu{name}"] = x
        index += 2
    return features
