"""Detects a reader that cannot keep up with its source."""

from __future__ import annotations

WINDOW = 1.0
"""Seconds that are judged at once."""
LEAST_WAITING = 0.02
"""Share of the time that a reader spends waiting at least if it keeps up."""


class Backlog:
    """Judges by how much a reader has to wait: one that never waits is behind.

    What a source sends meanwhile piles up in buffers, and everything arrives late.
    """

    def __init__(self) -> None:
        self._since: float | None = None
        self._waited = 0.0
        self._grows = False

    def grows(self, waited: float, now: float) -> bool:
        """Whether the last whole second was spent without waiting.

        Args:
            waited: seconds until the last packet came.
            now: in seconds of any monotonic clock.
        """
        if self._since is None:
            self._since = now
            return False
        self._waited += waited
        elapsed = now - self._since
        if self._waited > LEAST_WAITING * WINDOW:
            self._grows = False
        if elapsed >= WINDOW:
            self._grows = self._waited < LEAST_WAITING * elapsed
            self._since, self._waited = now, 0.0
        return self._grows
