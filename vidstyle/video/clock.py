"""Times where the file's own do not serve: its clock breaks, or its frames have none."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
from av.container import InputContainer
from av.format import Flags
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from vidstyle.video.source import read_packets

_BACK = Fraction(1, 2)
"""Seconds that a stream's times go back at most while the clock runs; damage causes as much."""
_AHEAD = 10
"""Seconds that it may be ahead of all streams, as FFmpeg has it: a longer gap is a break."""
_JOINED = {"matroska,webm"}
"""Further formats whose files are joined by putting one behind the other."""
_UNTIMED = {"h264", "hevc", "vvc"}
"""Codecs whose presentation times FFmpeg does not work out where a file has none."""


@dataclass
class _Track:
    """How far a stream has come.

    Attributes:
        part: which of the file's clocks its packets go by.
        end: when its packets so far are over, on the continuous clock; None before the first.
    """

    part: int
    end: Fraction | None = None


class ContinuousClock:
    """Gives the packets of a file times that begin at zero and run on at every break.

    Broadcasts, discs and whatever is joined from pieces have a clock that begins anywhere, wraps,
    and starts again or jumps in the middle (MPEG-TS, MPEG-PS, Ogg). After such a break all streams
    are moved by the same time, so that they stay in step. Other formats keep their times, but for
    Matroska where it goes back.

    Every reader of a file sees the same breaks, provided that it starts at the beginning and
    discards no stream.
    """

    breaks: list[float]
    """Where the file's own clock breaks, in seconds of this one."""
    needed: bool
    """Whether the format has such a clock; its times do not lead to places then."""
    watched: bool
    """Whether breaks are looked for, which takes all streams."""

    def __init__(self, container: InputContainer) -> None:
        self.breaks = []
        self.needed = Flags.ts_discont in Flags(container.format.flags)
        self.watched = self.needed or container.format.name in _JOINED
        self._container = container
        start = container.start_time if self.needed else None
        self._offsets = [-Fraction(start or 0, av.time_base)]
        self._tracks: dict[int, _Track] = {}

    def packets(self) -> Iterator[Packet]:
        """The packets of all streams, their timestamps on this clock.

        Raises:
            FFmpegError: the file is damaged; another call goes on after it.
        """
        for packet in read_packets(self._container):
            if self.watched and packet.pts is not None:
                self._move(packet)
            yield packet

    def _move(self, packet: Packet) -> None:
        """Put a packet's timestamps on this clock."""
        offset = self._offsets[-1]
        if packet.stream.type in ("video", "audio"):
            offset = self._offsets[self._part_of(packet)]
        ticks = round(offset / packet.time_base)
        pts, dts = packet.pts, packet.dts
        assert pts is not None
        if dts is not None:
            packet.dts = dts + ticks
        # Where MPEG-PS leaves times out, FFmpeg guesses them from those beyond the break.
        apart = 0 if dts is None else abs(pts - dts) * packet.time_base
        packet.pts = None if self.needed and apart > _AHEAD else pts + ticks

    def _part_of(self, packet: Packet) -> int:
        """Which of the file's clocks a packet goes by, a new one where it follows by none."""
        assert packet.pts is not None
        # Decoding times never go back, but those of Matroska are made up; its key frames do not.
        told = self.needed and packet.dts is not None
        ticks = packet.dts if told else packet.pts
        assert ticks is not None
        time, newest = ticks * packet.time_base, len(self._offsets) - 1
        track = self._tracks.setdefault(packet.stream.index, _Track(newest))
        comparable = told or packet.is_keyframe
        if comparable and not self._follows(track, time) and track.end is not None:
            before, track.part = track.part, newest
            if before == newest or not self._follows(track, time):
                self._offsets.append(track.end - time)
                track.part = newest + 1
                self.breaks.append(float(packet.pts * packet.time_base + self._offsets[-1]))
            # A stream that comes to the break after others must not overlap with itself.
            self._offsets[-1] = max(self._offsets[-1], track.end - time)
        end = time + self._offsets[track.part] + (packet.duration or 0) * packet.time_base
        track.end = end if track.end is None else max(track.end, end)
        return track.part

    def _follows(self, track: _Track, time: Fraction) -> bool:
        """Whether a time of the file can come next in a stream by the clock that it goes by."""
        time += self._offsets[track.part]
        latest = max((other.end for other in self._tracks.values() if other.end), default=time)
        back = track.end is not None and time < track.end - _BACK
        return not back and (time <= latest + _AHEAD or not self.needed)


class DecodingTimes:
    """Times for the frames of a file that tells only when packets are decoded, as AVI does.

    A decoder puts frames out in the order in which they are shown, so that the next one is shown
    at the next of these times.
    """

    missing: bool
    """Whether there are no presentation times, as far as packets were read."""

    def __init__(self, decoder: VideoCodecContext, container_name: str) -> None:
        self.missing = False
        self._decoder = decoder
        self._avi, self._asf = container_name == "avi", container_name == "asf"
        self._untimed = decoder.codec.canonical_name in _UNTIMED
        self._latest: int | None = None
        self._told = False
        self._waiting: deque[tuple[int, int]] = deque()

    def note(self, packet: Packet) -> None:
        """Take a packet into account before it is decoded."""
        without = packet.pts is None or self._only_decoding_time(packet)
        self._told = self._told or not (without or self._avi)
        self.missing = without and not self._told
        if self.missing and packet.dts is not None:
            shown = packet.dts if packet.pts is None else packet.pts
            self._waiting.append((shown, shown if self._asf else packet.dts))

    def correct(self, frame: VideoFrame) -> None:
        """Give a decoded frame its time, if the file does not."""
        if not self.missing:
            self._waiting.clear()
        if frame.key_frame and frame.pts is not None and not self._asf:
            # What came before it was lost.
            while self._waiting and self._waiting[0][0] < frame.pts:
                self._waiting.popleft()
        if self._waiting:
            frame.pts = self._waiting.popleft()[1]

    def _only_decoding_time(self, packet: Packet) -> bool:
        """Whether a packet's presentation time is none, in spite of what FFmpeg says."""
        if self._asf:  # some writers store what FFmpeg takes for presentation times
            latest, self._latest = self._latest, packet.pts
            return latest is None or (packet.pts is not None and packet.pts > latest)
        reordered = self._untimed and self._decoder.has_b_frames
        return reordered and (self._avi or packet.pts == packet.dts)
