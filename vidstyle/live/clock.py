"""The time of a live stream, which goes on whatever the source's timestamps do."""

from __future__ import annotations

TICKS = 90_000
"""Units per second of a live stream's timestamps, as in MPEG transport streams."""
DRIFT = 1.0
"""Seconds by which a source's timestamps may deviate from real time before they are reset."""


class StreamClock:
    """Maps a source's timestamps to seconds since the stream's first frame.

    As long as they advance like real time, only their origin is shifted. When they jump (the sender
    was restarted, a file loops) or are missing, the stream goes on in real time. Frames never go
    back in time.
    """

    def __init__(self, ahead: float = DRIFT) -> None:
        """``ahead``: how far, in seconds, timestamps may run ahead of real time."""
        self._ahead = ahead
        self._began = 0.0
        self._offset: float | None = None
        self._last: float | None = None
        self._gap = 0.0

    def forget(self, gap: float = 0.0) -> None:
        """The next timestamp is unrelated to those before, and comes ``gap`` seconds later."""
        self._offset = None
        self._gap = gap

    def stamp(self, seconds: float | None, now: float) -> float:
        """The time of a frame.

        Args:
            seconds: its own timestamp; None if it has none.
            now: when it arrived, in seconds of any monotonic clock.
        """
        if self._last is None:
            self._began = now
        real = now - self._began
        earliest = 0.0 if self._last is None else self._last + max(self._gap, 1 / TICKS)
        if seconds is None:
            time = real
        else:
            if self._offset is None or self._strayed(seconds + self._offset, real):
                self._offset = max(real, earliest) - seconds
            time = seconds + self._offset
        self._gap = 0.0
        self._last = max(time, earliest)
        return self._last

    def shifted(self, seconds: float) -> float | None:
        """The time of audio with that timestamp; None before the first frame."""
        return None if self._offset is None else seconds + self._offset

    def real(self, time: float) -> float:
        """When a time of the stream is due, on the clock of ``now``."""
        return self._began + time

    def _strayed(self, time: float, real: float) -> bool:
        back = self._last is not None and time <= self._last
        return back or not -DRIFT <= time - real <= self._ahead
