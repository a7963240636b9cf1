"""The queue: one job at a time, in the order in which they came, each with its place."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Literal

from vidstyle.errors import VidstyleError

logger = logging.getLogger(__name__)

State = Literal["waiting", "running", "done", "stopped", "failed"]
KEPT_SECONDS = 3600


class BusyError(VidstyleError):
    """More jobs are waiting than the page accepts."""


class Job:
    """Something long that a visitor has asked for.

    Attributes:
        id: known to the visitor alone.
        folders: where its files are.
        event: the latest that was heard of it.
        result: what came of it; None before, and when nothing did.
        error: why it failed, in one line.
        ended: when, on the clock of ``time.monotonic``; None before.
    """

    def __init__(self, work: Callable[[Job], Any], folders: Collection[Path]) -> None:
        self.id = secrets.token_urlsafe(16)
        self.folders = folders
        self.state: State = "waiting"
        self.event: Any = None
        self.result: Any = None
        self.error = ""
        self.ended: float | None = None
        self._work = work
        self._stopped = threading.Event()
        self._changing = threading.Lock()

    def stop(self) -> None:
        """Ask it to end and to keep what it has finished; one that waits ends at once."""
        with self._changing:
            self._stopped.set()
            if self.state == "waiting":
                self._end("stopped")

    def listen(self, event: Any) -> None:
        """Take note of an event; a listener for what reports its progress.

        Raises:
            KeyboardInterrupt: the visitor wants it to end, which goes the way of Ctrl-C.
        """
        self.event = event
        if self._stopped.is_set():
            raise KeyboardInterrupt

    def run(self) -> None:
        """Do the work, whatever comes of it."""
        with self._changing:
            if self._stopped.is_set():
                return
            self.state = "running"
        state: State = "stopped"
        try:
            self.result = self._work(self)
            state = "done"
        except KeyboardInterrupt:
            logger.info("a job was stopped before anything of it was finished")
        except VidstyleError as error:
            self.error, state = str(error), "failed"
        except Exception as error:
            logger.exception("a job failed")
            self.error, state = f"The program failed ({type(error).__name__}).", "failed"
        self._end(state)

    def _end(self, state: State) -> None:
        self.state, self.ended = state, time.monotonic()


class Jobs:
    """Runs jobs one after the other on a thread, as they share one device.

    Args:
        max_waiting: how many may wait.
    """

    def __init__(self, max_waiting: int) -> None:
        self._max_waiting = max_waiting
        self._jobs: dict[str, Job] = {}
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self._changing = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[Job], Any], folders: Collection[Path]) -> Job:
        """Put a job at the end of the queue.

        Raises:
            BusyError: too many are waiting.
        """
        with self._changing:
            waiting = sum(job.state == "waiting" for job in self._jobs.values())
            if waiting >= self._max_waiting:
                raise BusyError(f"{waiting} jobs are waiting already; please try again later")
            job = Job(work, folders)
            self._jobs[job.id] = job
        self._queue.put(job)
        return job

    def find(self, name: str | None) -> Job | None:
        """The job of an id, as long as it is remembered."""
        return self._jobs.get(name or "")

    def place(self, job: Job) -> int:
        """How many jobs come before it; 0 for the one at work."""
        before = 0
        for other in list(self._jobs.values()):
            if other is job:
                break
            before += other.ended is None
        return before

    def folders(self) -> set[Path]:
        """The folders of all jobs that are remembered, which their results are shown from."""
        return {folder for job in list(self._jobs.values()) for folder in job.folders}

    def forget(self, seconds: float = KEPT_SECONDS) -> None:
        """Forget the jobs that ended some time ago."""
        oldest = time.monotonic() - seconds
        with self._changing:
            for job in list(self._jobs.values()):
                if job.ended is not None and job.ended < oldest:
                    del self._jobs[job.id]

    def close(self) -> None:
        """Stop them all, and wait for the one at work."""
        for job in list(self._jobs.values()):
            job.stop()
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (job := self._queue.get()) is not None:
            job.run()
