"""The fast engine for live pictures: one after the other, steadied, and steered while it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Self

import cv2
import numpy as np
import torch
from torch import Tensor

from vidstyle.errors import OptionError
from vidstyle.live.morph import Morph
from vidstyle.models.transformer import TransformerNet
from vidstyle.options.live import LIVE_TEMPORAL
from vidstyle.styles.file import backbone_hash
from vidstyle.styles.registry import Style, load_style
from vidstyle.stylizers import FastOptions, FastStylizer
from vidstyle.stylizers.color import LUMA
from vidstyle.temporal import (
    Motion,
    TemporalMemory,
    TemporalOptions,
    estimate_motion,
    thumbnail,
)

_THUMBNAIL_SIDE = 320
"""Longest side, in pixels, for flow and masks: of pictures of 640, 40 % less time for steadying
than with 512, and about a point less of the flicker cut."""
_LATTICE_BLUR = 0.6
"""Pixels: a third is left of what alternates from pixel to pixel."""
_SHARP_GAIN = 0.02
"""Share of the picture below which its own fine detail is not worth adding."""


class LiveStylizer:
    """Restyles the pictures of a stream, each in the light of those before.

    The style, its strength and the working size may be changed at any time from any thread, and
    change smoothly. Pictures are drawn at the working size and enlarged to their own; where the
    style lets the picture itself through (strengths below 1), that stays as sharp as it was.

    >>> stylizer = LiveStylizer("scream")
    >>> painting = stylizer(picture)                    # uint8 H×W×3 RGB, of any size
    >>> stylizer.set_style("wave", seconds=2)           # from now on, and over two seconds

    Args:
        style: a Style, or what ``load_style`` takes.
        fast: strength, colour, device and precision.
        temporal: λ and flow; ``cuts`` may be ``auto`` or ``none``.
        working_side: longest side at which pictures are drawn; None draws at their own size.
        clock: seconds, for the pace of changes.

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
            raise OptionError(f"live pictures have cuts auto or none, not '{temporal.cuts}'")
        self.working_side = working_side
        self._clock = clock
        self._options = replace(fast, batch_size=1)
        first = FastStylizer(style, self._options)
        self._style, self._strength = first.style, fast.strength
        vector = first.style.at_strength(fast.strength)
        now = clock()
        self._legs = [_Leg(first, Morph(vector, vector, now, 0))]
        self._steering = Lock()
        self._drawing = Lock()
        self._memory = TemporalMemory(temporal)
        self._before: np.ndarray | None = None
        self._shape: tuple[int, ...] = ()
        self._drawn = now
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="live-motion")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop its thread."""
        self._pool.shutdown()

    # -- steering -----------------------------------------------------------------------------

    @property
    def style(self) -> Style:
        """The style that is drawn, or on its way."""
        return self._style

    @property
    def strength(self) -> float:
        """From 0, the photo, to 1, the style."""
        return self._strength

    @property
    def temporal(self) -> float:
        """How much the past steadies each picture; 0 is off."""
        return self._memory.options.temporal

    def set_style(self, style: str | Path | Style, seconds: float = 1.0) -> None:
        """Change to another style or blend within some seconds.

        Styles of other backbones are reached by way of the photo.

        Raises:
            StyleError, OptionError: as ``load_style``; nothing has changed then.
        """
        style = style if isinstance(style, Style) else load_style(style)
        self._head_for(style, self._strength, seconds)

    def set_blend(self, weights: Mapping[str, float], seconds: float = 1.0) -> None:
        """Change to a blend, of styles' names with their weights.

        Raises:
            StyleError, OptionError: as ``load_style``.
        """
        parts = [f"{name}:{weight!r}" for name, weight in weights.items()]
        self.set_style(",".join(parts), seconds)

    def set_strength(self, strength: float, seconds: float = 0.3) -> None:
        """Change the strength, from 0 to 1.

        Raises:
            OptionError: out of range.
        """
        self._head_for(self._style, strength, seconds)

    def set_temporal(self, temporal: float) -> None:
        """Change how much the past counts, from 0 to 1, at once.

        Raises:
            OptionError: out of range.
        """
        self._memory.options = replace(self._memory.options, temporal=temporal)

    def _head_for(self, style: Style, strength: float, seconds: float) -> None:
        if not seconds >= 0:
            raise OptionError(f"a change takes 0 seconds or more, not {seconds:g}")
        target = style.at_strength(strength)
        with self._steering:
            now = self._clock()
            leg = self._leg(now)
            here = leg.morph.at(now)
            if _same_network(style.network, leg.fast.style.network):
                self._legs = [_Leg(leg.fast, Morph(here, target, now, seconds))]
            else:
                half = seconds / 2
                other = FastStylizer(style, self._options)
                self._legs = [
                    _Leg(leg.fast, Morph(here, leg.fast.style.identity, now, half)),
                    _Leg(other, Morph(style.identity, target, now + half, half)),
                ]
            self._style, self._strength = style, strength

    def _leg(self, now: float) -> _Leg:
        while len(self._legs) > 1 and self._legs[0].morph.over(now):
            self._legs.pop(0)
        return self._legs[0]

    # -- drawing ------------------------------------------------------------------------------

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """The next picture, RGB, H×W×3 uint8, to the same shape; one at a time."""
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise OptionError(f"live pictures are uint8, H×W×3, not {image.dtype} {image.shape}")
        with self._drawing:
            now = self._clock()
            with self._steering:
                leg = self._leg(now)
            vector = leg.morph.at(now)
            if image.shape != self._shape:
                self.forget()
                self._shape = image.shape
            if torch.equal(vector, leg.fast.style.identity):
                self.forget()
                return image.copy()
            kept = leg.morph.kept(self._drawn, now)
            self._drawn = now
            leg.fast.steer(vector)
            return self._drawn_with(leg.fast, image, kept, passing_colors(leg.fast, vector))

    def working_size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height at which pictures of a size are drawn; never larger."""
        scale = min(1.0, (self.working_side or inf) / max(width, height))
        return max(round(width * scale), 1), max(round(height * scale), 1)

    def forget(self) -> None:
        """The next picture has nothing to do with those before."""
        self._before = None
        self._memory.restore({})

    def _drawn_with(
        self, fast: FastStylizer, image: np.ndarray, kept: float, passing: np.ndarray
    ) -> np.ndarray:
        height, width = image.shape[:2]
        size = self.working_size(width, height)
        drawn_from = _resized(image, size)
        small = thumbnail(drawn_from, _THUMBNAIL_SIDE)
        self._carry_over(size, small.shape[1::-1])
        motion = self._motion(small)
        painted = fast(drawn_from)
        moved = motion.result()
        if moved.visible is not None:
            moved = replace(moved, visible=moved.visible * np.float32(kept))
        steady = self._memory(painted, moved)
        if size == (width, height):
            return steady
        result = _enlarged(steady, (width, height))
        if np.abs(passing).max() < _SHARP_GAIN:
            return result
        return _sharpened(result, image, _enlarged(drawn_from, (width, height)), passing)

    def _carry_over(self, size: tuple[int, int], small_size: tuple[int, int]) -> None:
        """Bring what is remembered to the working size, where that has changed."""
        sizes = {"source": small_size, "result": size}
        state = self._memory.state()
        self._memory.restore({name: _resized(part, sizes[name]) for name, part in state.items()})
        if self._before is not None:
            self._before = _resized(self._before, small_size)

    def _motion(self, small: np.ndarray) -> Future[Motion]:
        """What moved since the picture before, being estimated while this one is drawn."""
        before, self._before = self._before, small
        options = self._memory.options
        if options.temporal == 0 or before is None:
            return self._pool.submit(Motion, small)
        find_cuts = options.cuts == "auto"
        return self._pool.submit(estimate_motion, before, small, options.flow, find_cuts)


@dataclass(frozen=True)
class _Leg:
    """A part of the way from style to style that one network goes."""

    fast: FastStylizer
    morph: Morph


def _resized(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if image.shape[1::-1] == size:
        return image
    smaller = size[0] < image.shape[1]
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)


def _enlarged(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A drawing at a larger size, without the lattice of two pixels' period that networks make."""
    smooth = cv2.GaussianBlur(image, (3, 3), _LATTICE_BLUR)
    return cv2.resize(smooth, size, interpolation=cv2.INTER_CUBIC)


def _sharpened(
    result: np.ndarray, image: np.ndarray, blurred: np.ndarray, passing: np.ndarray
) -> np.ndarray:
    """With what would have shown of the picture's own detail if it had been drawn at full size."""
    detail = cv2.subtract(image, blurred, dtype=cv2.CV_16S)
    return cv2.add(result, cv2.transform(detail, passing), dtype=cv2.CV_8U)


def passing_colors(fast: FastStylizer, vector: Tensor) -> np.ndarray:
    """How a picture's own colours show in what is drawn of it: 3×3, each row for one of the result.

    A style has a gain for each colour; where chroma is kept, it acts on luma alone.
    """
    splits = fast.style.network.architecture.style_splits()
    gain = vector.split(splits)[-2].numpy().astype(np.float32)
    if fast.options.color == "style":
        return np.diag(gain)
    return np.eye(3, dtype=np.float32) + np.outer(np.ones(3), LUMA * (gain - 1)).astype(np.float32)


def _same_network(network: TransformerNet, other: TransformerNet) -> bool:
    return network is other or backbone_hash(network.state_dict()) == backbone_hash(
        other.state_dict()
    )
