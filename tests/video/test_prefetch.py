"""Prefetch and BackgroundSink: order, errors, early exits, and no thread left behind."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator

import pytest

from vidstyle.video import BackgroundSink, Prefetch


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    gc.collect()
    deadline = time.monotonic() + 2
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before


def failing(count: int) -> Iterator[int]:
    yield from range(count)
    raise LookupError("broken")


class Counting:
    """An iterable that tells how far it was read."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.made = 0
        self.closed = False

    def __iter__(self) -> Iterator[int]:
        try:
            for number in range(self.count):
                self.made += 1
                yield number
        finally:
            self.closed = True


@pytest.mark.parametrize("depth", [1, 3, 100])
def test_prefetch_keeps_order(depth: int) -> None:
    with Prefetch(range(50), depth) as items:
        assert list(items) == list(range(50))


def test_prefetch_of_nothing() -> None:
    assert list(Prefetch([])) == []


def test_prefetch_is_bounded() -> None:
    source = Counting(1000)
    with Prefetch(source, 3) as items:
        assert next(items) == 0
        time.sleep(0.1)
        # One was taken, three are queued, one waits for room.
        assert source.made <= 5


def test_prefetch_works_ahead() -> None:
    source = Counting(3)
    with Prefetch(source, 3):
        deadline = time.monotonic() + 2
        while source.made < 3 and time.monotonic() < deadline:
            time.sleep(0.001)
        assert source.made == 3


def test_prefetch_raises_after_the_items_before() -> None:
    items = Prefetch(failing(3), 8)
    assert [next(items), next(items), next(items)] == [0, 1, 2]
    with pytest.raises(LookupError, match="broken"):
        next(items)
    with pytest.raises(StopIteration):
        next(items)


def test_prefetch_raises_keyboard_interrupt_of_the_worker() -> None:
    def interrupted() -> Iterator[int]:
        yield 1
        raise KeyboardInterrupt

    with Prefetch(interrupted()) as items:
        assert next(items) == 1
        with pytest.raises(KeyboardInterrupt):
            next(items)


def test_prefetch_closed_early_stops_and_closes_the_source() -> None:
    source = Counting(10**9)
    with Prefetch(source, 2) as items:
        assert next(items) == 0
    assert source.closed
    assert list(items) == []
    items.close()


def test_prefetch_exception_in_the_consumer_ends_the_thread() -> None:
    source = Counting(10**9)
    with pytest.raises(ZeroDivisionError), Prefetch(source, 1) as items:
        for _ in items:
            raise ZeroDivisionError
    assert source.closed


def test_prefetch_forgotten_lets_its_thread_go() -> None:
    next(Prefetch(Counting(10**9), 1))


def test_prefetch_refuses_no_depth() -> None:
    with pytest.raises(ValueError, match="depth"):
        Prefetch([], 0)


@pytest.mark.parametrize("depth", [1, 4])
def test_sink_keeps_order_and_drains(depth: int) -> None:
    written: list[int] = []
    with BackgroundSink(written.append, depth) as sink:
        for number in range(50):
            sink.put(number)
    assert written == list(range(50))


def test_sink_makes_the_producer_wait() -> None:
    gate = threading.Event()
    queued: list[int] = []

    def produce(sink: BackgroundSink[int]) -> None:
        for number in range(10):
            sink.put(number)
            queued.append(number)

    with BackgroundSink(lambda _: gate.wait(5), 2) as sink:
        producer = threading.Thread(target=produce, args=(sink,))
        producer.start()
        time.sleep(0.1)
        assert len(queued) <= 3  # one in hand, two queued
        gate.set()
        producer.join()
    assert len(queued) == 10


def test_sink_raises_at_the_next_put_once() -> None:
    def fail(_: int) -> None:
        raise LookupError("broken")

    sink: BackgroundSink[int] = BackgroundSink(fail, 1)

    def put_many() -> None:
        for number in range(100):
            sink.put(number)
            time.sleep(0.001)

    with pytest.raises(LookupError, match="broken"):
        put_many()
    sink.close()


def test_sink_raises_at_close() -> None:
    def fail(_: int) -> None:
        raise LookupError("broken")

    sink: BackgroundSink[int] = BackgroundSink(fail, 4)
    sink.put(1)
    with pytest.raises(LookupError, match="broken"):
        sink.close()
    sink.close()


def test_sink_writes_nothing_after_an_error() -> None:
    seen: list[int] = []

    def fail_at_two(number: int) -> None:
        seen.append(number)
        if number == 2:
            raise LookupError

    with pytest.raises(LookupError), BackgroundSink(fail_at_two, 10) as sink:
        for number in range(6):
            sink.put(number)
    assert seen == [0, 1, 2]


def test_sink_abort_drops_what_is_queued() -> None:
    gate, seen = threading.Event(), []

    def slow(number: int) -> None:
        seen.append(number)
        gate.wait(5)

    sink = BackgroundSink(slow, 5)
    for number in range(5):
        sink.put(number)
    while not seen:
        time.sleep(0.001)
    threading.Timer(0.05, gate.set).start()
    sink.abort()
    assert seen == [0]


def test_sink_aborts_on_an_exception_and_keeps_it() -> None:
    seen: list[int] = []
    with pytest.raises(ZeroDivisionError), BackgroundSink(seen.append, 2) as sink:
        sink.put(1)
        raise ZeroDivisionError


def test_sink_refuses_items_after_closing() -> None:
    sink: BackgroundSink[int] = BackgroundSink(lambda _: None)
    sink.close()
    with pytest.raises(RuntimeError, match="closed"):
        sink.put(1)
