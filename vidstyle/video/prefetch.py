"""Overlap through threads and bounded queues; order is kept, no thread outlives its owner."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from queue import Empty, Queue
from time import perf_counter
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class _End:
    """Follows the last item through a queue, with the error that ended it, if any."""

    error: BaseException | None = None


class _Exchange(Generic[T]):
    """A bounded queue between two threads that knows how long each waited for the other."""

    def __init__(self, depth: int) -> None:
        if depth < 1:
            raise ValueError(f"depth must be 1 or more, not {depth}")
        self._queue: Queue[T | _End] = Queue(depth)
        self.starved = 0.0
        self.blocked = 0.0

    def put(self, item: T | _End) -> None:
        began = perf_counter()
        self._queue.put(item)
        self.blocked += perf_counter() - began

    def get(self) -> T | _End:
        began = perf_counter()
        item = self._queue.get()
        self.starved += perf_counter() - began
        return item

    def clear(self) -> None:
        """Drop what waits, which makes room for a put that does."""
        try:
            while True:
                self._queue.get_nowait()
        except Empty:
            pass


class _Thread:
    """A daemon thread that is waited for to its end."""

    def __init__(self, work: Callable[[], None], name: str) -> None:
        self._work = work
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._work()
        finally:
            self._over.set()

    def join(self) -> None:
        """Wait for the end, even through Ctrl-C."""
        # Not Thread.join alone, which believes in the end when Ctrl-C comes (before Python 3.13).
        _to_the_end(self._over.wait)
        self._thread.join()


def _to_the_end(wait: Callable[[], object]) -> None:
    """Call it until it returns; Ctrl-C is raised only then.

    Whoever waits for a thread goes on to close what that uses.
    """
    interrupt: KeyboardInterrupt | None = None
    while True:
        try:
            wait()
            break
        except KeyboardInterrupt as error:
            interrupt = error
    if interrupt is not None:
        raise interrupt


class Prefetch(Generic[T]):
    """Iterates over ``iterable`` in a background thread, at most ``depth`` items ahead.

    An exception of the iterable is raised in the consumer, once, after the items before it.
    """

    def __init__(self, iterable: Iterable[T], depth: int = 4) -> None:
        self._exchange: _Exchange[T] = _Exchange(depth)
        self._stop = threading.Event()
        self._ended = False
        # The thread must not know self: a forgotten Prefetch can then be collected.
        self._thread = _Thread(_Fetch(iterable, self._exchange, self._stop), "prefetch")

    @property
    def starved(self) -> float:
        """Seconds that the consumer waited for items."""
        return self._exchange.starved

    @property
    def blocked(self) -> float:
        """Seconds that the thread waited for room."""
        return self._exchange.blocked

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        if self._ended:
            raise StopIteration
        item = self._exchange.get()
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
        self._exchange.clear()
        self._thread.join()

    def __del__(self) -> None:
        if hasattr(self, "_thread"):
            self._stop.set()
            self._exchange.clear()


@dataclass(frozen=True)
class _Fetch(Generic[T]):
    """The work of the thread of a ``Prefetch``."""

    iterable: Iterable[T]
    exchange: _Exchange[T]
    stop: threading.Event

    def __call__(self) -> None:
        end = _End()
        try:
            for item in self.iterable:
                if self.stop.is_set():
                    return
                self.exchange.put(item)
        except BaseException as error:
            end = _End(error)
        if not self.stop.is_set():
            self.exchange.put(end)


class BackgroundSink(Generic[T]):
    """Hands items to ``write`` in a background thread; ``put`` waits while ``depth`` are queued.

    An exception of ``write`` is raised by the next ``put`` or ``close``, once; items after it
    are dropped. As a context manager it closes, or aborts if there was an exception.
    """

    def __init__(self, write: Callable[[T], object], depth: int = 4) -> None:
        self._write = write
        self._exchange: _Exchange[T] = _Exchange(depth)
        self._dropping = threading.Event()
        self._closed = False
        self._error: BaseException | None = None
        self._thread = _Thread(self._work, "background-sink")

    @property
    def starved(self) -> float:
        """Seconds that the thread waited for items."""
        return self._exchange.starved

    @property
    def blocked(self) -> float:
        """Seconds that ``put`` waited for room."""
        return self._exchange.blocked

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
        self._exchange.put(item)

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
            _to_the_end(self._end)
        self._thread.join()

    def _end(self) -> None:
        self._exchange.put(_End())
        self._thread.join()

    def _raise_error(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _work(self) -> None:
        # Keeps taking items after an error, so that nobody waits for room forever.
        while not isinstance(item := self._exchange.get(), _End):
            if self._dropping.is_set():
                continue
            try:
                self._write(item)
            except BaseException as error:
                self._error = error
                self._dropping.set()
