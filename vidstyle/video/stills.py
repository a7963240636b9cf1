"""Single frames of a clip, for a look or as photos to learn on."""

from __future__ import annotations

from collections import deque
from itertools import islice
from pathlib import Path

import numpy as np

from vidstyle.errors import InputError, OptionError
from vidstyle.image import fit
from vidstyle.options import ReadOptions
from vidstyle.video.reader import VideoReader


def stills(
    path: Path, count: int, side: int, read: ReadOptions = ReadOptions()
) -> list[np.ndarray]:
    """Frames from all over a clip, RGB uint8 H×W×3 each; fewer where nothing tells its length.

    Args:
        side: the longer side of each frame is at most so many pixels.
        read: ``start`` and ``end`` limit where they are taken.

    Raises:
        InputError: the clip cannot be read.
    """
    with VideoReader(path) as reader:
        seconds = reader.info.seconds
    start, end = read.start or 0.0, min(read.end or seconds, seconds)
    if end <= start:
        return [frame_at(path, start, side)]
    step = (end - start) / count
    return [frame_at(path, start + (n + 0.5) * step, side) for n in range(count)]


def frame_at(path: Path, seconds: float, side: int | None = None) -> np.ndarray:
    """The frame of a clip at a time, or its last, RGB uint8 H×W×3.

    A clip may say that it is longer than its pictures are: then the last of them is looked for
    further and further before.

    Args:
        side: the longer side of the frame is at most so many pixels.

    Raises:
        InputError: the clip cannot be read.
    """
    for back in (0, 1, 4, 16, 64, seconds):
        start = max(seconds - back, 0.0)
        try:
            with VideoReader(path, ReadOptions(start=start or None, bit_depth=8)) as reader:
                wanted = iter(reader) if back else islice(reader, 1)
                return fit(deque(wanted, maxlen=1).pop().image, side)
        except (InputError, OptionError):
            if start == 0:
                raise
    raise AssertionError("the last start is 0")
