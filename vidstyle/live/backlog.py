"""Whether a reader keeps up with its source."""

from __future__ import annotations

WINDOW = 1.0
"""Seconds that are judged at once."""
LEAST_WAITING = 0.02
"""Share of its time that a reader who keeps up spends waiting."""


class Backlog:
    """Judges by how much a reader has to wait: who never does has more before him than he can read.

    What a source sends while its reader is busy waits in buffers, and makes everything late.
    """

    def __init__(self) -> None:
        self._since: float | None = None
        self._waited = 0.0
        self._grows = False

    def grows(self, waited: float, now: float) -> bool:
        """Whether the last whole second was spent without waiting.

        Args:
            waited: seconds until the last packet came.
            now: on any steady clock.
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
