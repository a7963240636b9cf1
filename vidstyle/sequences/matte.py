"""Mattes: where a style is painted, and how several styles share a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from vidstyle.errors import InputError


def region_weights(mattes: Sequence[np.ndarray]) -> list[np.ndarray]:
    """How much of each region shows: ``w_k = min(m_k, 1 − Σ_{j>k} w_j)``.

    Later regions lie on top. So mattes that complete one another, soft edges included, leave nothing
    of the source in between, and mattes that overlap never add up to more than 1.

    Args:
        mattes: H×W float32 from 0 to 1, the lowest first.
    """
    weights: list[np.ndarray] = []
    left: np.ndarray | float = 1.0
    for matte in reversed(mattes):
        weights.insert(0, np.minimum(matte, left))
        left = left - weights[0]
    return weights


def composite(
    image: np.ndarray, painted: Sequence[np.ndarray], mattes: Sequence[np.ndarray]
) -> np.ndarray:
    """``image + Σ w_k (painted_k − image)`` with ``region_weights``.

    Where all mattes are 0 the picture is untouched, and where one is 1, with none above, there is
    nothing but its painting; both bit for bit.

    Args:
        image: H×W×3, uint8 or float32 from 0 to 255.
        painted: of the same shape and type, one a matte.
    """
    weights = [weight[:, :, None] for weight in region_weights(mattes)]
    result = image.astype(np.float32) * (1 - sum(weights))
    for picture, weight in zip(painted, weights, strict=True):
        result += weight * picture
    if image.dtype == np.uint8:
        return np.rint(result).clip(0, 255).astype(np.uint8)
    return result
