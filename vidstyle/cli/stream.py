"""``vidstyle stream``: restyle a camera or a stream while it runs."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Annotated

import typer

from vidstyle.cli.keys import TerminalKeys
from vidstyle.cli.learning import learned_styles
from vidstyle.cli.parameters import Given, Take, with_options
from vidstyle.errors import OptionError
from vidstyle.interrupts import heeded
from vidstyle.options import (
    FastOptions,
    LearnOptions,
    RecordOptions,
    SendOptions,
    SourceOptions,
    StreamOptions,
    TemporalOptions,
    WriteOptions,
)
from vidstyle.options.commands import EngineOptions, ProgressOptions, SinkOptions, StyleOptions
from vidstyle.options.live import LIVE_TEMPORAL

STDOUT = "-"
ONE_BY_ONE = ("batch_size", "tile", "stroke_size")
"""Options that pictures of a stream do not need: they are small, and drawn one by one."""


@with_options
def stream(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A camera (0, /dev/video0, camera:NAME), a URL, a file, - (stdin), or test.",
        ),
    ] = "0",
    *,
    sinks: SinkOptions,
    style: StyleOptions,
    learning: Annotated[Given, Take(LearnOptions())],
    engines: Annotated[EngineOptions, Take(EngineOptions(), only=("vgg",))],
    options: StreamOptions,
    capture: SourceOptions,
    fast: Annotated[FastOptions, Take(FastOptions(), without=ONE_BY_ONE)],
    temporal: Annotated[TemporalOptions, Take(LIVE_TEMPORAL)],
    send: SendOptions,
    record: RecordOptions,
    sound: Annotated[WriteOptions, Take(WriteOptions(), only=("audio",))],
    shown: Annotated[ProgressOptions, Take(ProgressOptions(), only=("progress",))],
) -> None:
    """Restyle a camera, a network stream or a file while it runs.

    The newest picture is drawn, and those that the machine has no time for are dropped, so that the
    delay stays small. Ctrl-C, or q, ends it and closes recordings.

    Keys, in the window and on the terminal: n p → ← next and previous style, 1 to 9 that style,
    ] [ a tenth of the way to the next and the previous, + - ↑ ↓ stronger and weaker, t steadying
    off and on, f the whole screen, q Esc end.
    """
    piped = STDOUT in sinks.to
    check_stream(sinks, temporal, shown)
    from vidstyle.cli.status import StreamReporter
    from vidstyle.live.controls import LiveControls
    from vidstyle.live.session import stream as run_stream
    from vidstyle.live.sinks import open_sink
    from vidstyle.pipeline.photos import sample_photos

    (learned,) = learned_styles([style.style], sample_photos, learning, engines.vgg, shown.progress)
    controls = LiveControls()
    with (
        StreamReporter(shown.progress, quiet_stdout=piped) as reporter,
        TerminalKeys(controls.press) as keys,
        quit_when_told(controls.quit),
    ):
        if keys.active and shown.progress == "bar":
            reporter.note("keys: n p styles, + - strength, t steadying, q end")
        summary = run_stream(
            source,
            [open_sink(name, send, record) for name in sinks.to],
            learned,
            options=options,
            capture=replace(capture, rate=options.fps, audio=sound.audio == "copy"),
            fast=fast,
            temporal=temporal,
            controls=controls,
            listener=reporter,
        )
        reporter.done(summary, list(sinks.to))


def check_stream(sinks: SinkOptions, temporal: TemporalOptions, shown: ProgressOptions) -> None:
    """Raises OptionError when options of a stream do not go together."""
    if STDOUT in sinks.to and shown.progress == "json":
        raise OptionError("--progress json and --to - both need stdout; use only one of them")
    if len(set(sinks.to)) < len(sinks.to):
        raise OptionError("--to names the same sink twice")
    if temporal.cuts not in ("auto", "none"):
        raise OptionError(f"--cuts must be auto or none for streams, not '{temporal.cuts}'")


@contextmanager
def quit_when_told(end: Callable[[], None]) -> Iterator[None]:
    """End as with Ctrl-C when a service manager says so, or the terminal is closed, so that
    recordings are closed, however long that takes."""
    watch = signal.set_wakeup_fd(-1)
    told = [number for number in heeded() if number != signal.SIGINT]
    before = {number: signal.signal(number, lambda *details: end()) for number in told}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(watch, warn_on_full_buffer=False)
