"""Sequences as videos, and videos as sequences."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np

from vidstyle.errors import OptionError, OutputError
from vidstyle.frame import ColorTags, Frame, VideoInfo, coverage
from vidstyle.options import ClipOptions, PictureOptions, ReadOptions
from vidstyle.options.sequences import exact_rate
from vidstyle.sequences.formats import SUFFIXES
from vidstyle.sequences.pattern import SequenceFile, find_sequence, is_pattern, output_path
from vidstyle.sequences.picture import Form, Picture, read_picture, require_same_form, write_picture
from vidstyle.stages import StageTimes
from vidstyle.video.color import BT709, LIMITED
from vidstyle.video.conversion import Orientation
from vidstyle.video.hdr import sdr_notice
from vidstyle.video.reader import working_depth, working_size

VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi")


def is_sequence(path: str | Path) -> bool:
    """Whether a name stands for pictures: a directory, or a pattern that no file is called.

    Not a directory that is called like a video: it is there by mistake.
    """
    path = Path(path)
    if path.is_dir():
        return path.suffix.lower() not in VIDEO_SUFFIXES
    known = path.suffix.lower() in (*SUFFIXES, ".*")
    return known and is_pattern(path) and not path.is_file()


class SequenceReader:
    """Iterates over the pictures of a sequence as over the frames of a video, once, in order.

    A number is a tick of the clock, so that a gap in the numbering is one in time.

    Raises:
        InputError: nothing matches; while iterating, a picture cannot be read or is unlike others.
        OptionError: there is no clock, or the options are for videos.
    """

    info: VideoInfo
    warnings: list[str]
    notices: list[str]
    origin = 0.0

    def __init__(
        self,
        source: str | Path,
        read: ReadOptions = ReadOptions(),
        clip: ClipOptions = ClipOptions(),
        times: StageTimes | None = None,
    ) -> None:
        if read.start is not None or read.end is not None:
            raise OptionError("--start and --end are for videos; use --frames for pictures")
        sequence = find_sequence(source, clip.frames)
        self.warnings = []
        self.notices = []
        self._times = times or StageTimes()
        if sequence.gaps:
            places = ", ".join(f"{before}–{after}" for before, after in sequence.gaps[:5])
            self.notices.append(f"the numbering jumps at {places}: the last picture stands so long")
        self._files = sequence.files
        self._skipped = 0
        self._options = clip.picture
        first = _read_upright(self._files[0].path, self._options)
        rate = first.frame_rate if clip.fps is None else exact_rate(clip.fps)
        if rate is None:
            raise OptionError(f"{source}: pictures have no clock; say how many a second with --fps")
        height, width = first.image.shape[:2]
        self._size = working_size(width, height, read)
        self._source_size = width, height
        self.info = VideoInfo(
            width=self._size[0],
            height=self._size[1],
            time_base=1 / rate,
            average_rate=rate,
            frames=len(self._files),
            duration=float(len(self._files) / rate),
            codec=first.kind,
            pix_fmt="rgb24" if first.image.dtype == np.uint8 else "rgb48le",
            bit_depth=working_depth(8 if first.image.dtype == np.uint8 else 16, read),
            color=ColorTags(LIMITED, BT709, BT709, BT709),
            alpha=first.alpha is not None,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    @property
    def paths(self) -> list[Path]:
        """Files of the pictures."""
        return [file.path for file in self._files]

    def skip(self, count: int) -> None:
        """Begin so many pictures later."""
        self._skipped = count

    def __iter__(self) -> Iterator[Frame]:
        origin = self._files[0].number
        form: Form | None = None
        ends = [file.number for file in self._files[1:]] + [self._files[-1].number + 1]
        for file, end in list(zip(self._files, ends, strict=True))[self._skipped :]:
            with self._times.measure("decode"):
                picture = _read_upright(file.path, self._options)
            form = require_same_form(file.path, picture, form)
            image, alpha = picture.image, picture.alpha
            if self._size != self._source_size:
                image = cv2.resize(image, self._size, interpolation=cv2.INTER_AREA)
                alpha = None if alpha is None else self._resized(alpha)
            yield Frame(image, file.number - origin, self.info.time_base, end - file.number, alpha)

    def _resized(self, alpha: np.ndarray) -> np.ndarray:
        return cv2.resize(coverage(alpha), self._size, interpolation=cv2.INTER_AREA)


def _read_upright(path: Path, options: PictureOptions) -> Picture:
    """A picture as it is to be looked at, since a video has no Exif data to turn it by."""
    picture = read_picture(path, options)
    file, alpha = picture.raster.file, picture.alpha
    if file is None or file.orientation == 1:
        return picture
    turn = Orientation.of_exif(file.orientation).apply
    return replace(picture, image=turn(picture.image), alpha=None if alpha is None else turn(alpha))


class SequenceWriter:
    """Writes frames as pictures, each complete or not there at all, numbered from 1.

    As a context manager it does nothing but remember, on Ctrl-C, where finished pictures are.

    Args:
        output: a directory that is there, or a pattern.
        source: the video, which gives pictures in a directory their name.
        info: what the frames are.

    Raises:
        OutputError: pictures are there already, or cannot be written.
    """

    alpha = True
    partial: Path | None = None

    def __init__(
        self,
        output: str | Path,
        source: Path,
        info: VideoInfo,
        clip: ClipOptions = ClipOptions(),
        overwrite: bool = False,
    ) -> None:
        output = Path(output)
        self.notices = [sdr_notice(info.hdr)] if info.hdr else []
        self.pattern = output / f"{source.stem}.%06d.png" if output.is_dir() else output
        self._source = source
        self.count = 0
        self._options = clip.picture
        if not overwrite and (there := self._there()):
            raise OutputError(
                f"{there}: exists already; choose another output, or replace it with --overwrite"
            )
        try:
            self.pattern.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{self.pattern.parent}: {error.strerror or error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if exc_type is not None and issubclass(exc_type, KeyboardInterrupt) and self.count:
            self.partial = self.pattern.parent

    def write(self, frame: Frame) -> None:
        """Raises OutputError when the disk is full or so."""
        path = self._path(self.count + 1)
        write_picture(path, None, frame.image, alpha=frame.alpha, options=self._options)
        self.count += 1

    def _path(self, number: int) -> Path:
        return output_path(SequenceFile(self._source, number), self.pattern)

    def _there(self) -> Path | None:
        """The first picture, if it is there."""
        path = self._path(1)
        return path if path.exists() else None
