"""Live streams: where pictures come from, how they are drawn, and how they are sent."""

from dataclasses import dataclass
from typing import Literal

import vidstyle.options.shared as shared
from vidstyle.errors import OptionError
from vidstyle.options.base import BASIC, INPUT, LIVE, OUTPUT, Options, option
from vidstyle.options.drawing import TemporalOptions
from vidstyle.options.values import parse_bitrate, parse_names, parse_size

LIVE_TEMPORAL = TemporalOptions(flow="fast")
"""Takes a quarter of the time of exact flow; the photometric check rejects its errors."""

X264Preset = Literal[
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"
]


@dataclass(frozen=True)
class SourceOptions(Options):
    """How to open a live source, and how long to wait for it."""

    size: tuple[int, int] | None = INPUT.option(
        None,
        "Ask the camera or the test pattern for this size.",
        metavar="WxH",
        unset="its own",
        parse=parse_size,
    )
    rate: float | None = option(
        None, "Ask the camera or the test pattern for this many frames per second.", above=0
    )
    max_side: int | None = shared.max_side()
    open_timeout: float = INPUT.option(
        10.0,
        "Seconds to wait for the first picture.",
        flags=("--timeout",),
        above=0,
        unit="seconds",
    )
    read_timeout: float = option(
        5.0, "Seconds without a picture after which the source counts as gone.", above=0
    )
    reconnect: float = INPUT.option(
        30.0,
        "Seconds to keep trying a source or sink that is gone; inf never gives up.",
        min=0,
        finite=False,
        unit="seconds",
    )
    loop: bool = INPUT.option(False, "Start a file again at its end.")
    audio: bool = option(False, "Deliver the packets of its audio, too.")

    def check(self) -> None:
        if self.size is not None and min(self.size) < 2:
            raise OptionError(f"size must be at least 2×2 pixels, not {self.size}")


@dataclass(frozen=True)
class StreamOptions(Options):
    """How a stream is drawn."""

    fps: float | None = BASIC.option(
        None, "Pictures per second, at most.", above=0, unset="the source's, up to 30"
    )
    latency: float = LIVE.option(
        0.25, "Seconds a picture may take from its arrival to all sinks.", above=0, unit="seconds"
    )
    working_side: int | None = LIVE.option(
        None,
        "Draw with this longer side.",
        metavar="PIXELS",
        min=16,
        unit="pixels",
        unset="the largest that keeps --fps and --latency",
    )
    duration: float | None = BASIC.option(
        None, "Stop after this many seconds.", above=0, unit="seconds"
    )
    morph: float = LIVE.option(
        1.0, "Seconds to change from one style to another.", min=0, unit="seconds"
    )
    styles: tuple[str, ...] = LIVE.option(
        (), "The styles that keys step through.", metavar="A,B,…", unset="all", parse=parse_names
    )
    status: float = option(0.5, "Seconds between two status events.", above=0)


@dataclass(frozen=True)
class SendOptions(Options):
    """How to encode a stream that is sent to a URL, with H.264."""

    bitrate: int | None = OUTPUT.option(
        None,
        "Bit rate for URLs: 4M or 800k.",
        metavar="RATE",
        min=10_000,
        unit="bits per second",
        unset="by size",
        parse=parse_bitrate,
    )
    preset: X264Preset = OUTPUT.option("superfast", "x264's speed preset.")
    keyframes: float = option(
        1.0, "Seconds between pictures that a receiver can start with.", above=0, unit="seconds"
    )


@dataclass(frozen=True)
class RecordOptions(Options):
    """How to encode a recording, with H.264."""

    crf: int = OUTPUT.option(
        20, "Quality of recordings; lower is better and larger.", min=0, max=51
    )
    preset: X264Preset = OUTPUT.option("veryfast", "x264's speed preset.")
    overwrite: bool = shared.overwrite()
