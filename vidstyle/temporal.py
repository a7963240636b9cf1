"""The memory of the past: what of the last result still holds for the next frame.

Painted frames flicker because the network draws each anew, and small changes of the picture (noise,
coding, a shift by half a stroke) move its strokes. So the last result is moved along the optical
flow between the source frames, and the new one mixed in:

    O_t = S_t + a · (W − S_t),  W = warp(O_{t−1}),  a = c · v · (1 − (1 − λ) |ρ|^3.5)

with the network's picture S, the occlusion mask c and the photometric veto v of Ruder, Dosovitskiy,
Brox 2016 and Lai et al. 2018 (λ is constant there). What departs from them, and why:

* ρ, the local correlation between S and W. The mean of two unlike drawings is neither: strokes
  pale within a few frames. Where S and W agree, mixing costs nothing, and keeps W from wearing off;
  where they do not, the past is kept whole.
* Colours and drawing are kept apart: of what is smooth, a quarter as much is taken from S. There,
  nothing is drawn that could pale, and it is where normalization makes the whole picture flicker.
* The veto compares the frame with a *remembered source*, moved and mixed along with the result, not
  with the frame before: many small changes add up, and slow ones are found, too.
* Where the flow stretches, the past is given up as fast as it is deformed.
* Every resampling takes some of the finest detail, and every mixing of what is a little unlike some
  of the next finest. What is missing is filled in from S, so that the result has the same energy of
  both, place by place.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np

from vidstyle.cuts import CutDetector, CutList, read_cuts
from vidstyle.flow import (
    FlowPreset,
    dense_flow,
    inside,
    occlusion_mask,
    resize_flow,
    square_norm,
    warp,
)
from vidstyle.frame import Frame
from vidstyle.options import TemporalOptions
from vidstyle.stages import StageTimes

THUMBNAIL_SIDE = 448
"""Longest side, in pixels, at which flow and masks are computed."""

CONSISTENCY = (0.1, 1.0)
"""Bounds of the occlusion test, at half the thumbnail's size. Ruder's 0.01 and 0.5 are meant for
more exact flow; with DIS they reject a fifth of what is visible. The veto finds what these pass."""
TEXTURE = 1.0
"""Mean square of the gradient, in levels a pixel, below which there is grain and no texture."""
STRAIN = 2.0
"""Share of the past that is given up for a pixel of stretching a pixel."""
SLACK = 0.015
"""Stretching, in pixels a pixel, that costs nothing: a camera's own, and the flow's errors."""
VETO = 50.0
"""α of the photometric veto exp(−α d), colours in [0, 1] (Lai et al. 2018)."""
NOISE = 0.005
"""Squared colour distance, over three channels, that the veto takes for noise."""
SOURCE_MEMORY = 0.9
"""λ of the remembered source."""
FRESHNESS = 0.02
"""Least share of the new drawing, however unlike: nothing is kept for ever."""
STROKES = 15
"""Window, in pixels, in which drawings are compared: two or three strokes."""
EXCESS = 1.5
"""More energy of detail than so many times the drawing's is taken away: where the flow is wrong,
what is never renewed would grow."""
FINE_DETAIL, COARSE_DETAIL = 3, 9
"""Windows, in pixels and in pixels of half the size, whose blur takes the detail away that wears
off: by resampling, and by mixing with drawings a little unlike."""
COARSE = 4
"""How much smaller than a thumbnail the pictures are in which drawings are lost in colours."""


def thumbnail(image: np.ndarray, side: int = THUMBNAIL_SIDE) -> np.ndarray:
    """The picture at the size for flow and masks, uint8; itself when it is that already.

    Args:
        side: the longer one, in pixels, at most.
    """
    height, width = image.shape[:2]
    scale = side / max(height, width)
    if scale < 1:
        size = max(round(width * scale), 1), max(round(height * scale), 1)
        image = _reduced(image, size)
    return image if image.dtype == np.uint8 else _rounded(image)


def _reduced(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The picture at a smaller width and height; halved first, at which OpenCV is far quicker."""
    while image.shape[1] >= 2 * size[0] and image.shape[0] >= 2 * size[1]:
        half = image.shape[1] // 2, image.shape[0] // 2
        image = cv2.resize(image, half, interpolation=cv2.INTER_AREA)
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _rounded(image: np.ndarray) -> np.ndarray:
    """Float32 to uint8, saturated."""
    return cv2.addWeighted(image, 1, image, 0, 0, dtype=cv2.CV_8U)


@dataclass(frozen=True)
class Motion:
    """What happened between a source frame and the one before it; h×w is the thumbnail's size.

    Attributes:
        thumbnail: the frame, h×w×3 uint8.
        flow: to the frame before, h×w×2 float32; None where a shot begins.
        visible: 1 where the frame before shows the same point, unstretched, else towards 0; h×w
            float32.
    """

    thumbnail: np.ndarray
    flow: np.ndarray | None = None
    visible: np.ndarray | None = None


def estimate_motion(
    previous: np.ndarray, thumbnail: np.ndarray, preset: FlowPreset, find_cuts: bool
) -> Motion:
    """Flow and occlusion between two thumbnails, h×w×3 uint8. Pure: threads may call it at will."""
    backward = dense_flow(thumbnail, previous, preset, lean=True)
    if find_cuts and CutDetector()(previous, thumbnail, backward):
        return Motion(thumbnail)
    before, now = _half_luma(previous), _half_luma(thumbnail)
    half = resize_flow(backward, now.shape[1], now.shape[0])
    size = thumbnail.shape[1::-1]
    visible = _enlarged(_visible_mask(before, now, half, preset), size)
    still = _enlarged(_still_mask(before, now, half), size)
    # Standing still must not wear the picture off: without subpixel moves nothing is resampled.
    backward[still] = 0
    return Motion(thumbnail, backward, (visible | still) * _rigidity(backward))


def _visible_mask(
    before: np.ndarray, now: np.ndarray, flow: np.ndarray, preset: FlowPreset
) -> np.ndarray:
    """True where the frame before shows the same point; of lumas h×w uint8."""
    forward = dense_flow(before, now, preset, lean=True)
    return ~occlusion_mask(flow, forward, *CONSISTENCY)


def _still_mask(before: np.ndarray, now: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """True where no motion explains the frame as well as the flow does; of lumas h×w uint8.

    Where nothing is to be seen but grain, any flow does. There, whether the camera stands still is
    told by the rest.
    """
    # Blurred, as the warp evens out the grain and would match better for that alone.
    before, now = (cv2.GaussianBlur(luma.astype(np.float32), (0, 0), 0.7) for luma in (before, now))
    left, stood = (
        cv2.sqrBoxFilter(now - image, cv2.CV_32F, (5, 5)) for image in (warp(before, flow), before)
    )
    still = (cv2.blur((stood <= left + 0.1).astype(np.float32), (3, 3)) > 0.5) & inside(flow, 0.5)
    slow = square_norm(flow) < 0.125**2
    textured = _texture(now) > TEXTURE
    if not textured.any() or (still | slow)[textured].mean() > 0.7:
        still |= slow | ~textured
    return still


def _enlarged(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A bool mask at another width and height."""
    return cv2.resize(mask.astype(np.float32), size) > 0.5


def _half_luma(image: np.ndarray) -> np.ndarray:
    """Luma at half the size, uint8."""
    height, width = image.shape[:2]
    luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    size = max(width // 2, 1), max(height // 2, 1)
    return cv2.resize(luma, size, interpolation=cv2.INTER_AREA)


def _rigidity(flow: np.ndarray) -> np.ndarray:
    """1 where the flow moves the picture as it is, towards 0 where it stretches it: h×w float32.

    What was stretched a little in each frame is soon no drawing any more.
    """
    height, width = flow.shape[:2]
    half = cv2.resize(flow, (max(width // 2, 1), max(height // 2, 1)), interpolation=cv2.INTER_AREA)
    squares = sum(
        cv2.Sobel(plane, cv2.CV_32F, x, 1 - x, scale=1 / 8) ** 2
        for plane in cv2.split(cv2.blur(half, (3, 3)))
        for x in (0, 1)
    )
    # Half the size, the flow in pixels of the whole: half of the gradient.
    strain = cv2.resize(np.sqrt(squares) / 2, (width, height))
    return np.clip(1 - STRAIN * np.maximum(strain - SLACK, 0), 0, 1)


def _texture(luma: np.ndarray) -> np.ndarray:
    """Local mean square of the gradient, in levels a pixel: h×w float32."""
    across, down = (cv2.Sobel(luma, cv2.CV_32F, x, 1 - x, scale=1 / 8) for x in (1, 0))
    return cv2.blur(across * across + down * down, (5, 5))


class MotionTracker:
    """Estimates the motion of source frames on threads of its own, ahead of their stylization.

    As a context manager it stops them.

    Args:
        origin: the time, in seconds, that listed cuts count from.
        previous: the frame before the first, when a run goes on.
        index: of the first frame, for listed cuts.
        times: to add the time of the flow to.

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

    def __call__(self, frames: Iterable[Frame]) -> Iterator[tuple[Frame, Future[Motion]]]:
        """The frames, each with its motion to be."""
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
            yield frame, motion
            previous, before = frame, small

    def _listed(self, index: int, frame: Frame, previous: Frame | None) -> bool:
        """Whether the list of cuts has this frame begin a shot."""
        if previous is None:
            return False
        times = (frame.time - self.origin, previous.time - self.origin)
        return self._cuts.starts_shot(index, *times)


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
        self._source: np.ndarray | None = None
        self._result: np.ndarray | None = None

    def __call__(self, stylized: np.ndarray, motion: Motion) -> np.ndarray:
        """The steadied picture for a stylized one and its source's motion.

        Args:
            stylized: H×W×3 uint8, or float32 from 0 to 255; the result is of that type.
        """
        if self.options.temporal == 0:
            return stylized
        prior = self.prior(motion, stylized.shape)
        fresh = stylized.astype(np.float32)
        result = fresh if prior is None else self._blend(stylized, fresh, prior)
        self._result = result
        return _rounded(result) if stylized.dtype == np.uint8 else result.clip(0, 255)

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
        trust = cv2.GaussianBlur(motion.visible * photometric_veto(now, moved), (0, 0), 1.5)
        self._source = _mix(moved, now, SOURCE_MEMORY * trust)
        # Cubic, as bilinear takes half of the finest detail in two frames.
        return Prior(warp(self._result, motion.flow, cv2.INTER_CUBIC), trust)

    def _blend(self, stylized: np.ndarray, fresh: np.ndarray, prior: Prior) -> np.ndarray:
        height, width = fresh.shape[:2]
        rows, columns = prior.trust.shape
        luma = cv2.cvtColor(stylized, cv2.COLOR_RGB2GRAY)
        moved_luma = cv2.cvtColor(prior.image, cv2.COLOR_RGB2GRAY)
        agreement = _agreement(
            _reduced(luma, (columns, rows)).astype(np.float32),
            _reduced(moved_luma, (columns, rows)),
            round(STROKES * columns / width) | 1,
        )
        strength = min(1.0, 2 * self.options.temporal)
        new = 1 - self.options.temporal
        past = strength * prior.trust * (1 - np.maximum(new * agreement, FRESHNESS))
        smooth_past = strength * prior.trust * (1 - max(new / 4, FRESHNESS))
        mixed = _mix(prior.image, fresh, cv2.resize(past, (width, height)))
        half = max(width // 2, 1), max(height // 2, 1)
        change = _smooth_change(prior, stylized, smooth_past - past, half)
        change += _missing_detail(
            cv2.resize(stylized, half, interpolation=cv2.INTER_AREA),
            cv2.resize(mixed, half, interpolation=cv2.INTER_AREA),
            COARSE_DETAIL,
        )
        fine = _missing_detail(luma, cv2.cvtColor(mixed, cv2.COLOR_RGB2GRAY), FINE_DETAIL)
        cv2.add(mixed, cv2.resize(change, (width, height)), dst=mixed)
        return cv2.add(mixed, cv2.merge([fine, fine, fine]), dst=mixed)

    # ---- to go on later -------------------------------------------------------------------

    def state(self) -> dict[str, np.ndarray]:
        """All that the next frame needs; empty before the first."""
        parts = {"source": self._source, "result": self._result}
        return {name: part for name, part in parts.items() if part is not None}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from a ``state``; the tracker wants the last frame as ``previous``."""
        self._source = state.get("source")
        self._result = state.get("result")


def _difference(image: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Squared distance of colours in [0, 1]: h×w float32."""
    return square_norm(cv2.subtract(image, other, dtype=cv2.CV_32F) * np.float32(1 / 255))


def photometric_veto(frame: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """1 where a frame looks like another that was moved to it, towards 0 elsewhere: h×w float32.

    Args:
        frame, moved: h×w×3 of 0 to 255, both uint8 or float32.
    """
    distance = _difference(frame, moved)
    # The least of the neighbourhood: an edge half a pixel off is no other thing.
    distance = cv2.blur(cv2.erode(distance, np.ones((3, 3), np.uint8)), (3, 3))
    return np.exp(-VETO * np.maximum(distance - NOISE, 0))


def _mix(first: np.ndarray, second: np.ndarray, share: np.ndarray) -> np.ndarray:
    """``share · first + (1 − share) · second``: H×W×3 float32 with H×W; share may exceed [0, 1]."""
    # blendLinear divides by the sum of the weights plus 1e-5, which by itself would darken.
    share = share * np.float32(1000)
    return cv2.blendLinear(first, second, share, 1000 - share)


def _agreement(first: np.ndarray, second: np.ndarray, window: int) -> np.ndarray:
    """|ρ|^3.5 of the local correlation, h×w, of pictures of 0 to 255; 0 where they are opposed."""

    def mean(image: np.ndarray) -> np.ndarray:
        return cv2.blur(image, (window, window))

    first, second = first - mean(first), second - mean(second)
    noise = np.float32(6.0)  # variance below which drawings count as flat, and alike
    shared = np.maximum(mean(first * second) + noise, 0)
    square = shared * shared / ((mean(first * first) + noise) * (mean(second * second) + noise))
    return square * np.sqrt(square * np.sqrt(square))


def _smooth_change(
    prior: Prior, stylized: np.ndarray, share: np.ndarray, size: tuple[int, int]
) -> np.ndarray:
    """``share`` of what tells the past from the present, leaving all detail out; float32.

    Where something moves, normalization shifts the colours of all that stands still.

    Args:
        share: h×w.
        size: width and height of the result.
    """
    rows, columns = share.shape
    coarse = max(columns // COARSE, 1), max(rows // COARSE, 1)

    def small(image: np.ndarray) -> np.ndarray:
        # Some of the rows will do: hundreds of pixels are averaged below.
        step = max(image.shape[0] // (2 * coarse[1]), 1)
        return cv2.resize(image[::step], coarse, interpolation=cv2.INTER_AREA)

    trust = small(prior.trust)[:, :, None]
    change = cv2.subtract(small(prior.image), small(stylized), dtype=cv2.CV_32F)
    # Only what can be trusted, and the mean of only that.
    change = cv2.blur(change * trust, (7, 7)) / (cv2.blur(trust, (7, 7)) + 1e-3)[:, :, None]
    return cv2.resize(change * small(share)[:, :, None], size)


def _missing_detail(drawing: np.ndarray, image: np.ndarray, window: int) -> np.ndarray:
    """What gives ``image`` the drawing's energy of detail, place by place; float32.

    With f the detail found, w the wanted one, and ⟨ ⟩ local means of luma, it is the share a ≥ 0 of
    w such that ``⟨(f + a w)²⟩ = ⟨w²⟩``; and where there is far too much, a share of f less.

    Args:
        drawing, image: H×W×3, or H×W luma.
        window: detail is what a blur of so many pixels takes away.
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
