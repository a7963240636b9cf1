"""Where a video is to be written, and with what: settled before any work begins."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from pathlib import Path

from av.error import FFmpegError

from vidstyle.disk import name_beside
from vidstyle.errors import OutputError
from vidstyle.frame import VideoInfo
from vidstyle.video.encoders import Encoding, reason
from vidstyle.video.tracks import TrackPlan


@dataclass(frozen=True)
class OutputPlan:
    """A video to write: everything that is settled before the first frame.

    Attributes:
        path: the output.
        info: of the video whose frames are written.
        encoding: what its frames are encoded with.
        source: the file to copy sound, subtitles and chapters from, if any.
        start: set when the frames begin that many seconds into ``source``: the other streams
            are cut to begin with the first frame, and everything moves to time zero.
        end: set when the frames end there: the other streams are cut where the last one ends.
        tracks: what becomes of those streams of ``source``.
        origin: time of ``source`` that becomes zero, in seconds, where there is no ``start``.
        overwrite: replace an existing file.
        notices: what a user should know, one line each.
    """

    path: Path
    info: VideoInfo
    encoding: Encoding
    source: Path | None = None
    start: float | None = None
    end: float | None = None
    tracks: tuple[TrackPlan, ...] = ()
    origin: Fraction = Fraction(0)
    overwrite: bool = False
    notices: tuple[str, ...] = ()

    @property
    def suffix(self) -> str:
        """Of the files on the way to the output."""
        return ".nut" if self.encoding.becomes else self.path.suffix

    @property
    def first_tick(self) -> int | None:
        """``origin`` in units of the encoding's time base; None when the first frame is at zero."""
        return None if self.start is not None else floor(self.origin / self.encoding.time_base)


def partial_path(path: Path) -> Path:
    """Where an interrupted output is kept: ``clip.mp4`` becomes ``clip.partial.mp4``."""
    return name_beside(path, path.stem, f".partial{path.suffix}")


def create_temporary(path: Path) -> Path:
    """An empty hidden file beside ``path``, which shows that one can be made there.

    Raises:
        OutputError: it cannot.
    """
    ending = f".{os.getpid()}-{secrets.token_hex(4)}{path.suffix}"
    temporary = name_beside(path, f".{path.stem}", ending)
    with writing(path):
        temporary.touch(exist_ok=False)
    return temporary


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the errors of FFmpeg and the system into an ``OutputError`` that names a file."""
    try:
        yield
    except (FFmpegError, OSError) as error:
        raise OutputError(f"{path}: cannot be written ({reason(error)})") from error
