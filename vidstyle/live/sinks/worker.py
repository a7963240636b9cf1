"""Runs a sink on a thread of its own, so that none delays the stream or the other sinks."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from threading import Condition, Thread
from time import monotonic

from vidstyle.errors import VidstyleError
from vidstyle.live.audio import AudioPacket
from vidstyle.live.retry import pauses
from vidstyle.live.sinks.base import Sink, SinkFormat
from vidstyle.live.source import LiveFrame

_AUDIO_PACKETS = 500
"""Audio packets that may wait: about ten seconds."""
_STABLE = 5.0
"""Seconds of service after which earlier failures no longer count."""


class SinkWorker:
    """Hands frames to a sink in the background; ``put`` never waits.

    The sink is opened at once, on the caller's thread, so that what is known to fail fails here.

    Args:
        sink: to feed, reopen after failures and close.
        format: of the frames.
        depth: frames that may wait; a newer one replaces the oldest.
        reconnect: seconds to retry a sink that failed and can reconnect, each time it fails.
        patience: seconds that one frame may take before the sink is cancelled.
        closing: seconds to write what waits at the end before the sink is cancelled.
        delivered: called on the worker's thread with each frame that the sink took.
        report: called with a sentence when the sink fails, and when it works again.

    Attributes:
        written: frames that the sink took.
        dropped: frames that a newer one replaced, or that came while the sink was not working.
        failure: why the sink was given up; None while it works.

    Raises:
        VidstyleError: whatever ``sink.open`` raises.
    """

    def __init__(
        self,
        sink: Sink,
        format: SinkFormat,
        *,
        depth: int = 1,
        reconnect: float = 0.0,
        patience: float = 10.0,
        closing: float = 4.0,
        delivered: Callable[[LiveFrame], object] = lambda frame: None,
        report: Callable[[str], object] = lambda sentence: None,
    ) -> None:
        self.sink = sink
        self.written = self.dropped = 0
        self.failure: BaseException | None = None
        self._format, self._depth = format, depth
        self._reconnect = reconnect if sink.can_reconnect else 0.0
        self._patience, self._closing_time = patience, closing
        self._delivered, self._report = delivered, report
        self._changed = Condition()
        self._frames: deque[LiveFrame] = deque()
        self._packets: deque[AudioPacket] = deque(maxlen=_AUDIO_PACKETS)
        self._closing = self._cancelled = False
        self._busy_since: float | None = None
        try:
            sink.open(format)
        except BaseException:
            sink.close()
            raise
        self._thread = Thread(target=self._run, name=f"sink {sink.name}", daemon=True)
        self._thread.start()

    def put(self, frame: LiveFrame) -> None:
        """Offer a frame that nobody will change any more."""
        with self._changed:
            if self._closing or self.failure is not None:
                self.dropped += 1
                return
            self._frames.append(frame)
            if len(self._frames) > self._depth:
                self._frames.popleft()
                self.dropped += 1
            self._changed.notify()
        since = self._busy_since
        if since is not None and monotonic() - since > self._patience and not self.sink.may_block:
            self._cancel()

    def put_audio(self, packet: AudioPacket) -> None:
        """Offer a packet of audio."""
        if self.sink.takes_audio and self._format.audio is not None:
            with self._changed:
                self._packets.append(packet)
                self._changed.notify()

    def close(self) -> None:
        """Write what waits, close the sink and end the thread.

        Raises:
            Exception: a programming error in the sink: anything but a VidstyleError.
        """
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(self._closing_time)
        if self._thread.is_alive():
            self._cancel()
            self._thread.join()  # a recording may take its time
        if self.failure is not None and not isinstance(self.failure, VidstyleError):
            raise self.failure

    def _cancel(self) -> None:
        self._cancelled = True
        self.sink.cancel()

    # -- on the thread ------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._serve()
        except BaseException as failure:
            with self._changed:
                self.failure = failure
                self._drop_waiting()

    def _serve(self) -> None:
        """Feed the sink, and reopen it after failures, until ``close``."""
        attempts: Iterator[float] | None = None
        while True:
            began = monotonic()
            try:
                if attempts is not None:
                    self.sink.open(self._format)
                self._feed(reopened=attempts is not None)
                self.sink.close()
                return
            except VidstyleError as error:
                self.sink.close()
                if self._closing and self._cancelled:
                    return  # by ourselves
                if first := attempts is None or monotonic() - began > _STABLE:
                    attempts = pauses(self._reconnect)
                pause = next(attempts, None)
                if pause is None or self._closing:
                    raise
                if first:
                    self._report(f"{error}; trying again")
                self._cancelled = False
                self._rest(pause)

    def _feed(self, reopened: bool) -> None:
        """Write until ``close``; after reopening, report once that it works."""
        began = monotonic()
        while self._write_next():
            if reopened and monotonic() - began > 1:
                self._report(f"{self.sink.name}: is back")
                reopened = False

    def _write_next(self) -> bool:
        """Wait for something to write, and write it; False when closing and nothing is left."""
        with self._changed:
            self._changed.wait_for(lambda: self._frames or self._packets or self._closing)
            packets = list(self._packets)
            self._packets.clear()
            frame = self._frames.popleft() if self._frames else None
        if frame is None and not packets:
            return False
        self._busy_since = monotonic()
        try:
            for packet in packets:
                self.sink.write_audio(packet)
            if frame is not None:
                self.sink.write(frame)
        finally:
            self._busy_since = None
        if frame is not None:
            self.written += 1
            self._delivered(frame)
        return True

    def _rest(self, seconds: float) -> None:
        """Wait, and drop what comes in the meantime."""
        with self._changed:
            self._changed.wait_for(lambda: self._closing, seconds)
            self._drop_waiting()

    def _drop_waiting(self) -> None:
        self.dropped += len(self._frames)
        self._frames.clear()
        self._packets.clear()
