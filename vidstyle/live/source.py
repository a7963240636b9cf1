"""Live sources: cameras, network streams, files in real time, a test pattern."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from threading import Event
from time import monotonic
from typing import Self

import numpy as np
from av.error import FFmpegError
from av.video.frame import VideoFrame

from vidstyle.errors import InputError
from vidstyle.image import letterbox
from vidstyle.live.address import Address, Kind, resolve
from vidstyle.live.audio import AudioPacket, AudioTemplate
from vidstyle.live.clock import TICKS, StreamClock
from vidstyle.live.connection import Connection
from vidstyle.live.retry import pauses
from vidstyle.options import SourceOptions

_ATTEMPT = 4.0
"""Seconds that one of several attempts to connect may take; none can be interrupted."""


@dataclass(frozen=True)
class LiveFrame:
    """A frame of a live stream.

    Attributes:
        image: RGB, ``H×W×3`` uint8, upright; the same size for the whole stream.
        captured: when it arrived, in seconds of ``time.monotonic()``.
        number: counted from 0; numbers that a receiver misses were dropped.
        pts: presentation time in units of ``time_base``, 0 for the first frame. It follows the
            source's own timestamps, never goes back, and continues when the source reconnects.
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
    """Open a live source and wait for its first frame.

    Args:
        source: ``test``, a test pattern; a camera as its number, ``/dev/video0`` or
            ``camera:NAME``; any URL that FFmpeg opens; a file, played in real time; ``-``,
            standard input.
        notify: called with a sentence when the source is lost, and when it is back.

    Raises:
        InputError: there is no such source, or no video arrives in time.
    """
    return LiveSource(resolve(source, options.size, options.rate), options, notify)


class LiveSource:
    """Iterates over the frames of a live source as they arrive. Use it as a context manager.

    A source that is lost is retried. Iteration ends when that fails, at the end of a file, or after
    ``stop``.

    Attributes:
        name: what was asked for.
        width, height: of its frames.
        rate: frames per second as the source declares it; None if it does not.
        audio: parameters of its audio, if ``options.audio`` is set and there is some.
        reason: why it ended, in one line; None before.
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
        self._audio_end = 0.0
        self._connection: Connection | None = Connection(address, options, options.open_timeout)
        self.width, self.height = self._connection.size
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
        """End the iteration, from any thread: at the next packet, or after the read timeout."""
        self._stop.set()

    def close(self) -> None:
        """Close the source; not while another thread iterates."""
        self._stop.set()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __iter__(self) -> Iterator[LiveFrame]:
        """The frames alone."""
        return (item for item in self.items() if isinstance(item, LiveFrame))

    def items(self) -> Iterator[LiveFrame | AudioPacket]:
        """Frames, and packets of audio between them if ``options.audio`` is set."""
        while self._connection is not None:
            yield from self._received(self._connection)
            why = self._connection.failure
            self._connection.close()
            self._connection = self._next_connection(why)

    def _template(self, connection: Connection) -> AudioTemplate | None:
        if connection.audio is None:
            return None
        try:
            return AudioTemplate(connection.audio)
        except (FFmpegError, ValueError):
            codec = connection.audio.codec_context.name
            self._notify(f"{self.name}: its audio ({codec}) cannot be copied and is left out")
            return None

    def _received(self, connection: Connection) -> Iterator[LiveFrame | AudioPacket]:
        for item, arrived in connection.items():
            if self._stop.is_set():
                return
            if isinstance(item, VideoFrame):
                yield self._frame(connection, item, arrived)
            elif self.audio is None:
                continue
            elif (packet := AudioPacket.of(item, self._clock)) and packet.start >= self._audio_end:
                self._audio_end = packet.end
                yield packet

    def _frame(self, connection: Connection, frame: VideoFrame, arrived: float) -> LiveFrame:
        time = self._clock.stamp(frame.time, arrived)
        image = letterbox(connection.image(frame), self.width, self.height)
        if self._paced:
            self._stop.wait(max(self._clock.real(time) - monotonic(), 0))
            arrived = monotonic()
        number, self._count = self._count, self._count + 1
        return LiveFrame(image, arrived, number, round(time * TICKS))

    # -- what follows when a connection has ended ---------------------------------------------

    def _next_connection(self, why: str | None) -> Connection | None:
        """A new connection, or None with the ``reason``; ``why`` the last one failed, if it did."""
        if self._stop.is_set():
            self.reason = "stopped"
        elif why is None and self._options.loop and self._address.kind is Kind.FILE:
            self._clock.forget(1 / self.rate if self.rate else 0)
            return Connection(self._address, self._options, self._options.open_timeout)
        elif self._ends:
            self.reason = f"{self.name}: {why or 'ended'}"
        else:
            return self._reconnect(why or "ended")
        return None

    def _reconnect(self, why: str) -> Connection | None:
        limit = self._options.reconnect
        deadline = monotonic() + limit
        if limit:
            self._notify(f"{self.name}: {why}; trying again for {limit:g} s")
        for pause in pauses(limit):
            if self._stop.wait(pause):
                break
            timeout = min(self._options.open_timeout, _ATTEMPT, max(deadline - monotonic(), 0.1))
            try:
                connection = Connection(self._address, self._options, timeout)
            except InputError:
                continue
            if connection.finite:  # not the stream, but what is left of it: a complete playlist
                connection.close()
                self.reason = f"{self.name}: {why}"
                return None
            self._notify(f"{self.name}: is back")
            self._clock.forget()
            return connection
        gone = f", and did not come back within {limit:g} s" if limit else ""
        self.reason = "stopped" if self._stop.is_set() else f"{self.name}: {why}{gone}"
        return None
