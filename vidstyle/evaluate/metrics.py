"""Metrics of steadiness, stillness and detail: pure functions of arrays.

Images are H×W×C, uint8 or float in [0, 1], RGB where colour matters; flows and masks are those of
``vidstyle.temporal.flow``.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from vidstyle.temporal.flow import motion_boundary_mask, occlusion_mask, square_norm, warp


def unit(image: np.ndarray) -> np.ndarray:
    """As float32 in [0, 1]."""
    if image.dtype == np.uint8:
        return np.multiply(image, 1 / 255, dtype=np.float32)
    return image.astype(np.float32, copy=False)


def valid_mask(backward: np.ndarray, forward: np.ndarray) -> np.ndarray:
    """True where the backward flow can be trusted: H×W bool.

    That is where nothing was disoccluded, there is no motion boundary, and the flow stays inside
    the image (Ruder, Dosovitskiy, Brox 2016, eq. 5 and 6).

    Args:
        backward: t → t−1, of frame t.
        forward: t−1 → t, of frame t−1.
    """
    return ~(occlusion_mask(backward, forward) | motion_boundary_mask(backward))


def warping_error(
    frame: np.ndarray, previous: np.ndarray, flow: np.ndarray, mask: np.ndarray
) -> float:
    """``Σ M (O_t − warp(O_{t−1}))² / Σ M``, the mean over the channels (Lai et al. 2018).

    Args:
        frame, previous: O_t and O_{t−1}; the second is warped bilinearly, without rounding.
        flow: backward, from ``frame`` to ``previous``.
        mask: H×W bool, M.

    Returns:
        From 0 to 1, as squares of the full range; NaN when the mask is empty.
    """
    if not mask.any():
        return math.nan
    gap = unit(frame) - warp(unit(previous), flow)
    gap = gap.reshape(*mask.shape, -1)
    return float(square_norm(gap)[mask].mean(dtype=np.float64)) / gap.shape[2]


def static_mask(
    frame: np.ndarray,
    previous: np.ndarray,
    flow: np.ndarray,
    mask: np.ndarray,
    motion: float = 0.25,
    change: float = 2 / 255,
) -> np.ndarray:
    """True where nothing happens: H×W bool.

    Args:
        mask: where the flow can be trusted; nothing outside it is static.
        motion: the flow is shorter than this many pixels.
        change: each channel, from 0 to 1, changes by less than this after a 5×5 box blur, which
            suppresses noise.
    """
    gap = np.abs(cv2.blur(unit(frame) - unit(previous), (5, 5)))
    static = mask & (square_norm(flow) < motion**2)
    for channel in cv2.split(gap):  # much faster than a maximum along the last axis
        static &= channel < change
    return static


def global_change(frame: np.ndarray, previous: np.ndarray, mask: np.ndarray) -> tuple[float, float]:
    """How far the mean colour inside the mask moved: BT.709 luma, and the length of (Cb, Cr).

    Args:
        frame, previous: R'G'B'.
        mask: H×W bool.

    Returns:
        Both 0 or more, in levels of 1/255; NaN when the mask is empty.
    """
    if not mask.any():
        return math.nan, math.nan
    where = mask.astype(np.uint8)
    now, before = (np.array(cv2.mean(unit(image), where)[:3]) for image in (frame, previous))
    red, _, blue = moved = (now - before) * 255
    luma = float(moved @ (0.2126, 0.7152, 0.0722))
    chroma = math.hypot((blue - luma) / 1.8556, (red - luma) / 1.5748)
    return abs(luma), chroma


def mean_change(frame: np.ndarray, previous: np.ndarray) -> float:
    """Mean absolute difference over all pixels and channels, in levels of 1/255."""
    gap = cv2.absdiff(frame, previous)
    return float(gap.mean(dtype=np.float64)) * (1 if gap.dtype == np.uint8 else 255)


def gradient_energy(image: np.ndarray) -> float:
    """Mean squared forward difference over both axes and all channels, for values in [0, 1].

    0 for an image of a single pixel.
    """
    image = unit(image)
    down, across = image[1:] - image[:-1], image[:, 1:] - image[:, :-1]
    total = sum(float(np.vdot(step, step)) for step in (down, across))
    return total / max(down.size + across.size, 1)


def best_lag(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """By how many samples the second signal is later than the first.

    That is the peak of their normalized cross-correlation, refined by the parabola through the peak
    and its neighbours.

    Args:
        first, second: one-dimensional, at the same rate; their means are subtracted.

    Returns:
        The lag, and the correlation there: 1 for the same signal, 0 when either is silent.
    """
    first, second = (signal - signal.mean() for signal in (first, second))
    norm = float(np.linalg.norm(first)) * float(np.linalg.norm(second))
    if norm < 1e-9:
        return 0.0, 0.0
    # Long enough that nothing wraps around into another lag.
    size = 1 << (len(first) + len(second)).bit_length()
    spectrum = np.conj(np.fft.rfft(first, size)) * np.fft.rfft(second, size)
    products = np.fft.irfft(spectrum, size)
    peak = int(products.argmax())
    before, top, after = (float(products[(peak + step) % size]) for step in (-1, 0, 1))
    bend = before - 2 * top + after
    between = 0.5 * (before - after) / bend if bend < 0 else 0.0
    lag = peak if peak < len(second) else peak - size
    return lag + between, min(top / norm, 1.0)
