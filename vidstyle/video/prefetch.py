"""Overlap through threads and bounded queues; order is kept, no thread outlives its owner."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from queue import Empty, Queue
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class _End:
    """Follows the last item through a queue, with the error that ended it, if any."""

    error: BaseException | None = None


def _drop_all(queue: Queue[T]) -> None:
    try:
        while True:
            queue.get_nowait()
    except Empty:
        pass


class Prefetch(Generic[T]):
    """Iterates over ``iterable`` in a background thread, at most ``depth`` items ahead.

    An exception of the iterable is raised in the consumer, once, after the items before it.
    """

    def __init__(self, iterable: Iterable[T], depth: int = 4) -> None:
        if depth < 1:
            raise ValueError(f"depth must be 1 or more, not {depth}")
        self._queue: Queue[T | _End] = Queue(depth)
        self._stop = threading.Event()
        self._ended = False
        # The thread must not know self: a forgotten Prefetch can then be collected.
        self._thread = threading.Thread(
            target=_fetch, args=(iterable, self._queue, self._stop), name="prefetch", daemon=True
        )
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        if self._ended:
            raise StopIteration
        item = self._queue.get()
        if not isinstance(item, _End):
            return item
        self.close()
        if item.error is not None:
            raise item.error
        raise StopIteration

    def close(self) -> None:
        """Stop the thread and wait for it; what was fetched ahead is dropped."""
        self._ended = True
        self._stop.set()
        _drop_all(self._queue)  # makes room for the one put that may be waiting
        self._thread.join()

    def __del__(self) -> None:
        if hasattr(self, "_thread"):
            self._stop.set()
            _drop_all(self._queue)


def _fetch(iterable: Iterable[T], queue: Queue[T | _End], stop: threading.Event) -> None:
    end = _End()
    try:
        for item in iterable:
            if stop.is_set():
                return
            queue.put(item)
    except BaseException as error:
        end = _End(error)
    if not stop.is_set():
        queue.put(end)


class BackgroundSink(Generic[T]):
    """Hands items to ``write`` in a background thread; ``put`` waits while ``depth`` are queued.

    An exception of ``write`` is raised by the next ``put`` or ``close``, once; items after it
    are dropped. As a context manager it closes, or aborts if there was an exception.
    """

    def __init__(self, write: Callable[[T], object], depth: int = 4) -> None:
        if depth < 1:
            raise ValueError(f"depth must be 1 or more, not {depth}")
        self._write = write
        self._queue: Queue[T | _End] = Queue(depth)
        self._dropping = threading.Event()
        self._closed = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="background-sink", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if exc_type is None:
            self.close()
        else:
            self.abort()

    def put(self, item: T) -> None:
        """Queue one item, waiting for room.

        Raises:
            Exception: whatever ``write`` raised on an earlier item.
        """
        if self._closed:
            raise RuntimeError("put on a closed BackgroundSink")
        self._raise_error()
        self._queue.put(item)

    def close(self) -> None:
        """Wait until everything is written, then stop the thread.

        Raises:
            Exception: whatever ``write`` raised, unless ``put`` has raised it already.
        """
        self._finish()
        self._raise_error()

    def abort(self) -> None:
        """Drop what is queued and stop the thread after the item in its hands."""
        self._dropping.set()
        self._finish()

    def _finish(self) -> None:
        if not self._closed:
            self._closed = True
            self._queue.put(_End())
        self._thread.join()

    def _raise_error(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _work(self) -> None:
        # Keeps taking items after an error, so that nobody waits for room forever.
        while not isinstance(item := self._queue.get(), _End):
            if self._dropping.is_set():
                continue
            try:
                self._write(item)
            except BaseException as error:
                self._error = error
                self._dropping.set()
