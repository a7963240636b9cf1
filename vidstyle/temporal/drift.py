"""Corrects the slow drift of colours in optimized videos."""

from __future__ import annotations

import cv2
import numpy as np

from vidstyle.temporal.flow import square_norm, warp
from vidstyle.temporal.motion import Motion

SHRINK = 4
"""How much smaller than a thumbnail the pictures are whose colours are compared."""
SAME = 20.0
"""Largest colour distance, in levels of the source, at which a place still shows the same."""
LEAST = 0.02
"""Smallest known share of the frame for a comparison."""


class DriftGuard:
    """Holds the mean colour of what stays in view to what it was when it came into view.

    Each frame of an optimized video differs a little from the one before, and over a long shot
    backgrounds darken. The guard keeps the colours with which things first appeared, at low
    resolution, and moves them along the flow. If a frame as a whole is darker or redder than these
    by more than ``tolerance`` plus what the source itself has changed there, the excess is
    subtracted from all of it.

    Args:
        tolerance: in levels of 0 to 255; infinity disables the guard.
    """

    def __init__(self, tolerance: float) -> None:
        self.tolerance = tolerance
        self._colors: np.ndarray | None = None
        """Colours of source and result, h×w×6 float32."""
        self._known: np.ndarray | None = None

    def forget(self) -> None:
        """Start a new shot."""
        self._colors = self._known = None

    def move(self, motion: Motion, trust: np.ndarray) -> None:
        """Move on to the next frame; ``trust`` in the frame before is h×w, 0 to 1."""
        if self._colors is None or motion.flow is None:
            return
        height, width = self._colors.shape[:2]
        scale = width / motion.flow.shape[1]
        flow = cv2.resize(motion.flow, (width, height), interpolation=cv2.INTER_AREA) * scale
        self._colors = np.dstack(
            [warp(part, flow) for part in (self._colors[:, :, :3], self._colors[:, :, 3:])]
        )
        self._known = cv2.resize(trust, (width, height), interpolation=cv2.INTER_AREA)

    def excess(self, thumbnail: np.ndarray, result: np.ndarray) -> np.ndarray:
        """By how much a result, H×W×3 uint8, has drifted too far, per channel, in levels."""
        change = self._change(_colors(thumbnail, result))
        bound = self.tolerance + np.abs(change[:3]).max()
        return change[3:] - change[3:].clip(-bound, bound)

    def _change(self, colors: np.ndarray) -> np.ndarray:
        """Mean change of source and result since things came into view: 6 numbers."""
        if self._colors is None or self._known is None:
            return np.zeros(6, np.float32)
        # Excludes passing objects, and places where the flow only seems to find the same thing.
        gap = square_norm(colors[:, :, :3] - self._colors[:, :, :3])
        known = self._known * (gap < SAME**2)
        if known.mean() < LEAST:
            return np.zeros(6, np.float32)
        return ((colors - self._colors) * known[:, :, None]).sum((0, 1)) / known.sum()

    def correct(self, thumbnail: np.ndarray, result: np.ndarray) -> np.ndarray:
        """Subtract the excess from a result; uint8."""
        excess = self.excess(thumbnail, result)
        if not excess.any():
            return result
        # Dithered, because rounding would lose half a level in every frame; the same noise always.
        threshold = np.random.default_rng(0).random(result.shape[:2], np.float32)
        return np.floor(result - excess + threshold[:, :, None]).clip(0, 255).astype(np.uint8)

    def keep(self, thumbnail: np.ndarray, result: np.ndarray) -> None:
        """Remember the colours of what is new in a finished frame."""
        colors = _colors(thumbnail, result)
        if self._colors is not None and self._known is not None:
            # As they would have been in the shot's first frame, so that the drift tolerated so far
            # does not become the base of more.
            first = colors - self._change(colors)
            colors = first + self._known[:, :, None] * (self._colors - first)
        self._colors = colors


def _colors(thumbnail: np.ndarray, result: np.ndarray) -> np.ndarray:
    """Shrink source and result and stack them: h×w×6 float32."""
    height, width = thumbnail.shape[:2]
    size = max(width // SHRINK, 1), max(height // SHRINK, 1)
    small = [cv2.resize(p, size, interpolation=cv2.INTER_AREA) for p in (thumbnail, result)]
    return np.dstack(small).astype(np.float32)
