"""Reading a video file: upright RGB frames with their exact timestamps, one at a time."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, dropwhile, islice, takewhile
from pathlib import Path
from typing import Self

from av.video.frame import VideoFrame

from vidstyle.errors import InputError, OptionError
from vidstyle.frame import Frame, VideoInfo
from vidstyle.options import ReadOptions
from vidstyle.stages import StageTimes
from vidstyle.video.decoder import SourceDecoder, pts_of
from vidstyle.video.layout import Layout
from vidstyle.video.source import (
    STILL,
    container_metadata,
    duration_of,
    frame_count,
    may_be_still,
    plausible_rate,
    why_undecodable,
)
from vidstyle.video.stream_pictures import StreamPictures

logger = logging.getLogger(__name__)

_LONGEST = 2**31 - 1
"""Ticks that a frame may last: MP4 stores no more."""
_MOST_NAMED = 5
_SEEK_MARGINS = (0.0, 5.0, math.inf)


class VideoReader:
    """Iterates over the frames of a local video file, once, in order, in bounded memory.

    Use it as a context manager. ``info`` is known at once; ``warnings``, what could not be read,
    and ``notices``, what was changed on purpose, fill while iterating.

    Args:
        times: to add the times of decoding and converting to.

    Raises:
        InputError: the file is missing, no video, or (``strict``) damaged.
        OptionError: ``start`` lies beyond the end of the clip.
    """

    info: VideoInfo
    warnings: list[str]
    """What of the input was lost, one line each; known at the end."""
    notices: list[str]
    """What else a user should know."""

    def __init__(
        self,
        path: str | Path,
        options: ReadOptions = ReadOptions(),
        times: StageTimes | None = None,
    ) -> None:
        self.warnings = []
        self.notices = []
        self._times = times or StageTimes()
        self.path = Path(path)
        self._options = options
        self._iterated = False
        self._skipped = 0
        self._decoder = SourceDecoder(self.path, options.strict, options.deinterlace == "auto")
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def paths(self) -> list[Path]:
        """The files that frames come from: the video alone."""
        return [self.path]

    def close(self) -> None:
        """Close the file."""
        self._decoder.close()

    def skip(self, count: int) -> None:
        """Begin so many frames later. These are decoded all the same, so that the rest, damage
        included, comes as if nothing had been skipped."""
        self._skipped = count

    def __iter__(self) -> Iterator[Frame]:
        if self._iterated:
            raise RuntimeError("a VideoReader can be iterated only once")
        self._iterated = True
        return self._frames()

    @property
    def origin(self) -> float:
        """Time of the clip's first frame, in seconds; its own clock counts from there."""
        return float(self._origin * self._decoder.time_base)

    # -- what the file is ---------------------------------------------------------------

    def _prepare(self) -> None:
        decoded = self._decoder.frames()
        head = self._first_frames(decoded)
        first = head[0]
        self._origin = pts_of(first)
        self._decoded = chain(head, decoded)
        coded_size = working_size(first.width, first.height, self._options)
        layout = Layout.of(first.format.name)
        self._alpha = layout.alpha
        bit_depth = working_depth(layout.bits, self._options)
        stream = self._decoder.stream
        self._pictures = StreamPictures(first, stream, coded_size, bit_depth > 8)
        self.info = info = self._describe(first.format.name, bit_depth)
        self._check_start()
        logger.info(
            "%s: %s %s, %d×%d, %s frames/s, %s frames",
            *(self.path, info.codec, info.pix_fmt, info.width, info.height),
            *(info.average_rate, info.frames),
        )

    def _first_frames(self, decoded: Iterator[VideoFrame]) -> list[VideoFrame]:
        """The first, and a second where there would be a still picture without one."""
        perhaps_still = may_be_still(self._decoder.container)
        head = list(islice(decoded, 2 if perhaps_still else 1))
        if not head:
            name = self._decoder.stream.codec_context.name
            raise InputError(f"{self.path}: {why_undecodable(self.path, name)}")
        if perhaps_still and len(head) == 1:
            raise InputError(f"{self.path}: {STILL}")
        return head

    def _describe(self, pix_fmt: str, bit_depth: int) -> VideoInfo:
        stream, container = self._decoder.stream, self._decoder.container
        picture = self._pictures.first
        width, height = picture.size
        aspect = stream.sample_aspect_ratio or None
        if aspect and picture.orientation.transpose:
            aspect = 1 / aspect
        rate, duration = plausible_rate(stream), duration_of(container, stream)
        frames = frame_count(stream)
        if frames is None and duration and rate:
            frames = round(duration * rate)
        info = VideoInfo(
            width=width,
            height=height,
            time_base=self._decoder.time_base,
            average_rate=rate,
            frames=frames,
            duration=duration,
            codec=stream.codec_context.name,
            pix_fmt=pix_fmt,
            bit_depth=bit_depth,
            rotation=picture.orientation.rotation,
            sample_aspect_ratio=aspect,
            color=picture.tags,
            alpha=self._alpha,
            hdr=picture.hdr,
            metadata=container_metadata(container),
        )
        return _windowed(info, self._options)

    def _check_start(self) -> None:
        whole, start = self._decoder.duration, self._options.start
        if start is not None and whole is not None and start >= whole:
            raise OptionError(
                f"start ({start:g} s) lies beyond the end of {self.path} ({whole:.1f} s)"
            )

    # -- frames -------------------------------------------------------------------------

    def _frames(self) -> Iterator[Frame]:
        start, end = self._ticks(self._options.start), self._ticks(self._options.end)
        decoded = self._decoded if not start else self._from(self._origin + start)
        timed = _with_durations(decoded, self._decoder.usual_duration)
        if end is not None:
            last = self._origin + end
            timed = takewhile(lambda frame: pts_of(frame) < last, timed)
        read_to = None
        for index, frame in enumerate(self._times.each("decode", timed)):
            read_to = pts_of(frame) + frame.duration
            if index >= self._skipped:
                yield self._convert(frame)
        if read_to is None:
            raise InputError(f"{self.path}: no frame at or after {self._options.start or 0:g} s")
        self._report(read_to, complete=end is None)

    def _ticks(self, seconds: float | None) -> int | None:
        """Seconds in units of the time base, rounded up but for float noise."""
        if seconds is None or seconds == math.inf:
            return None
        return math.ceil(round(seconds / self._decoder.time_base, 3))

    def _from(self, target: int) -> Iterator[VideoFrame]:
        """Frames from ``target`` (pts) on, decoded from a key frame before it."""
        decoder = self._decoder
        for margin in map(self._ticks, _SEEK_MARGINS):
            if margin is None:
                decoder.restart()
            elif not decoder.seek(max(self._origin, target - margin)):
                decoder.restart(target - margin)
            decoded = decoder.frames()
            first = next(decoded, None)
            if first is not None and pts_of(first) <= target - decoder.interlaced:
                break
        self._pictures.stream = decoder.stream
        head = [] if first is None else [first]
        return dropwhile(lambda frame: pts_of(frame) < target, chain(head, decoded))

    def _convert(self, frame: VideoFrame) -> Frame:
        with self._times.measure("convert"):
            alpha = self._pictures.alpha(frame) if self._alpha else None
            image, time_base = self._pictures(frame), self._decoder.time_base
            return Frame(image, pts_of(frame), time_base, frame.duration, alpha)

    def _report(self, read_to: int, *, complete: bool) -> None:
        """Note what was lost; ``read_to`` is the pts at which the last frame ends."""
        if self._decoder.interlaced:
            self.notices.append("interlaced frames deinterlaced (--deinterlace off leaves them)")
        if breaks := self._decoder.clock.breaks:
            places = ", ".join(f"{seconds:.1f} s" for seconds in breaks[:_MOST_NAMED])
            more = f" and {len(breaks) - _MOST_NAMED} more" if len(breaks) > _MOST_NAMED else ""
            self.notices.append(
                f"the file's own clock starts again or jumps at {places}{more}: joined there"
            )
        self.notices += self._pictures.notices
        self.warnings += self._decoder.damage()
        if complete and (loss := self._unread(read_to)):
            if self._options.strict:
                raise InputError(f"{self.path}: {loss}")
            self.warnings.append(loss)

    def _unread(self, read_to: int) -> str:
        """What is known to come after the last frame that could be read."""
        whole = self._decoder.duration
        seconds = float((read_to - self._origin) * self._decoder.time_base)
        if self._decoder.another_begins:
            return (
                f"several files are joined into this one, and FFmpeg reads only the first "
                f"{seconds:.1f} s: split it, and give the parts one by one"
            )
        if whole is not None and self._decoder.ended_early:
            return f"truncated: {seconds:.1f} s of {whole:.1f} s could be read"
        return ""


def working_size(width: int, height: int, options: ReadOptions) -> tuple[int, int]:
    """The size in pixels to read at; even when it differs from the file's own."""
    scale = options.scale or 1.0
    if options.max_side is not None:
        scale = min(1.0, options.max_side / max(width, height))
    if scale == 1.0:
        return width, height
    return _even(width * scale, options.max_side), _even(height * scale, options.max_side)


def working_depth(bits: int, options: ReadOptions) -> int:
    """Bits a channel of the frames to work with, of a source's."""
    if options.bit_depth == "auto":
        return max(8, bits)
    return 8 if options.bit_depth == 8 else max(10, bits)


def _even(length: float, limit: int | None) -> int:
    even = max(2, 2 * round(length / 2))
    return even - 2 if limit is not None and even > limit >= 4 else even


def _with_durations(frames: Iterator[VideoFrame], usual: int) -> Iterator[VideoFrame]:
    """Let every frame stand until the next, which containers tell only in decoding order."""
    previous: VideoFrame | None = None
    gap = 0
    for frame in frames:
        if previous is not None:
            gap = max(0, pts_of(frame) - pts_of(previous))
            previous.duration = gap
            yield previous
        previous = frame
    if previous is not None:
        # Headers that claim 1000 fps give the last frame one millisecond, and damaged ones years.
        if not gap / 4 <= previous.duration <= _LONGEST or not previous.duration:
            previous.duration = gap or usual
        yield previous


def _windowed(info: VideoInfo, options: ReadOptions) -> VideoInfo:
    """Cut the estimates of duration and frames down to the window that is read."""
    if info.duration is None or (options.start is None and options.end is None):
        return info
    end = min(info.duration, options.end or math.inf)
    duration = max(0.0, end - (options.start or 0))
    frames = info.frames
    if frames is not None and info.duration > 0:
        frames = round(frames * duration / info.duration)
    return replace(info, duration=duration, frames=frames)
