"""``vidstyle stream``: restyle a camera or a stream while it runs."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated, Any

import typer

from vidstyle.cli.choices import (
    Audio,
    Backend,
    BackendOption,
    Device,
    FastPrecision,
    Flow,
    FlowOption,
    Quality,
    QualityOption,
    Temporal,
    parse_size,
)
from vidstyle.cli.keys import TerminalKeys
from vidstyle.cli.progress import ProgressKind
from vidstyle.cli.status import StreamReporter
from vidstyle.errors import OptionError

STDOUT = "-"


class Color(StrEnum):
    style = "style"
    keep = "keep"


class Cuts(StrEnum):
    auto = "auto"
    none = "none"


def parse_bitrate(text: str) -> int:
    """Bits a second from ``4M``, ``800k`` or ``4000000``."""
    factor = {"k": 1000, "m": 1_000_000}.get(text[-1:].lower(), 1)
    try:
        return round(float(text[:-1] if factor > 1 else text) * factor)
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(f"'{text}' is no bit rate; write 4M or 800k") from error


def stream(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A camera (0, /dev/video0, camera:NAME), a URL, a file, - (stdin), or test.",
        ),
    ] = "0",
    to: Annotated[
        list[str],
        typer.Option(
            "--to",
            metavar="SINK",
            help="window, camera[:DEVICE], a URL, - (stdout) or a file to record; may be repeated.",
        ),
    ] = ["window"],  # noqa: B006
    style: Annotated[
        str,
        typer.Option("--style", "-s", help="A name, a style file, or a blend: scream,wave:0.3."),
    ] = "scream",
    strength: Annotated[float, typer.Option(help="From 0, the photo, to 1, the style.")] = 1.0,
    color: Annotated[
        Color, typer.Option(help="keep: the picture's own colours, only its light restyled.")
    ] = Color.style,
    styles: Annotated[
        str | None,
        typer.Option(metavar="A,B,…", help="What the keys step through; every style unless given."),
    ] = None,
    morph: Annotated[float, typer.Option(help="Seconds from one style to another.")] = 1.0,
    temporal: Temporal = 0.6,
    flow: FlowOption = Flow.fast,
    cuts: Annotated[Cuts, typer.Option(help="Whether to look for cuts.")] = Cuts.auto,
    fps: Annotated[
        float | None, typer.Option(help="Pictures a second; the source's, 30 at most.")
    ] = None,
    latency: Annotated[
        float, typer.Option(help="Seconds that a picture may take from arrival to sink.")
    ] = 0.25,
    max_side: Annotated[
        int | None, typer.Option(help="Send pictures with the longer side at most this.")
    ] = None,
    working_side: Annotated[
        int | None,
        typer.Option(help="Draw at this size; else the largest that keeps to --fps and --latency."),
    ] = None,
    size: Annotated[
        str | None, typer.Option(metavar="WxH", help="Ask the camera, or test, for this size.")
    ] = None,
    reconnect: Annotated[
        float, typer.Option(help="Seconds for which a source or sink that is gone is tried again.")
    ] = 30.0,
    timeout: Annotated[
        float, typer.Option(help="Seconds until the first picture has to be there.")
    ] = 10.0,
    loop: Annotated[bool, typer.Option("--loop", help="Begin a file again at its end.")] = False,
    audio: Annotated[
        Audio, typer.Option(help="Take the source's sound along to URLs and files.")
    ] = Audio.copy,
    bitrate: Annotated[
        int | None,
        typer.Option(
            parser=parse_bitrate, metavar="RATE", help="Of URLs: 4M; by size if not given."
        ),
    ] = None,
    preset: Annotated[str | None, typer.Option(help="x264's speed preset, URLs and files.")] = None,
    crf: Annotated[int | None, typer.Option(help="Quality of recordings; lower is better.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace recordings.")] = False,
    device: Device = "auto",
    precision: FastPrecision = "auto",
    quality: QualityOption = Quality.standard,
    backend: BackendOption = Backend.auto,
    duration: Annotated[float | None, typer.Option(help="End after so many seconds.")] = None,
    progress: Annotated[
        ProgressKind, typer.Option(help="A status line, one JSON object a line, or nothing.")
    ] = ProgressKind.bar,
) -> None:
    """Restyle a camera, a network stream or a file while it runs.

    The newest picture is drawn, and those that the machine has no time for are dropped, so that the
    delay stays small. Ctrl-C, or q, ends it and closes recordings.

    Keys, in the window and on the terminal: n p → ← next and previous style, 1 to 9 that style,
    ] [ a tenth of the way to the next and the previous, + - ↑ ↓ stronger and weaker, t steadying
    off and on, f the whole screen, q Esc end.
    """
    piped = STDOUT in to
    if piped and progress is ProgressKind.json:
        raise OptionError("--progress json and --to - both need stdout; take one of them")
    if len(set(to)) < len(to):
        raise OptionError("--to names the same sink twice")
    from vidstyle.live.controls import LiveControls
    from vidstyle.live.options import RecordOptions, SendOptions, SourceOptions, StreamOptions
    from vidstyle.live.session import stream as run_stream
    from vidstyle.live.sinks import open_sink
    from vidstyle.stylizers import FastOptions
    from vidstyle.temporal import TemporalOptions

    send = SendOptions(**given(bitrate=bitrate, preset=preset))
    record = RecordOptions(**given(crf=crf, preset=preset), overwrite=overwrite)
    controls = LiveControls()
    with (
        StreamReporter(progress, quiet_stdout=piped) as reporter,
        TerminalKeys(controls.press) as keys,
        quit_when_told(controls.quit),
    ):
        if keys.active and progress is ProgressKind.bar:
            reporter.note("keys: n p styles, + - strength, t steadying, q end")
        summary = run_stream(
            source,
            [open_sink(name, send, record) for name in to],
            style,
            options=StreamOptions(
                fps=fps,
                latency=latency,
                working_side=working_side,
                duration=duration,
                morph=morph,
                styles=tuple(styles.split(",")) if styles else (),
            ),
            capture=SourceOptions(
                size=parse_size(size) if size else None,
                rate=fps,
                max_side=max_side,
                open_timeout=timeout,
                reconnect=reconnect,
                loop=loop,
                audio=audio is Audio.copy,
            ),
            fast=FastOptions(
                strength=strength,
                color=color.value,
                device=device,
                precision=precision,
                quality=quality.value,
                backend=backend.value,
            ),
            temporal=TemporalOptions(temporal, flow.value, cuts.value),
            controls=controls,
            listener=reporter,
        )
        reporter.done(summary, to)


def given(**options: Any) -> dict[str, Any]:
    """Those that are not None."""
    return {name: value for name, value in options.items() if value is not None}


@contextmanager
def quit_when_told(end: Callable[[], None]) -> Iterator[None]:
    """End as with Ctrl-C when a service manager says so, so that recordings are closed."""
    before = signal.signal(signal.SIGTERM, lambda number, frame: end())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
