"""A slot between two threads in which the newest item replaces the one before."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Condition
from typing import Generic, TypeVar

T = TypeVar("T")


class Latest(Generic[T]):
    """Holds at most one item, so that a slow taker gets what is new and never falls behind.

    Any thread may call any method.

    Attributes:
        dropped: how many items were replaced before anyone took them.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._changed = Condition()
        self._items: list[T] = []
        self._closed = False
        self._error: BaseException | None = None

    def put(self, item: T) -> None:
        """Offer an item, in place of one that waits. After ``close`` it is left out."""
        with self._changed:
            if self._closed:
                return
            self.dropped += len(self._items)
            self._items = [item]
            self._changed.notify()

    def take(self, timeout: float | None = None) -> T | None:
        """The item, once there is one; None after ``timeout`` seconds, or when closed and empty.

        Raises:
            BaseException: the error that ``close`` was given, once, after the last item.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._closed, timeout)
            if self._items:
                return self._items.pop()
            error, self._error = self._error, None
        if error is not None:
            raise error
        return None

    def close(self, error: BaseException | None = None) -> None:
        """No more items; what waits can still be taken. Only the first call counts."""
        with self._changed:
            if not self._closed:
                self._closed, self._error = True, error
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        """Whether it is closed and nothing is left to take."""
        with self._changed:
            return self._closed and not self._items and self._error is None

    def __iter__(self) -> Iterator[T]:
        """Items until it is closed, each as new as it can be."""
        while (item := self.take()) is not None:
            yield item
