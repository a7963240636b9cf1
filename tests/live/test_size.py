"""Which size the controller finds on simulated machines."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from vidstyle.live.size import SMALLEST, SizeController, ladder

FPS = 25.0
Machine = Callable[[int, float], float]
"""Seconds for a picture of a longer side at a time."""


def machine(fixed: float, full: float, side: int = 1280) -> Machine:
    """``fixed`` seconds, and ``full`` more at ``side``."""
    return lambda at, now: fixed + full * (at / side) ** 2


def noisy(quiet: Machine, spread: float, seed: int = 0) -> Machine:
    rng = np.random.default_rng(seed)
    return lambda at, now: quiet(at, now) * float(rng.lognormal(0, spread))


def run(
    controller: SizeController, machine: Machine, seconds: float, begin: float = 0.0
) -> list[tuple[float, int]]:
    """Time and side of every picture."""
    now, sides = begin, []
    while now < begin + seconds:
        sides.append((now, controller.side))
        spent = machine(controller.side, now)
        now += max(spent, 1 / FPS)
        controller.observe(spent * FPS, now)
    return sides


def changes(sides: list[tuple[float, int]], after: float) -> int:
    late = [side for now, side in sides if now >= after]
    return sum(a != b for a, b in itertools.pairwise(late))


def test_ladder() -> None:
    rungs = ladder(1280)
    assert rungs[-1] == 1280 and rungs == sorted(set(rungs))
    assert all(side % 16 == 0 and side >= SMALLEST for side in rungs[:-1])
    assert all(0.8 < small / large < 1 for small, large in itertools.pairwise(rungs))
    assert ladder(100) == [100]


def test_a_fast_machine_climbs_to_the_limit_and_stays() -> None:
    controller = SizeController(1280, 320)
    sides = run(controller, machine(0.002, 0.010), 60)
    assert controller.side == 1280
    assert changes(sides, 40) == 0
    values = [side for _, side in sides]
    assert values == sorted(values)  # step by step


@pytest.mark.parametrize("fixed", [0.0, 0.005, 0.02])
@pytest.mark.parametrize("full", [0.05, 0.2, 1.0])
def test_a_slow_machine_settles_within_its_budget(fixed: float, full: float) -> None:
    controller = SizeController(1280)
    sides = run(controller, machine(fixed, full), 90)
    spent = fixed + full * (controller.side / 1280) ** 2
    assert spent * FPS <= 1 or controller.side == ladder(1280)[0]
    assert changes(sides, 60) == 0
    # Nor is it smaller than need be: two steps up it would be too slow.
    rungs = ladder(1280)
    above = rungs[min(rungs.index(controller.side) + 2, len(rungs) - 1)]
    assert (fixed + full * (above / 1280) ** 2) * FPS > 0.8


def test_overload_is_answered_within_a_second() -> None:
    controller = SizeController(1280)
    sides = run(controller, machine(0.0, 0.2), 5)
    settled = [now for now, side in sides if 0.2 * (side / 1280) ** 2 * FPS <= 1]
    assert settled[0] < 1.5


@pytest.mark.parametrize("seed", range(2))
def test_noise_makes_no_oscillation(seed: int) -> None:
    controller = SizeController(1280)
    sides = run(controller, noisy(machine(0.004, 0.15), 0.25, seed), 300)
    assert changes(sides, 30) <= 14 and changes(sides, 150) <= 6
    late = [side for now, side in sides if now >= 30]
    assert max(late) / min(late) < 1.5


def test_a_single_hiccup_changes_nothing() -> None:
    quiet = machine(0.004, 0.1)
    controller = SizeController(1280, 640)
    run(controller, quiet, 40)
    side = controller.side
    hiccups = {100: 1.0, 105: 0.5, 130: 2.0}
    now = 40.0
    for number in range(200):
        spent = hiccups.get(number, quiet(controller.side, now))
        now += max(spent, 1 / FPS)
        controller.observe(spent * FPS, now)
        assert controller.side >= side


def test_lasting_load_makes_it_smaller_and_its_end_larger_again() -> None:
    quiet, busy = machine(0.004, 0.1), machine(0.012, 0.3)
    controller = SizeController(1280)
    before = run(controller, quiet, 40)[-1][1]
    during = run(controller, busy, 40, begin=40)
    assert during[-1][1] < 0.7 * before
    assert (0.012 + 0.3 * (during[-1][1] / 1280) ** 2) * FPS <= 1
    after = run(controller, quiet, 60, begin=80)
    assert after[-1][1] >= 0.85 * before


def test_a_step_that_fails_is_tried_less_and_less() -> None:
    def cliff(side: int, now: float) -> float:
        return 0.030 if side <= 640 else 0.060  # out of the cache

    controller = SizeController(1280, 640)
    sides = run(controller, cliff, 400)
    tries = [now for (now, a), (_, b) in itertools.pairwise(sides) if a <= 640 < b]
    gaps = np.diff(tries)
    assert len(tries) <= 8
    assert all(gaps[1:] >= gaps[:-1] - 2)


def test_the_load_of_nothing_is_nothing() -> None:
    controller = SizeController(480, 5000)
    assert controller.side == 480 and controller.load == 0.0
