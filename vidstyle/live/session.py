"""The live loop: the newest frame of the source is drawn and handed to all sinks.

Between the source's thread and the drawing one there is a slot for one frame. A newer frame
replaces the one that waits there, so that the delay never grows, however slow the machine is. Each
sink has a slot of its own, so that a slow one misses frames and delays nobody else.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from threading import Thread, current_thread, main_thread
from time import monotonic
from typing import Any

from vidstyle.errors import OptionError, VidstyleError
from vidstyle.live.controls import (
    ChangeStrength,
    ChooseStyle,
    Command,
    LiveControls,
    Quit,
    StepStyle,
    ToggleTemporal,
)
from vidstyle.live.latest import Latest
from vidstyle.live.meters import RateMeter
from vidstyle.live.sinks import Sink, SinkFormat, open_sink
from vidstyle.live.sinks.group import SinkGroup
from vidstyle.live.source import LiveFrame, LiveSource, open_live
from vidstyle.live.status import StreamListener, StreamNotice, StreamStatus, StreamSummary
from vidstyle.live.style_ring import StyleRing
from vidstyle.live.stylizer import LiveStylizer
from vidstyle.live.workload import Workload
from vidstyle.options import SourceOptions, StreamOptions
from vidstyle.options.live import LIVE_TEMPORAL
from vidstyle.styles.registry import Style
from vidstyle.stylizers import FastOptions
from vidstyle.temporal.motion import TemporalOptions

logger = logging.getLogger(__name__)

MAX_RATE = 30.0
"""Frames per second that are drawn at most, unless ``fps`` says otherwise."""


def stream(
    source: str,
    sinks: Sequence[str | Sink],
    style: str | Path | Style = "scream",
    *,
    options: StreamOptions = StreamOptions(),
    capture: SourceOptions = SourceOptions(),
    fast: FastOptions = FastOptions(),
    temporal: TemporalOptions = LIVE_TEMPORAL,
    controls: LiveControls | None = None,
    listener: StreamListener = lambda event: None,
) -> StreamSummary:
    """Stylize a live source until it ends, is told to end, or Ctrl-C.

    Args:
        source: as for ``open_live``: ``0``, a URL, a file, ``test``.
        sinks: as for ``open_sink``: ``window``, ``camera``, a URL, a file; or a Sink.
        style: a name, a style file, a blend, or a Style.
        options: rate, latency and working size.
        capture: how the source is opened, and for how long a lost source or sink is retried.
        fast: strength, colour, device and precision.
        temporal: temporal consistency.
        controls: to change the style and more from another thread.
        listener: called with a ``StreamStatus`` at regular times, with ``StreamNotice`` in between;
            sometimes from other threads.

    Raises:
        VidstyleError: a subclass says what is wrong with source, sink, style or options; also when
            the last sink has failed.
    """
    if not sinks:
        raise OptionError("a stream needs at least one sink")
    outputs = [open_sink(sink) if isinstance(sink, str) else sink for sink in sinks]
    ring = StyleRing(style, options.styles)
    controls = controls or LiveControls()
    notices: list[str] = []

    def notify(message: str) -> None:
        notices.append(message)
        logger.warning("%s", message)
        listener(StreamNotice(message))

    with (
        LiveStylizer(ring.style, fast=fast, temporal=temporal) as stylizer,
        quit_on_interrupt(controls),
        open_live(source, capture, notify) as live,
        SinkGroup(outputs, sink_format(live, options), capture.reconnect, notify) as group,
    ):
        session = Session(live, stylizer, group, ring, controls, options, listener, notify)
        reason = session.run()
    summary = session.summary(reason, tuple(notices))
    logger.info("%d frames, %d dropped: %s", summary.shown, summary.dropped, reason)
    return summary


def sink_format(source: LiveSource, options: StreamOptions) -> SinkFormat:
    """What the sinks of a source's stream will receive."""
    return SinkFormat(source.width, source.height, rate_limit(options, source.rate), source.audio)


@dataclass
class Session:
    """One stream while it runs."""

    source: LiveSource
    stylizer: LiveStylizer
    sinks: SinkGroup
    ring: StyleRing
    controls: LiveControls
    options: StreamOptions
    listener: StreamListener
    notify: Callable[[str], object]

    def __post_init__(self) -> None:
        self._newest: Latest[LiveFrame] = Latest()
        self._captured, self._shown = RateMeter(), RateMeter()
        self._workload = Workload(self.stylizer, self.options)
        self._temporal = self.stylizer.temporal or TemporalOptions().temporal
        self._began = self._ended = monotonic()
        self._status_due = 0.0

    def run(self) -> str:
        """Draw until the source ends or somebody ends the stream; returns why."""
        thread = Thread(target=self._capture, name="capture", daemon=True)
        thread.start()
        try:
            return self._draw_all()
        finally:
            self._ended = monotonic()
            self.source.stop()
            self._newest.close()
            thread.join()

    def _capture(self) -> None:
        """On a thread of its own: put each frame that is due into the slot, pass audio on."""
        throttle = Throttle(rate_limit(self.options, None))
        try:
            for item in self.source.items():
                if not isinstance(item, LiveFrame):
                    self.sinks.write_audio(item)
                    continue
                self._captured.add(item.captured)
                if throttle.wants(item.time):
                    self._newest.put(item)
            self._newest.close()
        except BaseException as error:
            self._newest.close(error)

    def _draw_all(self) -> str:
        while not self._newest.closed:
            self.sinks.pass_keys(self.controls)
            for command in self.controls.pending():
                if isinstance(command, Quit):
                    return "stopped"
                self._execute(command)
            self.sinks.check()
            self._report()
            if self._shown.count and monotonic() - self._began >= (self.options.duration or inf):
                return f"ended after {self.options.duration:g} s"
            frame = self._newest.take(self.sinks.poll_interval)
            if frame is not None:
                self._draw(frame)
        return self.source.reason or f"{self.source.name}: ended"

    def _draw(self, frame: LiveFrame) -> None:
        """From source to sinks."""
        arriving = max(self._captured.rate(monotonic()), self.source.rate or 0)
        rate = rate_limit(self.options, arriving)
        if not self._shown.count:
            self._began = frame.captured
            self._workload.begin(frame.image, rate)
        began = monotonic()
        self.sinks.write(replace(frame, image=self.stylizer(frame.image)))
        now = monotonic()
        self._shown.add(now)
        self._workload.adapt(rate, now - began, now - frame.captured, self.sinks.latency)

    def _execute(self, command: Command) -> None:
        try:
            match command:
                case ChooseStyle(style):
                    self.stylizer.set_style(self.ring.choose(style), self.options.morph)
                case StepStyle(by):
                    self.stylizer.set_style(self.ring.step(by), self.options.morph)
                case ChangeStrength(by):
                    strength = round(self.stylizer.strength + by, 6)
                    self.stylizer.set_strength(min(max(strength, 0.0), 1.0))
                case ToggleTemporal():
                    self.stylizer.set_temporal(0.0 if self.stylizer.temporal else self._temporal)
        except VidstyleError as error:
            self.notify(str(error))

    # -- reports ------------------------------------------------------------------------------

    def _report(self) -> None:
        now = monotonic()
        if self._shown.count and now >= self._status_due:
            self._status_due = now + self.options.status
            self.listener(self.status(now))

    def status(self, now: float) -> StreamStatus:
        """The state of the stream; ``now`` is ``time.monotonic()``."""
        width, height = self.stylizer.working_size(self.source.width, self.source.height)
        latency = self.sinks.latency.recent
        return StreamStatus(
            **self._counts(now, latency),
            capture_fps=self._captured.rate(now),
            output_fps=self._shown.rate(now),
            width=width,
            height=height,
            style=self.stylizer.style.label,
            strength=self.stylizer.strength,
            temporal=self.stylizer.temporal,
        )

    def summary(self, reason: str, notices: tuple[str, ...]) -> StreamSummary:
        """What came of the stream, after ``run``."""
        counts = self._counts(self._ended, self.sinks.latency.overall)
        lost = tuple(self.sinks.lost)
        return StreamSummary(**counts, reason=reason, notices=notices, lost=lost)

    def _counts(self, now: float, latency: Callable[[float], float]) -> dict[str, Any]:
        """The fields of ``StreamCounts``; ``latency`` returns a quantile."""
        return {
            "seconds": now - self._began,
            "captured": self._captured.count,
            "shown": self._shown.count,
            "dropped": self._newest.dropped,
            "latency_median": latency(0.5),
            "latency_p95": latency(0.95),
            "sink_drops": self.sinks.drops,
        }


def rate_limit(options: StreamOptions, rate: float | None) -> float:
    """Frames per second to draw of a source that has so many; None for an unknown rate."""
    limit = options.fps or MAX_RATE
    return min(limit, rate or limit)


class Throttle:
    """Leaves out frames of a source that is faster than wanted.

    Args:
        rate: frames per second at most.
    """

    def __init__(self, rate: float) -> None:
        self._interval = 1 / rate
        self._due = 0.0

    def wants(self, time: float) -> bool:
        """Whether to draw a frame of that time, in seconds; times ascend."""
        # A little early is on time, as sources jitter.
        if time < self._due - self._interval / 4:
            return False
        self._due = max(self._due + self._interval, time + self._interval / 2)
        return True


@contextmanager
def quit_on_interrupt(controls: LiveControls) -> Iterator[None]:
    """Ctrl-C ends the stream properly; a second one interrupts it.

    Only in the main thread, the only one that receives signals.
    """
    if current_thread() is not main_thread():
        yield
        return

    def quit_once(number: int, frame: object) -> None:
        signal.signal(signal.SIGINT, before)
        controls.quit()

    before = signal.signal(signal.SIGINT, quit_once)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
