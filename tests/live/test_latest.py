"""The slot between two threads."""

from __future__ import annotations

import threading
import time

import pytest

from vidstyle.live.latest import Latest


def test_the_newest_wins_and_the_others_are_counted() -> None:
    slot: Latest[int] = Latest()
    for number in range(5):
        slot.put(number)
    assert slot.take() == 4
    assert slot.dropped == 4
    assert slot.take(timeout=0.01) is None
    slot.put(5)
    assert slot.take() == 5
    assert slot.dropped == 4


def test_taking_waits_for_an_item() -> None:
    slot: Latest[str] = Latest()
    threading.Timer(0.05, slot.put, ["late"]).start()
    assert slot.take(timeout=30) == "late"


def test_waiting_costs_no_processor_time() -> None:
    slot: Latest[int] = Latest()
    begin = time.thread_time()
    assert slot.take(timeout=0.3) is None
    assert time.thread_time() - begin < 0.1


def test_closing_wakes_the_taker_and_leaves_the_last_item() -> None:
    slot: Latest[int] = Latest()
    slot.put(1)
    slot.close()
    slot.put(2)
    assert not slot.closed
    assert list(slot) == [1]
    assert slot.closed and slot.take() is None

    waiting: Latest[int] = Latest()
    threading.Timer(0.05, waiting.close).start()
    assert waiting.take() is None


def test_an_error_comes_once_after_the_last_item() -> None:
    slot: Latest[int] = Latest()
    slot.put(1)
    slot.close(ValueError("no more"))
    slot.close(ValueError("too late"))
    assert slot.take() == 1
    assert not slot.closed
    with pytest.raises(ValueError, match="no more"):
        slot.take()
    assert slot.closed and slot.take() is None


def test_between_threads_order_is_kept_and_nothing_is_lost_uncounted() -> None:
    slot: Latest[int] = Latest()

    def produce() -> None:
        for number in range(20_000):
            slot.put(number)
        slot.close()

    threading.Thread(target=produce).start()
    taken = list(slot)
    assert taken == sorted(set(taken))
    assert taken[-1] == 19_999
    assert len(taken) + slot.dropped == 20_000
