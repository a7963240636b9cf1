"""The streams that travel beside the pictures: sound, subtitles, fonts, chapters."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.error import ArgumentError, FFmpegError, InvalidDataError, PatchWelcomeError
from av.format import Flags
from av.packet import Packet
from av.stream import Discard, Stream
from av.subtitles.stream import SubtitleStream

from vidstyle.video.clock import ContinuousClock
from vidstyle.video.containers import FASTSTART, MATROSKA
from vidstyle.video.sound import Resampler, SoundEncoding, adts_coding, named_layout
from vidstyle.video.source import (
    find_video,
    is_cover,
    open_source,
    stream_metadata,
)
from vidstyle.video.subtitles import SubtitleEncoding

if TYPE_CHECKING:
    from av.container.core import Chapter  # exists in PyAV's stubs only

_TS_NONSTRICT: int = Flags.ts_nonstrict.value  # type: ignore[assignment]
"""FFmpeg's flag of a format in which packets may follow one another at the same time."""
_REFUSALS = (ArgumentError, InvalidDataError, PatchWelcomeError)
_SEEK_MARGIN = 5.0
_INTERLEAVING = Fraction(10)
"""Seconds that packets of one time may lie apart in a file."""
_SAME = Fraction(1, 100)
"""Seconds within which two timestamps mean the same time."""


@dataclass(frozen=True)
class TrackPlan:
    """What becomes of one stream of the source.

    Attributes:
        index: of the stream.
        encoding: what it is transcoded to; None where packets are copied.
    """

    index: int
    encoding: SoundEncoding | SubtitleEncoding | None = None


class Track:
    """One more stream of an output, of packets in the order in which they are decoded.

    Args:
        stream: of the output.
        source: that it is made of.
    """

    def __init__(self, output: OutputContainer, stream: Stream, source: Stream) -> None:
        self.count = 0
        """Packets that were written."""
        self.left_out = 0
        """Packets that the container refused, or whose time lies before that of earlier ones."""
        self.changes_at: Fraction | None = None
        """When it changes its channels or rate, which the container tells only once."""
        self.kind, self.label, self.time_base = source.type, label(source), source.time_base
        self._output, self._stream = output, stream
        self._latest: int | None = None
        self._equal_fits = bool(output.format.flags & _TS_NONSTRICT)
        stream.metadata.update(stream_metadata(source))
        stream.disposition = source.disposition

    def write(self, packet: Packet) -> None:
        """Take the next packet of the source, its timestamps already in the output's time."""
        raise NotImplementedError

    def flush(self) -> None:
        """Write what is still held back."""

    def put(self, packets: Iterable[Packet]) -> None:
        """Give packets to the muxer.

        Raises:
            FFmpegError: the disk is full or so; what the muxer does not like is left out.
        """
        for packet in packets:
            if not self._timed(packet):
                self.left_out += 1
                continue
            packet.stream = self._stream
            try:
                self._output.mux(packet)
            except FFmpegError as error:
                if not (isinstance(error, _REFUSALS) or error.errno == errno.EPERM):
                    raise
                self.left_out += 1
            else:
                self.count += 1

    def _timed(self, packet: Packet) -> bool:
        """Bring a packet to the output's clock, which may be coarser, but always moves on there.

        Returns:
            whether its time has not passed already.
        """
        assert packet.dts is not None
        unit = self._stream.time_base
        assert unit is not None
        ticks = packet.time_base / unit
        dts = round(packet.dts * ticks)
        pts = dts if packet.pts is None else round(packet.pts * ticks)
        packet.duration = round((packet.duration or 0) * ticks)
        if self._latest is not None:
            least = self._latest + (not self._equal_fits)
            if (least - dts) * unit > _SAME:
                return False
            dts = max(dts, least)
        self._latest = dts
        packet.pts, packet.dts, packet.time_base = max(pts, dts), dts, unit
        return True


class CopiedTrack(Track):
    """Passes packets on unchanged."""

    def __init__(self, output: OutputContainer, source: Stream) -> None:
        stream = output.add_stream_from_template(source)
        if isinstance(stream, AudioStream):
            stream.codec_context.layout = named_layout(stream.codec_context.layout)
        super().__init__(output, stream, source)
        self._watched = codec_name(source) == "aac" and output.format.name != "mpegts"
        self._coding = b""

    def write(self, packet: Packet) -> None:
        if self._watched and (coding := adts_coding(packet)):
            if self._coding not in (b"", coding):
                self._watched = False
                self.changes_at = _time(packet)
            self._coding = coding
        self.put([packet])


class TranscodedTrack(Track):
    """Decodes audio packets and encodes them anew."""

    def __init__(
        self, output: OutputContainer, source: AudioStream, encoding: SoundEncoding
    ) -> None:
        self._sound, self._encoder = source, encoding.add_to(output)
        self._resampled = Resampler(encoding)
        super().__init__(output, self._encoder, source)

    def write(self, packet: Packet) -> None:
        self._transcode(packet)

    def flush(self) -> None:
        self._transcode(None)
        for frame in self._resampled(None):
            self.put(self._encoder.encode(frame))
        self.put(self._encoder.encode(None))

    def _transcode(self, packet: Packet | None) -> None:
        """What cannot be decoded, or is no sound, becomes silence."""
        try:
            frames = self._sound.decode(packet)
            encoded = [
                one
                for frame in frames
                for part in self._resampled(frame)
                for one in self._encoder.encode(part)
            ]
        except FFmpegError:
            self.left_out += 1
            return
        self.put(encoded)


class ConvertedSubtitles(Track):
    """Decodes subtitles of text and encodes them anew, each at its own time."""

    def __init__(
        self, output: OutputContainer, source: SubtitleStream, encoding: SubtitleEncoding
    ) -> None:
        stream = encoding.add_to(output, source)
        self._decoder, self._encoder = source.codec_context, stream.codec_context
        super().__init__(output, stream, source)

    def write(self, packet: Packet) -> None:
        try:
            subtitle = self._decoder.decode2(packet)
            if not subtitle:  # between two texts, MP4 has packets that show nothing
                return
            encoded = self._encoder.encode_subtitle(subtitle)
        except FFmpegError:
            self.left_out += 1
            return
        encoded.pts, encoded.dts, encoded.duration = packet.pts, packet.dts, packet.duration
        encoded.time_base = packet.time_base
        self.put([encoded])


class StreamCopier:
    """Copies streams from ``source`` to ``output``, in step with the pictures.

    It reads the source with a demuxer of its own, one packet at a time.

    Args:
        plans: what becomes of which streams.

    Raises:
        InputError: the source cannot be opened.
        ValueError, FFmpegError: the output cannot hold one of the streams.
    """

    def __init__(self, source: Path, output: OutputContainer, plans: Iterable[TrackPlan]) -> None:
        self._container = open_source(source)
        self._clock = ContinuousClock(self._container)
        self._shift = Fraction(0)
        self._from: Fraction | None = None
        self._waiting: Packet | None = None
        self._packets: Iterator[Packet] | None = None
        self._keeps_priming = output.format.name in {*FASTSTART, *MATROSKA}
        self._hidden: dict[int, Packet] = {}
        self.video = find_video(self._container, source)
        self.tracks = {plan.index: self._track(output, plan) for plan in plans}
        for stream in self._container.streams:
            if stream.index not in self.tracks and not self._clock.watched:
                stream.discard = Discard.all

    @property
    def notices(self) -> list[str]:
        """What could not be copied; known at the end."""
        left_out = [
            f"{track.label}: {track.left_out} packets left out, as they are damaged or "
            "their times lie before those of others"
            for track in self.tracks.values()
            if track.left_out
        ]
        changing = [
            f"{track.label} changes its channels or rate at {float(track.changes_at):.1f} s, and "
            "may be silent from there on; an output named .ts keeps it"
            for track in self.tracks.values()
            if track.changes_at is not None
        ]
        return left_out + changing

    @property
    def timecode(self) -> str | None:
        """Timecode of the video's first frame, where its stream or the whole file has one."""
        tags = {**self._container.metadata, **self.video.metadata}
        return {key.lower(): value for key, value in tags.items()}.get("timecode")

    def close(self) -> None:
        """Close the source."""
        self._container.close()

    def time_bases(self) -> list[Fraction]:
        """Time bases of the streams that are copied."""
        return [track.time_base for track in self.tracks.values() if track.time_base]

    def chapters(self, start: float | None, end: float | None, origin: Fraction) -> list[Chapter]:
        """The source's chapters, cut to a window (seconds).

        Args:
            start, end: of the window, counted from the first frame.
            origin: time of the source that becomes zero where there is no ``start``.
        """
        chapters = self._container.chapters()
        if start is None and end is None and not origin:
            return chapters
        video, zero = self.video, Fraction(0)
        if not self._clock.needed and video.start_time is not None and video.time_base:
            zero = video.start_time * video.time_base
        first = zero + Fraction(start or 0)
        last = zero + Fraction(end) if end is not None else None
        shift = first if start is not None else origin
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
            self._seek(shift)

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
            elif _time(packet) > end + _INTERLEAVING:
                break
        for track in self.tracks.values():
            track.flush()

    def _track(self, output: OutputContainer, plan: TrackPlan) -> Track:
        stream = self._container.streams[plan.index]
        if plan.encoding is None:
            return CopiedTrack(output, stream)
        if isinstance(plan.encoding, SubtitleEncoding):
            assert isinstance(stream, SubtitleStream)
            return ConvertedSubtitles(output, stream, plan.encoding)
        assert isinstance(stream, AudioStream)
        return TranscodedTrack(output, stream, plan.encoding)

    def _seek(self, time: Fraction) -> None:
        """Skip what lies before a time, if that can be done without missing what follows it."""
        try:
            self._container.seek(int((time - Fraction(_SEEK_MARGIN)) * av.time_base))
            packet = self._peek()
            late = packet is None or _time(packet) > time
        except FFmpegError:
            late = True
        if late:
            self._waiting = self._packets = None
            with suppress(FFmpegError):  # not seekable at all: it is at its beginning still
                self._container.seek(0, unsupported_byte_offset=True)

    def _peek(self) -> Packet | None:
        if self._waiting is None:
            if self._packets is None:
                self._packets = self._wanted()
            self._waiting = next(self._packets, None)
        return self._waiting

    def _wanted(self) -> Iterator[Packet]:
        if not self.tracks:
            return
        with suppress(FFmpegError):  # the reader reports damage
            for packet in self._clock.packets():
                if packet.stream.index in self.tracks and packet.dts is not None:
                    yield from self._shown(packet)

    def _shown(self, packet: Packet) -> Iterator[Packet]:
        """A packet, unless an edit list hides it.

        A decoder begins with the last hidden one, where the container can hide it again.
        """
        index = packet.stream.index
        if packet.is_discard:
            self._hidden[index] = packet
            return
        if (before := self._hidden.pop(index, None)) and self._keeps_priming:
            yield before
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
            self.tracks[packet.stream.index].write(packet)


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


def label(stream: Stream) -> str:
    """What a stream is, for whoever misses it."""
    if is_cover(stream):
        return f"cover picture (stream {stream.index})"
    name = stream.metadata.get("filename") or codec_name(stream)
    return f"{stream.type} stream {stream.index} ({name})"


def codec_name(stream: Stream) -> str:
    """FFmpeg's name of what a stream is coded in."""
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
