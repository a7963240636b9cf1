"""Colour operations that the stylizers share."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from vidstyle.models.pixels import as_tensor

LUMA = (0.2126, 0.7152, 0.0722)
"""BT.709 weights of red, green and blue in luma."""


def luma(image: Tensor) -> Tensor:
    """BT.709 luma: N×3×H×W to N×1×H×W."""
    weights = torch.tensor(LUMA, device=image.device, dtype=image.dtype)[:, None, None]
    return (image * weights).sum(dim=1, keepdim=True)


def grey(image: Tensor) -> Tensor:
    """The luma in each of three channels: N×3×H×W to the same."""
    return luma(image).expand(-1, 3, -1, -1)


def keep_chroma(photo: Tensor, result: Tensor) -> Tensor:
    """The photo with the luma of the result: N×3×H×W, colours in [0, 1], not clamped.

    Adding the same number to red, green and blue changes luma and leaves chroma alone.
    """
    return photo + luma(result.clamp(0, 1) - photo)


def match_colors(image: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Give a picture the mean and covariance of another's colours: H×W×C float32, 0 to 255.

    Applies the linear map ``Σ_t^½ Σ_i^−½`` about the means (Gatys, Bethge, Hertzmann, Shechtman
    2016, "Preserving Color in Neural Artistic Style Transfer", section 4.1, the variant of Image
    Analogies) and clips the result.

    Args:
        image, target: H×W×C of any sizes, 0 to 255; with one channel, only luma is matched.
    """
    (source_mean, source), (target_mean, wanted) = map(_color_statistics, (image, target))
    transform = _matrix_power(wanted, 0.5) @ _matrix_power(source, -0.5)
    matched = (image.astype(np.float32) - source_mean) @ transform.T + target_mean
    return matched.clip(0, 255).astype(np.float32)


def match_luma(painting: np.ndarray, photo: np.ndarray) -> np.ndarray:
    """The painting in grey, its luma with the photo's mean and variance: H×W×3 float32, 0 to 255.

    Gatys et al. 2016, "Preserving Color in Neural Artistic Style Transfer", section 4.2.
    """
    greys = [luma(as_tensor(image))[0].permute(1, 2, 0).numpy() for image in (painting, photo)]
    return np.repeat(match_colors(255 * greys[0], 255 * greys[1]), 3, axis=2)


def _color_statistics(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of the colours; half a level of grain keeps flat pictures invertible."""
    colors = image.reshape(-1, image.shape[2]).astype(np.float64)
    covariance = np.atleast_2d(np.cov(colors, rowvar=False, bias=True))
    return colors.mean(axis=0), covariance + 0.25 * np.eye(image.shape[2])


def _matrix_power(matrix: np.ndarray, exponent: float) -> np.ndarray:
    """A power of a symmetric positive matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * values**exponent) @ vectors.T
