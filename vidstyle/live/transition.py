"""Smooth changes of a style vector over time."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp

from torch import Tensor


@dataclass(frozen=True)
class Transition:
    """From one style vector to another, with a gentle start and end.

    Attributes:
        start, end: V numbers each.
        began: in seconds of any monotonic clock.
        seconds: how long it takes; 0 for an immediate change.
    """

    start: Tensor
    end: Tensor
    began: float
    seconds: float

    def at(self, now: float) -> Tensor:
        """The vector at a time."""
        return self.start + self.progress(now) * (self.end - self.start)

    def progress(self, now: float) -> float:
        """From 0 to 1: ``3x² − 2x³`` of the elapsed share x."""
        if not self.seconds:
            return 1.0
        x = min(max((now - self.began) / self.seconds, 0.0), 1.0)
        return x * x * (3 - 2 * x)

    def kept(self, before: float, now: float) -> float:
        """The share of what was drawn ``before`` that may remain ``now``, from 0 to 1.

        So that temporal consistency does not hold the change back, the past fades within a quarter
        of the transition's time, throughout the transition and for as long again after it.
        """
        if not self.seconds:
            return 0.0 if before < self.began else 1.0
        elapsed = min(now, self.began + 2 * self.seconds) - max(before, self.began)
        return exp(-4 * max(elapsed, 0.0) / self.seconds)

    def over(self, now: float) -> bool:
        """Whether the end is reached."""
        return now >= self.began + self.seconds
