"""Pauses between attempts to reach something that is gone."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic

_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 4.0


def pauses(seconds: float) -> Iterator[float]:
    """Seconds to wait before each attempt, doubled each time, until so many seconds are over."""
    deadline, pause = monotonic() + seconds, _FIRST_PAUSE
    while (left := deadline - monotonic()) > 0:
        yield min(pause, left)
        pause = min(2 * pause, _LONGEST_PAUSE)
