"""A sink on a thread of its own, so that no sink holds up the stream or the other sinks."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from threading import Condition, Thread

from vidstyle.errors import OptionError, VidstyleError
from vidstyle.live.sinks.base import Sink, SinkFormat
from vidstyle.live.sound import AudioPacket
from vidstyle.live.source import LiveFrame

_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 4.0
_PACKETS = 500
"""Packets that may wait: about ten seconds."""
_SETTLED = 5.0
"""Seconds of service after which earlier failures are forgotten."""


@dataclass(frozen=True)
class BranchOptions:
    """How much may wait for a sink, and how long it is waited for."""

    depth: int = 1
    """Pictures that may wait; a newer one takes the oldest's place."""
    reconnect: float = 0.0
    """Seconds for which a sink that is gone is tried again, each time it goes."""
    patience: float = 10.0
    """Seconds that one picture may take before the sink counts as gone."""
    closing: float = 4.0
    """Seconds to write what waits at the end, before the sink is cancelled."""

    def __post_init__(self) -> None:
        if self.depth < 1:
            raise OptionError(f"at least one picture must be able to wait, not {self.depth}")


class Branch:
    """Hands pictures to a sink in the background; ``put`` never waits.

    It opens the sink at once, in the caller's thread, so that what can be known to fail fails here.

    Args:
        delivered: called on the branch's thread with each picture that the sink took.
        report: called with a sentence when the sink goes, and when it is back.

    Attributes:
        written: pictures that the sink took.
        dropped: pictures that a newer one replaced, or that came while the sink was gone.
        failure: why the sink was given up; None while it serves.

    Raises:
        VidstyleError: whatever ``sink.open`` raises.
    """

    def __init__(
        self,
        sink: Sink,
        shape: SinkFormat,
        options: BranchOptions = BranchOptions(),
        *,
        delivered: Callable[[LiveFrame], object] = lambda frame: None,
        report: Callable[[str], object] = lambda sentence: None,
    ) -> None:
        self.sink = sink
        self.written = self.dropped = 0
        self.failure: BaseException | None = None
        self._shape, self._options = shape, options
        self._delivered, self._report = delivered, report
        self._changed = Condition()
        self._pictures: deque[LiveFrame] = deque()
        self._packets: deque[AudioPacket] = deque(maxlen=_PACKETS)
        self._closing = self._cancelled = False
        self._busy_since: float | None = None
        try:
            sink.open(shape)
        except BaseException:
            sink.close()
            raise
        self._thread = Thread(target=self._work, name=f"sink {sink.name}", daemon=True)
        self._thread.start()

    def put(self, frame: LiveFrame) -> None:
        """Offer a picture that nobody will change any more."""
        with self._changed:
            if self._closing or self.failure is not None:
                self.dropped += 1
                return
            self._pictures.append(frame)
            if len(self._pictures) > self._options.depth:
                self._pictures.popleft()
                self.dropped += 1
            self._changed.notify()
        since = self._busy_since
        late = since is not None and time.monotonic() - since > self._options.patience
        if late and not self.sink.may_wait:
            self._cancel()

    def put_audio(self, packet: AudioPacket) -> None:
        """Offer a packet of sound."""
        if self.sink.takes_audio and self._shape.audio is not None:
            with self._changed:
                self._packets.append(packet)
                self._changed.notify()

    def close(self) -> None:
        """Write what waits, end the sink and the thread.

        Raises:
            Exception: what was no VidstyleError in the sink, a mistake in it.
        """
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(self._options.closing)
        if self._thread.is_alive():
            self._cancel()
            self._thread.join()  # a recording may take its time
        if self.failure is not None and not isinstance(self.failure, VidstyleError):
            raise self.failure

    def _cancel(self) -> None:
        self._cancelled = True
        self.sink.cancel()

    # -- on the thread ------------------------------------------------------------------

    def _work(self) -> None:
        try:
            self._serve()
        except BaseException as failure:
            with self._changed:
                self.failure = failure
                self.dropped += len(self._pictures)
                self._pictures.clear()
                self._packets.clear()

    def _serve(self) -> None:
        """Feed the sink; when it goes, wait and open it again."""
        gone_at, pause, opened = None, _FIRST_PAUSE, True
        while True:
            began = time.monotonic()
            try:
                if not opened:
                    self.sink.open(self._shape)
                self._feed(began if gone_at is not None else None)
                self.sink.close()
                return
            except VidstyleError as error:
                self.sink.close()
                if self._closing and self._cancelled:
                    return  # by ourselves
                if not self.sink.comes_back:
                    raise
                now = time.monotonic()
                if gone_at is None or now - began > _SETTLED:
                    gone_at, pause = now, _FIRST_PAUSE
                if self._closing or now - gone_at + pause > self._options.reconnect:
                    raise
                if pause == _FIRST_PAUSE:
                    self._report(f"{error}; trying again")
                opened = self._cancelled = False
                self._rest(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    def _feed(self, reopened: float | None) -> None:
        """Write until ``close``; after a new beginning, say once that it holds."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._pictures or self._packets or self._closing)
                packets = list(self._packets)
                self._packets.clear()
                picture = self._pictures.popleft() if self._pictures else None
            if picture is None and not packets:
                return
            self._busy_since = time.monotonic()
            try:
                for packet in packets:
                    self.sink.write_audio(packet)
                if picture is not None:
                    self.sink.write(picture)
            finally:
                self._busy_since = None
            if picture is not None:
                self.written += 1
                self._delivered(picture)
            if reopened is not None and time.monotonic() - reopened > 1:
                self._report(f"{self.sink.name}: is back")
                reopened = None

    def _rest(self, seconds: float) -> None:
        """Wait, and drop what comes in the meantime."""
        with self._changed:
            self._changed.wait_for(lambda: self._closing, seconds)
            self.dropped += len(self._pictures)
            self._pictures.clear()
            self._packets.clear()
