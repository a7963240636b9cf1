"""Rates and latencies of the last seconds, and of all of a stream, in bounded memory."""

from __future__ import annotations

from collections import deque
from math import log
from threading import Lock

WINDOW = 3.0
"""Seconds that the running figures look back."""
_FINEST, _RATIO = 1e-4, 1.05


class RateMeter:
    """How often something happens, over the last seconds. Threads may share it."""

    def __init__(self) -> None:
        self.count = 0
        self._times: deque[float] = deque()
        self._lock = Lock()

    def add(self, now: float) -> None:
        with self._lock:
            self.count += 1
            self._times.append(now)
            _forget(self._times, now)

    def rate(self, now: float) -> float:
        """A second; 0 before the second time."""
        with self._lock:
            _forget(self._times, now)
            elapsed = self._times[-1] - self._times[0] if self._times else 0.0
            return (len(self._times) - 1) / elapsed if elapsed > 0 else 0.0


class LatencyMeter:
    """Seconds that pictures took: quantiles of the last seconds, and of all to 5 %.

    Threads may share it.
    """

    def __init__(self) -> None:
        self._recent: deque[tuple[float, float]] = deque()
        self._counts: dict[int, int] = {}
        self._lock = Lock()

    def add(self, seconds: float, now: float) -> None:
        bucket = round(log(max(seconds, _FINEST) / _FINEST, _RATIO))
        with self._lock:
            self._counts[bucket] = self._counts.get(bucket, 0) + 1
            self._recent.append((now, seconds))
            while self._recent[0][0] < now - WINDOW:
                self._recent.popleft()

    def recent(self, quantile: float) -> float:
        """Of the last seconds; 0 before the first."""
        with self._lock:
            ordered = sorted(seconds for _, seconds in self._recent)
        return ordered[min(int(quantile * len(ordered)), len(ordered) - 1)] if ordered else 0.0

    def overall(self, quantile: float) -> float:
        """Of all; 0 before the first."""
        with self._lock:
            counts = sorted(self._counts.items())
        left = quantile * sum(count for _, count in counts)
        for bucket, count in counts:
            left -= count
            if left <= 0:
                return _FINEST * _RATIO**bucket
        return 0.0


def _forget(times: deque[float], now: float) -> None:
    while times and times[0] < now - WINDOW:
        times.popleft()
