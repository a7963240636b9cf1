"""Live sources: cameras, network streams, files in real time, a test pattern."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Self

import av
import cv2
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import EOFError as EndOfStream
from av.error import ExitError, FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vidstyle.errors import InputError
from vidstyle.live.address import Address, Kind, resolve
from vidstyle.live.backlog import Backlog
from vidstyle.live.clock import TICKS, StreamClock
from vidstyle.live.sound import AudioPacket, AudioTemplate
from vidstyle.options import ReadOptions, SourceOptions
from vidstyle.video.conversion import UprightPicture
from vidstyle.video.decode import working_size
from vidstyle.video.source import find_video, read_packets, why_unreadable

_SEGMENTED = {"hls", "dash"}
_PLAUSIBLE_RATE = 240
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 4.0
_TRIAL = 4.0
"""Seconds that one of several attempts may take; none of them can be broken off."""


@dataclass(frozen=True)
class LiveFrame:
    """A picture of a live stream.

    Attributes:
        image: RGB, ``H×W×3`` uint8, upright; the same size for the whole stream.
        captured: when it arrived, in seconds of ``time.monotonic()``.
        number: counted from 0; numbers that a receiver misses were dropped.
        pts: presentation time in units of ``time_base``, from 0 at the first picture. It follows
            the source's own timestamps, never goes back, and goes on when the source comes back.
        time_base: seconds per unit of ``pts``.
    """

    image: np.ndarray
    captured: float
    number: int
    pts: int
    time_base: Fraction = Fraction(1, TICKS)

    @property
    def time(self) -> float:
        """Presentation time in seconds."""
        return float(self.pts * self.time_base)


def open_live(
    source: str,
    options: SourceOptions = SourceOptions(),
    notify: Callable[[str], object] = lambda message: None,
) -> LiveSource:
    """Open a live source and wait for its first picture.

    Args:
        source: ``test``, a test pattern; a camera as its number, ``/dev/video0`` or
            ``camera:NAME``; any URL that FFmpeg opens; a file, played in real time; ``-``,
            standard input.
        notify: gets a line whenever the source vanishes or comes back.

    Raises:
        InputError: nothing is there, or sends no video in time.
    """
    return LiveSource(resolve(source, options.size, options.rate), options, notify)


class LiveSource:
    """Iterates over the pictures of a live source as they arrive. Use it as a context manager.

    When the source vanishes, it is tried again; iteration ends when that fails, at the end of a
    file, or after ``stop``.

    Attributes:
        name: what was asked for.
        width, height: of its pictures.
        rate: frames a second that it claims; None when it does not say.
        audio: its sound, if that was asked for and there is some.
        reason: why it ended, one line; None before.
    """

    def __init__(
        self, address: Address, options: SourceOptions, notify: Callable[[str], object]
    ) -> None:
        self.name = address.name
        self.reason: str | None = None
        self._address = address
        self._options = options
        self._notify = notify
        self._stop = Event()
        self._count = 0
        self._heard = 0.0
        self._connection: _Connection | None = _Connection(address, options, options.open_timeout)
        self.width, self.height = self._connection.picture.size
        self.rate = self._connection.rate
        self.audio = self._template(self._connection)
        self._paced = self._connection.paced
        self._ends = self._connection.finite or address.kind in (Kind.PIPE, Kind.TEST)
        self._clock = StreamClock(math.inf) if self._paced else StreamClock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def stop(self) -> None:
        """End the iteration, from any thread: with the next packet or within the read time-out."""
        self._stop.set()

    def close(self) -> None:
        """Close the source; not while another thread iterates."""
        self._stop.set()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __iter__(self) -> Iterator[LiveFrame]:
        """The pictures alone."""
        return (item for item in self.items() if isinstance(item, LiveFrame))

    def items(self) -> Iterator[LiveFrame | AudioPacket]:
        """Pictures, and between them packets of sound where ``options.audio`` asks for it."""
        while self._connection is not None:
            yield from self._received(self._connection)
            why = self._connection.failure
            self._connection.close()
            self._connection = self._next_connection(why)

    def _template(self, connection: _Connection) -> AudioTemplate | None:
        if connection.audio is None:
            return None
        try:
            return AudioTemplate(connection.audio)
        except (FFmpegError, ValueError):
            codec = connection.audio.codec_context.name
            self._notify(f"{self.name}: its sound ({codec}) cannot be taken along")
            return None

    def _received(self, connection: _Connection) -> Iterator[LiveFrame | AudioPacket]:
        for item, arrived in connection.items():
            if self._stop.is_set():
                return
            if isinstance(item, VideoFrame):
                yield self._frame(connection, item, arrived)
            elif self.audio is None:
                continue
            elif (packet := AudioPacket.of(item, self._clock)) and packet.begins >= self._heard:
                self._heard = packet.ends
                yield packet

    def _frame(self, connection: _Connection, frame: VideoFrame, arrived: float) -> LiveFrame:
        time = self._clock.stamp(frame.time, arrived)
        image = fitted(connection.picture_of(frame), self.width, self.height)
        if self._paced:
            due = self._clock.real(time)
            self._stop.wait(max(due - monotonic(), 0))
            arrived = monotonic()
        number, self._count = self._count, self._count + 1
        return LiveFrame(image, arrived, number, round(time * TICKS))

    # -- coming back --------------------------------------------------------------------------

    def _next_connection(self, why: str | None) -> _Connection | None:
        if self._stop.is_set():
            self.reason = "stopped"
        elif why is None and self._options.loop and self._address.kind is Kind.FILE:
            self._clock.forget(1 / self.rate if self.rate else 0)
            return _Connection(self._address, self._options, self._options.open_timeout)
        elif self._ends:
            self.reason = f"{self.name}: {why or 'ended'}"
        else:
            return self._reconnected(why or "ended")
        return None

    def _reconnected(self, why: str) -> _Connection | None:
        """Try again with growing pauses, until the time for it is over."""
        limit, pause = self._options.reconnect, _FIRST_PAUSE
        deadline = monotonic() + limit
        if limit:
            self._notify(f"{self.name}: {why}; trying again for {limit:g} s")
        while (left := deadline - monotonic()) > 0 and not self._stop.wait(min(pause, left)):
            pause = min(2 * pause, _LONGEST_PAUSE)
            timeout = min(self._options.open_timeout, _TRIAL, max(deadline - monotonic(), 0.1))
            try:
                connection = _Connection(self._address, self._options, timeout)
            except InputError:
                continue
            if connection.finite:
                # Only a record of it is left, such as a playlist that is complete.
                connection.close()
                self.reason = f"{self.name}: {why}"
                return None
            self._notify(f"{self.name}: is back")
            self._clock.forget()
            return connection
        gone = f", and did not come back within {limit:g} s" if limit else ""
        self.reason = "stopped" if self._stop.is_set() else f"{self.name}: {why}{gone}"
        return None


class _Connection:
    """An open container, from its first picture to its end."""

    def __init__(self, address: Address, options: SourceOptions, timeout: float) -> None:
        self.failure: str | None = None
        self._address = address
        self._options = options
        self._container = _opened(address, (timeout, options.read_timeout))
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    def _prepare(self) -> None:
        self._video: VideoStream = find_video(self._container, self._address.name)
        sounds = [s for s in self._container.streams.audio if s.codec_context is not None]
        self.audio: AudioStream | None = sounds[0] if sounds and self._options.audio else None
        self.finite = self._address.kind is Kind.FILE or (self._container.duration or 0) > 0
        # Segments come many pictures at once.
        self.paced = self.finite or self._container.format.name in _SEGMENTED
        # Frame threads would each hold a picture back.
        self._video.thread_type = "AUTO" if self.paced else "SLICE"
        rate = float(self._video.average_rate or 0)
        self.rate = rate if 0 < rate <= _PLAUSIBLE_RATE else None
        received = self._received()
        early: list[tuple[VideoFrame | Packet, float]] = []
        for item, arrived in received:
            if isinstance(item, VideoFrame):
                # First, as the place in time of the sound before it depends on it.
                early.insert(0, (item, arrived))
                self._convert_like(item)
                break
            early.append((item, arrived))
        else:
            why = self.failure or "no picture decodes"
            raise InputError(f"{self._address.name}: {why}")
        self._items = chain(early, received)

    def items(self) -> Iterator[tuple[VideoFrame | Packet, float]]:
        """Decoded frames and packets of sound, each with its time of arrival, once."""
        return self._items

    def picture_of(self, frame: VideoFrame) -> np.ndarray:
        """H×W×3 uint8."""
        if (frame.width, frame.height, frame.format.name) != self._like:
            self._convert_like(frame)
        return self.picture(frame)

    def close(self) -> None:
        self._container.close()

    def _convert_like(self, frame: VideoFrame) -> None:
        self._like = frame.width, frame.height, frame.format.name
        limit = ReadOptions(max_side=self._options.max_side)
        size = working_size(frame.width, frame.height, limit)
        self.picture = UprightPicture(frame, self._video, size)

    def _received(self) -> Iterator[tuple[VideoFrame | Packet, float]]:
        streams = [self._video] if self.audio is None else [self._video, self.audio]
        backlog = Backlog()
        asked = monotonic()
        try:
            for packet in read_packets(self._container, *streams):
                arrived = monotonic()
                if not self.paced:
                    self._catch_up(packet, backlog.grows(arrived - asked, arrived))
                if packet.stream is self.audio:
                    if packet.size:
                        yield packet, arrived
                else:
                    for frame in self._decoded(packet):
                        yield frame, arrived
                asked = monotonic()
        except EndOfStream:
            pass
        except ExitError:
            self.failure = f"silent for {self._options.read_timeout:g} s"
        except FFmpegError as error:
            self.failure = (error.strerror or str(error)).lower()

    def _catch_up(self, packet: Packet, behind: bool) -> None:
        """Decode key frames alone while the decoder is too slow, and go on at one of them."""
        context = self._video.codec_context
        if behind:
            context.skip_frame = "NONKEY"
        elif packet.stream is self._video and packet.is_keyframe:
            context.skip_frame = "DEFAULT"

    def _decoded(self, packet: Packet) -> list[VideoFrame]:
        try:
            return self._video.decode(packet)
        except FFmpegError:
            # Damaged on its way, or begun in the middle; the next key frame will do.
            return []


def _opened(address: Address, timeout: tuple[float, float]) -> InputContainer:
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
        raise InputError(f"{address.name}: {_why_closed(address, error)}") from error


def _why_closed(address: Address, error: Exception) -> str:
    if address.kind is Kind.FILE:
        return why_unreadable(Path(address.name), error)
    reason = (getattr(error, "strerror", None) or str(error)).lower()
    if address.kind is not Kind.CAMERA:
        return f"cannot be opened ({reason})"
    if isinstance(error, FileNotFoundError):
        return "no such camera"
    if isinstance(error, PermissionError):
        return "no permission for this camera; is your user in the group 'video'?"
    if "busy" in reason:
        return "another program uses this camera"
    return f"this camera cannot be opened ({reason})"


def fitted(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """A picture scaled into a size, with black bars where the aspect differs; H×W×3 uint8."""
    own_height, own_width = image.shape[:2]
    if (own_width, own_height) == (width, height):
        return image
    scale = min(width / own_width, height / own_height)
    inner_width, inner_height = (max(round(n * scale), 1) for n in (own_width, own_height))
    left, top = (width - inner_width) // 2, (height - inner_height) // 2
    result = np.zeros((height, width, 3), np.uint8)
    result[top : top + inner_height, left : left + inner_width] = cv2.resize(
        image,
        (inner_width, inner_height),
        interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC,
    )
    return result
