"""The fast engine for live frames: one after the other, steadied, and adjustable while it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Self

import cv2
import numpy as np
import torch

from vidstyle.errors import OptionError
from vidstyle.image import fit_size, resize
from vidstyle.live.style_ring import same_backbone
from vidstyle.live.transition import Transition
from vidstyle.options.live import LIVE_TEMPORAL
from vidstyle.styles.registry import Style, load_style
from vidstyle.stylizers import FastOptions, FastStylizer
from vidstyle.stylizers.color import LUMA
from vidstyle.temporal.consistency import TemporalMemory
from vidstyle.temporal.motion import (
    Motion,
    TemporalOptions,
    estimate_motion,
    thumbnail,
)

_THUMBNAIL_SIDE = 320
"""Longest side in pixels for flow and masks: at a working size of 640, temporal consistency takes
40 % less time than with 512, for about a point less of the flicker removed."""
_LATTICE_BLUR = 0.6
"""Pixels: leaves a third of what alternates from pixel to pixel."""
_SHARP_GAIN = 0.02
"""Gain of the source image below which adding its fine detail is not worth the time."""


class LiveStylizer:
    """Stylizes the frames of a stream, keeping each consistent with those before.

    The style, its strength and the working size may be changed at any time from any thread, and
    change smoothly. Frames are drawn at the working size and enlarged to their own; where the style
    lets the source image through (strengths below 1), that stays as sharp as it was.

    >>> stylizer = LiveStylizer("scream")
    >>> painting = stylizer(image)                      # uint8 H×W×3 RGB, of any size
    >>> stylizer.set_style("wave", seconds=2)           # a transition of two seconds

    Args:
        style: a Style, or what ``load_style`` takes.
        fast: strength, colour, device and precision.
        temporal: strength of temporal consistency and flow; ``cuts`` may be ``auto`` or ``none``.
        working_side: longest side at which frames are drawn; None for their own size.
        clock: in seconds, for the pace of transitions.

    Raises:
        StyleError, OptionError, DeviceError.
    """

    def __init__(
        self,
        style: str | Path | Style = "scream",
        *,
        fast: FastOptions = FastOptions(),
        temporal: TemporalOptions = LIVE_TEMPORAL,
        working_side: int | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        if temporal.cuts not in ("auto", "none"):
            raise OptionError(f"cuts must be auto or none for live frames, not '{temporal.cuts}'")
        self.working_side = working_side
        self._clock = clock
        self._options = replace(fast, batch_size=1)
        first = FastStylizer(style, self._options)
        self._style, self._strength = first.style, fast.strength
        vector, now = first.style.at_strength(fast.strength), clock()
        self._transitions = [(first, Transition(vector, vector, now, 0))]
        self._changing = Lock()
        self._drawing = Lock()
        self._memory = TemporalMemory(temporal)
        self._previous: np.ndarray | None = None
        self._shape: tuple[int, ...] = ()
        self._drawn_at = now
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="live-motion")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop its thread."""
        self._pool.shutdown()

    # -- settings -----------------------------------------------------------------------------

    @property
    def style(self) -> Style:
        """The current style, or the one that a transition leads to."""
        return self._style

    @property
    def strength(self) -> float:
        """From 0, the source image, to 1, the full style."""
        return self._strength

    @property
    def temporal(self) -> float:
        """Strength of temporal consistency, from 0, off, to 1."""
        return self._memory.options.temporal

    def set_style(self, style: str | Path | Style, seconds: float = 1.0) -> None:
        """Change to another style or blend within some seconds.

        Styles of another backbone are reached by way of the unstylized image.

        Raises:
            StyleError, OptionError: as ``load_style``; nothing has changed then.
        """
        style = style if isinstance(style, Style) else load_style(style)
        self._change(style, self._strength, seconds)

    def set_blend(self, weights: Mapping[str, float], seconds: float = 1.0) -> None:
        """Change to a blend, given as style names with their weights.

        Raises:
            StyleError, OptionError: as ``load_style``.
        """
        self.set_style(",".join(f"{name}:{weight!r}" for name, weight in weights.items()), seconds)

    def set_strength(self, strength: float, seconds: float = 0.3) -> None:
        """Change the strength, from 0 to 1.

        Raises:
            OptionError: out of range.
        """
        self._change(self._style, strength, seconds)

    def set_temporal(self, temporal: float) -> None:
        """Change the strength of temporal consistency, from 0 to 1, at once.

        Raises:
            OptionError: out of range.
        """
        self._memory.options = replace(self._memory.options, temporal=temporal)

    def _change(self, style: Style, strength: float, seconds: float) -> None:
        if not seconds >= 0:
            raise OptionError(f"a transition takes 0 seconds or more, not {seconds:g}")
        target = style.at_strength(strength)
        with self._changing:
            now = self._clock()
            fast, current = self._current(now)
            here = current.at(now)
            if same_backbone(style.network, fast.style.network):
                self._transitions = [(fast, Transition(here, target, now, seconds))]
            else:
                half = seconds / 2
                other = FastStylizer(style, self._options)
                self._transitions = [
                    (fast, Transition(here, fast.style.identity, now, half)),
                    (other, Transition(style.identity, target, now + half, half)),
                ]
            self._style, self._strength = style, strength

    def _current(self, now: float) -> tuple[FastStylizer, Transition]:
        while len(self._transitions) > 1 and self._transitions[0][1].over(now):
            self._transitions.pop(0)
        return self._transitions[0]

    # -- drawing ------------------------------------------------------------------------------

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Stylize the next frame, RGB, H×W×3 uint8, to the same shape. Calls must not overlap."""
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise OptionError(f"live frames are uint8 H×W×3, not {image.dtype} {image.shape}")
        with self._drawing:
            now = self._clock()
            with self._changing:
                fast, transition = self._current(now)
            vector = transition.at(now)
            if image.shape != self._shape:
                self.forget()
                self._shape = image.shape
            if torch.equal(vector, fast.style.identity):
                self.forget()
                return image.copy()
            kept = transition.kept(self._drawn_at, now)
            self._drawn_at = now
            fast.set_style_vector(vector)
            return self._draw(fast, image, kept)

    def working_size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height at which frames of a size are drawn; never larger."""
        longest = max(width, height)
        side = min(self.working_side or longest, longest)
        return fit_size((width, height), (side, side))

    def forget(self) -> None:
        """Treat the next frame as the first."""
        self._previous = None
        self._memory.restore({})

    def _draw(self, fast: FastStylizer, image: np.ndarray, kept: float) -> np.ndarray:
        height, width = image.shape[:2]
        size = self.working_size(width, height)
        source = _resized(image, size)
        small = thumbnail(source, _THUMBNAIL_SIDE)
        self._resize_memory(size, small.shape[1::-1])
        motion = self._motion(small)
        drawing = fast(source)
        moved = motion.result()
        if moved.visible is not None:
            moved = replace(moved, visible=moved.visible * np.float32(kept))
        steady = self._memory(drawing, moved)
        return steady if size == (width, height) else _enlarge(fast, image, source, steady)

    def _resize_memory(self, size: tuple[int, int], small: tuple[int, int]) -> None:
        """Scale what is remembered when the working size has changed."""
        sizes = {"source": small, "result": size}
        state = self._memory.state()
        self._memory.restore({name: _resized(part, sizes[name]) for name, part in state.items()})
        if self._previous is not None:
            self._previous = _resized(self._previous, small)

    def _motion(self, small: np.ndarray) -> Future[Motion]:
        """The motion since the previous frame, estimated while this one is drawn."""
        previous, self._previous = self._previous, small
        options = self._memory.options
        if options.temporal == 0 or previous is None:
            return self._pool.submit(Motion, small)
        find_cuts = options.cuts == "auto"
        return self._pool.submit(estimate_motion, previous, small, options.flow, find_cuts)


def _resized(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return image if image.shape[1::-1] == size else resize(image, *size)


def _enlarge(
    fast: FastStylizer, image: np.ndarray, source: np.ndarray, drawing: np.ndarray
) -> np.ndarray:
    """A drawing at the size of its image, with the image's detail as far as the style shows it.

    Args:
        source: the image at the size of the drawing.
    """
    size = image.shape[1::-1]
    result = _smoothly_enlarged(drawing, size)
    colors = _visible_colors(fast)
    if np.abs(colors).max() < _SHARP_GAIN:
        return result
    detail = cv2.subtract(image, _smoothly_enlarged(source, size), dtype=cv2.CV_16S)
    return cv2.add(result, cv2.transform(detail, colors), dtype=cv2.CV_8U)


def _smoothly_enlarged(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """An image at a larger size, without the lattice of two pixels' period that networks make."""
    smooth = cv2.GaussianBlur(image, (3, 3), _LATTICE_BLUR)
    return cv2.resize(smooth, size, interpolation=cv2.INTER_CUBIC)


def _visible_colors(fast: FastStylizer) -> np.ndarray:
    """How an image's own colours show in its drawing: 3×3, a row for each colour of the result.

    A style has a gain for each colour; where chroma is kept, it acts on luma alone.
    """
    gain = fast.gain.astype(np.float32)
    if fast.options.color == "style":
        return np.diag(gain)
    return np.eye(3, dtype=np.float32) + np.outer(np.ones(3), LUMA * (gain - 1)).astype(np.float32)
