"""Keeping up with a source that sends more than can be decoded."""

from __future__ import annotations

import time

import pytest
from streams import NUMBERS, Sender, decoded, free_port

from vidstyle.live.backlog import Backlog
from vidstyle.live.source import open_live
from vidstyle.options import SourceOptions


def behind(waits: list[float], busy: float) -> list[bool]:
    """What is said of packets that come after such waits, each with so many seconds of work."""
    backlog, now, said = Backlog(), 0.0, []
    for wait in waits:
        now += wait
        said.append(backlog.grows(wait, now))
        now += busy
    return said


def test_a_reader_that_waits_keeps_up() -> None:
    assert not any(behind([0.01] * 500, busy=0.03))


def test_a_reader_that_never_waits_falls_behind() -> None:
    said = behind([0.0001] * 100, busy=0.05)
    assert not any(said[:19]) and all(said[25:])


def test_a_burst_is_no_backlog() -> None:
    assert not any(behind([0.02] * 50 + [0.0] * 15 + [0.02] * 50, busy=0.03))


def test_waiting_again_ends_it() -> None:
    said = behind([0.0001] * 60 + [0.03] * 5, busy=0.05)
    assert said[59] and not said[62]


@pytest.mark.slow
def test_a_decoder_that_is_too_slow_leaves_pictures_out() -> None:
    """Each picture takes three times as long as the sender takes for it."""
    url = f"udp://127.0.0.1:{free_port()}"
    late, numbers = [], []
    with Sender(url, rate=30) as sender, open_live(url, SourceOptions(open_timeout=15)) as live:
        for frame in live:
            number = decoded(frame.image)
            if number is not None:
                numbers.append(number)
                late.append(time.monotonic() - sender.sent[number])
            if frame.time > 8:
                break
            time.sleep(0.1)
    assert numbers == sorted(numbers) and numbers[-1] < NUMBERS
    assert max(late[-20:]) < 3.5  # 5 and more without
    assert numbers[-1] - numbers[0] > 1.5 * len(numbers)
