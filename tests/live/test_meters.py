"""Rates and latencies."""

from __future__ import annotations

import numpy as np
import pytest

from vidstyle.live.meters import WINDOW, LatencyMeter, RateMeter


def test_rate_of_the_last_seconds() -> None:
    meter = RateMeter()
    assert meter.rate(0.0) == 0
    for n in range(100):
        meter.add(n / 25)
    assert meter.rate(4.0) == pytest.approx(25)
    for n in range(100):
        meter.add(4 + n / 10)
    assert meter.rate(14.0) == pytest.approx(10)
    assert meter.count == 200
    assert meter.rate(14 + 2 * WINDOW) == 0


def test_latencies_of_the_last_seconds_and_of_all() -> None:
    meter = LatencyMeter()
    assert meter.recent(0.5) == 0 and meter.overall(0.95) == 0
    rng = np.random.default_rng(0)
    values = rng.gamma(4, 0.02, 5000)
    for n, value in enumerate(values):
        meter.add(float(value), n / 50)
    last = values[-int(50 * WINDOW) :]
    for quantile in (0.5, 0.95):
        assert meter.overall(quantile) == pytest.approx(np.quantile(values, quantile), rel=0.06)
        assert meter.recent(quantile) == pytest.approx(np.quantile(last, quantile), rel=0.1)


def test_memory_is_bounded() -> None:
    meter = LatencyMeter()
    for n in range(20_000):
        meter.add(10 ** (n % 7 - 5), n / 100)
    assert len(meter._recent) <= 100 * WINDOW + 1
    assert len(meter._counts) < 10
