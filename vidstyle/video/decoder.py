"""Decoding the pictures of a file, past whatever is damaged in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
from av.codec import CodecContext
from av.error import EOFError as EndOfStream
from av.error import FFmpegError
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vidstyle.errors import InputError
from vidstyle.video.deinterlace import Deinterlacer
from vidstyle.video.source import (
    duration_of,
    find_video,
    open_source,
    plausible_rate,
    read_packets,
)

_WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
_TRUNCATION_TOLERANCE = 0.25
_MOST_HELD = 128
"""Frames that a decoder holds back at most; one that cannot be opened fails for ever."""


class SourceDecoder:
    """Decodes the main video stream of a file; every frame has a timestamp.

    Args:
        strict: raise ``InputError`` on damage instead of counting it.
        deinterlace: make frames that are flagged interlaced progressive.

    Raises:
        InputError: the file is missing, or not a video.
    """

    def __init__(self, path: Path, strict: bool, deinterlace: bool) -> None:
        self._path = path
        self._strict = strict
        self._deinterlace = deinterlace
        self._deinterlacer: Deinterlacer | None = None
        self._bad_packets = 0
        self._bad_frames = 0
        self._packets_end = 0.0
        self._open()
        assert self.stream.time_base is not None
        self.time_base = self.stream.time_base
        self.duration = duration_of(self.container, self.stream)
        """Duration of the stream in seconds; None when the file does not say."""

    def close(self) -> None:
        """Close the file."""
        self.container.close()

    def frames(self) -> Iterator[VideoFrame]:
        """The frames from here on."""
        if not self._deinterlace:
            return self._timed()
        self._deinterlacer = Deinterlacer(self.stream)
        return self._deinterlacer(self._timed())

    def seek(self, pts: int) -> None:
        """Go to a key frame at or before a time, or to the beginning where that is not possible."""
        try:
            self.container.seek(pts, stream=self.stream)
        except FFmpegError:
            self.close()
            self._open()
        self._decoder.flush_buffers()

    @property
    def interlaced(self) -> bool:
        """Whether interlaced frames were met; what becomes of one depends on those beside it."""
        return self._deinterlacer is not None and self._deinterlacer.found

    @property
    def usual_duration(self) -> int:
        """Duration of a frame at the average rate, in units of the time base."""
        rate = plausible_rate(self.stream)
        return max(1, round(1 / (rate * self.time_base))) if rate else 1

    @property
    def ended_early(self) -> bool:
        """Whether packets ended before the file says that they do.

        All streams are looked at, since sound may rightly outlast the picture.
        """
        duration = self.container.duration
        if duration is None:
            return False
        return self._packets_end < duration / av.time_base - _TRUNCATION_TOLERANCE

    def damage(self) -> list[str]:
        """What was damaged so far, one line each."""
        lost = []
        if count := self._bad_packets:
            lost.append(f"{count} damaged packet{'s'[: count > 1]} skipped")
        if count := self._bad_frames:
            lost.append(f"{count} frame{'s'[: count > 1]} damaged")
        return lost

    def _open(self) -> None:
        self.container = open_source(self._path)
        try:
            self.stream = find_video(self.container, self._path)
            self._decoder = _open_decoder(self.stream)
        except BaseException:
            self.container.close()
            raise

    def _timed(self) -> Iterator[VideoFrame]:
        expected = 0
        for frame in self._decode():
            if frame.pts is None:
                frame.pts = expected if frame.dts is None else frame.dts
            expected = frame.pts + (frame.duration or self.usual_duration)
            yield frame

    def _decode(self) -> Iterator[VideoFrame]:
        """Every frame that decodes, the last of them still inside the decoder."""
        for packet in self._packets():
            if packet.stream is self.stream and packet.size:
                yield from self._decode_packet(packet)
        for _ in range(_MOST_HELD):
            errors = self._bad_packets
            yield from self._decode_packet(None)
            if self._bad_packets == errors:  # an error there hides only one frame
                return

    def _decode_packet(self, packet: Packet[VideoStream] | None) -> list[VideoFrame]:
        try:
            frames = self._decoder.decode(packet)
        except EndOfStream:
            return []
        except FFmpegError as error:
            self._note_damage(error)
            return []
        for frame in frames:
            if frame.is_corrupt:
                self._bad_frames += 1
                if self._strict:
                    raise InputError(f"{self._path}: damaged frame at {frame.time or 0:.2f} s")
        return frames

    def _packets(self) -> Iterator[Packet]:
        """The packets of all streams, past errors as long as the demuxer finds a way."""
        progress = True
        while progress:
            progress = False
            try:
                for packet in read_packets(self.container):
                    progress = True
                    self._note_end(packet)
                    yield packet
                return
            except FFmpegError as error:
                self._note_damage(error)

    def _note_end(self, packet: Packet) -> None:
        if packet.pts is not None:
            end = float((packet.pts + (packet.duration or 0)) * packet.time_base)
            self._packets_end = max(self._packets_end, end)

    def _note_damage(self, error: FFmpegError) -> None:
        if self._strict:
            raise InputError(f"{self._path}: damaged ({error.strerror})") from error
        self._bad_packets += 1


def pts_of(frame: VideoFrame) -> int:
    """The timestamp of a frame that has one."""
    assert frame.pts is not None
    return frame.pts


def _open_decoder(stream: VideoStream) -> VideoCodecContext:
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
