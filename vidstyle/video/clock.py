"""One clock for the whole of a recording, though the file's own starts again or jumps in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
from av.container import InputContainer
from av.format import Flags
from av.packet import Packet

from vidstyle.video.source import read_packets

_BACK = Fraction(1, 2)
"""Seconds that a stream's times go back at most while the clock runs; damage causes as much."""
_AHEAD = 10
"""Seconds that it may be ahead of all streams, as FFmpeg has it: a longer gap is a break."""


@dataclass
class _Track:
    """How far a stream has come.

    Attributes:
        part: which of the file's clocks its packets go by.
        end: when its last packet is over, on the continuous clock; None before the first.
    """

    part: int
    end: Fraction | None = None


class ContinuousClock:
    """Gives the packets of a file times that begin at zero and run on at every break.

    Broadcasts, discs and whatever is joined from pieces have a clock that begins anywhere, wraps,
    and starts again or jumps in the middle (MPEG-TS, MPEG-PS, Ogg). After such a break all streams
    are moved by the same time, so that they stay in step. Other formats keep their times.

    Every reader of a file sees the same breaks, provided that it starts at the beginning and
    discards no stream.
    """

    breaks: list[float]
    """Where the file's own clock breaks, in seconds of this one."""
    needed: bool
    """Whether the format has such a clock; its times do not lead to places then."""

    def __init__(self, container: InputContainer) -> None:
        self.breaks = []
        self.needed = Flags.ts_discont in Flags(container.format.flags)
        self._container = container
        self._offsets = [-Fraction(container.start_time or 0, av.time_base)]
        self._tracks: dict[int, _Track] = {}

    def packets(self) -> Iterator[Packet]:
        """The packets of all streams, their timestamps on this clock.

        Raises:
            FFmpegError: the file is damaged; another call goes on after it.
        """
        for packet in read_packets(self._container):
            if self.needed and packet.pts is not None:
                self._move(packet)
            yield packet

    def _move(self, packet: Packet) -> None:
        """Put a packet's timestamps on this clock."""
        offset = self._offsets[-1]
        if packet.stream.type in ("video", "audio"):
            offset = self._offsets[self._part_of(packet)]
        ticks = round(offset / packet.time_base)
        assert packet.pts is not None
        packet.pts += ticks
        if packet.dts is not None:
            packet.dts += ticks

    def _part_of(self, packet: Packet) -> int:
        """Which of the file's clocks a packet goes by, a new one where it follows by none."""
        assert packet.pts is not None
        ticks = packet.pts if packet.dts is None else packet.dts
        time, newest = ticks * packet.time_base, len(self._offsets) - 1
        track = self._tracks.setdefault(packet.stream.index, _Track(newest))
        if not self._follows(track, time) and track.end is not None:
            before, track.part = track.part, newest
            if before == newest or not self._follows(track, time):
                self._offsets.append(track.end - time)
                track.part = newest + 1
                self.breaks.append(float(packet.pts * packet.time_base + self._offsets[-1]))
            # A stream that comes to the break after others must not overlap with itself.
            self._offsets[-1] = max(self._offsets[-1], track.end - time)
        track.end = time + self._offsets[track.part] + (packet.duration or 0) * packet.time_base
        return track.part

    def _follows(self, track: _Track, time: Fraction) -> bool:
        """Whether a time of the file can come next in a stream by the clock that it goes by."""
        time += self._offsets[track.part]
        latest = max((other.end for other in self._tracks.values() if other.end), default=time)
        return (track.end is None or time >= track.end - _BACK) and time <= latest + _AHEAD
