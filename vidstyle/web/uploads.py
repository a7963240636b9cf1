"""What visitors may bring: checked before anything is decoded for long."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vidstyle.errors import InputError, OptionError
from vidstyle.frame import VideoInfo
from vidstyle.headers import check_header
from vidstyle.image import read_image
from vidstyle.options import ReadOptions, WebOptions
from vidstyle.video import VideoReader


@dataclass(frozen=True, eq=False)
class Clip:
    """A video of a visitor's.

    Attributes:
        name: what it was called where it came from.
    """

    path: Path
    name: str
    info: VideoInfo

    @property
    def seconds(self) -> float:
        """Its length; 0 where nothing tells."""
        return self.info.seconds

    @property
    def last_frame(self) -> float:
        """Seconds at which its last frame is sure to be shown still."""
        rate = float(self.info.average_rate or 25)
        return max(self.seconds - 1.5 / rate, 0.0)


def open_clip(path: Path, name: str, limits: WebOptions) -> Clip:
    """A clip that is small enough.

    Raises:
        InputError: it is no video, or its pictures are too large.
    """
    with VideoReader(path) as reader:
        clip = Clip(path, name, reader.info)
    check_pixels(path, clip.info.width, clip.info.height, limits)
    return clip


def check_length(clip: Clip, read: ReadOptions, limits: WebOptions) -> None:
    """Raises OptionError unless what is to be painted of a clip is short enough."""
    end = min(read.end or clip.seconds, clip.seconds) if clip.seconds else read.end
    if end is None:
        raise OptionError(f"{clip.name} does not say how long it is; choose an end")
    minutes = (end - (read.start or 0)) / 60
    if minutes > limits.max_minutes:
        raise OptionError(
            f"{clip.name}: {minutes:.1f} minutes are too long; this page paints "
            f"{limits.max_minutes:g} minutes at most, so choose start and end"
        )


def open_picture(path: Path, limits: WebOptions) -> np.ndarray:
    """A picture that is small enough, RGB uint8 H×W×3.

    Raises:
        InputError: it is no picture, or is too large.
    """
    check_header(path, path.read_bytes(), round(limits.max_megapixels * 1e6))
    return read_image(path)


def check_pixels(path: Path, width: int, height: int, limits: WebOptions) -> None:
    """Raises InputError when a picture has too many pixels."""
    if width * height > limits.max_megapixels * 1e6:
        raise InputError(
            f"{path}: {width}×{height} pixels are too many; "
            f"this page takes {limits.max_megapixels:g} megapixels at most"
        )
