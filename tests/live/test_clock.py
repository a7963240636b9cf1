"""The time of a stream, whatever its source's timestamps do."""

from __future__ import annotations

import itertools
import math

import pytest

from vidstyle.live.clock import TICKS, StreamClock


def test_timestamps_are_kept_and_begin_at_zero() -> None:
    clock = StreamClock()
    jitter = (0.0, 0.03, -0.02, 0.01, 0.0)
    times = [clock.stamp(7.5 + n / 25, 100 + n / 25 + late) for n, late in enumerate(jitter)]
    assert times == pytest.approx([n / 25 for n in range(5)])
    assert clock.shifted(7.5 + 0.5) == pytest.approx(0.5)


def test_a_sender_that_starts_anew_goes_on_in_real_time() -> None:
    clock = StreamClock()
    clock.stamp(50.0, 10.0)
    clock.stamp(50.04, 10.04)
    assert clock.stamp(0.0, 10.5) == pytest.approx(0.5)
    assert clock.stamp(0.04, 10.54) == pytest.approx(0.54)


def test_a_small_step_back_does_not_hold_time_up() -> None:
    clock = StreamClock()
    clock.stamp(1.0, 0.0)
    clock.stamp(1.4, 0.4)
    times = [clock.stamp(1.0 + n / 10, 0.5 + n / 10) for n in range(3)]
    assert times == pytest.approx([0.5, 0.6, 0.7])


def test_a_jump_ahead_is_taken_out() -> None:
    clock = StreamClock()
    clock.stamp(0.0, 0.0)
    assert clock.stamp(3600.0, 0.1) == pytest.approx(0.1)


def test_time_never_goes_back_nor_stands() -> None:
    clock = StreamClock()
    times = [clock.stamp(s, now) for s, now in ((5, 0), (5, 0), (4.9, 0), (None, 0), (5.5, 0.01))]
    assert all(later - sooner >= 0.99 / TICKS for sooner, later in itertools.pairwise(times))


def test_without_timestamps_time_is_real() -> None:
    clock = StreamClock()
    assert [clock.stamp(None, 3 + n) for n in range(3)] == pytest.approx([0, 1, 2])
    assert clock.shifted(1.0) is None


def test_a_source_that_comes_back_leaves_a_gap_as_long_as_it_was_away() -> None:
    clock = StreamClock()
    clock.stamp(9.0, 20.0)
    clock.forget()
    assert clock.shifted(0.0) is None
    assert clock.stamp(0.0, 24.0) == pytest.approx(4.0)


def test_a_file_that_begins_again_follows_at_once() -> None:
    clock = StreamClock(math.inf)
    clock.stamp(0.0, 0.0)
    clock.stamp(0.04, 0.04)
    clock.forget(0.04)
    assert clock.stamp(0.0, 0.041) == pytest.approx(0.08)


def test_a_file_may_wait_long_for_its_next_picture() -> None:
    clock = StreamClock(math.inf)
    clock.stamp(0.0, 5.0)
    assert clock.stamp(30.0, 5.01) == pytest.approx(30.0)
    assert clock.real(30.0) == pytest.approx(35.0)
