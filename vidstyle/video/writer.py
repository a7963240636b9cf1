"""Frames and packets into a container, beside the source's own sound, subtitles and chapters."""

from __future__ import annotations

import logging
import math
import os
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.stream import VideoStream

from vidstyle.errors import OutputError
from vidstyle.frame import Frame
from vidstyle.video.encoders import FASTSTART, MATROSKA, Encoding
from vidstyle.video.frame_converter import FrameConverter
from vidstyle.video.output import OutputPlan, create_temporary, partial_path, writing
from vidstyle.video.source import stream_metadata
from vidstyle.video.tracks import StreamCopier

logger = logging.getLogger(__name__)

NUDGED = "frames with equal timestamps moved apart by one tick"

_WITH_TIMECODE = {"mp4", "mov", "matroska"}
_TIMECODE = re.compile(r"\d\d:[0-5]\d:[0-5]\d([:;.])(\d\d)")
_MAX_MOVIE_TIMESCALE = 10_000_000
_UNTIMED_BY_X265 = 2
"""So few frames, fewer than it looks ahead for B-frames, get decoding times from x265 that were
never set. They need no reordering."""


class OutputClock:
    """Timestamps of the output: from zero where they must, and always increasing.

    Args:
        from_zero: the first becomes zero; else only one that is negative.
    """

    def __init__(self, from_zero: bool) -> None:
        self.from_zero = from_zero
        self.shift: int | None = None
        """What is subtracted; None before the first."""
        self.last: int | None = None
        self.nudged = False
        """Whether one was moved, as encoders refuse those that do not increase."""

    def __call__(self, pts: int) -> int:
        if self.shift is None:
            # Frames before zero would be hidden by an MP4's edit list.
            self.shift = pts if self.from_zero or pts < 0 else 0
        pts -= self.shift
        if self.last is not None and pts <= self.last:
            pts = self.last + 1
            self.nudged = True
        self.last = pts
        return pts


def in_ticks(frame: Frame, time_base: Fraction) -> tuple[int, int]:
    """A frame's pts and duration in units of another time base."""
    ticks = time_base / frame.time_base
    return round(frame.pts / ticks), round(frame.duration / ticks)


class FrameEncoder:
    """Makes packets of frames.

    Args:
        stream: that ``Encoding.add_to`` has made, of a container whose header is written.
    """

    def __init__(self, stream: VideoStream, encoding: Encoding) -> None:
        self._stream = stream
        self._encoding = encoding
        self._convert = FrameConverter(encoding)
        self._count = 0

    def __call__(self, frame: Frame, pts: int, duration: int) -> list[Packet]:
        """The packets that the encoder gives for a frame; it may hold some back.

        Args:
            pts, duration: in the encoding's time base.

        Raises:
            ValueError: the frame is not of the encoding's size.
        """
        picture = self._convert(frame)
        picture.pts, picture.time_base, picture.duration = pts, self._encoding.time_base, duration
        self._count += 1
        return self._stream.encode(picture)

    def flush(self) -> list[Packet]:
        """The packets that the encoder still holds; no frame can follow."""
        packets = self._stream.encode(None)
        if self._encoding.codec == "libx265" and self._count <= _UNTIMED_BY_X265:
            for packet in packets:
                packet.dts = packet.pts
        return packets


class VideoFile:
    """A container with one encoded stream of pictures, and whatever else is added to it.

    Args:
        path: where it is written.
        named: what errors call it.

    Raises:
        OutputError: from all methods: the disk is full, or the file cannot be written.
    """

    def __init__(self, path: Path, encoding: Encoding, named: Path) -> None:
        self.path, self.named, self.encoding = path, named, encoding
        with writing(named):
            self.container = av.open(f"file:{path}", "w", format=encoding.container)
        self.stream = encoding.add_to(self.container)

    def start(self, options: dict[str, str], extradata: bytes | None = None) -> None:
        """Write the header.

        Args:
            options: the container format's own.
            extradata: of packets that another encoder has made, which are written here.
        """
        self.container.container_options.update(options)
        with writing(self.named), self.encoding.explained(self.named):
            if extradata is not None:
                self.stream.codec_context.open()
                self.stream.codec_context.extradata = extradata or None
            self.container.start_encoding()

    def mux(self, packets: Packet | Iterable[Packet]) -> None:
        """Write packets of any of the streams."""
        with writing(self.named):
            self.container.mux(packets)  # type: ignore[arg-type]

    def close(self) -> None:
        """Write the end."""
        with writing(self.named):
            self.container.close()

    def discard(self) -> None:
        """Close and delete the file, whatever state it is in."""
        with suppress(AttributeError, FFmpegError, OSError, ValueError):
            self.stream.encode(None)  # unless it was told of the end, SVT-AV1 complains aloud
        with suppress(FFmpegError, OSError, ValueError):
            self.container.close()
        with suppress(OSError):  # permission was lost: what is told is why nothing was written
            self.path.unlink(missing_ok=True)


class OutputFile(VideoFile):
    """The file of a plan, still under another name, with the streams copied from the source.

    Args:
        path: where it is written.
        sound: adds one more stream to the output and returns it.
        extradata: of packets that another encoder has made.

    Raises:
        OutputError: it cannot be written there or so.
        InputError: the source cannot be opened.
    """

    def __init__(
        self,
        path: Path,
        plan: OutputPlan,
        *,
        sound: Callable[[OutputContainer], AudioStream] | None = None,
        extradata: bytes | None = None,
    ) -> None:
        self.notices: list[str] = []
        self._plan = plan
        self._copier: StreamCopier | None = None
        try:
            super().__init__(path, plan.encoding, plan.path)
            self._add_streams()
            self.sound = sound(self.container) if sound else None
            self.start(self._muxer_options(), extradata)
        except BaseException:
            self.discard()
            raise
        size = "×".join(map(str, plan.encoding.coded_size))
        logger.info("%s: %s %s, %s", plan.path, plan.encoding.codec, plan.encoding.pix_fmt, size)

    def begin(self, shift: int) -> None:
        """Fix what is subtracted from all timestamps, in the frames' time base."""
        if self._copier:
            seconds = shift * self.encoding.time_base
            self._copier.begin(seconds, trim=self._plan.start is not None)

    def copy_until(self, pts: int) -> None:
        """Copy what the other streams have up to a time of the source, in its time base."""
        if self._copier:
            with writing(self.named):
                self._copier.copy_until(pts * self.encoding.time_base)

    def complete(self, target: Path, end: int | None, *, endless: bool = False) -> None:
        """Copy the rest of the other streams and give the file its name.

        Args:
            end: time of the source where they are cut, in the frames' time base, if they are.
            endless: keep the file without its end when that cannot be written.

        Raises:
            OutputError: it cannot be written; nothing is left then.
        """
        try:
            with suppress(*[OutputError] if endless else []):
                if self._copier:
                    with writing(self.named):
                        self._copier.finish(None if end is None else end * self.encoding.time_base)
                self.close()
            with writing(self.named):
                os.replace(self.path, target)
        finally:
            self.discard()

    def discard(self) -> None:
        if self._copier:
            self._copier.close()
        super().discard()

    def _add_streams(self) -> None:
        """Those of the source, with what it says of itself and of its pictures."""
        plan = self._plan
        self.container.metadata.update(plan.info.metadata)
        if plan.source is None:
            return
        copier = self._copier = StreamCopier(plan.source, self.container, audio=plan.audio)
        self.notices += copier.notices
        self.stream.metadata.update(stream_metadata(copier.video))
        self.stream.disposition = copier.video.disposition
        if copier.timecode is not None:
            self._keep_timecode(copier.timecode)
        self.container.set_chapters(copier.chapters(plan.start, plan.end))

    def _keep_timecode(self, timecode: str) -> None:
        """Have the muxer write the source's timecode, if it begins with the first frame."""
        held = self._plan.start is None and self.encoding.container in _WITH_TIMECODE
        if held and is_timecode(timecode, round(self._plan.info.average_rate or 0)):
            self.stream.metadata["timecode"] = timecode
        else:
            self.notices.append(f"timecode {timecode} left out")

    def _muxer_options(self) -> dict[str, str]:
        if self.encoding.container in MATROSKA:
            # Else sound that begins before zero, as encoders' priming does, delays the picture.
            return {"avoid_negative_ts": "disabled"}
        if self.encoding.container not in FASTSTART:
            return {}
        # Start offsets are stored in units of the movie time scale, by default milliseconds.
        bases = [self.encoding.time_base, *(self._copier.time_bases() if self._copier else [])]
        scale = math.lcm(*(base.denominator for base in bases))
        if scale > _MAX_MOVIE_TIMESCALE:
            scale = max(1000, self.encoding.time_base.denominator)
        return {"movflags": "+faststart", "movie_timescale": str(scale)}


class VideoWriter:
    """Writes frames to a video file that gets its name only when it is complete.

    The other streams are copied from the source in step with the frames. As a context manager
    it finishes; on Ctrl-C it keeps the partial file; on any other exception nothing is left.
    Frames must all come from one thread.

    Args:
        sound: adds one more stream to the output and returns it, for ``write_sound``.

    Raises:
        OutputError: the file cannot be written there or so. Known before the first frame,
            except for a full disk.
        InputError: the source cannot be opened.
    """

    partial: Path | None
    """The file that ``keep_partial`` kept, if it did."""
    sound: AudioStream | None
    """The stream that was asked for."""

    def __init__(
        self,
        plan: OutputPlan,
        *,
        sound: Callable[[OutputContainer], AudioStream] | None = None,
    ) -> None:
        self.path, self.alpha, self.partial = plan.path, plan.encoding.alpha, None
        self._plan, self._closed, self._end = plan, False, 0
        self._clock = OutputClock(from_zero=plan.start is not None)
        self._file = OutputFile(create_temporary(plan.path), plan, sound=sound)
        self._encoder = FrameEncoder(self._file.stream, plan.encoding)
        self.sound = self._file.sound
        self.notices = [*plan.encoding.notices, *self._file.notices]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._closed:
            return
        if exc_type is None:
            self.finish()
        elif issubclass(exc_type, KeyboardInterrupt):
            self.keep_partial()
        else:
            self.discard()

    def write(self, frame: Frame) -> None:
        """Encode one frame, and copy what the other streams have up to its time.

        Raises:
            OutputError: the disk is full, or the encoder failed.
            ValueError: the frame has another size than was planned.
        """
        pts, duration = in_ticks(frame, self._plan.encoding.time_base)
        first, nudged = self._clock.shift is None, self._clock.nudged
        own = self._clock(pts)
        if first:
            self._file.begin(pts - own)
        if self._clock.nudged and not nudged:
            self.notices.append(NUDGED)
        with writing(self.path):
            self._file.mux(self._encoder(frame, own, duration))
        self._file.copy_until(pts)
        self._end = pts + duration

    def write_sound(self, packet: Packet) -> None:
        """Copy one packet of the stream ``sound``, on the frames' clock.

        Raises:
            OutputError: the disk is full.
        """
        self._file.mux(packet)

    def finish(self) -> Path:
        """Write what is left and give the file its name.

        Raises:
            OutputError: no frame was written, or the disk is full; nothing is left then.
        """
        if self._clock.last is None:
            self.discard()
            raise OutputError(f"{self.path}: no frames were decoded; nothing was written")
        self._complete(self.path, None if self._plan.end is None else self._end)
        return self.path

    def keep_partial(self) -> Path | None:
        """Close what was written so far as a playable ``NAME.partial.SUFFIX``.

        On a full disk, Matroska is kept without its end, which players do not need.

        Returns:
            its path, or None if there was no frame and so no file.

        Raises:
            OutputError: the disk is full; nothing is left then.
        """
        if self._clock.last is None:
            self.discard()
            return None
        endless = self._plan.encoding.container in MATROSKA
        self._complete(partial_path(self.path), self._end, endless=endless)
        self.partial = partial_path(self.path)
        return self.partial

    def discard(self) -> None:
        """Leave nothing behind."""
        if not self._closed:
            self._closed = True
            self._file.discard()

    def _complete(self, target: Path, end: int | None, *, endless: bool = False) -> None:
        if self._closed:
            raise RuntimeError(f"the writer of {self.path} is already closed")
        self._closed = True
        try:
            with writing(self.path):
                self._file.mux(self._encoder.flush())
        except OutputError:
            if not endless:
                self._file.discard()
                raise
        self._file.complete(target, end, endless=endless)


def is_timecode(text: str, rate: int) -> bool:
    """Whether ``hh:mm:ss:ff`` makes sense at so many frames a second; muxers fail where not.

    A semicolon before the frames drops numbers, as only 30 and 60 frames a second do.
    """
    match = _TIMECODE.fullmatch(text)
    if match is None or int(match[2]) >= rate:
        return False
    return match[1] == ":" or rate in (30, 60)
