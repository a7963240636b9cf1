"""Many files: one model, one after the other or several at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from vidstyle.batch.ledger import Ledger
from vidstyle.batch.tasks import (
    Event,
    FileProgress,
    Outcome,
    Task,
    Work,
    attempt,
    in_order,
    plan_tasks,
)
from vidstyle.batch.workers import assign_devices, run_parallel
from vidstyle.batch.works import FastWork, OptimizeWork
from vidstyle.disk import OutputLock
from vidstyle.errors import Interrupted, OptionError
from vidstyle.pipeline.video import ADVICE
from vidstyle.styles.registry import Style
from vidstyle.stylizers import FastOptions
from vidstyle.temporal.motion import TemporalOptions
from vidstyle.video import ReadOptions, WriteOptions

__all__ = [
    "BatchSummary",
    "FastWork",
    "FileProgress",
    "OptimizeWork",
    "Outcome",
    "Task",
    "Work",
    "assign_devices",
    "plan_tasks",
    "run_batch",
    "stylize_videos",
]


@dataclass(frozen=True)
class BatchSummary:
    """A finished batch.

    Attributes:
        outcomes: of all files, in the order given.
        seconds: in all.
    """

    outcomes: tuple[Outcome, ...]
    seconds: float

    @property
    def done(self) -> tuple[Outcome, ...]:
        """Those that are done."""
        return tuple(outcome for outcome in self.outcomes if outcome.state == "done")

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """Those that are not."""
        return tuple(outcome for outcome in self.outcomes if outcome.state != "done")

    @property
    def frames(self) -> int:
        """In the outputs of this batch, without those that were done before."""
        summaries = [outcome.summary for outcome in self.done if outcome.summary]
        return sum(summary.frames - summary.skipped for summary in summaries)


def stylize_videos(
    sources: Iterable[str | Path],
    folder: str | Path | None = None,
    style: str | Path | Style = "scream",
    *,
    fast: FastOptions = FastOptions(),
    temporal: TemporalOptions = TemporalOptions(),
    read: ReadOptions = ReadOptions(),
    write: WriteOptions = WriteOptions(),
    compare: bool = False,
    resume: bool = False,
    jobs: int = 1,
    listener: Callable[[Event], None] = lambda event: None,
) -> BatchSummary:
    """Restyle video files with one load of the model. One that fails does not keep the others.

    Args:
        sources: video files.
        folder: of the outputs, ``SOURCE.<style>.mp4``, made if need be; beside the sources unless
            given.
        resume: continue what an earlier batch has left: files that are done are passed over if
            neither they nor the settings have changed.
        jobs: files at once, each in a process with a model of its own, in turns on all GPUs. Such
            programs are to guard their main module (``if __name__ == "__main__"``).
        listener: gets a FileProgress after every batch of frames, and an Outcome for each file.

    The other arguments are those of ``stylize_video``.

    Raises:
        VidstyleError: before anything is done: what is wrong with the style, options or names.
        Interrupted: Ctrl-C; the listener has heard of what is kept.
    """
    work = FastWork(style, fast, temporal, read, write, compare, resume)
    return run_batch(plan_tasks(sources, folder, work.label), work, jobs=jobs, listener=listener)


def run_batch(
    tasks: Sequence[Task],
    work: Work,
    *,
    jobs: int = 1,
    listener: Callable[[Event], None] = lambda event: None,
) -> BatchSummary:
    """Do the same with each of some files; see ``stylize_videos``.

    Raises:
        VidstyleError: the model cannot be loaded, or another batch writes into the same folder.
        Interrupted: Ctrl-C.
    """
    if jobs < 1:
        raise OptionError(f"jobs are at least 1, not {jobs}")
    with ExitStack() as locks:
        for folder in sorted({task.output.parent for task in tasks}):
            locks.enter_context(OutputLock(folder, "batch"))
        return _run(tasks, work, jobs, listener)


def _run(
    tasks: Sequence[Task], work: Work, jobs: int, listener: Callable[[Event], None]
) -> BatchSummary:
    """The batch; no other writes into the folders of its outputs."""
    began, ledger = time.perf_counter(), Ledger(work)
    outcomes: list[Outcome] = []

    def hear(event: Event) -> None:
        if isinstance(event, Outcome):
            outcomes.append(event)
            if event.summary and event.state == "done" and event.task in to_do:
                ledger.note(event)
        listener(event)

    found = {task: ledger.find(task) if work.resume else None for task in tasks}
    to_do = [task for task, summary in found.items() if summary is None]
    try:
        for task, summary in found.items():
            if summary is not None:
                hear(Outcome(task, "done", summary))
        if min(jobs, len(to_do)) > 1:
            run_parallel(to_do, work, min(jobs, len(to_do)), hear)
        elif to_do:
            _run_serial(to_do, work, hear)
    except KeyboardInterrupt as interrupt:
        kept = [outcome.partial for outcome in outcomes if outcome.partial]
        raise Interrupted(kept[0] if kept else None, ADVICE) from interrupt
    batch = BatchSummary(in_order(tasks, outcomes), time.perf_counter() - began)
    if not batch.failed:
        ledger.remove(tasks)
    return batch


def _run_serial(tasks: Sequence[Task], work: Work, listener: Callable[[Event], None]) -> None:
    """One after the other; raises KeyboardInterrupt after one that was interrupted."""
    restyle = work.load(work.device)
    for task in tasks:
        outcome = attempt(restyle, task, listener)
        listener(outcome)
        if outcome.state == "interrupted":
            raise KeyboardInterrupt
