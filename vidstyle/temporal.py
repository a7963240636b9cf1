"""The memory of the past: what of the last result still holds for the next frame.

Painted frames flicker because the network draws each anew, and small changes of the picture (noise,
coding, a shift by half a stroke) move its strokes. So the last result is moved along the optical
flow between the source frames, and the new one mixed in:

    O_t = S_t + a · (W − S_t),  W = warp(O_{t−1}),  a = c · v · (1 − (1 − λ) ρ²)

with the network's picture S, the occlusion mask c and the photometric veto v of Ruder, Dosovitskiy,
Brox 2016 and Lai et al. 2018 (λ is constant there). What departs from them, and why:

* ρ, the local correlation between S and W. The mean of two unlike drawings is neither: strokes
  pale within a few frames. Where S and W agree, mixing costs nothing, and keeps W from wearing off;
  where they do not, the past is kept whole.
* Colours and drawing are kept apart: of what is smooth, a quarter as much is taken from S. There,
  nothing is drawn that could pale, and it is where normalization makes the whole picture flicker.
* The veto compares the frame with a *remembered source*, moved and mixed along with the result, not
  with the frame before: many small changes add up, and slow ones are found, too.
* Every resampling takes some of the finest detail. The result's finest detail is therefore scaled
  to have the same energy as in S, place by place.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import cv2
import numpy as np

from vidstyle.cuts import CutDetector, CutList, read_cuts
from vidstyle.errors import OptionError
from vidstyle.flow import (
    FlowPreset,
    check_preset,
    dense_flow,
    occlusion_mask,
    square_norm,
    warp,
)
from vidstyle.frame import Frame

THUMBNAIL_SIDE = 640
"""Longest side, in pixels, at which flow and masks are computed."""

CONSISTENCY = (0.1, 2.0)
"""Bounds of the occlusion test. Ruder's 0.01 and 0.5 are meant for more exact flow; with DIS they
reject a fifth of what is visible. The veto catches what these let through."""
VETO = 50.0
"""α of the photometric veto exp(−α d), colours in [0, 1] (Lai et al. 2018)."""
NOISE = 0.01
"""Squared colour distance, over three channels, that the veto takes for noise."""
SOURCE_MEMORY = 0.9
"""λ of the remembered source."""
FRESHNESS = 0.03
"""Least share of the new drawing, however unlike: nothing is kept for ever."""
STROKES = 15
"""Window, in pixels, in which drawings are compared: two or three strokes."""
COARSE = 4
"""How much smaller than a thumbnail the pictures are in which drawings are lost in colours."""
SHARPENING = (0.9, 1.5)
"""Bounds of the gain of the finest detail."""


@dataclass(frozen=True)
class TemporalOptions:
    """How the past steadies the present."""

    temporal: float = 0.6
    """λ, from 0, every frame by itself, to 1, the past wherever it can be trusted."""
    flow: FlowPreset = "medium"
    cuts: str | Path = "auto"
    """``auto`` finds scene cuts, ``none`` knows of none, a file lists them (``read_cuts``)."""

    def __post_init__(self) -> None:
        if not 0 <= self.temporal <= 1:
            raise OptionError(f"temporal is from 0 to 1, not {self.temporal:g}")
        check_preset(self.flow)


def thumbnail(image: np.ndarray) -> np.ndarray:
    """The picture at the size for flow and masks; itself when it is small enough."""
    height, width = image.shape[:2]
    scale = THUMBNAIL_SIDE / max(height, width)
    if scale >= 1:
        return image
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


@dataclass(frozen=True)
class Motion:
    """What happened between a source frame and the one before it; h×w is the thumbnail's size.

    Attributes:
        thumbnail: the frame, h×w×3 uint8.
        flow: to the frame before, h×w×2 float32; None where a shot begins.
        visible: 1 where the frame before shows the same point, else 0; h×w float32.
    """

    thumbnail: np.ndarray
    flow: np.ndarray | None = None
    visible: np.ndarray | None = None


def estimate_motion(
    previous: np.ndarray, thumbnail: np.ndarray, preset: FlowPreset, find_cuts: bool
) -> Motion:
    """Flow and occlusion between two thumbnails, h×w×3 uint8. Pure: threads may call it at will."""
    backward = dense_flow(thumbnail, previous, preset)
    if find_cuts and CutDetector()(previous, thumbnail, backward):
        return Motion(thumbnail)
    # The way there need not be as exact as the way back, along which the picture is moved.
    quick: FlowPreset = "fast" if preset == "medium" else preset
    forward = dense_flow(previous, thumbnail, quick)
    visible = ~occlusion_mask(backward, forward, *CONSISTENCY)
    still = _still_mask(previous, thumbnail, backward)
    # Standing still must not wear the picture off: without subpixel moves nothing is resampled.
    backward[still] = 0
    return Motion(thumbnail, backward, (visible | still).astype(np.float32))


def _still_mask(previous: np.ndarray, thumbnail: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """True where no motion explains the frame as well as the flow does."""
    moved = _difference(thumbnail, warp(previous, flow))
    stood = _difference(thumbnail, previous)
    better = cv2.blur(stood, (7, 7)) <= cv2.blur(moved, (7, 7)) + 1e-5
    return cv2.blur(better.astype(np.float32), (5, 5)) > 0.5


def _difference(image: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Squared distance of colours in [0, 1]: h×w float32."""
    return square_norm(cv2.subtract(image, other, dtype=cv2.CV_32F) * np.float32(1 / 255))


class MotionTracker:
    """Estimates the motion of source frames on threads of its own, ahead of their stylization.

    As a context manager it stops them.

    Args:
        origin: the time, in seconds, that listed cuts count from.
        previous: thumbnail of the frame before the first, when a run goes on.

    Raises:
        InputError: the list of cuts cannot be read.
    """

    def __init__(
        self,
        options: TemporalOptions,
        *,
        origin: float = 0.0,
        previous: np.ndarray | None = None,
        threads: int | None = None,
    ) -> None:
        self.options = options
        self.origin = origin
        self.previous = previous
        self._find_cuts = options.cuts == "auto"
        self._cuts = CutList() if options.cuts in ("auto", "none") else read_cuts(options.cuts)
        threads = threads or max((os.cpu_count() or 1) // 2, 1)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="motion")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def __call__(self, frames: Iterable[Frame]) -> Iterator[tuple[Frame, Future[Motion]]]:
        """The frames, each with its motion to be."""
        previous, before = self.previous, -math.inf
        for index, frame in enumerate(frames):
            small, time = thumbnail(frame.image), frame.time - self.origin
            listed = index > 0 and self._cuts.starts_shot(index, time, before)
            off = self.options.temporal == 0 or listed
            if off or previous is None or previous.shape != small.shape:
                motion = self._pool.submit(Motion, small)
            else:
                motion = self._pool.submit(
                    estimate_motion, previous, small, self.options.flow, self._find_cuts
                )
            yield frame, motion
            previous, before = small, time


@dataclass(frozen=True)
class Prior:
    """What the past says of a frame of H×W pixels.

    Attributes:
        image: the last result, moved to this frame: H×W×3 float32, 0 to 255, not clamped.
        trust: from 0, where it tells nothing, to 1; h×w float32, thumbnail's size.
    """

    image: np.ndarray
    trust: np.ndarray


class TemporalMemory:
    """Mixes stylized frames, in order, with what it remembers of those before.

    It is the only thing that holds state from frame to frame; the rest of a run knows no past.
    """

    def __init__(self, options: TemporalOptions = TemporalOptions()) -> None:
        self.options = options
        self._thumbnail: np.ndarray | None = None
        self._source: np.ndarray | None = None
        self._result: np.ndarray | None = None

    def __call__(self, stylized: np.ndarray, motion: Motion) -> np.ndarray:
        """The steadied picture, H×W×3 uint8, for a stylized one and its source's motion."""
        prior = self.prior(motion, stylized.shape)
        fresh = stylized.astype(np.float32)
        result = fresh if prior is None else self._blend(stylized, fresh, prior)
        self._thumbnail, self._result = motion.thumbnail, result
        return cv2.addWeighted(result, 1, result, 0, 0, dtype=cv2.CV_8U)  # rounds and saturates

    def prior(self, motion: Motion, shape: tuple[int, ...]) -> Prior | None:
        """What is known of the frame before it is drawn; None at the beginning of a shot.

        Moves the remembered source on, so to be asked once a frame.
        """
        now = motion.thumbnail.astype(np.float32)
        source, self._source = self._source, now
        if motion.flow is None or motion.visible is None or source is None:
            return None
        if self._result is None or self._result.shape != shape:
            return None
        moved = warp(source, motion.flow)
        trust = cv2.GaussianBlur(motion.visible * self._veto(now, moved), (0, 0), 1.5)
        self._source = _mix(moved, now, SOURCE_MEMORY * trust)
        # Cubic, as bilinear takes half of the finest detail in two frames.
        return Prior(warp(self._result, motion.flow, cv2.INTER_CUBIC), trust)

    def _veto(self, source: np.ndarray, moved: np.ndarray) -> np.ndarray:
        """1 where the memory still looks like the frame, towards 0 where it does not."""
        distance = _difference(source, moved)
        # The least of the neighbourhood: an edge half a pixel off is no other thing.
        distance = cv2.blur(cv2.erode(distance, np.ones((3, 3), np.uint8)), (3, 3))
        return np.exp(-VETO * np.maximum(distance - NOISE, 0))

    def _blend(self, stylized: np.ndarray, fresh: np.ndarray, prior: Prior) -> np.ndarray:
        height, width = fresh.shape[:2]
        rows, columns = prior.trust.shape
        luma = cv2.cvtColor(stylized, cv2.COLOR_RGB2GRAY)
        moved_luma = cv2.cvtColor(prior.image, cv2.COLOR_RGB2GRAY)
        agreement = _agreement(
            cv2.resize(luma, (columns, rows), interpolation=cv2.INTER_AREA).astype(np.float32),
            cv2.resize(moved_luma, (columns, rows), interpolation=cv2.INTER_AREA),
            round(STROKES * columns / width) | 1,
        )
        strength = min(1.0, 2 * self.options.temporal)
        new = 1 - self.options.temporal
        past = strength * prior.trust * (1 - np.maximum(new * agreement, FRESHNESS))
        smooth_past = strength * prior.trust * (1 - max(new / 4, FRESHNESS))
        mixed = _mix(prior.image, fresh, cv2.resize(past, (width, height)))
        mixed += _smooth_change(prior, stylized, smooth_past - past)
        return _match_detail(mixed, luma)

    # ---- to go on later -------------------------------------------------------------------

    def state(self) -> dict[str, np.ndarray]:
        """All that the next frame needs; empty before the first."""
        parts = {
            "thumbnail": self._thumbnail,
            "source": self._source,
            "result": self._result,
        }
        return {name: part for name, part in parts.items() if part is not None}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from a ``state``; the tracker wants its thumbnail as ``previous``."""
        self._thumbnail = state.get("thumbnail")
        self._source = state.get("source")
        self._result = state.get("result")


def _mix(first: np.ndarray, second: np.ndarray, share: np.ndarray) -> np.ndarray:
    """``share · first + (1 − share) · second``: H×W×3 float32 with H×W; share may exceed [0, 1]."""
    # blendLinear divides by the sum of the weights plus 1e-5, which by itself would darken.
    share = share * np.float32(1000)
    return cv2.blendLinear(first, second, share, 1000 - share)


def _agreement(first: np.ndarray, second: np.ndarray, window: int) -> np.ndarray:
    """Squared local correlation of two pictures, h×w of 0 to 255; 0 where they are opposed."""

    def mean(image: np.ndarray) -> np.ndarray:
        return cv2.blur(image, (window, window))

    first, second = first - mean(first), second - mean(second)
    noise = np.float32(6.0)  # variance below which drawings count as flat, and alike
    shared = np.maximum(mean(first * second) + noise, 0)
    return shared * shared / ((mean(first * first) + noise) * (mean(second * second) + noise))


def _smooth_change(prior: Prior, stylized: np.ndarray, share: np.ndarray) -> np.ndarray:
    """``share`` of what tells the past from the present, leaving all detail out: H×W×3 float32.

    Where something moves, normalization shifts the colours of all that stands still.

    Args:
        share: h×w.
    """
    height, width = stylized.shape[:2]
    rows, columns = share.shape
    size = max(columns // COARSE, 1), max(rows // COARSE, 1)

    def small(image: np.ndarray) -> np.ndarray:
        return cv2.resize(image, size, interpolation=cv2.INTER_AREA)

    trust = small(prior.trust)[:, :, None]
    change = cv2.subtract(small(prior.image), small(stylized), dtype=cv2.CV_32F)
    # Only what can be trusted, and the mean of only that.
    change = cv2.blur(change * trust, (7, 7)) / (cv2.blur(trust, (7, 7)) + 1e-3)[:, :, None]
    return cv2.resize(change * small(share)[:, :, None], (width, height))


def _match_detail(image: np.ndarray, luma: np.ndarray) -> np.ndarray:
    """Scale the finest detail of ``image`` to the energy that it has in ``luma``, place by place.

    Args:
        image: H×W×3 float32.
        luma: of the drawing to match, H×W.
    """
    wanted, found = _fine_energy(luma), _fine_energy(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))
    gain = np.sqrt((wanted + 0.1) / (found + 0.1)).clip(*SHARPENING)
    gain = cv2.resize(gain, luma.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return _mix(image, cv2.blur(image, (3, 3)), gain)


def _fine_energy(luma: np.ndarray) -> np.ndarray:
    """Mean square of the detail of two pixels and less, at a quarter of the size."""
    fine = cv2.subtract(luma, cv2.blur(luma, (3, 3)), dtype=cv2.CV_32F)
    size = max(luma.shape[1] // 4, 1), max(luma.shape[0] // 4, 1)
    return cv2.blur(cv2.resize(fine * fine, size, interpolation=cv2.INTER_AREA), (5, 5))
