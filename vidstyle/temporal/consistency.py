"""Temporal consistency: mixing each drawing with what still holds of the one before.

Stylized frames flicker because the network draws each from scratch, and small changes of the
picture (noise, coding, a shift by half a stroke) move its strokes. So the last result is moved
along the optical flow between the source frames, and mixed with the new drawing:

    O_t = S_t + a · (W − S_t),  W = warp(O_{t−1}),  a = c · v · (1 − (1 − λ) |ρ|^3.5)

with the network's drawing S, and the occlusion mask c and photometric veto v of Ruder, Dosovitskiy,
Brox 2016 and Lai et al. 2018 (λ is constant there). It departs from them as follows:

* ρ is the local correlation of S and W. The mean of two unlike drawings is neither, and strokes
  would fade within a few frames. Where S and W agree, mixing costs nothing and keeps W from wearing
  off; where they do not, the past is kept.
* Colours and drawing are treated apart: of low frequencies, a quarter as much is taken from S. They
  contain no strokes that could fade, and they are where normalization makes the picture flicker.
* The veto compares the frame with a *remembered source*, moved and mixed along with the result, not
  with the frame before. Many small changes add up, so slow ones are found, too.
* Where the flow stretches the past, the past is given up as fast as it is deformed.
* Resampling removes some of the finest detail, and mixing drawings that differ a little removes
  some of the next finest. Both are replaced from S, so that the result has the same energy of
  detail everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from vidstyle.temporal.flow import square_norm, warp
from vidstyle.temporal.motion import Motion, TemporalOptions, halved, reduced, rounded

VETO = 50.0
"""α of the photometric veto exp(−α d), colours in [0, 1] (Lai et al. 2018)."""
NOISE = 0.005
"""Squared colour distance, over three channels, that the veto takes for noise."""
SOURCE_MEMORY = 0.9
"""λ of the remembered source."""
FRESHNESS = 0.02
"""Smallest share of the new drawing, however unlike, so that nothing is kept forever."""
STROKES = 15
"""Window, in pixels, in which drawings are compared: two or three strokes."""
EXCESS = 1.5
"""Detail with more than this many times the drawing's energy is reduced: where the flow is wrong,
detail that is never renewed would grow."""
FINE_DETAIL, COARSE_DETAIL = 3, 9
"""Windows, in pixels and in pixels of half the size, of the detail that wears off: by resampling,
and by mixing with drawings that differ a little."""
COARSE = 4
"""How much smaller than a thumbnail the pictures are that contain colours but no strokes."""


@dataclass(frozen=True)
class Prior:
    """What is known about a frame of H×W pixels from the past.

    Attributes:
        image: the last result, moved to this frame: H×W×3 float32, 0 to 255, not clamped.
        trust: h×w float32 at the thumbnail's size, from 0 (useless) to 1.
    """

    image: np.ndarray
    trust: np.ndarray


class TemporalMemory:
    """Mixes stylized frames, in order, with the frames before them.

    This is the only state that passes from frame to frame.
    """

    def __init__(self, options: TemporalOptions = TemporalOptions()) -> None:
        self.options = options
        self._source: np.ndarray | None = None
        self._result: np.ndarray | None = None

    def __call__(self, stylized: np.ndarray, motion: Motion) -> np.ndarray:
        """Steady a stylized picture by its source's motion.

        Args:
            stylized: H×W×3 uint8, or float32 from 0 to 255; the result has the same type.
        """
        if self.options.temporal == 0:
            return stylized
        prior = self.prior(motion, stylized.shape)
        fresh = stylized.astype(np.float32)
        result = fresh if prior is None else self._blend(stylized, fresh, prior)
        self._result = result
        return rounded(result) if stylized.dtype == np.uint8 else result.clip(0, 255)

    def prior(self, motion: Motion, shape: tuple[int, ...]) -> Prior | None:
        """What is known about a frame before it is drawn; None at the beginning of a shot.

        Advances the remembered source, so call it once per frame.
        """
        now = motion.thumbnail.astype(np.float32)
        source, self._source = self._source, now
        if motion.flow is None or motion.visible is None or source is None:
            return None
        if self._result is None or self._result.shape != shape:
            return None
        moved = warp(source, motion.flow)
        trust = cv2.GaussianBlur(motion.visible * photometric_veto(now, moved), (0, 0), 1.5)
        self._source = _mix(moved, now, SOURCE_MEMORY * trust)
        # Cubic, because bilinear loses half of the finest detail in two frames.
        return Prior(warp(self._result, motion.flow, cv2.INTER_CUBIC), trust)

    def _blend(self, stylized: np.ndarray, fresh: np.ndarray, prior: Prior) -> np.ndarray:
        height, width = fresh.shape[:2]
        rows, columns = prior.trust.shape
        luma = cv2.cvtColor(stylized, cv2.COLOR_RGB2GRAY)
        moved_luma = cv2.cvtColor(prior.image, cv2.COLOR_RGB2GRAY)
        agreement = _agreement(
            reduced(luma, (columns, rows)).astype(np.float32),
            reduced(moved_luma, (columns, rows)),
            round(STROKES * columns / width) | 1,
        )
        strength = min(1.0, 2 * self.options.temporal)
        new = 1 - self.options.temporal
        past = strength * prior.trust * (1 - np.maximum(new * agreement, FRESHNESS))
        smooth_past = strength * prior.trust * (1 - max(new / 4, FRESHNESS))
        mixed = _mix(prior.image, fresh, cv2.resize(past, (width, height)))
        small = halved(stylized)
        change = _smooth_change(prior, stylized, smooth_past - past, small.shape[1::-1])
        change += _missing_detail(small, halved(mixed), COARSE_DETAIL)
        fine = _missing_detail(luma, cv2.cvtColor(mixed, cv2.COLOR_RGB2GRAY), FINE_DETAIL)
        cv2.add(mixed, cv2.resize(change, (width, height)), dst=mixed)
        return cv2.add(mixed, cv2.merge([fine, fine, fine]), dst=mixed)

    def state(self) -> dict[str, np.ndarray]:
        """Everything that the next frame depends on; empty before the first."""
        parts = {"source": self._source, "result": self._result}
        return {name: part for name, part in parts.items() if part is not None}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Continue from a ``state``; give the tracker the last frame as ``previous``."""
        self._source = state.get("source")
        self._result = state.get("result")


def _difference(image: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Squared distance of colours in [0, 1]: h×w float32."""
    return square_norm(cv2.subtract(image, other, dtype=cv2.CV_32F) * np.float32(1 / 255))


def photometric_veto(frame: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """1 where a frame looks like another moved onto it, down to 0 where it differs: h×w float32.

    Args:
        frame, moved: h×w×3 of 0 to 255, both uint8 or both float32.
    """
    distance = _difference(frame, moved)
    # The minimum of the neighbourhood, because an edge may be off by half a pixel.
    distance = cv2.blur(cv2.erode(distance, np.ones((3, 3), np.uint8)), (3, 3))
    return np.exp(-VETO * np.maximum(distance - NOISE, 0))


def _mix(first: np.ndarray, second: np.ndarray, share: np.ndarray) -> np.ndarray:
    """``share · first + (1 − share) · second``, H×W×3 float32; share, H×W, may exceed [0, 1]."""
    # blendLinear divides by the sum of the weights plus 1e-5, which would darken the picture.
    share = share * np.float32(1000)
    return cv2.blendLinear(first, second, share, 1000 - share)


def _agreement(first: np.ndarray, second: np.ndarray, window: int) -> np.ndarray:
    """|ρ|^3.5 of the local correlation ρ of pictures of 0 to 255: h×w; 0 where ρ is negative."""

    def mean(image: np.ndarray) -> np.ndarray:
        return cv2.blur(image, (window, window))

    first, second = first - mean(first), second - mean(second)
    noise = np.float32(6.0)  # variance below which drawings count as flat, and so as alike
    shared = np.maximum(mean(first * second) + noise, 0)
    square = shared * shared / ((mean(first * first) + noise) * (mean(second * second) + noise))
    return square * np.sqrt(square * np.sqrt(square))


def _smooth_change(
    prior: Prior, stylized: np.ndarray, share: np.ndarray, size: tuple[int, int]
) -> np.ndarray:
    """``share`` of the low-frequency difference between past and present; float32.

    When something moves, normalization shifts the colours of everything that stands still.

    Args:
        share: h×w.
        size: width and height of the result.
    """
    rows, columns = share.shape
    coarse = max(columns // COARSE, 1), max(rows // COARSE, 1)

    def small(image: np.ndarray) -> np.ndarray:
        # A sample of the rows suffices, because hundreds of pixels are averaged below.
        step = max(image.shape[0] // (2 * coarse[1]), 1)
        return cv2.resize(image[::step], coarse, interpolation=cv2.INTER_AREA)

    trust = small(prior.trust)[:, :, None]
    change = cv2.subtract(small(prior.image), small(stylized), dtype=cv2.CV_32F)
    # A mean weighted by trust.
    change = cv2.blur(change * trust, (7, 7)) / (cv2.blur(trust, (7, 7)) + 1e-3)[:, :, None]
    return cv2.resize(change * small(share)[:, :, None], size)


def _missing_detail(drawing: np.ndarray, image: np.ndarray, window: int) -> np.ndarray:
    """What to add to ``image`` for it to have the drawing's local energy of detail; float32.

    With f the detail found, w the detail wanted, and ⟨ ⟩ local means of luma, it is ``a w`` with
    a ≥ 0 such that ``⟨(f + a w)²⟩ = ⟨w²⟩``; where there is far too much detail, a share of f is
    taken away.

    Args:
        drawing, image: H×W×3, or H×W luma.
        window: detail is what a blur of this many pixels removes.
    """
    wanted, found = (
        cv2.subtract(picture, cv2.blur(picture, (window, window)), dtype=cv2.CV_32F)
        for picture in (drawing, image)
    )
    of_wanted, of_found = (
        detail if detail.ndim == 2 else cv2.cvtColor(detail, cv2.COLOR_RGB2GRAY)
        for detail in (wanted, found)
    )
    energy = _local_mean(of_wanted * of_wanted) + 0.05  # of rounding
    there = _local_mean(of_found * of_found) + 0.05
    missing = np.maximum(energy - there, 0)
    shared = np.maximum(_local_mean(of_wanted * of_found), 0)
    share = (np.sqrt(shared * shared + energy * missing) - shared) / energy
    excess = 1 - np.sqrt(np.minimum(EXCESS * energy / there, 1))
    height, width = drawing.shape[:2]
    for detail, part in ((wanted, share), (found, excess)):
        part = cv2.resize(part, (width, height))
        if detail.ndim == 3:
            part = cv2.merge([part, part, part])
        cv2.multiply(detail, part, dst=detail)
    return cv2.subtract(wanted, found, dst=wanted)


def _local_mean(image: np.ndarray) -> np.ndarray:
    """Mean over 20×20 pixels, at a quarter of the size."""
    size = max(image.shape[1] // 4, 1), max(image.shape[0] // 4, 1)
    return cv2.blur(cv2.resize(image, size, interpolation=cv2.INTER_AREA), (5, 5))
