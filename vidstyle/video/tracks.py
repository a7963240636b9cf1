"""The streams that travel beside the pictures: sound, subtitles, fonts, chapters."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Discard, Stream

from vidstyle.video.clock import ContinuousClock
from vidstyle.video.source import (
    find_video,
    is_cover,
    open_source,
    stream_metadata,
)

if TYPE_CHECKING:
    from av.container.core import Chapter  # exists in PyAV's stubs only

# FFmpeg would write these into MP4, but hardly anything else plays them from there.
_UNPLAYABLE = {("mp4", "vorbis")}
_MATROSKA = {"matroska", "webm"}
_BITS_PER_CHANNEL = 96_000
_SEEK_MARGIN = 5.0


@dataclass
class CopiedTrack:
    """Passes packets on unchanged, but for those of damaged files that come too late."""

    output: OutputContainer
    stream: Stream
    latest: Fraction | None = None

    def write(self, packet: Packet) -> None:
        """Take the next packet, its timestamps already in the output's time."""
        assert packet.dts is not None
        time, latest = packet.dts * packet.time_base, self.latest
        self.latest = time if latest is None else max(time, latest)
        # Matroska's muxer takes equal times, too.
        equal_fits = self.output.format.name in _MATROSKA
        if latest is None or time > latest or (time == latest and equal_fits):
            packet.stream = self.stream
            self.output.mux(packet)

    def flush(self) -> None:
        """Nothing is held back."""


@dataclass(frozen=True)
class TranscodedTrack:
    """Decodes audio packets and encodes them anew."""

    output: OutputContainer
    source: AudioStream
    stream: AudioStream

    def write(self, packet: Packet) -> None:
        """Take the next packet, its timestamps already in the output's time."""
        try:
            frames = self.source.decode(packet)
        except FFmpegError:
            return  # a damaged packet is silence
        for frame in frames:
            self.output.mux(self.stream.encode(frame))

    def flush(self) -> None:
        """Write what is still held back."""
        for frame in self.source.decode(None):
            self.output.mux(self.stream.encode(frame))
        self.output.mux(self.stream.encode(None))


class StreamCopier:
    """Copies every stream but the video from ``source`` to ``output``, in step with it.

    It reads the source with a demuxer of its own, one packet at a time.

    Args:
        audio: copy sound, too.

    Raises:
        InputError: the source cannot be opened.
    """

    def __init__(self, source: Path, output: OutputContainer, *, audio: bool = True) -> None:
        self.notices: list[str] = []
        self._container = open_source(source)
        self._clock = ContinuousClock(self._container)
        self._output = output
        self._format = output.format.name
        self._tracks: dict[int, CopiedTrack | TranscodedTrack] = {}
        self._shift = Fraction(0)
        self._from: Fraction | None = None
        self._waiting: Packet | None = None
        self._packets: Iterator[Packet] | None = None
        self.video = find_video(self._container, source)
        left_out = [s for s in self._container.streams if not self._add(s, audio)]
        if names := ", ".join(_label(stream) for stream in left_out if self._missed(stream, audio)):
            self.notices.append(f"not carried into {self._format}: {names}")

    @property
    def timecode(self) -> str | None:
        """Timecode of the video's first frame, where its stream has one."""
        tags = {key.lower(): value for key, value in self.video.metadata.items()}
        return tags.get("timecode")

    def close(self) -> None:
        """Close the source."""
        self._container.close()

    def time_bases(self) -> list[Fraction]:
        """Time bases of the streams that are copied."""
        streams = [self._container.streams[index] for index in self._tracks]
        return [stream.time_base for stream in streams if stream.time_base]

    def chapters(self, start: float | None, end: float | None) -> list[Chapter]:
        """The source's chapters, cut to a window that ``start`` moves to zero (seconds)."""
        chapters = self._container.chapters()
        if start is None and end is None:
            return chapters
        video, zero = self.video, Fraction(0)
        if video.start_time is not None and video.time_base is not None:
            zero = video.start_time * video.time_base
        first = zero + Fraction(start or 0)
        last = zero + Fraction(end) if end is not None else None
        shift = first if start is not None else Fraction(0)
        cut = (_cut_chapter(chapter, first, last, shift) for chapter in chapters)
        return [chapter for chapter in cut if chapter is not None]

    def begin(self, shift: Fraction, *, trim: bool) -> None:
        """Fix what is subtracted from all timestamps (seconds), before the first copying.

        With ``trim``, what ends before ``shift`` is left out.
        """
        self._shift = shift
        if not trim:
            return
        self._from = shift
        if shift > 2 * _SEEK_MARGIN and not self._clock.needed:
            with suppress(FFmpegError):  # not seekable: read from the beginning
                self._container.seek(int((shift - Fraction(_SEEK_MARGIN)) * av.time_base))

    def copy_until(self, time: Fraction) -> None:
        """Copy the packets that begin before ``time``, in seconds of the source."""
        while (packet := self._peek()) is not None and _time(packet) < time:
            self._waiting = None
            self._write(packet)

    def finish(self, end: Fraction | None = None) -> None:
        """Copy the rest, or what begins before ``end``, and flush."""
        while (packet := self._peek()) is not None:
            self._waiting = None
            if end is None or _time(packet) < end:
                self._write(packet)
        for track in self._tracks.values():
            track.flush()

    # -- choosing -----------------------------------------------------------------------

    def _add(self, stream: Stream, audio: bool) -> bool:
        """Whether there is room for a stream; it gets a track then."""
        track: CopiedTrack | TranscodedTrack | None = None
        if stream.type == "audio" and audio:
            assert isinstance(stream, AudioStream)
            track = self._audio_track(stream)
        elif stream.type == "subtitle":
            track = self._copied_track(stream)
        elif stream.type == "attachment" and self._format == "matroska":
            track = self._copied_track(stream)  # WebM's muxer would take it and drop it
        if track is None:
            if not self._clock.watched:
                stream.discard = Discard.all
            return False
        self._tracks[stream.index] = track
        return True

    def _missed(self, stream: Stream, audio: bool) -> bool:
        """Whether a user is to be told that a stream is left out."""
        unwanted = stream.type == "audio" and not audio
        return not (unwanted or stream is self.video or "timecode" in stream.metadata)

    def _audio_track(self, stream: AudioStream) -> CopiedTrack | TranscodedTrack | None:
        codec = stream.codec_context
        if codec is None:
            return None
        if not codec.sample_rate or not codec.layout.nb_channels:
            self.notices.append(f"audio stream {stream.index} left out: none of it can be heard")
            return None
        if (self._format, codec.codec.canonical_name) in _UNPLAYABLE:
            return self._transcoded_track(stream)
        return self._copied_track(stream) or self._transcoded_track(stream)

    def _copied_track(self, stream: Stream) -> CopiedTrack | None:
        if not _can_hold(self._format, stream):
            return None
        copy = self._output.add_stream_from_template(stream)
        _describe(copy, stream)
        return CopiedTrack(self._output, copy)

    def _transcoded_track(self, stream: AudioStream) -> TranscodedTrack:
        codec, title, rate = "aac", "AAC", min(stream.codec_context.sample_rate, 96_000)
        if self._format == "webm":
            codec, title, rate = "libopus", "Opus", 48_000
        copy = self._output.add_stream(codec, rate)
        assert isinstance(copy, AudioStream)
        layout = stream.codec_context.layout
        copy.codec_context.layout = layout
        copy.codec_context.bit_rate = _BITS_PER_CHANNEL * layout.nb_channels
        copy.codec_context.time_base = Fraction(1, rate)
        _describe(copy, stream)
        self.notices.append(
            f"audio stream {stream.index} ({_codec_name(stream)}) transcoded to {title}: "
            f"{self._format} cannot hold it"
        )
        return TranscodedTrack(self._output, stream, copy)

    # -- copying ------------------------------------------------------------------------

    def _peek(self) -> Packet | None:
        if self._waiting is None:
            if self._packets is None:
                self._packets = self._wanted()
            self._waiting = next(self._packets, None)
        return self._waiting

    def _wanted(self) -> Iterator[Packet]:
        if not self._tracks:
            return
        with suppress(FFmpegError):  # the reader reports damage
            for packet in self._clock.packets():
                if packet.stream.index in self._tracks and packet.dts is not None:
                    yield packet

    def _write(self, packet: Packet) -> None:
        if self._from is not None and _end(packet) <= self._from:
            return
        if shift := round(self._shift / packet.time_base):
            if packet.pts is not None:
                packet.pts -= shift
            if packet.dts is not None:
                packet.dts -= shift
        if self._from is None or _fit(packet):
            self._tracks[packet.stream.index].write(packet)


def _can_hold(container_name: str, stream: Stream) -> bool:
    """Whether a muxer takes a stream, which some only find out on writing the header."""
    trial = av.open(io.BytesIO(), "w", format=container_name)
    try:
        trial.add_stream_from_template(stream)
        trial.start_encoding()
    except (ValueError, FFmpegError):
        return False
    finally:
        with suppress(FFmpegError):
            trial.close()
    return True


def _fit(packet: Packet) -> bool:
    """Keep a trimmed packet from beginning before zero: shorten subtitles, drop the rest."""
    if packet.pts is None or packet.pts >= 0:
        return True
    if packet.stream.type != "subtitle":
        return False
    packet.duration = (packet.duration or 0) + packet.pts
    packet.pts = packet.dts = 0
    return True


def _time(packet: Packet) -> Fraction:
    """When a packet begins, in seconds."""
    start = packet.pts if packet.pts is not None else packet.dts
    assert start is not None
    return start * packet.time_base


def _end(packet: Packet) -> Fraction:
    return _time(packet) + (packet.duration or 0) * packet.time_base


def _describe(copy: Stream, stream: Stream) -> None:
    copy.metadata.update(stream_metadata(stream))
    copy.disposition = stream.disposition


def _label(stream: Stream) -> str:
    """What a stream is, for whoever misses it."""
    if is_cover(stream):
        return f"cover picture (stream {stream.index})"
    name = stream.metadata.get("filename") or _codec_name(stream)
    return f"{stream.type} stream {stream.index} ({name})"


def _codec_name(stream: Stream) -> str:
    return stream.codec_context.codec.canonical_name if stream.codec_context else "unknown"


def _cut_chapter(
    chapter: Chapter, first: Fraction, last: Fraction | None, shift: Fraction
) -> Chapter | None:
    unit = chapter["time_base"] or Fraction(1, av.time_base)
    start = max(chapter["start"] * unit, first)
    end = chapter["end"] * unit
    if last is not None:
        end = min(end, last)
    if end <= start:
        return None
    return {**chapter, "start": round((start - shift) / unit), "end": round((end - shift) / unit)}
