"""Finds the working size that a machine can keep up with."""

from __future__ import annotations

from collections import deque
from statistics import median

SMALLEST = 256
"""Longest side in pixels; less leaves little of any style and hardly saves time."""
STEP = 0.9
"""Ratio of a size to the next larger one."""

_ROOM_DOWN, _ROOM_UP = 0.85, 0.8
"""Expected load, at most, of a smaller and of a larger size to change to."""
_WINDOW, _SETTLED = 21, 5
"""Frames whose median counts: at most, and at least before a change."""
_PATIENCE = 1.5
"""Seconds at a size before a larger one is tried."""
_REGRET = 60.0
"""A larger size that is given up within this many seconds was a mistake."""
_FIRST_PENALTY, _LONGEST_PENALTY = 5.0, 120.0
"""Seconds before a mistake is repeated: after the first, and at most."""
_FORGIVEN = 300.0
"""Seconds without a change after which mistakes are forgotten."""


class SizeController:
    """Chooses the longest side of the working size from the load: the share of a time budget that
    each frame takes.

    It goes down as far as needed as soon as the load exceeds 1, and up step by step when there is
    room, with hysteresis between both. A step up that had to be undone is tried again after a
    while, and each time after twice as long.

    Args:
        limit: the frames' own longest side in pixels; never exceeded.
        side: where to start; None for the limit.
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
        """Longest side in pixels for the next frame."""
        return self._ladder[self._rung]

    @property
    def load(self) -> float:
        """The load of frames of this size; 0 before the first.

        A median, as a single slow frame is no reason for another size.
        """
        return median(self._loads) if self._loads else 0.0

    def observe(self, load: float, now: float) -> int:
        """Record the load of a frame that was drawn at ``side``, and return the next side.

        Args:
            load: the share of the budget that it took.
            now: in seconds of any monotonic clock.
        """
        if self._changed is None:
            self._changed = self._allowed_up = now
        self._loads.append(load)
        if len(self._loads) >= _SETTLED:
            self._step(now, now - self._changed)
        return self.side

    def _step(self, now: float, since: float) -> None:
        # The median of few frames is less certain.
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
        """The load at another size, if it is proportional to the number of pixels."""
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
