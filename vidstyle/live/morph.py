"""Smooth changes over time."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp

from torch import Tensor


@dataclass(frozen=True)
class Morph:
    """From one style vector to another, beginning and ending gently.

    Attributes:
        start, end: V numbers each.
        began: on any steady clock, in seconds.
        seconds: how long it takes; 0 is at once.
    """

    start: Tensor
    end: Tensor
    began: float
    seconds: float

    def at(self, now: float) -> Tensor:
        """The vector at a time."""
        return self.start + self.progress(now) * (self.end - self.start)

    def progress(self, now: float) -> float:
        """From 0 to 1: ``3x² − 2x³`` of the share x of its time."""
        if not self.seconds:
            return 1.0
        x = min(max((now - self.began) / self.seconds, 0.0), 1.0)
        return x * x * (3 - 2 * x)

    def kept(self, before: float, now: float) -> float:
        """Which share of what was drawn ``before`` may remain ``now``.

        So that the past does not hold the change back, it fades in a quarter of the time that the
        change takes, and until as long again after its end.
        """
        if not self.seconds:
            return 0.0 if before < self.began else 1.0
        elapsed = min(now, self.began + 2 * self.seconds) - max(before, self.began)
        return exp(-4 * max(elapsed, 0.0) / self.seconds)

    def over(self, now: float) -> bool:
        return now >= self.began + self.seconds
