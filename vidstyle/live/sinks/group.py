"""All sinks of one stream, each on a thread of its own where that is possible."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from time import monotonic
from typing import Self

from vidstyle.errors import VidstyleError
from vidstyle.live.audio import AudioPacket
from vidstyle.live.controls import LiveControls
from vidstyle.live.meters import LatencyMeter
from vidstyle.live.sinks.base import KeySink, Sink, SinkFormat
from vidstyle.live.sinks.recording import RecordingSink
from vidstyle.live.sinks.worker import SinkWorker
from vidstyle.live.source import LiveFrame

_RECORDING_DEPTH = 30
"""Frames that may wait for a recording; only the newest waits for other sinks."""
_POLL_WINDOW, _POLL = 0.02, 0.2
"""Seconds between two looks at the keys, with a window and without."""


class SinkGroup:
    """Opens the sinks, feeds them and, as a context manager, closes them.

    Args:
        sinks: to open.
        format: of the frames.
        reconnect: seconds for which a sink that can reconnect is retried.
        notify: called with a sentence when something happens to a sink.

    Attributes:
        latency: from the capture of frames until a sink had them.
        lost: what was said of the sinks that were given up while the stream went on.

    Raises:
        VidstyleError: a sink cannot be opened; on leaving, what kept a sink from completing.
    """

    def __init__(
        self,
        sinks: Sequence[Sink],
        format: SinkFormat,
        reconnect: float,
        notify: Callable[[str], object],
    ) -> None:
        self.latency = LatencyMeter()
        self.lost: list[str] = []
        self._notify = notify
        self._windows: list[KeySink] = []
        self._workers: list[SinkWorker] = []
        self._failed: set[SinkWorker] = set()
        with ExitStack() as stack:
            for sink in sinks:
                if isinstance(sink, KeySink):
                    stack.callback(sink.close)
                    sink.open(format)
                    self._windows.append(sink)
                else:
                    worker = self._worker(sink, format, reconnect)
                    stack.callback(worker.close)
                    self._workers.append(worker)
            self._stack = stack.pop_all()

    def _worker(self, sink: Sink, format: SinkFormat, reconnect: float) -> SinkWorker:
        return SinkWorker(
            sink,
            format,
            depth=_RECORDING_DEPTH if isinstance(sink, RecordingSink) else 1,
            reconnect=reconnect,
            delivered=self._delivered,
            report=self._notify,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, exc_type: object, exc: BaseException | None, traceback: object) -> None:
        self._stack.close()
        failures = [w.failure for w in self._workers if w.failure and w not in self._failed]
        if failures and exc is None:
            raise failures[0]

    @property
    def poll_interval(self) -> float:
        """Seconds after which ``pass_keys`` should be called again."""
        return _POLL_WINDOW if self._windows else _POLL

    @property
    def drops(self) -> dict[str, int]:
        """By name, the frames that each sink missed."""
        return {worker.sink.name: worker.dropped for worker in self._workers}

    def write(self, frame: LiveFrame) -> None:
        """Hand a frame to every sink."""
        for worker in self._workers:
            worker.put(frame)
        for window in self._windows:
            window.write(frame)
            self._delivered(frame)

    def write_audio(self, packet: AudioPacket) -> None:
        """Hand a packet of audio to every sink that takes some; from any thread."""
        for worker in self._workers:
            worker.put_audio(packet)

    def pass_keys(self, controls: LiveControls) -> None:
        """Pass on the keys that were pressed in windows."""
        for window in self._windows:
            for key in window.keys():  # noqa: SIM118
                controls.press(key)

    def check(self) -> None:
        """Report sinks that failed. Raises the failure of the last one, and programming errors."""
        for worker in self._workers:
            failure = worker.failure
            if failure is None or worker in self._failed:
                continue
            self._failed.add(worker)
            last = len(self._failed) == len(self._workers) and not self._windows
            if last or not isinstance(failure, VidstyleError):
                raise failure
            self.lost.append(f"{failure}; the stream goes on without it")
            self._notify(self.lost[-1])

    def _delivered(self, frame: LiveFrame) -> None:
        now = monotonic()
        self.latency.add(now - frame.captured, now)
