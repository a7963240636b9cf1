"""A video file that grows by whole segments, and plays, whatever ends the program.

Each segment is made by an encoder and a muxer of its own, as a fragmented MP4 or MOV, and what
follows the header is appended. So an encoder's state is never needed again.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import av
from av.audio.stream import AudioStream
from av.codec import Codec
from av.container import OutputContainer
from av.error import FFmpegError
from av.packet import Packet

from vidstyle.disk import sync
from vidstyle.errors import OutputError
from vidstyle.frame import Frame
from vidstyle.video.encode import VideoWriter
from vidstyle.video.source import find_video, open_source
from vidstyle.video.tracks import CopiedTrack, can_hold

_SEEK_MARGIN = 5.0
_FRAGMENTS = {
    "movflags": "+frag_custom+delay_moov+default_base_moof+frag_discont",
    "use_editlist": "0",
    "avoid_negative_ts": "disabled",
}


def growing_path(path: Path, model: VideoWriter) -> Path | None:
    """Where the file grows: ``clip.webm`` as ``clip.partial.mp4``, or ``.mov`` for its codecs.

    None for what neither can hold.

    Args:
        model: of the final file; says with which codec.
    """
    if model.alpha and Codec(model.codec, "w").canonical_name in ("vp8", "vp9"):
        return None  # their alpha is stored in Matroska only
    for suffix, name in ((".mp4", "mp4"), (".mov", "mov")):
        if _holds(name, model.codec):
            return path.with_name(f"{path.stem}.partial{suffix}")
    return None


def _holds(container: str, codec: str) -> bool:
    with av.open(os.devnull, "w", format=container) as trial:
        return codec in trial.supported_codecs


class GrowingFile:
    """The file itself: whole segments, one after the other.

    Raises OutputError when the disk is full or so, from all methods.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def size(self) -> int:
        """In bytes."""
        return self.path.stat().st_size if self.path.exists() else 0

    def append(self, segment: Path) -> None:
        """Add a fragmented file, and wait until it is on the disk."""
        try:
            new = not self.size
            with segment.open("rb") as source, self.path.open("ab") as file:
                for name, first, size in _boxes(source):
                    if name in (b"moof", b"mdat") or (new and name != b"mfra"):
                        source.seek(first)
                        _copy(source, file, size)
                file.flush()
                os.fsync(file.fileno())
            if new:
                sync(self.path.parent)
        except OSError as error:
            raise OutputError(f"{self.path}: {error.strerror or error}") from error

    def cut(self, size: int) -> None:
        """Forget what follows, of a segment that was not finished.

        Raises OutputError, too, when the file is shorter than that.
        """
        try:
            if size == 0:
                self.path.unlink(missing_ok=True)
                return
            if self.size < size:
                raise OutputError(
                    f"{self.path}: is not what the earlier run left; begin anew with --overwrite"
                )
            os.truncate(self.path, size)
        except OSError as error:
            raise OutputError(f"{self.path}: {error.strerror or error}") from error

    def packets(self) -> Iterator[Packet]:
        """Those of the pictures, in decoding order; their times are those of a preview."""
        with open_source(self.path) as container:
            video = find_video(container, self.path)
            yield from (packet for packet in container.demux(video) if packet.size)

    def extradata(self) -> bytes:
        """What a decoder of the pictures must know beforehand."""
        with open_source(self.path) as container:
            return find_video(container, self.path).codec_context.extradata or b""


class SegmentWriter(VideoWriter):
    """One segment as a fragmented file of its own; frames come on the output's clock.

    Args:
        model: of the final file.
        sound: to be heard beside it.
        tail: the last timestamps of the segments before, as many as the encoder reorders; None for
            the first segment.
        delay: how much later than the output's the growing file's clock is, since that cannot be
            negative; None for the first.
    """

    def __init__(
        self,
        path: Path,
        model: VideoWriter,
        sound: PreviewSound | None,
        tail: list[int] | None,
        delay: int | None,
    ) -> None:
        self._model = model
        self._encoded: list[Packet] = []
        self._durations: dict[int, int] = {}
        self._beside: list[Packet] = []
        self.tail = tail
        self.delay = delay
        self.times: list[tuple[int, int, int]] = []
        """Of the packets, in decoding order: pts, dts, duration on the output's clock."""
        super().__init__(
            path,
            model._info,
            size=model._size,
            sound=sound.add_to if sound else None,
            alpha=model.alpha,
            options=replace(
                model._options, codec=model.codec, pix_fmt=model.pix_fmt, overwrite=True
            ),
        )
        self.named = model.path

    def close(self, sounds: list[Packet]) -> Path:
        """Finish, with the sound that belongs to it, on the output's clock.

        Raises OutputError when the disk is full or so.
        """
        self._beside = sounds
        return self.finish()

    def _muxer_options(self) -> dict[str, str]:
        return _FRAGMENTS

    def _loses_aspect(self, codec: Codec) -> bool:
        return self._model._loses_aspect(codec)

    def _encode(self, frame: Frame, pts: int, duration: int) -> None:
        self._durations[pts] = duration
        super()._encode(frame, pts, duration)

    def _put(self, packets: list[Packet]) -> None:
        self._encoded += packets

    def _write_end(self, end: Fraction | None, endless: bool) -> None:
        self._put(self._last_packets())
        self._arrange()
        assert self.delay is not None
        for packet, (pts, dts, duration) in zip(self._encoded, self.times, strict=True):
            packet.pts, packet.dts, packet.duration = pts + self.delay, dts + self.delay, duration
            self._container.mux(packet)
        if self.sound is not None:
            track = CopiedTrack(self._container, self.sound)
            for packet in self._beside:
                later = round(self.delay * self._info.time_base / packet.time_base)
                assert packet.pts is not None and packet.dts is not None
                packet.pts, packet.dts = packet.pts + later, packet.dts + later
                if packet.dts >= 0:
                    track.write(packet)
        self._container.close()

    def _arrange(self) -> None:
        """Fix when packets are decoded: at the times of the frames that many places before.

        Each encoder begins with a guess, which may lie among the times of the segment before.
        """
        shown = sorted(packet.pts for packet in self._encoded if packet.pts is not None)
        if self.tail is None:
            dts = [packet.dts for packet in self._encoded if packet.dts is not None]
            depth = sum(time < shown[0] for time in dts)
            self.tail = []
        else:
            depth = len(self.tail)
            dts = [*self.tail, *shown][: len(shown)]
        self.tail = [*self.tail, *shown][-depth:] if depth else []
        if self.delay is None:
            self.delay = max(0, -dts[0])
        self.times = [
            (packet.pts or 0, time, self._durations.get(packet.pts or 0, packet.duration or 0))
            for packet, time in zip(self._encoded, dts, strict=True)
        ]


class PreviewSound:
    """The best of the source's sound, packet for packet, for who looks into the growing file.

    Args:
        container: the growing file's; has no sound if it cannot hold this.
    """

    def __init__(self, source: Path, container: str) -> None:
        self._container = open_source(source)
        stream = self._container.streams.best("audio")
        holdable = stream is not None and stream.codec_context and can_hold(container, stream)
        self.stream = stream if holdable and isinstance(stream, AudioStream) else None
        self._waiting: Packet | None = None
        self._packets = self._demux()

    def close(self) -> None:
        self._container.close()

    def add_to(self, output: OutputContainer) -> AudioStream:
        """The stream for it."""
        assert self.stream is not None
        return output.add_stream_from_template(self.stream)

    def skip_to(self, time: Fraction) -> None:
        """Pass over what begins before, in seconds of the source."""
        if self.stream and time > 2 * _SEEK_MARGIN:
            with suppress(FFmpegError):  # not seekable: read from the beginning
                self._container.seek(int((time - Fraction(_SEEK_MARGIN)) * av.time_base))
        self.until(time, Fraction(0))

    def until(self, time: Fraction, shift: Fraction) -> list[Packet]:
        """The next packets, as far as they begin before ``time``, moved to ``shift`` earlier."""
        taken = []
        while (packet := self._waiting or next(self._packets, None)) is not None:
            self._waiting = packet
            assert packet.pts is not None and packet.dts is not None
            if packet.pts * packet.time_base >= time:
                break
            self._waiting = None
            ticks = round(shift / packet.time_base)
            packet.pts, packet.dts = packet.pts - ticks, packet.dts - ticks
            taken.append(packet)
        return taken

    def _demux(self) -> Iterator[Packet]:
        if self.stream is None:
            return
        with suppress(FFmpegError):  # the reader reports damage
            for packet in self._container.demux(self.stream):
                if packet.dts is not None and packet.pts is not None:
                    yield packet


def _boxes(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Name, place and size of the boxes that an ISO file consists of (ISO/IEC 14496-12, 4.2)."""
    place = 0
    while len(head := file.read(16)) >= 8:
        size, name = int.from_bytes(head[:4], "big"), head[4:8]
        if size == 1:
            size = int.from_bytes(head[8:16], "big")
        yield name, place, size
        place += size
        file.seek(place)


def _copy(source: BinaryIO, target: BinaryIO, size: int) -> None:
    """As many bytes, at most a MiB of them in memory."""
    while size:
        block = source.read(min(size, 1 << 20))
        if not block:
            # FFmpeg does not tell all failures of its last writes.
            raise OSError(errno.ENOSPC, "cannot be written (no room for a whole segment)")
        target.write(block)
        size -= len(block)
