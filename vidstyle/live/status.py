"""What a stream reports: events while it runs, and a summary at its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class StreamCounts:
    """What status and summary have in common.

    Attributes:
        seconds: since the first frame.
        captured: frames that came from the source.
        shown: frames that were drawn and handed to the sinks.
        dropped: frames that were not drawn, because newer ones came while the machine was busy.
        latency_median, latency_p95: seconds from a frame's arrival until a sink had it.
        sink_drops: by sink, the frames that came while it was busy or not working.
    """

    seconds: float
    captured: int
    shown: int
    dropped: int
    latency_median: float
    latency_p95: float
    sink_drops: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class StreamStatus(StreamCounts):
    """An event: the state of a stream, with rates and latencies of the last three seconds.

    Attributes:
        capture_fps, output_fps: frames per second that came, and that were drawn.
        width, height: the working size.
        style: its label.
        strength, temporal: the current settings.
    """

    capture_fps: float
    output_fps: float
    width: int
    height: int
    style: str
    strength: float
    temporal: float


@dataclass(frozen=True)
class StreamNotice:
    """An event: something that happened to a stream, in one line."""

    message: str


@dataclass(frozen=True, kw_only=True)
class StreamSummary(StreamCounts):
    """A stream that ended, with latencies of all of its frames, to 5 %.

    Attributes:
        reason: why it ended, in one line.
        notices: what happened on the way.
        lost: those of them that tell of sinks that were given up.
    """

    reason: str
    notices: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()

    @property
    def rate(self) -> float:
        """Frames per second that were drawn."""
        return self.shown / self.seconds if self.seconds > 0 else 0.0


StreamListener = Callable[[StreamStatus | StreamNotice], None]
