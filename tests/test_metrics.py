"""The measures against formulas written out, known motion and known noise."""

from __future__ import annotations

import math
from types import ModuleType

import cv2
import numpy as np
import pytest

from vidstyle.evaluate.metrics import (
    best_lag,
    global_change,
    gradient_energy,
    mean_change,
    static_mask,
    unit,
    valid_mask,
    warping_error,
)
from vidstyle.temporal.flow import dense_flow


def texture(width: int, height: int, seed: int = 0, grain: float = 1.5) -> np.ndarray:
    """Smooth random colours, uint8."""
    noise = np.random.default_rng(seed).normal(0, 1, (height, width, 3)).astype(np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), grain)
    return np.clip(128 + 45 * noise / noise.std(), 0, 255).astype(np.uint8)


def uniform_flow(width: int, height: int, dx: float, dy: float) -> np.ndarray:
    return np.full((height, width, 2), (dx, dy), np.float32)


def everywhere(width: int, height: int) -> np.ndarray:
    return np.ones((height, width), bool)


def warping_error_by_hand(
    frame: np.ndarray, previous: np.ndarray, flow: np.ndarray, mask: np.ndarray
) -> float:
    """The formula pixel by pixel in float64; the flow must stay inside."""
    height, width, channels = frame.shape
    total, weight = 0.0, 0
    for y in range(height):
        for x in range(width):
            if not mask[y, x]:
                continue
            px, py = x + float(flow[y, x, 0]), y + float(flow[y, x, 1])
            left, top = min(int(px), width - 2), min(int(py), height - 2)
            a, b = px - left, py - top
            for c in range(channels):
                square = previous[top : top + 2, left : left + 2, c].astype(np.float64)
                upper = (1 - a) * square[0, 0] + a * square[0, 1]
                lower = (1 - a) * square[1, 0] + a * square[1, 1]
                total += (float(frame[y, x, c]) - (1 - b) * upper - b * lower) ** 2 / channels
            weight += 1
    return total / weight / 255**2


# -- warping error --------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_warping_error_is_the_formula(seed: int) -> None:
    rng = np.random.default_rng(seed)
    frame, previous = rng.integers(0, 256, (2, 9, 7, 3), np.uint8)
    rows, columns = np.mgrid[:9, :7]
    place = rng.uniform(0, [6, 8], (9, 7, 2))
    flow = (place - np.dstack([columns, rows])).astype(np.float32)
    mask = rng.random((9, 7)) < 0.7
    expected = warping_error_by_hand(frame, previous, flow, mask)
    assert warping_error(frame, previous, flow, mask) == pytest.approx(expected, rel=1e-5)


def test_warping_error_of_a_shift_by_whole_pixels() -> None:
    previous = texture(64, 48)
    frame = np.roll(previous, (2, -3), (0, 1))  # what is at (x, y) was at (x + 3, y − 2)
    mask = everywhere(64, 48)
    mask[:2], mask[:, -3:] = False, False  # came in from the other side
    assert warping_error(frame, previous, uniform_flow(64, 48, 3, -2), mask) < 1e-12
    assert warping_error(frame, previous, uniform_flow(64, 48, 0, 0), mask) > 1e-3


def test_warping_error_of_noise_is_twice_its_variance() -> None:
    rng, sigma = np.random.default_rng(0), 0.02
    frame, previous = (0.5 + rng.normal(0, sigma, (2, 200, 200, 3))).astype(np.float32)
    flow, mask = uniform_flow(200, 200, 0, 0), everywhere(200, 200)
    assert warping_error(frame, previous, flow, mask) == pytest.approx(2 * sigma**2, rel=0.02)


def test_warping_error_does_not_care_for_type_or_channels() -> None:
    frame, previous = texture(40, 30, 1), texture(40, 30, 2)
    flow, mask = uniform_flow(40, 30, 0.3, -0.4), everywhere(40, 30)
    expected = warping_error(frame, previous, flow, mask)
    assert warping_error(unit(frame), unit(previous), flow, mask) == pytest.approx(expected)
    channels = [warping_error(frame[..., c], previous[..., c], flow, mask) for c in range(3)]
    assert np.mean(channels) == pytest.approx(expected)


def test_warping_error_sees_only_what_the_mask_shows() -> None:
    frame, flow = texture(40, 30), uniform_flow(40, 30, 0, 0)
    changed = frame.copy()
    changed[:10] = 255 - changed[:10]
    mask = everywhere(40, 30)
    mask[:10] = False
    assert warping_error(frame, changed, flow, mask) == 0
    assert warping_error(frame, changed, flow, ~mask) > 0.01
    assert math.isnan(warping_error(frame, changed, flow, np.zeros_like(mask)))


# -- masks ----------------------------------------------------------------------------------


def test_valid_mask_leaves_out_what_a_moving_square_uncovers() -> None:
    backward, forward = np.zeros((2, 60, 80, 2), np.float32)
    backward[20:40, 30:50] = (-8, 0)  # the square moved 8 pixels to the right
    forward[20:40, 22:42] = (8, 0)
    mask = valid_mask(backward, forward)
    assert not mask[22:38, 22:28].any()  # behind it
    assert not mask[22:38, [29, 30, 49, 50]].any()  # its edges
    assert mask[22:38, 32:48].all()  # itself
    assert mask[:18].all() and mask[42:].all()


def test_valid_mask_ends_at_the_picture() -> None:
    mask = valid_mask(uniform_flow(40, 30, 5, 0), uniform_flow(40, 30, -5, 0))
    assert mask[:, :35].all()
    assert not mask[:, 35:].any()


def test_static_mask() -> None:
    previous = texture(80, 60)
    frame = previous.astype(np.int16)
    frame[:, :20] += 4  # brighter by more than two levels
    frame[:, 20:40] += 1  # by less
    frame[:30, 60:] += np.random.default_rng(0).integers(-3, 4, (30, 20, 3), np.int16)  # noise
    flow = uniform_flow(80, 60, 0.1, 0.1)
    flow[:, 40:60] = (0.2, 0.2)  # 0.28 pixels
    mask = everywhere(80, 60)
    mask[50:] = False
    static = static_mask(np.clip(frame, 0, 255).astype(np.uint8), previous, flow, mask)
    assert not static[:, :18].any()
    assert static[:50, 22:40].all()
    assert not static[:, 40:60].any()
    assert static[2:28, 62:].mean() > 0.8
    assert static[32:50, 62:].all()
    assert not static[50:].any()


# -- colour and detail ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "luma", "chroma"),
    [
        ((3, 3, 3), 3, 0),
        ((-3, -3, -3), 3, 0),
        ((10, 0, 0), 2.126, math.hypot(10 * -0.1145721, 10 * 0.5)),
        ((0, 10, 0), 7.152, math.hypot(10 * -0.3854279, 10 * -0.4541529)),
        ((0, 0, 10), 0.722, math.hypot(10 * 0.5, 10 * -0.0458471)),
    ],
)
def test_global_change_in_bt709(step: tuple[int, int, int], luma: float, chroma: float) -> None:
    """The chroma rows are those of ITU-R BT.709's matrix."""
    previous = np.full((20, 30, 3), 100, np.uint8)
    frame = (previous + np.array(step)).astype(np.uint8)
    mask = everywhere(30, 20)
    measured = global_change(frame, previous, mask)
    assert measured == (pytest.approx(luma, abs=1e-3), pytest.approx(chroma, abs=1e-3))
    assert global_change(unit(frame), unit(previous), mask) == pytest.approx(measured)


def test_global_change_is_of_the_mean_and_inside_of_the_mask() -> None:
    previous = texture(40, 30)
    frame = previous.copy()
    mask = everywhere(40, 30)
    mask[:, :10] = False
    frame[:, :10] = 0
    frame[:, 10:] = frame[::-1, 10:]  # the same pixels in another order
    assert global_change(frame, previous, mask) == (
        pytest.approx(0, abs=1e-4),
        pytest.approx(0, abs=1e-4),
    )
    assert global_change(frame, previous, ~mask)[0] > 50
    assert all(map(math.isnan, global_change(frame, previous, np.zeros_like(mask))))


def test_mean_change() -> None:
    previous = np.full((10, 10, 3), 100, np.uint8)
    frame = previous.copy()
    frame[:5, :, 0], frame[5:, :, 0] = 106, 94
    assert mean_change(frame, previous) == pytest.approx(2)
    assert mean_change(unit(frame), unit(previous)) == pytest.approx(2, abs=1e-4)


def test_gradient_energy() -> None:
    image = texture(31, 23)
    steps = [np.diff(image / 255.0, axis=axis).ravel() for axis in (0, 1)]
    expected = np.mean(np.concatenate(steps) ** 2)
    assert gradient_energy(image) == pytest.approx(expected, rel=1e-5)
    assert gradient_energy(image / 255.0) == pytest.approx(expected, rel=1e-5)
    assert gradient_energy(image[..., 0]) > 0
    assert gradient_energy(cv2.GaussianBlur(image, (0, 0), 2)) < 0.5 * expected
    assert gradient_energy(np.full((5, 5, 3), 77, np.uint8)) == 0
    assert gradient_energy(image[:1, :1]) == 0


# -- sound ----------------------------------------------------------------------------------


def later(signal: np.ndarray, samples: float) -> np.ndarray:
    """A signal later by a part of its samples, through the phase of its spectrum."""
    padded = np.pad(signal, 500)
    phase = np.exp(-2j * np.pi * np.fft.rfftfreq(len(padded)) * samples)
    return np.fft.irfft(np.fft.rfft(padded) * phase, len(padded))


@pytest.mark.parametrize("shift", [0.0, 3.4, -7.7, 301.5])
def test_best_lag(shift: float) -> None:
    noise = np.random.default_rng(0).normal(0, 1, 20_000)
    signal = np.convolve(noise, np.hanning(12), "same").astype(np.float32)
    lag, correlation = best_lag(later(signal, 0), 0.3 * later(signal, shift) + 0.1)
    assert lag == pytest.approx(shift, abs=0.05)
    assert correlation > 0.97


def test_best_lag_of_signals_of_other_lengths() -> None:
    noise = np.random.default_rng(0).normal(0, 1, 9000).astype(np.float32)
    assert best_lag(noise, noise[400:])[0] == pytest.approx(-400, abs=0.05)
    assert best_lag(noise[400:], noise)[0] == pytest.approx(400, abs=0.05)


def test_best_lag_of_what_is_not_the_same() -> None:
    first, second = np.random.default_rng(0).normal(0, 1, (2, 20_000)).astype(np.float32)
    assert best_lag(first, second)[1] < 0.1
    assert best_lag(first, np.zeros(100, np.float32)) == (0, 0)


# -- a scene whose flow is known ------------------------------------------------------------


@pytest.mark.parametrize("t", [1, 74])
def test_the_floor_of_a_scene_with_known_flow(harbour: ModuleType, t: int) -> None:
    size = {"width": 480, "height": 270}
    frame, previous = (harbour.render(s, grain=False, **size) for s in (t, t - 1))
    true, valid = harbour.flow(t, **size)
    floor = warping_error(frame, previous, true, valid)
    assert floor < (1.1 / 255) ** 2  # bilinear warping blurs what lies between the pixels
    assert floor < 0.5 * warping_error(frame, previous, np.zeros_like(true), valid)

    backward, forward = dense_flow(frame, previous), dense_flow(previous, frame)
    mask = valid_mask(backward, forward)
    assert mask[valid].mean() > 0.98
    assert warping_error(frame, previous, backward, valid) < 1.2 * floor
    assert warping_error(frame, previous, backward, mask & valid) < 1.2 * floor
