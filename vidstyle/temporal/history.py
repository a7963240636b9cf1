"""Earlier results warped to the current frame, and how far each can be trusted."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from vidstyle.temporal.consistency import photometric_veto
from vidstyle.temporal.flow import FlowPreset, warp
from vidstyle.temporal.motion import Motion, estimate_motion


@dataclass(frozen=True)
class WarpedFrame:
    """An earlier result, warped to the current frame.

    Attributes:
        image: H×W×3 float32, 0 to 255.
        trust: H×W float32, 0 to 1. The trusts of a frame's warped frames add up to at most 1.
    """

    image: np.ndarray
    trust: np.ndarray


class History:
    """The last results of a shot.

    Args:
        length: number of results to keep.
        flow: preset of the optical flow.
    """

    def __init__(self, length: int, flow: FlowPreset) -> None:
        self.flow = flow
        self._kept: deque[tuple[np.ndarray, np.ndarray]] = deque(maxlen=length)
        """Thumbnails and results, latest first."""

    def add(self, thumbnail: np.ndarray, result: np.ndarray) -> None:
        """Add a finished frame: its source, h×w×3 uint8, and its result, H×W×3 uint8."""
        self._kept.appendleft((thumbnail, result))

    def forget(self) -> None:
        """Start a new shot."""
        self._kept.clear()

    def __call__(self, motion: Motion, distances: Sequence[int]) -> list[WarpedFrame]:
        """Warp earlier results to a frame; empty at the beginning of a shot.

        The flow to each is estimated directly instead of composed of those in between, since the
        longer distances are there for what was hidden in the meantime.

        Args:
            distances: numbers of frames to look back; ascending, from 1.
        """
        if motion.flow is None:
            return []
        kept = [self._kept[n - 1] for n in distances if n <= len(self._kept)]
        moves = [self._motion(motion, n) for n in distances[: len(kept)]]
        trusts = [trusted(move, before) for move, (before, _) in zip(moves, kept, strict=True)]
        weights = long_term_weights(trusts)
        return [
            _moved(result, move, weight)
            for (_, result), move, weight in zip(kept, moves, weights, strict=True)
        ]

    def _motion(self, motion: Motion, distance: int) -> Motion:
        if distance == 1:
            return motion
        return estimate_motion(self._kept[distance - 1][0], motion.thumbnail, self.flow, False)


def _moved(result: np.ndarray, motion: Motion, weight: np.ndarray) -> WarpedFrame:
    assert motion.flow is not None
    height, width = result.shape[:2]
    # Cubic, because bilinear loses half of the finest detail in two frames.
    image = warp(result.astype(np.float32), motion.flow, cv2.INTER_CUBIC).clip(0, 255)
    return WarpedFrame(image, cv2.resize(weight, (width, height)))


def trusted(motion: Motion, before: np.ndarray) -> np.ndarray:
    """How certain it is that a frame shows the same as an earlier one: h×w float32, 0 to 1.

    A point must be visible in both and look alike after warping, because flow finds a match
    everywhere.

    Args:
        motion: motion between the two; its flow is not None.
        before: thumbnail of the earlier frame, h×w×3 uint8.
    """
    assert motion.flow is not None and motion.visible is not None
    moved = warp(before, motion.flow)
    alike = photometric_veto(motion.thumbnail, moved)
    return cv2.GaussianBlur(motion.visible * alike, (0, 0), 1.5)


def long_term_weights(trusts: Sequence[np.ndarray]) -> list[np.ndarray]:
    """``max(c_j − Σ c_k, 0)`` with the sum over all closer frames: each H×W.

    Each pixel is thus held to the closest frame that shows it (Ruder, Dosovitskiy, Brox 2016,
    eq. 10).

    Args:
        trusts: c, closest frame first.
    """
    weights, closer = [], np.zeros_like(trusts[0]) if trusts else None
    for trust in trusts:
        weights.append(np.maximum(trust - closer, 0))
        closer = closer + trust
    return weights


def blend(fill: np.ndarray, warped: Sequence[WarpedFrame], share: float) -> np.ndarray:
    """Mix ``share`` of the past into ``fill`` where it can be trusted: H×W×3 float32."""
    result = fill.astype(np.float32)
    for past in warped:
        result += share * past.trust[:, :, None] * (past.image - fill)
    return result
