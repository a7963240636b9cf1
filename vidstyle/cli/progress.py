"""Listeners to a run, or to a batch of them: a bar, JSON events, or nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from tqdm import tqdm

from vidstyle.cli.output import print_error, print_json, print_line, print_warning
from vidstyle.cli.summary import batch_line, outcome_json, sentence, summary_json
from vidstyle.errors import ExitCode
from vidstyle.options.commands import ProgressOptions

if TYPE_CHECKING:
    from vidstyle.batch import FileProgress, Outcome, Task
    from vidstyle.pipeline.summary import Progress, Summary


class Bar:
    """A progress bar on stderr, from the first update until it is closed.

    Args:
        unit: what it counts.
        name: what is worked on, where there is something else.
    """

    def __init__(self, unit: str, name: str | None = None) -> None:
        self.unit = unit
        self.name = name
        self._bar: tqdm | None = None

    def update(self, count: int, total: int | None, note: str = "") -> None:
        """Show how much is done, of how much, and a word about it."""
        if self._bar is None:
            self._bar = tqdm(
                desc=self.name,
                unit=f" {self.unit}",
                dynamic_ncols=True,
                file=sys.stderr,
                smoothing=0.1,
            )
        self._bar.total = total
        if note:
            self._bar.set_postfix_str(note, refresh=False)
        self._bar.update(count - self._bar.n)

    def close(self) -> None:
        """End it; a later update begins another."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class Reporter(AbstractContextManager["Reporter"]):
    """Shows a run as it goes, and its end.

    Args:
        shown: what to show; with JSON events, the summary is the last of them.
        source: the file that is worked on, where there are others.
    """

    def __init__(
        self, shown: ProgressOptions = ProgressOptions(), source: Path | None = None
    ) -> None:
        self.kind = shown.progress
        self.as_json = shown.as_json
        self.source = source
        self._named = {} if source is None else {"input": str(source)}
        self._bar = Bar("frames", source.name if source else None)

    def __exit__(self, *exception: object) -> None:
        self._bar.close()

    def __call__(self, progress: Progress) -> None:
        if self.kind == "json":
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
        elif self.kind == "bar":
            total = progress.total
            self._bar.update(
                progress.frames,
                max(total, progress.frames) if total else None,
                "" if progress.loss is None else f"loss {progress.loss:.3g}",
            )

    def close(self) -> None:
        """End the bar."""
        self._bar.close()

    def done(self, summary: Summary) -> None:
        """Print what came out of it.

        Raises:
            typer.Exit: with ``ExitCode.partial``, when something of the input was lost.
        """
        self.close()
        for message in summary.warnings:
            print_warning(self.kind, message)
        if self.as_json:
            print_json(**summary_json(summary))
        else:
            print_line(sentence(summary))
        if summary.lost:
            raise typer.Exit(ExitCode.partial)


class BatchReporter(AbstractContextManager["BatchReporter"]):
    """Shows a batch of runs as it goes, and its end.

    Args:
        shown: as JSON, the summary is an object for each file, as it ends, and one for all.
        tasks: the files.
        jobs: with several at once, a bar counts files, not frames.
    """

    def __init__(self, shown: ProgressOptions, tasks: Sequence[Task], jobs: int = 1) -> None:
        self.shown = shown
        self.kind = shown.progress
        self.as_json = shown.as_json
        self._tasks = tasks
        self._outcomes: list[Outcome] = []
        self._began = time.perf_counter()
        self._reporter: Reporter | None = None
        self._files: tqdm | None = None
        if jobs > 1 and self.kind == "bar":
            self._files = tqdm(total=len(tasks), unit=" files", dynamic_ncols=True, file=sys.stderr)

    def __exit__(self, *exception: object) -> None:
        self._close()
        if self._files is not None:
            self._files.close()
            self._files = None

    def __call__(self, event: FileProgress | Outcome) -> None:
        from vidstyle.batch import Outcome

        if isinstance(event, Outcome):
            self._finish_file(event)
        elif self._files is None:
            source = event.task.source
            if self._reporter is None or self._reporter.source != source:
                self._close()
                self._reporter = Reporter(self.shown, source)
            self._reporter(event.progress)

    def _close(self) -> None:
        if self._reporter is not None:
            self._reporter.close()
            self._reporter = None

    def _finish_file(self, outcome: Outcome) -> None:
        """One file came to its end."""
        self._outcomes.append(outcome)
        self._close()
        summary, source = outcome.summary, outcome.task.source
        if self._files is not None:
            self._files.update()
        if summary is not None:
            for message in summary.warnings:
                print_warning(self.kind, message, source)
        if self.as_json:
            print_json(**outcome_json(outcome))
        elif outcome.state == "failed":
            print_error(str(outcome.reason))

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
            print_line(batch_line(task, ended.get(task)))
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
