"""Listeners to a run: a bar, JSON lines, or silence; and its summary, a sentence or JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer
from tqdm import tqdm

from vidstyle.errors import ExitCode, OutputError

if TYPE_CHECKING:
    from vidstyle.pipeline import Progress, Summary
    from vidstyle.stages import StageTime


class ProgressKind(StrEnum):
    bar = "bar"
    json = "json"
    none = "none"


AsJson = Annotated[bool, typer.Option("--json", help="Print the summary as one JSON object.")]


class Reporter(AbstractContextManager["Reporter"]):
    """Shows a run as it goes, and its end.

    Args:
        as_json: the summary is one JSON object on stdout, as it is the last event of
            ``ProgressKind.json`` anyway.
    """

    def __init__(self, kind: ProgressKind, as_json: bool = False) -> None:
        self.kind = kind
        self.as_json = as_json or kind is ProgressKind.json
        self._bar: tqdm | None = None

    def __exit__(self, *exception: object) -> None:
        self._close()

    def __call__(self, progress: Progress) -> None:
        if self.kind is ProgressKind.json:
            # The total is the container's word for it, and the container may be wrong.
            left = max(0, (progress.total or 0) - progress.frames)
            print_json(
                event="progress",
                frames=progress.frames,
                total=progress.total,
                seconds=round(progress.seconds, 3),
                fps=round(progress.rate, 3),
                eta=round(left / progress.rate, 1) if progress.total and progress.rate else None,
                **({} if progress.loss is None else {"loss": progress.loss}),
            )
        elif self.kind is ProgressKind.bar:
            self._update(progress)

    def _update(self, progress: Progress) -> None:
        if self._bar is None:
            self._bar = tqdm(unit=" frames", dynamic_ncols=True, file=sys.stderr, smoothing=0.1)
        total = progress.total
        self._bar.total = max(total, progress.frames) if total else None
        if progress.loss is not None:
            self._bar.set_postfix_str(f"loss {progress.loss:.3g}", refresh=False)
        self._bar.update(progress.frames - self._bar.n)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def done(self, summary: Summary) -> None:
        """Print what came out of it.

        Raises:
            typer.Exit: with ``ExitCode.partial``, when something of the input was lost.
        """
        self._close()
        print_warnings(self.kind, summary.warnings)
        if self.as_json:
            print_json(
                event="done",
                output=str(summary.output),
                frames=summary.frames,
                seconds=round(summary.seconds, 3),
                fps=round(summary.rate, 3),
                complete=not summary.lost,
                warnings=summary.warnings,
                stages=stages_json(summary.stages),
            )
        else:
            print_line(
                f"{summary.output}: {summary.frames} frames in {summary.seconds:.1f} s, "
                f"{summary.rate:.2f} frames/s"
            )
        if summary.lost:
            raise typer.Exit(ExitCode.partial)


def print_warnings(kind: ProgressKind, messages: tuple[str, ...]) -> None:
    """Each in a line of its own: an event, or a note on stderr."""
    for message in messages:
        if kind is ProgressKind.json:
            print_json(event="warning", message=message)
        else:
            print(f"vidstyle: note: {message}", file=sys.stderr)


def stages_json(stages: Mapping[str, StageTime]) -> dict[str, Any]:
    """Where the time went, in seconds to the millisecond."""
    return {
        stage: {name: round(value, 3) for name, value in asdict(time).items()}
        for stage, time in stages.items()
    }


def print_json(**values: Any) -> None:
    """One object a line, at once."""
    print_line(json.dumps(values, ensure_ascii=False))


def print_line(line: str) -> None:
    """To stdout, at once.

    Raises:
        OutputError: stdout is a file on a full disk, or so.
        BrokenPipeError: nobody reads it any more, which ends programs in silence.
    """
    try:
        print(line, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise unwritable_stdout(error) from error


def unwritable_stdout(error: OSError) -> OutputError:
    return OutputError(f"stdout: cannot be written ({error.strerror or error})")
