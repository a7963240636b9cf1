"""Options of live streams: of sources, of drawing, and of URLs and recordings."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from vidstyle.errors import OptionError
from vidstyle.temporal import TemporalOptions

LIVE_TEMPORAL = TemporalOptions(flow="fast")
"""Takes a quarter of the time of exact flow; the photometric check rejects its errors."""
PRESETS = (
    *("ultrafast", "superfast", "veryfast", "faster", "fast"),
    *("medium", "slow", "slower", "veryslow"),
)
"""Speed presets of x264; slower ones compress better."""


@dataclass(frozen=True)
class SourceOptions:
    """How to open a live source, and how long to wait for it.

    Attributes:
        size: width and height to request from a camera or the test pattern; None takes its default.
        rate: frames per second to request from them.
        max_side: longest side of the frames in pixels; larger ones are scaled down.
        open_timeout: seconds that a source has to deliver its first frame.
        read_timeout: seconds of silence after which a source counts as lost.
        reconnect: seconds for which a lost source is retried; 0 gives it up at once.
        loop: start a file again at its end.
        audio: also deliver the packets of its audio.

    Raises:
        OptionError: a value is out of range.
    """

    size: tuple[int, int] | None = None
    rate: float | None = None
    max_side: int | None = None
    open_timeout: float = 10.0
    read_timeout: float = 5.0
    reconnect: float = 30.0
    loop: bool = False
    audio: bool = False

    def __post_init__(self) -> None:
        if self.size is not None:
            _check_least("size", min(self.size), 2)
        _check_least("max_side", self.max_side, 2)
        _check_least("reconnect", self.reconnect, 0)
        for name in ("rate", "open_timeout", "read_timeout"):
            _check_positive(name, getattr(self, name))


@dataclass(frozen=True)
class StreamOptions:
    """How a stream is stylized.

    Attributes:
        fps: frames per second to draw at most; None is the source's rate, up to 30.
        latency: seconds that a frame may take from its arrival until all sinks have it.
        working_side: longest side at which frames are drawn, in pixels; None finds the largest
            that keeps ``fps`` and ``latency``.
        duration: seconds after which the stream ends; None goes on.
        morph: seconds that a change of style takes.
        styles: names that keys step through; empty for all available styles.
        status: seconds between two status events.

    Raises:
        OptionError: a value is out of range.
    """

    fps: float | None = None
    latency: float = 0.25
    working_side: int | None = None
    duration: float | None = None
    morph: float = 1.0
    styles: tuple[str, ...] = ()
    status: float = 0.5

    def __post_init__(self) -> None:
        _check_least("working_side", self.working_side, 16)
        _check_least("morph", self.morph, 0)
        for name in ("fps", "latency", "duration", "status"):
            _check_positive(name, getattr(self, name))


@dataclass(frozen=True)
class SendOptions:
    """How to encode for URLs.

    Attributes:
        bitrate: bits per second; None is constant quality, up to what suits the size (5.5 million
            at 720p).
        preset: one of x264's presets.
        keyframes: seconds between key frames, at which a receiver can join.

    Raises:
        OptionError: a value is out of range.
    """

    bitrate: int | None = None
    preset: str = "superfast"
    keyframes: float = 1.0

    def __post_init__(self) -> None:
        if self.bitrate is not None and self.bitrate < 10_000:
            raise OptionError(f"bitrate must be 10k or more, not {self.bitrate}")
        _check_preset(self.preset)
        if not self.keyframes > 0:
            raise OptionError(f"keyframes must be more than 0 seconds, not {self.keyframes:g}")


@dataclass(frozen=True)
class RecordOptions:
    """How a recording is encoded, in H.264.

    Attributes:
        crf: quality, from 0 to 51; lower is better and larger.
        preset: one of x264's presets.
        overwrite: replace an existing file.

    Raises:
        OptionError: a value is out of range.
    """

    crf: int = 20
    preset: str = "veryfast"
    overwrite: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.crf <= 51:
            raise OptionError(f"crf must be 0 to 51, not {self.crf}")
        _check_preset(self.preset)


def _check_positive(name: str, value: float | None) -> None:
    if value is not None and not 0 < value < inf:
        raise OptionError(f"{name} must be more than 0, not {value:g}")


def _check_least(name: str, value: float | None, least: float) -> None:
    if value is not None and not value >= least:
        raise OptionError(f"{name} must be {least:g} or more, not {value:g}")


def _check_preset(preset: str) -> None:
    if preset not in PRESETS:
        raise OptionError(f"preset must be one of {', '.join(PRESETS)}, not '{preset}'")
