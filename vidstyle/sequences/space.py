"""Between scene-linear light and the display-referred picture that a stylizer sees.

The view transform is the sRGB curve up to ``KNEE`` and a shoulder above it, in which the display
value nears its end as the logarithm of light grows: 1 (paper white) is shown as 243 of 255, 10 as
253. It is continuous with its slope, odd, and rises everywhere, so that it can be inverted.
"""

from __future__ import annotations

import cv2
import numpy as np

KNEE = 0.8
"""Scene-linear value up to which the view transform is the sRGB curve."""


def srgb_encode(linear: np.ndarray) -> np.ndarray:
    """The sRGB curve; 0..1 to 0..1, odd for negative values; float32."""
    size = np.abs(linear, dtype=np.float32)
    curve = np.float32(1.055) * np.power(size, np.float32(1 / 2.4)) - np.float32(0.055)
    return np.copysign(np.where(size <= _TOE, _TOE_SLOPE * size, curve), linear)


def srgb_decode(encoded: np.ndarray) -> np.ndarray:
    """The inverse of ``srgb_encode``."""
    size = np.abs(encoded, dtype=np.float32)
    curve = np.power((size + np.float32(0.055)) / np.float32(1.055), np.float32(2.4))
    return np.copysign(np.where(size <= _TOE * _TOE_SLOPE, size / _TOE_SLOPE, curve), encoded)


_TOE, _TOE_SLOPE = np.float32(0.0031308), np.float32(12.92)
_SHOULDER = 1.055 * KNEE ** (1 / 2.4) - 0.055
_SLOPE = 1.055 / 2.4 * KNEE ** (1 / 2.4 - 1)
# Light above the knee is counted in units of _UNIT e-folds, so that the slope is continuous.
_UNIT = KNEE * _SLOPE / (1 - _SHOULDER)


def to_display(linear: np.ndarray) -> np.ndarray:
    """The view transform: any real light to values from -255 to 255, float32; NaN stays."""
    linear = np.asarray(linear, np.float32)
    shown = srgb_encode(np.abs(linear))
    bright = np.abs(linear) > KNEE
    above = _UNIT * np.log(np.abs(linear[bright]).astype(np.float64) / KNEE)
    shown[bright] = 1 - (1 - _SHOULDER) / (1 + above)
    return np.copysign(255 * shown, linear)


def to_linear(display: np.ndarray, ceiling: np.ndarray | None = None) -> np.ndarray:
    """The inverse of ``to_display``, float32.

    Args:
        display: from -255 to 255; the ends, which stand for infinite light, and what is beyond
            them become the largest float32.
        ceiling: the most light that may come out; broadcast to the shape of ``display``.
    """
    shown = np.minimum(np.abs(np.asarray(display, np.float32)) / 255, 1)
    light = srgb_decode(shown)
    bright = shown > _SHOULDER
    with np.errstate(divide="ignore", over="ignore"):
        above = (1 - _SHOULDER) / (1 - shown[bright].astype(np.float64)) - 1
        most = np.finfo(np.float32).max
        light[bright] = np.minimum(KNEE * np.exp(above / _UNIT), most)
    light = light if ceiling is None else np.minimum(light, ceiling)
    return np.copysign(light, display, dtype=np.float32)


def local_ceiling(linear: np.ndarray) -> np.ndarray:
    """How bright a restyled picture may get: 1, or the brightest light of the scene nearby.

    A style's white would otherwise stand for infinite light. Nearby is within 1/64 of the longer
    side and 64 pixels.

    Args:
        linear: H×W×3 float32; what is not finite does not count.

    Returns: H×W×1 float32.
    """
    light = np.where(np.isfinite(linear), linear, 0).max(axis=2).astype(np.float32)
    radius = min(max(max(light.shape) // 64, 1), 64)
    nearby = cv2.dilate(light, np.ones((2 * radius + 1, 2 * radius + 1), np.uint8))
    return np.maximum(nearby, np.float32(1))[..., None]
