"""Dense optical flow, warping along it, and where it can be trusted.

A flow is H×W×2 float32, (dx, dy) in pixels of the size at which it was computed. For each pixel of
one frame it says where the same point lies in another: the *backward* flow from frame t to t−1
moves the past to the present, ``frame[t](x) ≈ frame[t−1](x + backward(x))``.
"""

from __future__ import annotations

from functools import lru_cache
from typing import get_args

import cv2
import numpy as np

from vidstyle.errors import OptionError
from vidstyle.options.base import alternatives
from vidstyle.options.drawing import FlowPreset

_DIS_PRESETS = {
    "ultrafast": cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
    "fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
    "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
}
LEAN_STRIDE, LEAN_STEPS = 5, 12
"""Pixels between patches of 8 pixels, and iterations; OpenCV's medium has 3 and 25."""
_SMALLEST_SIDE = 32
"""On smaller pictures DIS reads outside of its pyramid and may crash the process."""


def check_preset(preset: str) -> None:
    """Raise OptionError if there is no such preset."""
    if preset not in get_args(FlowPreset):
        raise OptionError(f"flow must be {alternatives(get_args(FlowPreset))}, not '{preset}'")


def dense_flow(
    frame: np.ndarray, other: np.ndarray, preset: FlowPreset = "medium", lean: bool = False
) -> np.ndarray:
    """Where each pixel of ``frame`` lies in ``other`` (Kroeger et al. 2016, DIS).

    Args:
        frame, other: uint8, H×W×3 RGB or H×W luma, of the same size.
        lean: use patches further apart and fewer iterations than the preset does. Medium then
            takes half of the time and is as exact (docs/temporal.md).

    Returns:
        H×W×2 float32.
    """
    height, width = frame.shape[:2]
    right, bottom = max(_SMALLEST_SIDE - width, 0), max(_SMALLEST_SIDE - height, 0)
    first, second = (
        cv2.copyMakeBorder(_luma(image), 0, bottom, 0, right, cv2.BORDER_REPLICATE)
        for image in (frame, other)
    )
    # One estimator per call: it keeps buffers and must not be shared between threads.
    estimator = cv2.DISOpticalFlow.create(_DIS_PRESETS[preset])
    if lean:
        estimator.setPatchStride(max(estimator.getPatchStride(), LEAN_STRIDE))
        estimator.setGradientDescentIterations(LEAN_STEPS)
    flow = estimator.calc(first, second, None)  # type: ignore[call-overload]
    return flow[:height, :width]


def warp(image: np.ndarray, flow: np.ndarray, interpolation: int = cv2.INTER_LINEAR) -> np.ndarray:
    """``image(x + flow(x))``, with the border repeated outwards.

    Args:
        image: H×W or H×W×C of uint8, uint16 or float32.
        flow: of H×W pixels, or of any other size, from which it is resized.
        interpolation: one of OpenCV's; cubic has a = −0.75, which sharpens a little.
    """
    height, width = image.shape[:2]
    # Plane by plane, which is several times as fast as both together.
    columns, rows = (
        cv2.scaleAdd(cv2.resize(plane, (width, height)), size / old_size, places)
        for plane, size, old_size, places in zip(
            cv2.split(flow),
            (width, height),
            flow.shape[1::-1],
            pixel_places(width, height),
            strict=True,
        )
    )
    return cv2.remap(image, columns, rows, interpolation, borderMode=cv2.BORDER_REPLICATE)


@lru_cache(maxsize=4)
def pixel_places(width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """The column and the row of every pixel: two H×W float32 arrays, read-only."""
    columns, rows = np.meshgrid(
        np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
    )
    for places in (columns, rows):
        places.flags.writeable = False
    return columns, rows


def resize_flow(flow: np.ndarray, width: int, height: int) -> np.ndarray:
    """Resize a flow bilinearly, and scale it to pixels of the new size."""
    old_height, old_width = flow.shape[:2]
    if (old_width, old_height) == (width, height):
        return flow
    resized = cv2.resize(flow, (width, height), interpolation=cv2.INTER_LINEAR)
    scale = (width / old_width, height / old_height, 0, 0)
    return cv2.multiply(resized, scale)  # type: ignore[call-overload]


def occlusion_mask(
    backward: np.ndarray,
    forward: np.ndarray,
    relative: float = 0.01,
    absolute: float = 0.5,
) -> np.ndarray:
    """True where a pixel of frame t is not visible in frame t−1.

    Either the flows do not lead back, ``|w̃ + ŵ|² > relative (|w̃|² + |ŵ|²) + absolute`` with the
    backward flow ŵ and the forward flow w̃ warped to t (Ruder, Dosovitskiy, Brox 2016, eq. 5), or
    the flow leaves the picture.

    Args:
        backward: t → t−1, of frame t.
        forward: t−1 → t, of frame t−1.

    Returns:
        H×W bool.
    """
    there_and_back = warp(forward, backward)
    gap = square_norm(there_and_back + backward)
    bound = relative * (square_norm(there_and_back) + square_norm(backward)) + absolute
    return (gap > bound) | ~inside(backward)


def motion_boundary_mask(backward: np.ndarray) -> np.ndarray:
    """True where the flow changes abruptly, so that the motion of neither side is certain.

    ``|∇u|² + |∇v|² > 0.01 |ŵ|² + 0.002`` (Ruder, Dosovitskiy, Brox 2016, eq. 6).
    """
    if min(backward.shape[:2]) < 2:
        return np.zeros(backward.shape[:2], bool)
    gradients = square_norm(np.gradient(backward, axis=0))
    gradients = gradients + square_norm(np.gradient(backward, axis=1))
    return gradients > 0.01 * square_norm(backward) + 0.002


def inside(flow: np.ndarray, margin: float = 0.0) -> np.ndarray:
    """True where the flow stays inside the picture, or within a margin around it: H×W bool."""
    height, width = flow.shape[:2]
    columns, rows = map(np.add, cv2.split(flow), pixel_places(width, height))
    return (
        (columns >= -margin)
        & (columns <= width - 1 + margin)
        & (rows >= -margin)
        & (rows <= height - 1 + margin)
    )


def fitted_size(image: np.ndarray, side: int) -> tuple[int, int]:
    """Width and height after shrinking a picture to a longer side of at most ``side`` pixels."""
    height, width = image.shape[:2]
    scale = min(1.0, side / max(height, width))
    return max(round(width * scale), 1), max(round(height * scale), 1)


def square_norm(vectors: np.ndarray) -> np.ndarray:
    """Sum of squares over the channels: H×W×C to H×W, float32 or float64."""
    channels = vectors.shape[2]
    return cv2.transform(vectors * vectors, np.ones((1, channels), vectors.dtype))


def _luma(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if image.ndim == 3 else image
