"""Scene cuts: found in the pictures, or read from a list."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from vidstyle.errors import InputError
from vidstyle.temporal.flow import fitted_size, resize_flow, square_norm, warp

_TOLERANCE = 1e-3
"""Seconds; times in lists are rounded to milliseconds or finer."""
_TIME = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?|\.\d+)")
"""Hours and minutes, both optional, and seconds."""
_FRAME = re.compile(r"#\d{1,18}", re.ASCII)
_MOST_BYTES = 2**24
"""Largest list of cuts: about a million lines."""
_COMMENT = re.compile(r";|(?:^|(?<=\s))#(?=\s|$)")
"""A ``#`` that stands alone, so that ``#125`` is a frame."""


@dataclass(frozen=True)
class CutDetector:
    """Decides whether there is a hard cut between two consecutive frames; keeps no state.

    The previous frame is warped to the current one, and both are compared cell by cell by the
    correlation of their luma. Correlation ignores flashes, exposure and fades, and an object that
    fills part of the view affects few cells. Flow between unrelated pictures finds similarity
    everywhere by tearing the picture, so a cell counts less the more its flow is strained.

    A plain picture (black, white) agrees with another only in flat cells, so there is a cut unless
    the other is mostly flat; the first frame of a fade-in may count as one, too. There is no cut
    between two plain pictures, nor in a dissolve, which changes little from frame to frame.

    Attributes:
        agreement: correlation, from −1 to 1, below which a cell shows something new.
        share: share of new cells, from 0 to 1, above which there is a cut.
        strain: mean gradient of the flow, in pixels per pixel, that reduces agreement to 1/e.
        noise: variance of luma (0 to 255) below which a cell counts as flat; flat cells agree.
        side: longest side at which frames are compared, in pixels.
        cell: side of a cell in pixels of that size.
    """

    agreement: float = 0.49
    share: float = 0.6
    strain: float = 1.5
    noise: float = 4.0
    side: int = 160
    cell: int = 16

    def __call__(self, previous: np.ndarray, frame: np.ndarray, flow: np.ndarray) -> bool:
        """Whether ``frame`` begins a new shot.

        Args:
            previous, frame: consecutive source frames, H×W×3 uint8 RGB of the same size.
            flow: frame → previous, H×W×2 float32 in pixels of that size.
        """
        return float(np.mean(self.agreements(previous, frame, flow) < self.agreement)) > self.share

    def agreements(self, previous: np.ndarray, frame: np.ndarray, flow: np.ndarray) -> np.ndarray:
        """How well ``previous`` explains each cell of ``frame``: h×w float32, up to 1."""
        size = fitted_size(frame, self.side)
        small_flow = resize_flow(flow, *size)
        now, before = (_small_luma(image, size) for image in (frame, previous))
        before = warp(before, small_flow)
        products = [now, before, now * now, before * before, now * before, _strain(small_flow)]
        cells = max(size[0] // self.cell, 1), max(size[1] // self.cell, 1)
        x, y, xx, yy, xy, strain = (
            cv2.resize(product, cells, interpolation=cv2.INTER_AREA) for product in products
        )
        # Rounding may give a flat cell a variance just below zero.
        spread = (np.maximum(xx - x * x, 0) + self.noise) * (np.maximum(yy - y * y, 0) + self.noise)
        return (xy - x * y + self.noise) / np.sqrt(spread) * np.exp(-strain / self.strain)


@dataclass(frozen=True)
class CutList:
    """Cuts that are known in advance.

    Attributes:
        times: seconds since the clip's first frame; ascending.
        frames: zero-based indices of the first frames of new shots.
    """

    times: tuple[float, ...] = ()
    frames: frozenset[int] = frozenset()

    def starts_shot(self, index: int, time: float, previous_time: float) -> bool:
        """Whether frame ``index`` at ``time``, after one at ``previous_time``, begins a new shot.

        It does if its index is listed, or if the time of a cut lies in (previous_time, time].
        Because times are rounded, a cut may be up to a millisecond later than its frame.

        Args:
            index: zero-based index of the frame.
            time, previous_time: seconds since the clip's first frame.
        """
        if index in self.frames:
            return True
        after, until = previous_time + _TOLERANCE, time + _TOLERANCE
        return bisect_right(self.times, until) > bisect_right(self.times, after)


def read_cuts(path: str | Path) -> CutList:
    """Read a list of cuts, one per line.

    A line holds seconds (``12.48``), a timecode (``0:01:02.5``) or the zero-based index of the
    first frame of the new shot (``#125``). A comment begins with ``;`` or a ``#`` by itself.

    Raises:
        InputError: the file cannot be read, or a line is none of these.
    """
    times: set[float] = set()
    frames: set[int] = set()
    for number, line in enumerate(_lines(Path(path)), 1):
        entry = _COMMENT.split(line)[0].strip()
        if _FRAME.fullmatch(entry):
            frames.add(int(entry[1:]))
        elif (seconds := _seconds(entry)) is not None:
            times.add(seconds)
        elif entry:
            raise InputError(
                f"{path}, line {number}: '{entry[:40]}' is not a cut; write seconds (12.48), "
                "a timecode (0:01:02.5), a frame (#125) or a comment (; text)"
            )
    return CutList(tuple(sorted(times)), frozenset(frames))


def _lines(path: Path) -> list[str]:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InputError(f"{path}: too large for a list of cuts")
        return path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a text file") from error


def _seconds(text: str) -> float | None:
    """Parse ``ss``, ``mm:ss`` or ``hh:mm:ss``, with decimals or not; None for anything else."""
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    hours, minutes, seconds = (float(part or 0) for part in match.groups())
    below_hour = match[1] is None or minutes < 60
    below_minute = match[2] is None or seconds < 60
    total = 3600 * hours + 60 * minutes + seconds
    return total if below_hour and below_minute and math.isfinite(total) else None


def _small_luma(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return cv2.resize(luma, size, interpolation=cv2.INTER_AREA).astype(np.float32)


def _strain(flow: np.ndarray) -> np.ndarray:
    """Length of the flow's gradient: H×W float32, in pixels per pixel."""
    right = np.diff(flow, axis=1, prepend=flow[:, :1])
    down = np.diff(flow, axis=0, prepend=flow[:1])
    return np.sqrt(square_norm(right) + square_norm(down))
