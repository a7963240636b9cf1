"""Which working size a machine can keep up with."""

from __future__ import annotations

from collections import deque
from statistics import median

SMALLEST = 256
"""Longest side in pixels; less leaves little of any style, and hardly saves time."""
STEP = 0.9
"""Ratio of one size to the next larger one."""

_ROOM_DOWN, _ROOM_UP = 0.85, 0.8
"""Share of the budget that a size to change to may be expected to take."""
_WINDOW, _SETTLED = 21, 5
"""Pictures whose median counts: at most, and at least for another change."""
_PATIENCE = 1.5
"""Seconds of room before a larger size is tried."""
_REGRET = 60.0
"""A larger size that has to be given up within so many seconds was a mistake."""
_FIRST_PENALTY, _LONGEST_PENALTY = 5.0, 120.0
"""Seconds until a mistake may be repeated."""
_FORGIVEN = 300.0
"""Seconds without any change after which mistakes are forgotten."""


class SizeController:
    """Chooses the longest side of the working size from how much of a budget each picture takes.

    It goes down as far as needed as soon as the budget is exceeded, and up step by step where
    there is room; between both lies a gap. A step up that had to be taken back is tried again
    after a while, and each time after twice as long.

    Args:
        limit: the pictures' own longest side, in pixels; never exceeded.
        side: where to begin; the limit unless given.
    """

    def __init__(self, limit: int, side: int | None = None) -> None:
        self._ladder = ladder(limit)
        wanted = limit if side is None else side
        self._rung = min(range(len(self._ladder)), key=lambda n: abs(self._ladder[n] - wanted))
        self._loads: deque[float] = deque(maxlen=_WINDOW)
        self._changed: float | None = None
        self._went_up = False
        self._penalty = _FIRST_PENALTY
        self._allowed_up = 0.0

    @property
    def side(self) -> int:
        """Longest side to draw the next picture at."""
        return self._ladder[self._rung]

    @property
    def load(self) -> float:
        """The share of the budget that pictures of this size take; 0 before the first.

        A median, as a hiccup is no reason for another size.
        """
        return median(self._loads) if self._loads else 0.0

    def observe(self, load: float, now: float) -> int:
        """Take note of a picture that was drawn at ``side``, and choose the next side.

        Args:
            load: what it took, as a share of the budget.
            now: seconds on any steady clock.
        """
        if self._changed is None:
            self._changed = self._allowed_up = now
        self._loads.append(load)
        if len(self._loads) >= _SETTLED:
            self._step(now, now - self._changed)
        return self.side

    def _step(self, now: float, since: float) -> None:
        # The fewer pictures were seen, the less sure is their median.
        most = 1 + 1 / len(self._loads) - 1 / _WINDOW
        if self.load > most and self._rung > 0:
            if self._went_up and since < _REGRET:
                self._allowed_up = now + self._penalty
                self._penalty = min(2 * self._penalty, _LONGEST_PENALTY)
            fitting = (n for n in range(self._rung) if self._expected(n) <= _ROOM_DOWN)
            self._move(max(fitting, default=0), now)
        elif since >= _PATIENCE and now >= self._allowed_up and self._may_grow():
            self._move(self._rung + 1, now)
        elif since > _FORGIVEN:
            self._penalty = _FIRST_PENALTY

    def _may_grow(self) -> bool:
        larger = self._rung + 1
        return larger < len(self._ladder) and self._expected(larger) <= _ROOM_UP

    def _expected(self, rung: int) -> float:
        """The load at another size, if it goes with the number of pixels."""
        return self.load * (self._ladder[rung] / self.side) ** 2

    def _move(self, rung: int, now: float) -> None:
        self._went_up = rung > self._rung
        self._rung, self._changed = rung, now
        self._loads.clear()


def ladder(limit: int) -> list[int]:
    """Sides to choose from, ascending: the limit, and multiples of 16 below it."""
    sides = [limit]
    while (side := int(sides[-1] * STEP) // 16 * 16) >= SMALLEST:
        sides.append(side)
    return sides[::-1]


def fit_size(size: tuple[int, int], room: tuple[int, int]) -> tuple[int, int]:
    """The largest width and height of the same aspect ratio that fit into a room."""
    scale = min(room[0] / size[0], room[1] / size[1])
    return max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)
