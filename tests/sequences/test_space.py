"""The view transform: known values, rising and smooth everywhere, and its inverse."""

from __future__ import annotations

import numpy as np
import pytest

from vidstyle.sequences.space import (
    KNEE,
    local_ceiling,
    srgb_decode,
    srgb_encode,
    to_display,
    to_linear,
)

LIGHT = np.concatenate([[0.0], np.logspace(-12, 5, 20001)])


@pytest.mark.parametrize(
    ("linear", "display"),
    [(0, 0), (0.18, 117.65), (0.5, 187.52), (1, 242.78), (10, 252.98), (-0.18, -117.65)],
)
def test_known_values(linear: float, display: float) -> None:
    assert to_display(np.array([linear])) == pytest.approx(display, abs=0.01)


def test_srgb_as_the_standard_has_it() -> None:
    assert srgb_encode(np.array([0.0, 0.0031308, 0.2140411, 1.0])) == pytest.approx(
        [0, 0.04045, 0.5, 1], abs=1e-5
    )
    values = np.linspace(-2, 2, 4001)
    np.testing.assert_allclose(srgb_decode(srgb_encode(values)), values, atol=1e-6)


def test_it_rises_everywhere_and_never_reaches_white() -> None:
    shown = to_display(LIGHT)
    assert shown.dtype == np.float32
    assert (np.diff(shown) >= 0).all()
    assert (np.diff(shown[LIGHT < 1e3].astype(np.float64)) > 0).all()
    assert shown[-1] < 255
    np.testing.assert_array_equal(to_display(-LIGHT), -shown)


def test_the_slope_is_continuous_at_the_knee() -> None:
    step = 1e-3
    below, at, above = to_display(KNEE + np.array([-step, 0, step])).astype(np.float64)
    assert (above - at) / (at - below) == pytest.approx(1, abs=0.01)


def test_the_inverse() -> None:
    back = to_linear(to_display(LIGHT))
    assert back.dtype == np.float32
    np.testing.assert_allclose(back, LIGHT, rtol=2e-3, atol=1e-9)
    usual = (LIGHT > 1e-4) & (LIGHT < 2)
    np.testing.assert_allclose(back[usual], LIGHT[usual], rtol=1e-5)
    np.testing.assert_array_equal(to_linear(to_display(-LIGHT)), -back)


def test_display_values_come_back_too() -> None:
    shown = np.linspace(0, 254, 5001).astype(np.float32)
    np.testing.assert_allclose(to_display(to_linear(shown)), shown, atol=1e-4)


def test_the_ends_are_finite() -> None:
    assert to_display(np.array([np.inf, -np.inf])).tolist() == [255, -255]
    assert np.isnan(to_display(np.array([np.nan])))
    assert np.isfinite(to_linear(np.array([255.0, 300.0, -255.0]))).all()
    assert to_linear(np.array([255.0, 100.0]), np.array([3.0, 3.0])) == pytest.approx(
        [3, 0.1274], abs=1e-3
    )


def test_the_ceiling_is_paper_white_or_the_scene_nearby() -> None:
    scene = np.full((64, 128, 3), 0.2, np.float32)
    scene[32, 64] = (1, 50, 2)
    scene[0, 0] = np.inf
    scene[5, 5] = np.nan
    ceiling = local_ceiling(scene)
    assert ceiling.shape == (64, 128, 1)
    assert (ceiling[30:35, 62:67] == 50).all()
    assert ceiling.sum() == 64 * 128 - 25 + 25 * 50
