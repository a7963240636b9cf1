"""One open connection to a live source, from its first frame to its end."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from time import monotonic

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import EOFError as EndOfStream
from av.error import ExitError, FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame

from vidstyle.errors import InputError
from vidstyle.live.address import Address, Kind
from vidstyle.live.backlog import Backlog
from vidstyle.options import SourceOptions
from vidstyle.video.clock import ContinuousClock, DecodingTimes
from vidstyle.video.reader import ReadOptions, working_size
from vidstyle.video.source import find_video, read_packets, why_unreadable
from vidstyle.video.stream_pictures import StreamPictures

_SEGMENTED = {"hls", "dash"}
_PLAUSIBLE_RATE = 240


class Connection:
    """Decodes what arrives.

    Args:
        address: of the source.
        options: how to read it.
        timeout: seconds that opening may take.

    Attributes:
        audio: its first audio stream, if that is wanted and there is one.
        size: width and height of the frames, upright.
        rate: frames per second as declared; None if that is unknown or implausible.
        finite: whether it has an end, as a file has.
        paced: whether frames must be held back until their time, as they arrive early.
        failure: why the connection ended; None at the proper end.

    Raises:
        InputError: it cannot be opened, or no frame arrives.
    """

    def __init__(self, address: Address, options: SourceOptions, timeout: float) -> None:
        self.failure: str | None = None
        self._name = address.name
        self._options = options
        self._container = _open(address, (timeout, options.read_timeout))
        try:
            self._prepare(address)
        except BaseException:
            self.close()
            raise

    def _prepare(self, address: Address) -> None:
        self._video = find_video(self._container, address.name)
        heard = [s for s in self._container.streams.audio if s.codec_context is not None]
        self.audio: AudioStream | None = heard[0] if heard and self._options.audio else None
        self.finite = address.kind is Kind.FILE or (self._container.duration or 0) > 0
        # A segment of many frames arrives all at once.
        self.paced = self.finite or self._container.format.name in _SEGMENTED
        # Each thread of frame threading would hold a frame back.
        self._video.thread_type = "AUTO" if self.paced else "SLICE"
        self._times = DecodingTimes(self._video.codec_context, self._container.format.name)
        rate = float(self._video.average_rate or 0)
        self.rate = rate if 0 < rate <= _PLAUSIBLE_RATE else None
        self._items = self._until_first_frame(self._received())
        self.size = self._pictures.first.size

    def _until_first_frame(
        self, received: Iterator[tuple[VideoFrame | Packet, float]]
    ) -> Iterator[tuple[VideoFrame | Packet, float]]:
        """The first frame, the audio that came before it, and the rest.

        The frame comes first, as the time of the audio is relative to it.
        """
        early: list[tuple[VideoFrame | Packet, float]] = []
        for item, arrived in received:
            if isinstance(item, VideoFrame):
                limit = ReadOptions(max_side=self._options.max_side)
                size = working_size(item.width, item.height, limit)
                self._pictures = StreamPictures(item, self._video, size)
                return chain([(item, arrived)], early, received)
            early.append((item, arrived))
        raise InputError(f"{self._name}: {self.failure or 'no frame can be decoded'}")

    def items(self) -> Iterator[tuple[VideoFrame | Packet, float]]:
        """Decoded frames and packets of audio, each with its time of arrival; only once."""
        return self._items

    def image(self, frame: VideoFrame) -> np.ndarray:
        """A frame upright, RGB, H×W×3 uint8."""
        return self._pictures(frame)

    def close(self) -> None:
        self._container.close()

    def _received(self) -> Iterator[tuple[VideoFrame | Packet, float]]:
        try:
            for packet, arrived in self._packets():
                if packet.stream is not self.audio:
                    yield from ((frame, arrived) for frame in self._decode(packet))
                elif packet.size:
                    yield packet, arrived
        except EndOfStream:
            pass
        except ExitError:
            self.failure = f"silent for {self._options.read_timeout:g} s"
        except FFmpegError as error:
            self.failure = (error.strerror or str(error)).lower()

    def _packets(self) -> Iterator[tuple[Packet, float]]:
        """Packets with their time of arrival.

        While the decoder is too slow, it decodes key frames alone, and goes on at one of them.
        """
        streams = [self._video] if self.audio is None else [self._video, self.audio]
        context = self._video.codec_context
        backlog = Backlog()
        asked = monotonic()
        if self.paced:  # it would wait for hours where the clock jumps
            packets = ContinuousClock(self._container).packets()
        else:
            packets = read_packets(self._container, *streams)
        for packet in packets:
            if packet.stream not in streams:
                continue
            arrived = monotonic()
            if not self.paced and backlog.grows(arrived - asked, arrived):
                context.skip_frame = "NONKEY"
            elif packet.stream is self._video and packet.is_keyframe:
                context.skip_frame = "DEFAULT"
            yield packet, arrived
            asked = monotonic()

    def _decode(self, packet: Packet) -> list[VideoFrame]:
        self._times.note(packet)
        try:
            frames = self._video.decode(packet)
        except FFmpegError:
            return []  # damaged, or joined in the middle; the next key frame will do
        for frame in frames:
            self._times.correct(frame)
        return frames


def _open(address: Address, timeout: tuple[float, float]) -> InputContainer:
    try:
        return av.open(
            address.url,
            format=address.format,
            options=address.options,
            timeout=timeout,
            metadata_errors="replace",
        )
    except ExitError as error:
        raise InputError(f"{address.name}: nothing arrived within {timeout[0]:g} s") from error
    except (FFmpegError, OSError, ValueError) as error:
        raise InputError(f"{address.name}: {_why_not_open(address, error)}") from error


def _why_not_open(address: Address, error: Exception) -> str:
    if address.kind is Kind.FILE:
        return why_unreadable(Path(address.name), error)
    reason = (getattr(error, "strerror", None) or str(error)).lower()
    if address.kind is not Kind.CAMERA:
        return f"cannot be opened ({reason})"
    if isinstance(error, FileNotFoundError):
        return "no such camera"
    if isinstance(error, PermissionError):
        return "no permission to use this camera; is your user in the group 'video'?"
    if "busy" in reason:
        return "another program is using this camera"
    return f"this camera cannot be opened ({reason})"
