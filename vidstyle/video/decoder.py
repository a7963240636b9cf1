"""Decoding the pictures of a file, past whatever is damaged in it."""

from __future__ import annotations

import re
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
from vidstyle.video.clock import ContinuousClock, DecodingTimes
from vidstyle.video.deinterlace import Deinterlacer
from vidstyle.video.source import (
    another_begins,
    duration_of,
    find_video,
    open_source,
    plausible_rate,
)

_WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
_MPEG_2_SIZE = re.compile(rb"\0\0\x01\xb3.{3}", re.DOTALL)
_SIZE_HEADERS = {
    "mpeg1video": _MPEG_2_SIZE,
    "mpeg2video": _MPEG_2_SIZE,
    "mpeg4": re.compile(rb"\0\0\x01[\x20-\x2f].*?(?=\0\0\x01)", re.DOTALL),
}
"""What tells the size where decoders drop the frame that they hold back when it changes."""
_HEADERS = 1024
_TRUNCATION_TOLERANCE = 0.25
_MOST_HELD = 128
"""Frames that a decoder holds back at most; one that cannot be opened fails for ever."""
_MOST_KEPT = 2000
"""Packets from a key frame on that are kept while a later one is looked for."""


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
        self._position = 0
        self._open()
        assert self.stream.time_base is not None
        self.time_base = self.stream.time_base
        # What FFmpeg works out from timestamps alone is no word of the file's.
        self.duration = None if self.clock.needed else duration_of(self.container, self.stream)
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

    def seek(self, pts: int) -> bool:
        """Go to a key frame at or before a time; some formats go to a later one.

        Returns:
            whether the file's times lead to places at all.
        """
        if self.clock.needed or self._times.missing:
            return False
        try:
            self.container.seek(pts, stream=self.stream)
        except FFmpegError:
            return False
        self._decoder.flush_buffers()
        return True

    def restart(self, pts: int | None = None) -> None:
        """Read the file from its beginning, and decode from the last key frame at or before a time.

        Args:
            pts: None to decode from the beginning, too.
        """
        counted = self._times.missing
        self.close()
        self._open()
        self._target = None if counted else pts

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
        if duration is None or self.clock.needed:
            return False
        return self._packets_end < duration / av.time_base - _TRUNCATION_TOLERANCE

    @property
    def another_begins(self) -> bool:
        """Whether several files are joined into one, of which FFmpeg has not read all."""
        return self._position > 0 and another_begins(self._path, self._position)

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
            self.clock = ContinuousClock(self.container)
            self._times = DecodingTimes(self._decoder, self.container.format.name)
            self._target = None
            self._size_header: bytes | None = None
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
        packets = (p for p in self._packets() if p.stream is self.stream and p.size)
        for packet in self._from_key_frame(packets):
            if self._changes_size(packet):
                yield from self._held_back()
            self._times.note(packet)
            yield from self._decode_packet(packet)
        yield from self._held_back()

    def _held_back(self) -> Iterator[VideoFrame]:
        """The frames that are still inside the decoder, which can go on after them."""
        for _ in range(_MOST_HELD):
            errors = self._bad_packets
            yield from self._decode_packet(None)
            if self._bad_packets == errors:  # an error there hides only one frame
                break
        self._decoder.flush_buffers()

    def _changes_size(self, packet: Packet) -> bool:
        """Whether the decoder is going to begin anew with a packet, and forget what it holds."""
        header = _SIZE_HEADERS.get(self._decoder.codec.canonical_name)
        if header is None or not packet.is_keyframe:
            return False
        found = header.search(memoryview(packet)[:_HEADERS])
        before, self._size_header = self._size_header, found[0] if found else self._size_header
        return before not in (None, self._size_header)

    def _decode_packet(self, packet: Packet[VideoStream] | None) -> list[VideoFrame]:
        try:
            frames = self._decoder.decode(packet)
        except EndOfStream:
            return []
        except FFmpegError as error:
            self._note_damage(error)
            return []
        for frame in frames:
            self._times.correct(frame)
            if frame.is_corrupt:
                self._bad_frames += 1
                if self._strict:
                    raise InputError(f"{self._path}: damaged frame at {frame.time or 0:.2f} s")
        return frames

    def _from_key_frame(self, packets: Iterator[Packet]) -> Iterator[Packet]:
        """Those from the last key frame at or before ``restart``'s time on."""
        if self._target is None:
            yield from packets
            return
        kept: list[Packet] = []
        for packet in packets:
            time = packet.pts if packet.dts is None else packet.dts
            if packet.is_keyframe and packet.pts is not None and packet.pts <= self._target:
                kept.clear()
            kept.append(packet)
            if time is None or time > self._target or len(kept) > _MOST_KEPT:
                break
        yield from kept
        yield from packets

    def _packets(self) -> Iterator[Packet]:
        """The packets of all streams, past errors as long as the demuxer finds a way."""
        progress = True
        while progress:
            progress = False
            try:
                for packet in self.clock.packets():
                    progress = progress or packet.size > 0
                    self._note_end(packet)
                    yield packet
                return
            except FFmpegError as error:
                self._note_damage(error)

    def _note_end(self, packet: Packet) -> None:
        if packet.pos is not None:
            self._position = max(self._position, packet.pos)
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
