"""Which frames of two videos belong together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vidstyle.errors import InputError
from vidstyle.video import ReadOptions, VideoReader

_ASPECT_TOLERANCE = 0.01
_MATCHED_SHARE = 0.9


@dataclass(frozen=True, eq=False)
class VideoTimes:
    """A video and when its frames are shown.

    Attributes:
        size: width and height in pixels, upright.
        start: seconds of the first frame on the container's clock.
        times: seconds of every frame from the first, ascending.
        warnings: what could not be read.
    """

    path: Path
    size: tuple[int, int]
    start: float
    times: np.ndarray
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pairing:
    """Indices of another video's frames by those of the original's, and a note for the user."""

    matches: dict[int, int]
    note: str = ""


def read_times(path: Path) -> VideoTimes:
    """Decode a file for the timestamps that its frames really have.

    Raises:
        InputError: it cannot be read, or has a single frame.
    """
    with VideoReader(path) as reader:
        size = (reader.info.width, reader.info.height)
    with VideoReader(path, ReadOptions(max_side=64, bit_depth=8)) as reader:
        times = np.array([frame.time for frame in reader])
        warnings = tuple(reader.warnings)
    if len(times) < 2:
        raise InputError(f"{path}: has a single frame; give a video of two frames or more")
    return VideoTimes(path, size, float(times[0]), times - times[0], warnings)


def check_shapes(videos: Sequence[VideoTimes]) -> None:
    """Raises InputError unless all have the original's aspect ratio, and the others one size."""
    original, stylized = videos[:2]
    width = original.size[0] * stylized.size[1] / original.size[1]
    # Small images whose sides were rounded to even numbers may differ by more.
    if abs(stylized.size[0] - width) > max(_ASPECT_TOLERANCE * width, 2):
        raise InputError(
            f"{describe(original, stylized)}: the aspect ratios differ; scaled videos can be "
            "compared, cropped ones cannot"
        )
    for other in videos[2:]:
        if other.size != stylized.size:
            raise InputError(f"{describe(stylized, other)}: make both in the same size")


def pair(original: VideoTimes, other: VideoTimes) -> Pairing:
    """Match frames by time, or by number if only the clocks differ.

    Raises:
        InputError: less than 90 % of the frames match.
    """
    ours, theirs = original.times, other.times
    tolerance = float(np.median(np.diff(ours))) / 2
    by_number = {index: index for index in range(len(ours))}
    if len(ours) == len(theirs):
        # A file declared as 30 instead of 29.97 frames per second drifts; its frames are the same.
        drift = np.abs(theirs * (ours[-1] / max(theirs[-1], 1e-9)) - ours)
        if drift.max() <= tolerance:
            return Pairing(by_number, _drift_note(original, other, tolerance))
    matches = match_times(ours, theirs, tolerance)
    if len(matches) >= _MATCHED_SHARE * max(len(ours), len(theirs)):
        return Pairing(matches)
    if len(ours) == len(theirs):
        note = f"{other.path}: timestamps are not the original's; frames compared by their number"
        return Pairing(by_number, note)
    raise InputError(
        f"{describe(original, other)}: only {len(matches)} match by time; "
        "cut both to the same part, at the same frame rate"
    )


def _drift_note(original: VideoTimes, other: VideoTimes, tolerance: float) -> str:
    gap = float(np.abs(other.times - original.times).max())
    if gap <= tolerance:
        return ""
    return f"{other.path}: its clock drifts from the original's, by {gap:.3f} s at the end"


def match_times(ours: np.ndarray, theirs: np.ndarray, tolerance: float) -> dict[int, int]:
    """Pairs of indices whose times are each other's nearest and at most ``tolerance`` apart.

    Args:
        ours, theirs: seconds, ascending.
    """
    matches: dict[int, int] = {}
    i = j = 0
    while i < len(ours) and j < len(theirs):
        gap = abs(theirs[j] - ours[i])
        if j + 1 < len(theirs) and abs(theirs[j + 1] - ours[i]) < gap:
            j += 1
        elif i + 1 < len(ours) and abs(theirs[j] - ours[i + 1]) < gap:
            i += 1
        else:
            if gap <= tolerance:
                matches[i] = j
            i, j = i + 1, j + 1
    return matches


def describe(first: VideoTimes, second: VideoTimes) -> str:
    """Two videos with their frames and sizes, for messages."""
    return (
        f"{first.path} has {len(first.times)} frames of {format_size(first.size)}, "
        f"{second.path} has {len(second.times)} of {format_size(second.size)}"
    )


def format_size(size: tuple[int, int]) -> str:
    """As 640×360."""
    return f"{size[0]}×{size[1]}"
