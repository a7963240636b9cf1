"""Reading a video file: upright RGB frames with their exact timestamps, one at a time."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import chain, dropwhile, takewhile
from pathlib import Path
from typing import Self

import av
from av.codec import CodecContext
from av.container import InputContainer
from av.error import EOFError as EndOfStream
from av.error import FFmpegError
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vidstyle.errors import InputError, OptionError
from vidstyle.frame import Frame, VideoInfo
from vidstyle.options import ReadOptions
from vidstyle.stages import StageTimes
from vidstyle.video.conversion import UprightPicture
from vidstyle.video.deinterlace import Deinterlacer
from vidstyle.video.layout import Layout
from vidstyle.video.source import container_metadata, find_video, open_source, read_packets

logger = logging.getLogger(__name__)

_WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
_PLAUSIBLE_RATE = 480
_SEEK_MARGINS = (0.0, 5.0, math.inf)
_TRUNCATION_TOLERANCE = 0.25
_MOST_HELD = 128
"""Frames that a decoder holds back at most; one that cannot be opened fails for ever."""


def open_decoder(stream: VideoStream) -> VideoCodecContext:
    """The decoder of a stream; of those for VP8 and VP9, only libvpx knows alpha."""
    decoder = stream.codec_context
    tags = {key.lower(): value for key, value in stream.metadata.items()}
    own = _WITH_ALPHA.get(decoder.codec.canonical_name)
    if own and tags.get("alpha_mode") == "1":
        created = CodecContext.create(own, "r")
        assert isinstance(created, VideoCodecContext)
        created.extradata = decoder.extradata
        decoder = created
    decoder.thread_type = "AUTO"
    return decoder


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
    notices: list[str]

    def __init__(
        self,
        path: str | Path,
        options: ReadOptions = ReadOptions(),
        times: StageTimes | None = None,
    ) -> None:
        self.warnings = []
        self.notices = []
        self._times = times or StageTimes()
        self._path = Path(path)
        self._options = options
        self._iterated = False
        self._skipped = 0
        self._bad_packets = 0
        self._bad_frames = 0
        self._packets_end = 0.0
        self._deinterlacer: Deinterlacer | None = None
        self._container: InputContainer = open_source(self._path)
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def skip(self, count: int) -> None:
        """Begin so many frames later. These are decoded all the same, so that the rest, damage
        included, comes as if nothing had been skipped."""
        self._skipped = count

    def __iter__(self) -> Iterator[Frame]:
        if self._iterated:
            raise RuntimeError("a VideoReader can be iterated only once")
        self._iterated = True
        return self._frames()

    # -- what the file is ---------------------------------------------------------------

    def _prepare(self) -> None:
        stream = find_video(self._container, self._path)
        assert stream.time_base is not None
        self._stream, self._decoder = stream, open_decoder(stream)
        self._time_base = stream.time_base
        decoded = self._progressive()
        first = next(decoded, None)
        if first is None:
            raise InputError(f"{self._path}: not one frame of its {stream.name} video decodes")
        assert first.pts is not None
        self._origin: int = first.pts
        self._decoded = chain([first], decoded)
        coded_size = working_size(first.width, first.height, self._options)
        self._bit_depth = working_depth(Layout.of(first.format.name).bits, self._options)
        self._alpha = Layout.of(first.format.name).alpha
        self._picture = UprightPicture(first, stream, coded_size, self._bit_depth > 8)
        self.info = self._describe(first)
        self._check_start()
        info = self.info
        logger.info(
            "%s: %s %s, %d×%d, %s frames/s, %s frames",
            *(self._path, info.codec, info.pix_fmt, info.width, info.height),
            *(info.average_rate, info.frames),
        )

    def _describe(self, first: VideoFrame) -> VideoInfo:
        width, height = self._picture.size
        aspect = self._stream.sample_aspect_ratio or None
        if aspect and self._picture.orientation.transpose:
            aspect = 1 / aspect
        rate = _plausible_rate(self._stream)
        duration = _duration(self._container, self._stream)
        frames = _frame_count(self._stream)
        if frames is None and duration and rate:
            frames = round(duration * rate)
        info = VideoInfo(
            width=width,
            height=height,
            time_base=self._time_base,
            average_rate=rate,
            frames=frames,
            duration=duration,
            codec=self._stream.codec_context.name,
            pix_fmt=first.format.name,
            bit_depth=self._bit_depth,
            rotation=self._picture.orientation.rotation,
            sample_aspect_ratio=aspect,
            color=self._picture.tags,
            alpha=self._alpha,
            hdr=self._picture.hdr,
            metadata=container_metadata(self._container),
        )
        return _windowed(info, self._options)

    def _check_start(self) -> None:
        whole = _duration(self._container, self._stream)
        start = self._options.start
        if start is not None and whole is not None and start >= whole:
            raise OptionError(
                f"start ({start:g} s) lies beyond the end of {self._path} ({whole:.1f} s)"
            )

    @property
    def origin(self) -> float:
        """Time of the clip's first frame, in seconds; its own clock counts from there."""
        return float(self._origin * self._time_base)

    # -- frames -------------------------------------------------------------------------

    def _frames(self) -> Iterator[Frame]:
        start, end = self._ticks(self._options.start), self._ticks(self._options.end)
        decoded = self._decoded if not start else self._from(self._origin + start)
        timed = _with_durations(decoded, self._usual_duration())
        if end is not None:
            last = self._origin + end
            timed = takewhile(lambda frame: _pts(frame) < last, timed)
        read_to = None
        for index, frame in enumerate(self._times.each("decode", timed)):
            read_to = _pts(frame) + frame.duration
            if index >= self._skipped:
                yield self._convert(frame)
        if read_to is None:
            raise InputError(f"{self._path}: no frame at or after {self._options.start or 0:g} s")
        self._report(read_to, complete=end is None)

    def _ticks(self, seconds: float | None) -> int | None:
        """Seconds in units of the time base, rounded up but for float noise."""
        if seconds is None or seconds == math.inf:
            return None
        return math.ceil(round(seconds / self._time_base, 3))

    def _from(self, target: int) -> Iterator[VideoFrame]:
        """Frames from ``target`` (pts) on, decoded from a key frame before it."""
        for margin in _SEEK_MARGINS:
            back = self._ticks(margin)
            self._seek(self._origin if back is None else max(self._origin, target - back))
            decoded = self._progressive()
            first = next(decoded, None)
            if first is not None and _pts(first) <= target - self._interlaced:
                break
        head = [] if first is None else [first]
        return dropwhile(lambda frame: _pts(frame) < target, chain(head, decoded))

    def _seek(self, pts: int) -> None:
        try:
            self._container.seek(pts, stream=self._stream)
        except FFmpegError:
            # Not seekable: decode from the beginning.
            self._container.close()
            self._container = open_source(self._path)
            self._stream = find_video(self._container, self._path)
            self._decoder = open_decoder(self._stream)
        self._decoder.flush_buffers()

    def _progressive(self) -> Iterator[VideoFrame]:
        if self._options.deinterlace == "off":
            return self._timed()
        self._deinterlacer = Deinterlacer(self._stream)
        return self._deinterlacer(self._timed())

    @property
    def _interlaced(self) -> bool:
        """Whether interlaced frames were met; what becomes of one depends on those beside it."""
        return self._deinterlacer is not None and self._deinterlacer.found

    def _timed(self) -> Iterator[VideoFrame]:
        """Decoded frames, each with a pts."""
        expected = 0
        for frame in self._decode():
            if frame.pts is None:
                frame.pts = expected if frame.dts is None else frame.dts
            expected = frame.pts + (frame.duration or self._usual_duration())
            yield frame

    def _decode(self) -> Iterator[VideoFrame]:
        """Every frame that decodes; what does not is counted, or raised if strict."""
        for packet in self._packets():
            if packet.stream is self._stream and packet.size:
                yield from self._decode_packet(packet)
        yield from self._drain()

    def _decode_packet(self, packet: Packet[VideoStream] | None) -> list[VideoFrame]:
        try:
            frames = self._decoder.decode(packet)
        except EndOfStream:
            return []
        except FFmpegError as error:
            self._damaged(error)
            return []
        for frame in frames:
            if frame.is_corrupt:
                self._bad_frames += 1
                if self._options.strict:
                    raise InputError(f"{self._path}: damaged frame at {frame.time or 0:.2f} s")
        return frames

    def _drain(self) -> Iterator[VideoFrame]:
        """The frames still inside the decoder; an error there hides only one of them."""
        for _ in range(_MOST_HELD):
            errors = self._bad_packets
            yield from self._decode_packet(None)
            if self._bad_packets == errors:
                return

    def _packets(self) -> Iterator[Packet]:
        """The packets of all streams, past errors as long as the demuxer finds a way."""
        progress = True
        while progress:
            progress = False
            try:
                for packet in read_packets(self._container):
                    progress = True
                    self._note_end(packet)
                    yield packet
                return
            except FFmpegError as error:
                self._damaged(error)

    def _note_end(self, packet: Packet) -> None:
        if packet.pts is not None:
            end = float((packet.pts + (packet.duration or 0)) * packet.time_base)
            self._packets_end = max(self._packets_end, end)

    def _damaged(self, error: FFmpegError) -> None:
        if self._options.strict:
            raise InputError(f"{self._path}: damaged ({error.strerror})") from error
        self._bad_packets += 1

    def _usual_duration(self) -> int:
        rate = _plausible_rate(self._stream)
        return max(1, round(1 / (rate * self._time_base))) if rate else 1

    def _convert(self, frame: VideoFrame) -> Frame:
        with self._times.measure("convert"):
            alpha = self._picture.alpha(frame) if self._alpha else None
            return Frame(self._picture(frame), _pts(frame), self._time_base, frame.duration, alpha)

    # -- damage -------------------------------------------------------------------------

    def _report(self, read_to: int, *, complete: bool) -> None:
        """Note what was lost; ``read_to`` is the pts at which the last frame ends."""
        if self._interlaced:
            self.notices.append("interlaced frames deinterlaced (--deinterlace off leaves them)")
        if self._bad_packets:
            self.warnings.append(f"{_count(self._bad_packets, 'damaged packet')} skipped")
        if self._bad_frames:
            self.warnings.append(f"{_count(self._bad_frames, 'frame')} damaged")
        whole = _duration(self._container, self._stream)
        if complete and whole is not None and self._ended_early():
            seconds = float((read_to - self._origin) * self._time_base)
            loss = f"truncated: {seconds:.1f} s of {whole:.1f} s could be read"
            if self._options.strict:
                raise InputError(f"{self._path}: {loss}")
            self.warnings.append(loss)

    def _ended_early(self) -> bool:
        # All streams are looked at, since sound may rightly outlast the picture.
        duration = self._container.duration
        if duration is None:
            return False
        return self._packets_end < duration / av.time_base - _TRUNCATION_TOLERANCE


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


def _pts(frame: VideoFrame) -> int:
    assert frame.pts is not None
    return frame.pts


def _with_durations(frames: Iterator[VideoFrame], usual: int) -> Iterator[VideoFrame]:
    """Let every frame stand until the next, which containers tell only in decoding order."""
    previous: VideoFrame | None = None
    gap = 0
    for frame in frames:
        if previous is not None:
            gap = max(0, _pts(frame) - _pts(previous))
            previous.duration = gap
            yield previous
        previous = frame
    if previous is not None:
        # Headers that claim 1000 fps give the last frame one millisecond: distrust those.
        if previous.duration * 4 < gap or not previous.duration:
            previous.duration = gap or usual
        yield previous


def _plausible_rate(stream: VideoStream) -> Fraction | None:
    rates = (stream.average_rate, stream.guessed_rate, stream.base_rate)
    return next((rate for rate in rates if rate and 0 < rate <= _PLAUSIBLE_RATE), None)


def _duration(container: InputContainer, stream: VideoStream) -> float | None:
    """Seconds of the video stream as its container tells."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    for key, value in stream.metadata.items():
        if key.upper().startswith("DURATION") and (seconds := _clock_seconds(value)):
            return seconds
    if container.duration:
        return container.duration / av.time_base
    return None


def _clock_seconds(text: str) -> float | None:
    """Matroska's ``00:00:10.333000000`` in seconds."""
    try:
        hours, minutes, seconds = text.split(":")
        return 3600 * int(hours) + 60 * int(minutes) + float(seconds)
    except ValueError:
        return None


def _frame_count(stream: VideoStream) -> int | None:
    if stream.frames:
        return stream.frames
    tags = (v for k, v in stream.metadata.items() if k.upper().startswith("NUMBER_OF_FRAMES"))
    return next((int(tag) for tag in tags if tag.isdecimal()), None)


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


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
