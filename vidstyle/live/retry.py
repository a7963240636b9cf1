"""Pauses between attempts to reach something that is gone."""

from __future__ import annotations

from time import monotonic

_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 4.0


class Retry:
    """Doubles the pause from attempt to attempt, from a quarter of a second up to four.

    Args:
        seconds: how long to keep trying, from now on.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._deadline = monotonic() + seconds
        self._pause = _FIRST_PAUSE

    @property
    def left(self) -> float:
        """Seconds until it is time to give up; negative afterwards."""
        return self._deadline - monotonic()

    def pause(self) -> float:
        """Seconds to wait before the next attempt, at most those that are left."""
        pause, self._pause = self._pause, min(2 * self._pause, _LONGEST_PAUSE)
        return min(pause, max(self.left, 0.0))
