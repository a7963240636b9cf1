"""Colours under transparent pixels, so that a painter meets no black fringe there."""

from __future__ import annotations

import cv2
import numpy as np

from vidstyle.frame import coverage


def extend_colors(image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The picture with the colours of what is opaque carried on under what is not.

    A pixel keeps as much of its own colour as it is opaque. The rest comes from means over ever
    larger neighbourhoods, each weighted by alpha, of which the smallest that shows anything counts
    most (push-pull, after Gortler et al. 1996).

    Args:
        image: H×W×3, uint8 or float32 from 0 to 255, not premultiplied.
        alpha: H×W of any type (``coverage``).

    Returns:
        the same shape and type.
    """
    weight = coverage(alpha)
    if not weight.any():
        return image
    filled = _fill(image.astype(np.float32) * weight[:, :, None], weight)
    if image.dtype == np.uint8:
        filled = np.rint(filled).clip(0, 255).astype(np.uint8)
    return np.where((weight == 1)[:, :, None], image, filled)


def _fill(colors: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """From colours times weights, H×W×3, and weights, H×W, colours everywhere."""
    height, width = weight.shape
    if max(height, width) < 2:
        return colors / np.maximum(weight, 1e-6)[:, :, None]
    if weight.min() == 1:
        return colors
    size = (width + 1) // 2, (height + 1) // 2
    mean = cv2.resize(weight, size, interpolation=cv2.INTER_AREA)
    below = cv2.resize(colors, size, interpolation=cv2.INTER_AREA)
    # A neighbourhood that is a quarter full knows its colour; more would not make it surer.
    gain = np.minimum(4 * mean, 1) / np.maximum(mean, 1e-6)
    coarse = _fill(below * gain[:, :, None], mean * gain)
    rest = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    return colors + (1 - weight)[:, :, None] * rest
