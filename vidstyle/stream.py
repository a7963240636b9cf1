"""The live loop: a source's newest picture is drawn and handed to all sinks, and late ones are not
drawn at all."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from math import inf, sqrt
from pathlib import Path
from threading import Thread, current_thread, main_thread
from time import monotonic
from types import TracebackType

import numpy as np

from vidstyle.errors import OptionError, VidstyleError
from vidstyle.live.controls import (
    Command,
    LiveControls,
    Quit,
    Step,
    Strengthen,
    ToggleTemporal,
    ToStyle,
)
from vidstyle.live.latest import Latest
from vidstyle.live.meters import LatencyMeter, RateMeter
from vidstyle.live.palette import Palette
from vidstyle.live.sinks import (
    Branch,
    BranchOptions,
    KeySink,
    RecordingSink,
    Sink,
    SinkFormat,
    open_sink,
)
from vidstyle.live.size import SizeController
from vidstyle.live.sound import AudioPacket
from vidstyle.live.source import LiveFrame, LiveSource, open_live
from vidstyle.live.stylizer import LiveStylizer
from vidstyle.options import FastOptions, SourceOptions, StreamOptions, TemporalOptions
from vidstyle.options.live import LIVE_TEMPORAL
from vidstyle.styles.registry import Style

logger = logging.getLogger(__name__)

HIGHEST_RATE = 30.0
"""Pictures a second that are drawn unless told otherwise."""
_TRIAL_SIDE = 320
"""Size at which the machine is tried before the first picture, longest side in pixels."""
_RECORDED = 30
"""Pictures that may wait for a recording."""
_PUMP, _WAIT = 0.02, 0.2
"""Seconds after which keys are asked for, with a window and without."""


@dataclass(frozen=True)
class StreamStatus:
    """How a stream is doing: an event.

    Attributes:
        seconds: since the first picture.
        captured: pictures that came from the source.
        shown: pictures that were drawn and handed to the sinks.
        dropped: pictures that were late, as the machine was busy with those before.
        capture_fps, output_fps: of the last seconds.
        latency_median, latency_p95: seconds from a picture's arrival until a sink had it, of the
            last seconds.
        width, height: the working size.
        style: its label.
        strength, temporal: as they are set.
        sink_drops: pictures that each sink was too slow for, or gone.
    """

    seconds: float
    captured: int
    shown: int
    dropped: int
    capture_fps: float
    output_fps: float
    latency_median: float
    latency_p95: float
    width: int
    height: int
    style: str
    strength: float
    temporal: float
    sink_drops: dict[str, int]


@dataclass(frozen=True)
class StreamNotice:
    """Something that happened to a stream, in one line: an event."""

    message: str


@dataclass(frozen=True)
class StreamSummary:
    """A stream that ended.

    Attributes:
        reason: why, one line.
        seconds: from the first picture to the end.
        captured, shown, dropped, sink_drops: as in ``StreamStatus``.
        latency_median, latency_p95: seconds, of all pictures, to 5 %.
        notices: what happened on the way.
        lost: those of them that say what did not get all of the stream: sinks that were given up.
    """

    reason: str
    seconds: float
    captured: int
    shown: int
    dropped: int
    latency_median: float
    latency_p95: float
    sink_drops: dict[str, int]
    notices: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()

    @property
    def rate(self) -> float:
        """Pictures a second."""
        return self.shown / self.seconds if self.seconds > 0 else 0.0


StreamListener = Callable[[StreamStatus | StreamNotice], None]


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
    """Restyle a live source until it ends, is told to end, or Ctrl-C.

    Latency stays bounded on slow machines: what is drawn is always the newest picture, and those
    that came while the one before was drawn are dropped.

    Args:
        source: as for ``open_live``: ``0``, a URL, a file, ``test``.
        sinks: as for ``open_sink``: ``window``, ``camera``, a URL, a file; or a Sink.
        style: a name, a style file, a blend, or a Style.
        capture: how the source is opened, and for how long it is tried again; sinks that can come
            back are tried again for as long.
        controls: to change the style and more from another thread.
        listener: called with a ``StreamStatus`` at regular times, with ``StreamNotice`` in between;
            sometimes from other threads.

    Raises:
        VidstyleError: a subclass says what is wrong with source, sink, style or options; also when
            the last sink is gone.
    """
    if not sinks:
        raise OptionError("a stream needs somewhere to go")
    places = [open_sink(sink) if isinstance(sink, str) else sink for sink in sinks]
    palette = Palette(style, options.styles)
    controls = controls or LiveControls()
    notices: list[str] = []

    def notify(message: str) -> None:
        notices.append(message)
        logger.warning("%s", message)
        listener(StreamNotice(message))

    with (
        LiveStylizer(palette.style, fast=fast, temporal=temporal) as stylizer,
        quit_on_interrupt(controls),
        open_live(source, capture, notify) as live,
        Outlets(places, live, capture.reconnect, options, notify) as outlets,
    ):
        run = _Run(live, stylizer, outlets, palette, controls, options, listener, notify)
        reason = run.until_end()
    summary = run.summary(reason, tuple(notices))
    logger.info("%d pictures, %d dropped: %s", summary.shown, summary.dropped, reason)
    return summary


class Outlets:
    """All the sinks of a stream. As a context manager it ends them.

    Leaving raises what kept a sink from ending well, a recording on a full disk.
    """

    def __init__(
        self,
        sinks: Sequence[Sink],
        live: LiveSource,
        reconnect: float,
        options: StreamOptions,
        notify: Callable[[str], None],
    ) -> None:
        self.latency = LatencyMeter()
        self._notify = notify
        self._windows: list[KeySink] = []
        self._branches: list[Branch] = []
        self._gone: set[Branch] = set()
        self.lost: list[str] = []
        """Why sinks were given up, while the stream went on."""
        shape = SinkFormat(live.width, live.height, rate_limit(options, live.rate), live.audio)
        with ExitStack() as opened:
            for sink in sinks:
                if isinstance(sink, KeySink):
                    opened.callback(sink.close)
                    sink.open(shape)
                    self._windows.append(sink)
                else:
                    branch = self._branch(sink, shape, reconnect)
                    opened.callback(branch.close)
                    self._branches.append(branch)
            self._opened = opened.pop_all()

    def _branch(self, sink: Sink, shape: SinkFormat, reconnect: float) -> Branch:
        depth = _RECORDED if isinstance(sink, RecordingSink) else 1
        patience = reconnect if sink.comes_back else 0.0
        return Branch(
            sink,
            shape,
            BranchOptions(depth=depth, reconnect=patience),
            delivered=self._delivered,
            report=self._notify,
        )

    def __enter__(self) -> Outlets:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Raises why a sink could not be ended properly, unless something else was raised."""
        self._opened.close()
        late = [b.failure for b in self._branches if b.failure is not None and b not in self._gone]
        if late and exc is None:
            raise late[0]

    @property
    def wait(self) -> float:
        """Seconds after which somebody may want to be asked for keys again."""
        return _PUMP if self._windows else _WAIT

    @property
    def drops(self) -> dict[str, int]:
        """Pictures that each sink did not get."""
        return {branch.sink.name: branch.dropped for branch in self._branches}

    def write(self, frame: LiveFrame) -> None:
        """Hand a picture to every sink."""
        for branch in self._branches:
            branch.put(frame)
        for window in self._windows:
            window.write(frame)
            self._delivered(frame)

    def write_audio(self, packet: AudioPacket) -> None:
        """Hand a packet of sound to every sink that takes some; from any thread."""
        for branch in self._branches:
            branch.put_audio(packet)

    def press(self, controls: LiveControls) -> None:
        """Pass on the keys that were pressed in windows."""
        for window in self._windows:
            for key in window.keys():  # noqa: SIM118
                controls.press(key)

    def check(self) -> None:
        """Say which sinks are gone. Raises the failure of the last one, or what is no usual one."""
        for branch in self._branches:
            failure = branch.failure
            if failure is None or branch in self._gone:
                continue
            self._gone.add(branch)
            alone = len(self._gone) == len(self._branches) and not self._windows
            if alone or not isinstance(failure, VidstyleError):
                raise failure
            self.lost.append(f"{failure}; the stream goes on without it")
            self._notify(self.lost[-1])

    def _delivered(self, frame: LiveFrame) -> None:
        now = monotonic()
        self.latency.add(now - frame.captured, now)


class _Run:
    """One stream while it runs."""

    def __init__(
        self,
        live: LiveSource,
        stylizer: LiveStylizer,
        outlets: Outlets,
        palette: Palette,
        controls: LiveControls,
        options: StreamOptions,
        listener: StreamListener,
        notify: Callable[[str], None],
    ) -> None:
        self._live, self._stylizer, self._outlets = live, stylizer, outlets
        self._palette, self._controls, self._options = palette, controls, options
        self._listener, self._notify = listener, notify
        self._slot: Latest[LiveFrame] = Latest()
        self._captured, self._shown = RateMeter(), RateMeter()
        self._handed = LatencyMeter()
        self._steadied = stylizer.temporal or TemporalOptions().temporal
        self._sizes: SizeController | None = None
        self._began = self._ended = monotonic()
        self._status_at = 0.0

    def until_end(self) -> str:
        """Draw until the source ends or somebody ends it; returns why."""
        thread = Thread(target=self._capture, name="capture", daemon=True)
        thread.start()
        try:
            return self._draw_all()
        finally:
            self._ended = monotonic()
            self._live.stop()
            self._slot.close()
            thread.join()

    def _capture(self) -> None:
        """On a thread of its own: put what comes into the slot."""
        thinner = Thinner(rate_limit(self._options, None))
        try:
            for item in self._live.items():
                if not isinstance(item, LiveFrame):
                    self._outlets.write_audio(item)
                    continue
                self._captured.add(item.captured)
                if thinner.wants(item.time):
                    self._slot.put(item)
            self._slot.close()
        except BaseException as error:
            self._slot.close(error)

    def _draw_all(self) -> str:
        while not self._slot.closed:
            self._outlets.press(self._controls)
            for command in self._controls.pending():
                if isinstance(command, Quit):
                    return "stopped"
                self._obey(command)
            self._outlets.check()
            self._report()
            if self._shown.count and monotonic() - self._began >= (self._options.duration or inf):
                return f"{self._options.duration:g} s are over"
            frame = self._slot.take(self._outlets.wait)
            if frame is not None:
                self._draw(frame)
        return self._live.reason or f"{self._live.name}: ended"

    def _draw(self, frame: LiveFrame) -> None:
        if not self._shown.count:
            self._prepare(frame)
        began = monotonic()
        self._outlets.write(replace(frame, image=self._stylizer(frame.image)))
        now = monotonic()
        self._shown.add(now)
        if self._sizes is not None:
            self._handed.add(now - frame.captured, now)
            load = max(self._load(now - began), self._lateness(now - frame.captured))
            self._stylizer.working_side = self._sizes.observe(load, now)

    def _load(self, seconds: float) -> float:
        """The share of the time for a picture that one takes."""
        coming = max(self._captured.rate(monotonic()), self._live.rate or 0)
        return seconds * rate_limit(self._options, coming)

    def _lateness(self, seconds: float) -> float:
        """The share of the latency allowed, of a picture that was handed on after some seconds.

        What sinks add to it counts for no more than half, as a smaller picture does not help them.
        """
        added = self._outlets.latency.recent(0.5) - self._handed.recent(0.5)
        allowed = self._options.latency
        return (seconds + min(max(added, 0.0), allowed / 2)) / allowed

    # -- working size -------------------------------------------------------------------------

    def _prepare(self, frame: LiveFrame) -> None:
        self._began = frame.captured
        if self._options.working_side is not None:
            self._stylizer.working_side = self._options.working_side
            return
        limit = max(frame.image.shape[:2])
        self._stylizer.working_side = min(_TRIAL_SIDE, limit)
        seconds = self._tried(frame.image)
        load = max(self._load(seconds), seconds / self._options.latency)
        side = self._stylizer.working_side / sqrt(max(load, 1e-3))
        self._sizes = SizeController(limit, int(side))
        self._stylizer.working_side = self._sizes.side

    def _tried(self, image: np.ndarray) -> float:
        """Seconds that a picture takes, after the first, which takes longer."""
        for _ in range(3):
            began = monotonic()
            self._stylizer(image)
            seconds = monotonic() - began
        self._stylizer.forget()
        return seconds

    # -- commands -----------------------------------------------------------------------------

    def _obey(self, command: Command) -> None:
        stylizer, palette = self._stylizer, self._palette
        try:
            match command:
                case ToStyle(style):
                    stylizer.set_style(palette.choose(style), self._options.morph)
                case Step(by):
                    stylizer.set_style(palette.step(by), self._options.morph)
                case Strengthen(by):
                    strength = round(stylizer.strength + by, 6)
                    stylizer.set_strength(min(max(strength, 0.0), 1.0))
                case ToggleTemporal():
                    stylizer.set_temporal(0.0 if stylizer.temporal else self._steadied)
        except VidstyleError as error:
            self._notify(str(error))

    # -- reports ------------------------------------------------------------------------------

    def _report(self) -> None:
        now = monotonic()
        if not self._shown.count or now < self._status_at:
            return
        self._status_at = now + self._options.status
        self._listener(self.status(now))

    def status(self, now: float) -> StreamStatus:
        latency = self._outlets.latency
        width, height = self._stylizer.working_size(self._live.width, self._live.height)
        return StreamStatus(
            seconds=now - self._began,
            captured=self._captured.count,
            shown=self._shown.count,
            dropped=self._slot.dropped,
            capture_fps=self._captured.rate(now),
            output_fps=self._shown.rate(now),
            latency_median=latency.recent(0.5),
            latency_p95=latency.recent(0.95),
            width=width,
            height=height,
            style=self._stylizer.style.label,
            strength=self._stylizer.strength,
            temporal=self._stylizer.temporal,
            sink_drops=self._outlets.drops,
        )

    def summary(self, reason: str, notices: tuple[str, ...]) -> StreamSummary:
        latency = self._outlets.latency
        return StreamSummary(
            reason=reason,
            seconds=self._ended - self._began,
            captured=self._captured.count,
            shown=self._shown.count,
            dropped=self._slot.dropped,
            latency_median=latency.overall(0.5),
            latency_p95=latency.overall(0.95),
            sink_drops=self._outlets.drops,
            notices=notices,
            lost=tuple(self._outlets.lost),
        )


class Thinner:
    """Leaves out pictures of a stream that comes faster than it is wanted."""

    def __init__(self, rate: float) -> None:
        self._interval = 1 / rate
        self._due = 0.0

    def wants(self, time: float) -> bool:
        """Whether a picture at that time is to be drawn; times ascend."""
        # A picture a little early is on time: sources are not punctual.
        if time < self._due - self._interval / 4:
            return False
        self._due = max(self._due + self._interval, time + self._interval / 2)
        return True


def rate_limit(options: StreamOptions, rate: float | None) -> float:
    """Pictures a second to be drawn of a source that has so many."""
    limit = options.fps or HIGHEST_RATE
    return min(limit, rate or limit)


@contextmanager
def quit_on_interrupt(controls: LiveControls) -> Iterator[None]:
    """Ctrl-C ends the stream in the usual way; a second one breaks it off.

    Only in the main thread, the only one that gets signals.
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
