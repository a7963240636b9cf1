"""Keeps colours from moving away while nothing happens."""

from __future__ import annotations

import cv2
import numpy as np

from vidstyle.flow import square_norm, warp
from vidstyle.temporal import Motion

SHRINK = 4
"""How much smaller than a thumbnail the pictures are in which colours are compared."""
SAME = 20.0
"""Colour distance, in levels of the source, up to which a place still shows the same."""
LEAST = 0.02
"""Share of the frame that must be known for a comparison."""


class DriftGuard:
    """Holds the mean colour of what stays in view to what it was when it came into view.

    Each frame of an optimized video is like the one before, and each differs by a little: over a
    long shot backgrounds darken. So the colours with which things first appeared are kept, at low
    resolution, and moved along the flow. Where a frame is darker or redder on the whole than these,
    beyond ``tolerance`` and beyond what the source itself has changed there, that is taken away
    from all of it.

    Args:
        tolerance: in levels of 0 to 255; infinite lets all pass.
    """

    def __init__(self, tolerance: float) -> None:
        self.tolerance = tolerance
        self._colors: np.ndarray | None = None
        """Of source and result, h×w×6 float32."""
        self._known: np.ndarray | None = None

    def forget(self) -> None:
        """Another shot begins."""
        self._colors = self._known = None

    def move(self, motion: Motion, trust: np.ndarray) -> None:
        """On to the next frame; ``trust`` is h×w, 0 to 1, in what comes from the frame before."""
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
        """How much a result, H×W×3 uint8, has drifted too far, by channel, in levels."""
        change = self._change(_colors(thumbnail, result))
        bound = self.tolerance + np.abs(change[:3]).max()
        return change[3:] - change[3:].clip(-bound, bound)

    def _change(self, colors: np.ndarray) -> np.ndarray:
        """Of source and result since things came into view: six mean differences."""
        if self._colors is None or self._known is None:
            return np.zeros(6, np.float32)
        # A passer-by has no say, nor has what only seems to be the same.
        gap = square_norm(colors[:, :, :3] - self._colors[:, :, :3])
        known = self._known * (gap < SAME**2)
        if known.mean() < LEAST:
            return np.zeros(6, np.float32)
        return ((colors - self._colors) * known[:, :, None]).sum((0, 1)) / known.sum()

    def correct(self, thumbnail: np.ndarray, result: np.ndarray) -> np.ndarray:
        """The result without its excess, uint8."""
        excess = self.excess(thumbnail, result)
        if not excess.any():
            return result
        # Dithered, always alike: half a level would be lost in rounding, frame after frame.
        threshold = np.random.default_rng(0).random(result.shape[:2], np.float32)
        return np.floor(result - excess + threshold[:, :, None]).clip(0, 255).astype(np.uint8)

    def keep(self, thumbnail: np.ndarray, result: np.ndarray) -> None:
        """Take note of what is new in a finished frame."""
        colors = _colors(thumbnail, result)
        if self._colors is not None and self._known is not None:
            # What is new is noted as it would have been in the shot's first frame: what has been
            # tolerated until now shall not be the start of more.
            first = colors - self._change(colors)
            colors = first + self._known[:, :, None] * (self._colors - first)
        self._colors = colors


def _colors(thumbnail: np.ndarray, result: np.ndarray) -> np.ndarray:
    """Both, small: h×w×6 float32."""
    height, width = thumbnail.shape[:2]
    size = max(width // SHRINK, 1), max(height // SHRINK, 1)
    small = [cv2.resize(p, size, interpolation=cv2.INTER_AREA) for p in (thumbnail, result)]
    return np.dstack(small).astype(np.float32)
