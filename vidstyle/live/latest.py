"""A slot between two threads in which a new item replaces the one that waits."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Condition
from typing import Generic, TypeVar

T = TypeVar("T")


class Latest(Generic[T]):
    """Holds at most one item, so that a slow consumer gets the newest and never falls behind.

    Any thread may call any method.

    Attributes:
        dropped: number of items that were replaced before anyone took them.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._changed = Condition()
        self._items: list[T] = []
        self._closed = False
        self._error: BaseException | None = None

    def put(self, item: T) -> None:
        """Offer an item, in place of the one that waits. Ignored after ``close``."""
        with self._changed:
            if self._closed:
                return
            self.dropped += len(self._items)
            self._items = [item]
            self._changed.notify()

    def take(self, timeout: float | None = None) -> T | None:
        """The item, once there is one; None after ``timeout`` seconds, or when closed and empty.

        Raises:
            BaseException: the error given to ``close``, once, after the last item.
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
        """Accept no more items; one that waits can still be taken. Only the first call counts."""
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
        """The newest item, again and again, until it is closed."""
        while (item := self.take()) is not None:
            yield item
