"""Motion between consecutive source frames, estimated ahead of their stylization."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple, Self

import cv2
import numpy as np

from vidstyle.frame import Frame
from vidstyle.options import TemporalOptions
from vidstyle.stages import StageTimes
from vidstyle.store import Checkpoint
from vidstyle.temporal.cuts import CutDetector, CutList, read_cuts
from vidstyle.temporal.flow import (
    FlowPreset,
    dense_flow,
    fitted_size,
    inside,
    occlusion_mask,
    resize_flow,
    square_norm,
    warp,
)

THUMBNAIL_SIDE = 448
"""Longest side, in pixels, at which flow and masks are computed."""

CONSISTENCY = (0.1, 1.0)
"""Bounds of the occlusion test at half the thumbnail's size. Ruder's 0.01 and 0.5 are meant for
more exact flow; with DIS they reject a fifth of what is visible. The veto catches what these let
pass."""
TEXTURE = 1.0
"""Mean square of the gradient, in levels per pixel, below which there is grain but no texture."""
STRAIN = 2.0
"""Share of the past that is given up per pixel of stretching per pixel."""
SLACK = 0.015
"""Stretching, in pixels per pixel, that costs nothing: camera motion, and errors of the flow."""


def thumbnail(image: np.ndarray, side: int = THUMBNAIL_SIDE) -> np.ndarray:
    """Shrink a picture to the size for flow and masks, uint8; a small one is returned as it is.

    Args:
        side: longest side of the result, in pixels.
    """
    if max(image.shape[:2]) > side:
        image = reduced(image, fitted_size(image, side))
    return image if image.dtype == np.uint8 else rounded(image)


def reduced(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Shrink a picture to a width and height; halves it first, which is far quicker in OpenCV."""
    while image.shape[1] >= 2 * size[0] and image.shape[0] >= 2 * size[1]:
        image = halved(image)
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def halved(image: np.ndarray) -> np.ndarray:
    """Shrink a picture to half of its width and height, rounded down."""
    size = max(image.shape[1] // 2, 1), max(image.shape[0] // 2, 1)
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def rounded(image: np.ndarray) -> np.ndarray:
    """Float32 to uint8, saturated."""
    return cv2.addWeighted(image, 1, image, 0, 0, dtype=cv2.CV_8U)


@dataclass(frozen=True)
class Motion:
    """What happened between a source frame and the one before it; h×w is the thumbnail's size.

    Attributes:
        thumbnail: the frame, h×w×3 uint8.
        flow: to the frame before, h×w×2 float32; None where a shot begins.
        visible: h×w float32; 1 where the frame before shows the same point unstretched, down to 0.
    """

    thumbnail: np.ndarray
    flow: np.ndarray | None = None
    visible: np.ndarray | None = None


def estimate_motion(
    previous: np.ndarray, thumbnail: np.ndarray, preset: FlowPreset, find_cuts: bool
) -> Motion:
    """Flow and occlusion between two thumbnails, h×w×3 uint8. A pure function, safe for threads."""
    backward = dense_flow(thumbnail, previous, preset, lean=True)
    if find_cuts and CutDetector()(previous, thumbnail, backward):
        return Motion(thumbnail)
    before, now = _half_luma(previous), _half_luma(thumbnail)
    half = resize_flow(backward, now.shape[1], now.shape[0])
    size = thumbnail.shape[1::-1]
    visible = _enlarged(_visible_mask(before, now, half, preset), size)
    still = _enlarged(_still_mask(before, now, half), size)
    # Subpixel flow resamples the picture in every frame, which would blur what stands still.
    backward[still] = 0
    return Motion(thumbnail, backward, (visible | still) * _rigidity(backward))


def _visible_mask(
    before: np.ndarray, now: np.ndarray, flow: np.ndarray, preset: FlowPreset
) -> np.ndarray:
    """True where the frame before shows the same point; lumas are h×w uint8."""
    forward = dense_flow(before, now, preset, lean=True)
    return ~occlusion_mask(flow, forward, *CONSISTENCY)


def _still_mask(before: np.ndarray, now: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """True where standing still explains the frame as well as the flow; lumas are h×w uint8.

    Where there is only grain, any flow explains the frame. Whether the camera stands still is then
    judged by the rest of the picture.
    """
    # Blurred, because the warp evens out grain and would match better for that reason alone.
    before, now = (cv2.GaussianBlur(luma.astype(np.float32), (0, 0), 0.7) for luma in (before, now))
    left, stood = (
        cv2.sqrBoxFilter(now - image, cv2.CV_32F, (5, 5)) for image in (warp(before, flow), before)
    )
    still = (cv2.blur((stood <= left + 0.1).astype(np.float32), (3, 3)) > 0.5) & inside(flow, 0.5)
    slow = square_norm(flow) < 0.125**2
    # Local mean square of the gradient, in levels per pixel.
    textured = cv2.blur(_square_gradient(now), (5, 5)) > TEXTURE
    if not textured.any() or (still | slow)[textured].mean() > 0.7:
        still |= slow | ~textured
    return still


def _enlarged(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A bool mask at another width and height."""
    return cv2.resize(mask.astype(np.float32), size) > 0.5


def _half_luma(image: np.ndarray) -> np.ndarray:
    """Luma at half the size, uint8."""
    return halved(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))


def _rigidity(flow: np.ndarray) -> np.ndarray:
    """1 where the flow moves the picture unchanged, down to 0 where it stretches it: h×w float32.

    Stretching adds up: a drawing that is stretched a little in every frame is soon unrecognizable.
    """
    squares = _square_gradient(*cv2.split(cv2.blur(halved(flow), (3, 3))))
    # The flow is in pixels of the full size, but its gradient was taken at half of it.
    strain = cv2.resize(np.sqrt(squares) / 2, flow.shape[1::-1])
    return np.clip(1 - STRAIN * np.maximum(strain - SLACK, 0), 0, 1)


def _square_gradient(*planes: np.ndarray) -> np.ndarray:
    """Squared length of the gradient of all planes, per pixel: h×w float32."""
    slopes = (cv2.Sobel(p, cv2.CV_32F, x, 1 - x, scale=1 / 8) for p in planes for x in (0, 1))
    return np.add.reduce([slope * slope for slope in slopes])


class TrackedFrame(NamedTuple):
    """A source frame and its motion since the frame before, which may still be computed.

    Attributes:
        start: the state after the frame before, where earlier work is resumed.
    """

    frame: Frame
    motion: Future[Motion]
    start: Checkpoint | None = None


class MotionTracker:
    """Estimates the motion of source frames on its threads, ahead of their stylization.

    As a context manager it stops the threads.

    Args:
        origin: the time, in seconds, that listed cuts are relative to.
        previous: the frame before the first, when a run is resumed.
        index: index of the first frame, for listed cuts.
        times: where to record the time that flow takes.

    Raises:
        InputError: the list of cuts cannot be read.
    """

    def __init__(
        self,
        options: TemporalOptions,
        *,
        origin: float = 0.0,
        previous: Frame | None = None,
        index: int = 0,
        threads: int | None = None,
        times: StageTimes | None = None,
    ) -> None:
        self.options = options
        self._estimate = (times or StageTimes()).timed("flow", estimate_motion)
        self.origin = origin
        self.previous = previous
        self.index = index
        self._find_cuts = options.cuts == "auto"
        self._cuts = CutList() if options.cuts in ("auto", "none") else read_cuts(options.cuts)
        threads = threads or max((os.cpu_count() or 1) // 2, 1)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="motion")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def __call__(self, frames: Iterable[Frame]) -> Iterator[TrackedFrame]:
        """Yield the frames, each with the future of its motion."""
        previous = self.previous
        before = None if previous is None else thumbnail(previous.image)
        for index, frame in enumerate(frames, self.index):
            small = thumbnail(frame.image)
            off = self.options.temporal == 0 or self._listed(index, frame, previous)
            if off or before is None or before.shape != small.shape:
                motion = self._pool.submit(Motion, small)
            else:
                motion = self._pool.submit(
                    self._estimate, before, small, self.options.flow, self._find_cuts
                )
            yield TrackedFrame(frame, motion)
            previous, before = frame, small

    def _listed(self, index: int, frame: Frame, previous: Frame | None) -> bool:
        """Whether the list of cuts starts a shot with this frame."""
        if previous is None:
            return False
        times = (frame.time - self.origin, previous.time - self.origin)
        return self._cuts.starts_shot(index, *times)
