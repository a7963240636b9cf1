"""Where the time of a run goes: how long each stage works, and waits for its neighbours."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from time import perf_counter
from typing import ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")

STAGES = ("decode", "convert", "flow", "inference", "blend", "encode")
"""In the order in which a frame goes through them."""


@dataclass(frozen=True)
class StageTime:
    """What one stage did, in seconds of wall time.

    Stages work at the same time, and flow on several threads: their sum exceeds the run's time.

    Attributes:
        items: frames that went through.
        seconds: at work.
        starved: waiting for a frame to work on.
        blocked: waiting for room in the queue behind.
    """

    items: int = 0
    seconds: float = 0.0
    starved: float = 0.0
    blocked: float = 0.0

    def __add__(self, other: StageTime) -> StageTime:
        return StageTime(
            self.items + other.items,
            self.seconds + other.seconds,
            self.starved + other.starved,
            self.blocked + other.blocked,
        )


class StageTimes:
    """Adds up the times of all stages, and notes when a frame first left the last.

    Threads may share it.
    """

    def __init__(self) -> None:
        self._began = perf_counter()
        self._times: dict[str, StageTime] = {}
        self.first: float | None = None
        """Seconds from the beginning until the first frame was written."""
        self._lock = Lock()

    def add(self, stage: str, time: StageTime) -> None:
        with self._lock:
            self._times[stage] = self._times.get(stage, StageTime()) + time
            if stage == STAGES[-1] and time.items and self.first is None:
                self.first = perf_counter() - self._began

    @contextmanager
    def measure(self, stage: str, items: int = 1) -> Iterator[None]:
        """Count the block as work of a stage; one that fails does not count."""
        began = perf_counter()
        yield
        self.add(stage, StageTime(items, perf_counter() - began))

    def each(self, stage: str, items: Iterable[T]) -> Iterator[T]:
        """The items; what it takes to get each is work of a stage."""
        iterator, end = iter(items), object()
        while True:
            began = perf_counter()
            item = next(iterator, end)
            if item is end:
                return
            self.add(stage, StageTime(1, perf_counter() - began))
            yield item  # type: ignore[misc]

    def timed(self, stage: str, function: Callable[P, T]) -> Callable[P, T]:
        """The function; its calls are work of a stage."""

        def measured(*args: P.args, **kwargs: P.kwargs) -> T:
            with self.measure(stage):
                return function(*args, **kwargs)

        return measured

    def result(self) -> dict[str, StageTime]:
        """Those stages that did anything, in order."""
        with self._lock:
            return {stage: self._times[stage] for stage in STAGES if stage in self._times}
