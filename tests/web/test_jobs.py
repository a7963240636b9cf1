"""The queue: order, places, stopping, failing, forgetting."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vidstyle.errors import InputError
from vidstyle.web.jobs import BusyError, Job, Jobs


@pytest.fixture
def jobs() -> Iterator[Jobs]:
    queue = Jobs(max_waiting=2)
    yield queue
    queue.close()


class Gate:
    """Work that begins, and goes on until it is let through or stopped."""

    def __init__(self) -> None:
        self.began, self.open = threading.Event(), threading.Event()

    def __call__(self, job: Job) -> str:
        self.began.set()
        while not self.open.wait(0.01):
            job.listen("going on")
        return "passed"


def ended(job: Job) -> Job:
    for _ in range(1000):
        if job.ended is not None:
            return job
        threading.Event().wait(0.01)
    raise AssertionError("the job does not end")


def test_jobs_are_done_one_after_the_other(jobs: Jobs, tmp_path: Path) -> None:
    gate, done = Gate(), []
    first = jobs.submit(gate, {tmp_path})
    assert gate.began.wait(10)
    others = [jobs.submit(lambda _, n=n: done.append(n), set()) for n in range(2)]
    assert [jobs.place(job) for job in (first, *others)] == [0, 1, 2]
    assert [job.state for job in (first, *others)] == ["running", "waiting", "waiting"]
    assert jobs.folders() == {tmp_path}
    gate.open.set()
    ended(others[1])
    assert (first.result, first.state, done) == ("passed", "done", [0, 1])
    assert jobs.folders() == {tmp_path}, "a result is shown from them"
    jobs.forget(seconds=-1)
    assert jobs.folders() == set()


def test_a_job_is_stopped_at_work_and_while_it_waits(jobs: Jobs) -> None:
    gate, done = Gate(), []
    first, second = jobs.submit(gate, ()), jobs.submit(lambda _: done.append(1), ())
    assert gate.began.wait(10)
    second.stop()
    assert (second.state, first.state) == ("stopped", "running")
    first.stop()
    assert ended(first).state == "stopped"
    assert not done and first.event == "going on"


def test_too_many_are_refused(jobs: Jobs) -> None:
    gate = Gate()
    jobs.submit(gate, ())
    assert gate.began.wait(10)
    for _ in range(2):
        jobs.submit(lambda _: None, ())
    with pytest.raises(BusyError, match="2 jobs are waiting"):
        jobs.submit(lambda _: None, ())


def raising(error: Exception) -> Callable[[Job], None]:
    def work(job: Job) -> None:
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (InputError("in.mp4: is empty"), "in.mp4: is empty"),
        (ZeroDivisionError("secret"), "The program failed (ZeroDivisionError)."),
    ],
)
def test_what_fails_says_why_and_the_next_is_done(jobs: Jobs, error: Exception, words: str) -> None:
    failed, after = jobs.submit(raising(error), ()), jobs.submit(lambda _: 7, ())
    assert ended(after).result == 7
    assert (failed.state, failed.error, failed.result) == ("failed", words, None)


def test_only_what_has_ended_is_forgotten(jobs: Jobs) -> None:
    gate = Gate()
    old, current = ended(jobs.submit(lambda _: None, ())), jobs.submit(gate, ())
    jobs.forget(seconds=3600)
    assert jobs.find(old.id) is old
    jobs.forget(seconds=-1)
    assert jobs.find(old.id) is None and jobs.find(current.id) is current
    assert jobs.find(None) is None and jobs.find("x") is None
