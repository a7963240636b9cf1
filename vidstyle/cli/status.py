"""Listeners to a stream: one line that is kept up to date, JSON lines, or silence."""

from __future__ import annotations

import shutil
import sys
from contextlib import AbstractContextManager
from threading import Lock
from typing import TYPE_CHECKING

import typer

from vidstyle.cli.output import print_json, print_warning
from vidstyle.cli.summary import milliseconds, rounded, stream_sentence
from vidstyle.errors import ExitCode
from vidstyle.options.commands import ProgressKind

if TYPE_CHECKING:
    from vidstyle.live.status import StreamNotice, StreamStatus, StreamSummary

_CLEAR = "\r\x1b[K"
_SELDOM = 10.0
"""Seconds between lines where a line cannot be written over."""


class StreamReporter(AbstractContextManager["StreamReporter"]):
    """Shows how a stream is doing, and its end. Any thread may call it.

    Args:
        quiet_stdout: stdout carries the stream itself.
    """

    def __init__(self, kind: ProgressKind, *, quiet_stdout: bool = False) -> None:
        self.kind = kind
        self._stdout = sys.stderr if quiet_stdout else sys.stdout
        self._alive = sys.stderr.isatty()
        self._shown = False
        self._said_at = -_SELDOM
        self._lock = Lock()

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            self._clear()

    def __call__(self, event: StreamStatus | StreamNotice) -> None:
        from vidstyle.live.status import StreamNotice

        with self._lock:
            if isinstance(event, StreamNotice):
                self._note(event.message)
            elif self.kind == "json":
                print_json(event="status", **rounded(event))
            elif self.kind == "bar":
                self._show(event)

    def note(self, message: str) -> None:
        """Say something in a line of its own."""
        with self._lock:
            self._note(message)

    def done(self, summary: StreamSummary, sinks: list[str]) -> None:
        """Print what came of it.

        Raises:
            typer.Exit: with ``ExitCode.partial``, when a sink did not get all of it.
        """
        with self._lock:
            self._clear()
            if self.kind == "json":
                print_json(
                    event="done", outputs=sinks, fps=round(summary.rate, 3), **rounded(summary)
                )
            else:
                print(
                    f"{', '.join(sinks)}: {stream_sentence(summary)}", file=self._stdout, flush=True
                )
        if summary.lost:
            raise typer.Exit(ExitCode.partial)

    def _note(self, message: str) -> None:
        self._clear()
        print_warning(self.kind, message)

    def _show(self, status: StreamStatus) -> None:
        line = status_line(status)
        if self._alive:
            width = shutil.get_terminal_size().columns - 1
            print(f"{_CLEAR}{line[:width]}", end="", file=sys.stderr, flush=True)
            self._shown = True
        elif status.seconds - self._said_at >= _SELDOM:
            self._said_at = status.seconds
            print(line, file=sys.stderr, flush=True)

    def _clear(self) -> None:
        if self._shown:
            print(_CLEAR, end="", file=sys.stderr, flush=True)
            self._shown = False


def status_line(status: StreamStatus) -> str:
    """How a stream is doing, in one line, what matters most first."""
    parts = [
        f"in {status.capture_fps:.1f} out {status.output_fps:.1f} fps",
        f"latency {milliseconds(status.latency_median)} p95 {milliseconds(status.latency_p95)}",
        f"{status.dropped} dropped",
        f"{status.width}×{status.height}",
        f"{status.style} {status.strength:.1f}",
        f"steady {status.temporal:.1f}",
    ]
    lost = [f"{name} {drops} dropped" for name, drops in status.sink_drops.items() if drops]
    return " | ".join([*parts, *lost])
