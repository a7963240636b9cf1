"""Rates and latencies, of the last seconds and of a whole stream, in bounded memory."""

from __future__ import annotations

from collections import deque
from math import log
from threading import Lock

WINDOW = 3.0
"""Seconds that recent figures look back."""
_FINEST, _RATIO = 1e-4, 1.05
"""Upper end in seconds of the finest bucket of latencies, and its ratio to the next."""


class RateMeter:
    """Counts events and how often they happen. Safe to share between threads."""

    def __init__(self) -> None:
        self.count = 0
        self._times: deque[float] = deque()
        self._lock = Lock()

    def add(self, now: float) -> None:
        """Count an event; ``now`` in seconds of any monotonic clock."""
        with self._lock:
            self.count += 1
            self._times.append(now)

    def rate(self, now: float) -> float:
        """Events per second over the last seconds; 0 before the second one."""
        with self._lock:
            while self._times and self._times[0] < now - WINDOW:
                self._times.popleft()
            elapsed = self._times[-1] - self._times[0] if self._times else 0.0
            return (len(self._times) - 1) / elapsed if elapsed > 0 else 0.0


class LatencyMeter:
    """Quantiles of latencies, exact for the last seconds, to 5 % for all.

    Safe to share between threads.
    """

    def __init__(self) -> None:
        self._recent: deque[tuple[float, float]] = deque()
        self._counts: dict[int, int] = {}
        self._lock = Lock()

    def add(self, seconds: float, now: float) -> None:
        """Add a latency; ``now`` in seconds of any monotonic clock."""
        bucket = round(log(max(seconds, _FINEST) / _FINEST, _RATIO))
        with self._lock:
            self._counts[bucket] = self._counts.get(bucket, 0) + 1
            self._recent.append((now, seconds))
            while self._recent[0][0] < now - WINDOW:
                self._recent.popleft()

    def recent(self, quantile: float) -> float:
        """The latency of the last seconds, in seconds; 0 before the first."""
        with self._lock:
            ordered = sorted(seconds for _, seconds in self._recent)
        return ordered[min(int(quantile * len(ordered)), len(ordered) - 1)] if ordered else 0.0

    def overall(self, quantile: float) -> float:
        """The latency of the whole stream, in seconds; 0 before the first."""
        with self._lock:
            counts = sorted(self._counts.items())
        left = quantile * sum(count for _, count in counts)
        for bucket, count in counts:
            left -= count
            if left <= 0:
                return _FINEST * _RATIO**bucket
        return 0.0
