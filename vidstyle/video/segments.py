"""Segments of a video: closed, playable files, each with an encoder of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from av.packet import Packet

from vidstyle.disk import sync
from vidstyle.errors import InputError, OutputError
from vidstyle.frame import Frame
from vidstyle.video.frame_encoder import FrameEncoder
from vidstyle.video.output import OutputPlan, writing
from vidstyle.video.source import find_video, open_source, read_packets
from vidstyle.video.writer import VideoFile


@dataclass(frozen=True)
class Segment:
    """A finished segment, as its record tells.

    Attributes:
        name: of its file.
        size: of its file, in bytes.
        frames: of the video up to its end.
        shift: what is subtracted from the source's timestamps.
        last: timestamp of the last frame, on the output's clock.
        nudged: whether timestamps were moved apart so far.
        end: when the last frame is over, on the source's clock.
        tail: the last timestamps so far, as many as the encoder reorders.
        times: of its packets, in decoding order: pts, dts, duration on the output's clock.
    """

    name: str
    size: int
    frames: int
    shift: int
    last: int
    nudged: bool
    end: int
    tail: list[int]
    times: list[tuple[int, int, int]] = field(repr=False)

    def check(self, folder: Path) -> None:
        """Raises OutputError when its file is not as it was."""
        path = folder / self.name
        if not path.is_file() or path.stat().st_size != self.size:
            raise OutputError(
                f"{path}: is missing or damaged, and the frames after it depend on it; "
                "start over with --overwrite"
            )

    def packets(self, folder: Path) -> Iterator[Packet]:
        """Its packets, with their times on the output's clock but not their time base.

        Raises:
            OutputError: the file is damaged.
        """
        path = folder / self.name
        try:
            with open_source(path) as container:
                packets = read_packets(container, find_video(container, path))
                whole = (packet for packet in packets if packet.size)
                for packet, times in zip(whole, self.times, strict=True):
                    packet.pts, packet.dts, packet.duration = times
                    yield packet
        except (InputError, ValueError) as error:
            raise OutputError(
                f"{path}: cannot be read back ({error}); start over with --overwrite, or choose "
                "another codec"
            ) from error

    def extradata(self, folder: Path) -> bytes:
        """What a decoder of the pictures must know beforehand."""
        with open_source(folder / self.name) as container:
            return find_video(container, folder / self.name).codec_context.extradata or b""


class SegmentWriter:
    """Writes one segment; frames come on the output's clock, the file's begins at zero.

    Args:
        path: of the segment.
        plan: of the whole video.

    Raises:
        OutputError: from all methods: the disk is full or so.
    """

    def __init__(self, path: Path, plan: OutputPlan) -> None:
        self.count = 0
        """Frames so far."""
        self._file = VideoFile(path, plan.encoding, plan.path)
        try:
            self._file.start({})
        except BaseException:
            self._file.discard()
            raise
        self._encoder = FrameEncoder(self._file.stream, plan.encoding)
        self._first = 0
        self._durations: dict[int, int] = {}
        self._times: list[tuple[int, int, int]] = []

    def write(self, frame: Frame, pts: int, duration: int) -> None:
        """Encode a frame."""
        if not self.count:
            self._first = pts
        self._durations[pts] = duration
        with writing(self._file.named):
            self._put(self._encoder(frame, pts, duration))
        self.count += 1

    def close(self, tail: list[int] | None) -> tuple[list[tuple[int, int, int]], list[int]]:
        """Finish the file, and wait until it would survive a power cut.

        Decoding times are those of the frames that many places before: each encoder begins with a
        guess, which may lie among the times of the segment before.

        Args:
            tail: of the segment before; None for the first.

        Returns:
            ``times`` and ``tail`` of the ``Segment``.
        """
        with writing(self._file.named):
            self._put(self._encoder.flush())
            self._file.close()
            sync(self._file.path)
        shown = sorted(pts for pts, *_ in self._times)
        if tail is None:
            decoded = [dts for _, dts, _ in self._times]
            depth, tail = sum(dts < shown[0] for dts in decoded), []
        else:
            depth, decoded = len(tail), [*tail, *shown][: len(shown)]
        times = [
            (pts, dts, duration)
            for (pts, _, duration), dts in zip(self._times, decoded, strict=True)
        ]
        return times, [*tail, *shown][-depth:] if depth else []

    def discard(self) -> None:
        """Leave nothing behind."""
        self._file.discard()

    def _put(self, packets: list[Packet]) -> None:
        for packet in packets:
            assert packet.pts is not None and packet.dts is not None
            # Not all encoders pass the durations of frames on.
            duration = self._durations.pop(packet.pts, packet.duration or 0)
            self._times.append((packet.pts, packet.dts, duration))
            packet.pts, packet.dts = packet.pts - self._first, packet.dts - self._first
            self._file.mux(packet)
