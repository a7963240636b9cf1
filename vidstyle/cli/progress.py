"""Listeners to a run, or to a batch of them: a bar, JSON lines, or silence; and summaries,
sentences or JSON."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from tqdm import tqdm

from vidstyle.errors import ExitCode, OutputError

if TYPE_CHECKING:
    from vidstyle.batch import FileProgress, Outcome, Task
    from vidstyle.stages import StageTime
    from vidstyle.summary import Progress, Summary


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
        source: the file that is worked on, where there are others.
    """

    def __init__(
        self, kind: ProgressKind, as_json: bool = False, source: Path | None = None
    ) -> None:
        self.kind = kind
        self.as_json = as_json or kind is ProgressKind.json
        self.source = source
        self._named = {} if source is None else {"input": str(source)}
        self._bar: tqdm | None = None

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __call__(self, progress: Progress) -> None:
        if self.kind is ProgressKind.json:
            # The total is the container's word for it, and the container may be wrong.
            left = max(0, (progress.total or 0) - progress.frames)
            print_json(
                event="progress",
                **self._named,
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
            name = self.source.name if self.source else None
            self._bar = tqdm(
                desc=name, unit=" frames", dynamic_ncols=True, file=sys.stderr, smoothing=0.1
            )
        total = progress.total
        self._bar.total = max(total, progress.frames) if total else None
        if progress.loss is not None:
            self._bar.set_postfix_str(f"loss {progress.loss:.3g}", refresh=False)
        self._bar.update(progress.frames - self._bar.n)

    def close(self) -> None:
        """End the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def done(self, summary: Summary) -> None:
        """Print what came out of it.

        Raises:
            typer.Exit: with ``ExitCode.partial``, when something of the input was lost.
        """
        self.close()
        print_warnings(self.kind, summary.warnings)
        if self.as_json:
            print_json(**summary_json(summary))
        else:
            print_line(sentence(summary))
        if summary.lost:
            raise typer.Exit(ExitCode.partial)


class BatchReporter(AbstractContextManager["BatchReporter"]):
    """Shows a batch of runs as it goes, and its end.

    Args:
        as_json: one JSON object for each file, as it ends, and one for all.
        tasks: the files.
        jobs: as there are several at once, a bar counts files, not frames.
    """

    def __init__(
        self, kind: ProgressKind, as_json: bool, tasks: Sequence[Task], jobs: int = 1
    ) -> None:
        self.kind = kind
        self.as_json = as_json or kind is ProgressKind.json
        self._tasks = tasks
        self._outcomes: list[Outcome] = []
        self._began = time.perf_counter()
        self._reporter: Reporter | None = None
        self._files: tqdm | None = None
        if jobs > 1 and kind is ProgressKind.bar:
            self._files = tqdm(total=len(tasks), unit=" files", dynamic_ncols=True, file=sys.stderr)

    def __exit__(self, *exception: object) -> None:
        self._close()
        if self._files is not None:
            self._files.close()
            self._files = None

    def __call__(self, event: FileProgress | Outcome) -> None:
        from vidstyle.batch import Outcome

        if isinstance(event, Outcome):
            self._tell(event)
        elif self._files is None:
            source = event.task.source
            if self._reporter is None or self._reporter.source != source:
                self._close()
                self._reporter = Reporter(self.kind, self.as_json, source)
            self._reporter(event.progress)

    def _close(self) -> None:
        if self._reporter is not None:
            self._reporter.close()
            self._reporter = None

    def _tell(self, outcome: Outcome) -> None:
        """One file came to its end."""
        self._outcomes.append(outcome)
        self._close()
        summary, source = outcome.summary, outcome.task.source
        if self._files is not None:
            self._files.update()
        if summary is not None:
            print_warnings(self.kind, summary.warnings, source)
        if self.as_json:
            print_json(**outcome_json(outcome))
        elif outcome.state == "failed":
            tqdm.write(f"vidstyle: {outcome.reason}", file=sys.stderr)

    def summarize(self) -> None:
        """Print what became of each file, and of all."""
        self.__exit__()
        seconds = time.perf_counter() - self._began
        done = [outcome.summary for outcome in self._outcomes if outcome.summary]
        frames = sum(summary.frames - summary.skipped for summary in done)
        rate = frames / seconds if seconds else 0.0
        if self.as_json:
            print_json(
                event="batch",
                files=len(self._tasks),
                done=len(done),
                failed=sum(outcome.state == "failed" for outcome in self._outcomes),
                frames=frames,
                seconds=round(seconds, 3),
                fps=round(rate, 3),
                complete=self.code is ExitCode.done,
            )
            return
        ended = {outcome.task: outcome for outcome in self._outcomes}
        for task in self._tasks:
            print_line(fate(task, ended.get(task)))
        print_line(
            f"{len(done)} of {len(self._tasks)} files: {frames} frames in {seconds:.1f} s, "
            f"{rate:.2f} frames/s"
        )

    @property
    def code(self) -> ExitCode:
        """Done, partial or failed; of a batch that came to its end."""
        done = [outcome.summary for outcome in self._outcomes if outcome.summary]
        if len(done) == len(self._tasks) and not any(summary.lost for summary in done):
            return ExitCode.done
        return ExitCode.partial if done else ExitCode.failed


def fate(task: Task, outcome: Outcome | None) -> str:
    """What became of a file of a batch, in one line."""
    if outcome is None:
        return f"not begun: {task.source}"
    if outcome.state == "failed":
        return f"failed: {outcome.reason}"
    if outcome.summary is None:
        kept = f"; what was finished is in {outcome.partial}" if outcome.partial else ""
        return f"interrupted: {task.source}{kept}"
    if outcome.summary.skipped == outcome.summary.frames:
        return f"done before: {outcome.summary.output}"
    return f"done: {sentence(outcome.summary)}" + ("; in part" if outcome.summary.lost else "")


def outcome_json(outcome: Outcome) -> dict[str, Any]:
    """The event of a file's end."""
    task = outcome.task
    if outcome.summary is not None:
        return summary_json(outcome.summary, task.source)
    return {
        "event": outcome.state,
        "input": str(task.source),
        "output": str(task.output),
        **({"message": outcome.reason} if outcome.reason else {}),
        **({"partial": str(outcome.partial)} if outcome.partial else {}),
    }


def sentence(summary: Summary) -> str:
    """What came of a run."""
    return (
        f"{summary.output}: {summary.frames} frames in {summary.seconds:.1f} s, "
        f"{summary.rate:.2f} frames/s"
    )


def summary_json(summary: Summary, source: Path | None = None) -> dict[str, Any]:
    """The last event of a run; ``source`` where there are others."""
    first = summary.first_frame
    return {
        "event": "done",
        **({} if source is None else {"input": str(source)}),
        "output": str(summary.output),
        "frames": summary.frames,
        "seconds": round(summary.seconds, 3),
        "fps": round(summary.rate, 3),
        "first_frame": None if first is None else round(first, 3),
        "complete": not summary.lost,
        "warnings": summary.warnings,
        "stages": stages_json(summary.stages),
    }


def print_warnings(
    kind: ProgressKind, messages: tuple[str, ...], source: Path | None = None
) -> None:
    """Each in a line of its own: an event, or a note on stderr.

    Args:
        source: the file that they are about, where there are others.
    """
    for message in messages:
        if kind is ProgressKind.json:
            named = {} if source is None else {"input": str(source)}
            print_json(event="warning", **named, message=message)
        else:
            named_text = "" if source is None else f"{source}: "
            tqdm.write(f"vidstyle: note: {named_text}{message}", file=sys.stderr)


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
