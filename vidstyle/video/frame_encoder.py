"""From frames to packets: their times on the output's clock, and the encoder."""

from __future__ import annotations

from fractions import Fraction

from av.packet import Packet
from av.video.stream import VideoStream

from vidstyle.frame import Frame
from vidstyle.video.encoders import Encoding
from vidstyle.video.frame_converter import FrameConverter

NUDGED = "frames with equal timestamps moved apart by one tick"

_UNTIMED_BY_X265 = 2
"""So few frames, fewer than it looks ahead for B-frames, get decoding times from x265 that were
never set. They need no reordering."""


class OutputClock:
    """Timestamps of the output: from zero where they must, and always increasing.

    Args:
        origin: what becomes zero; None for the first.
    """

    def __init__(self, origin: int | None) -> None:
        self.origin = origin
        self.shift: int | None = None
        """What is subtracted; None before the first."""
        self.last: int | None = None
        self.nudged = False
        """Whether one was moved, as encoders refuse those that do not increase."""

    def __call__(self, pts: int) -> int:
        if self.shift is None:
            # Frames before zero would be hidden by an MP4's edit list.
            self.shift = pts if self.origin is None else min(pts, self.origin)
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
