"""Conversion between uint8 pictures and the networks' floats in [0, 1]."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def as_tensor(image: np.ndarray) -> Tensor:
    """H×W×C of 0 to 255 to float32 1×C×H×W in [0, 1], channels_last."""
    pixels = torch.from_numpy(np.require(image, requirements=["C", "W"]))
    return pixels.permute(2, 0, 1)[None].float() / 255


def as_image(tensor: Tensor) -> np.ndarray:
    """The first picture of N×3×H×W as uint8 H×W×3, clamped and rounded."""
    pixels = tensor[0].detach().float().clamp(0, 1).mul(255).round().byte()
    return pixels.permute(1, 2, 0).cpu().numpy()
