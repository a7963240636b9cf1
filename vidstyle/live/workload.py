"""How much drawing a frame takes of the time there is, and the working size that follows."""

from __future__ import annotations

from math import sqrt
from time import monotonic

import numpy as np

from vidstyle.live.meters import LatencyMeter
from vidstyle.live.size import SizeController
from vidstyle.live.stylizer import LiveStylizer
from vidstyle.options import StreamOptions

_TRIAL_SIDE = 320
"""Longest side in pixels at which the machine's speed is measured before the first frame."""


class Workload:
    """Sets a stylizer's working size, unless the options fix it.

    The load is the larger of two shares: of the time until the next frame, and of the latency that
    is allowed.
    """

    def __init__(self, stylizer: LiveStylizer, options: StreamOptions) -> None:
        self._stylizer, self._options = stylizer, options
        self._handed = LatencyMeter()
        self._sizes: SizeController | None = None

    def begin(self, image: np.ndarray, rate: float) -> None:
        """Choose the first working size, after a measurement with the first image.

        Args:
            rate: frames per second that are to be drawn.
        """
        if self._options.working_side is not None:
            self._stylizer.working_side = self._options.working_side
            return
        limit = max(image.shape[:2])
        trial = self._stylizer.working_side = min(_TRIAL_SIDE, limit)
        seconds = self._measure(image)
        load = max(seconds * rate, seconds / self._options.latency)
        self._sizes = SizeController(limit, int(trial / sqrt(max(load, 1e-3))))
        self._stylizer.working_side = self._sizes.side

    def adapt(self, rate: float, seconds: float, delay: float, sinks: LatencyMeter) -> None:
        """Choose the working size for the next frame.

        Args:
            rate: frames per second that are to be drawn.
            seconds: that the last frame took to draw.
            delay: seconds from its arrival until it was handed to the sinks.
            sinks: latency of frames until sinks had them.
        """
        if self._sizes is None:
            return
        now, allowed = monotonic(), self._options.latency
        self._handed.add(delay, now)
        # A smaller frame does not help the sinks, so they cannot use up more than half.
        added = max(sinks.recent(0.5) - self._handed.recent(0.5), 0.0)
        lateness = (delay + min(added, allowed / 2)) / allowed
        self._stylizer.working_side = self._sizes.observe(max(seconds * rate, lateness), now)

    def _measure(self, image: np.ndarray) -> float:
        """Seconds that a frame takes, after the first ones, which take longer."""
        for _ in range(3):
            began = monotonic()
            self._stylizer(image)
            seconds = monotonic() - began
        self._stylizer.forget()
        return seconds
