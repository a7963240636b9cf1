"""Flow against known motion, and its masks and warps against plain loops in double precision."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import get_args

import cv2
import numpy as np
import pytest

from vidstyle.errors import OptionError
from vidstyle.image import read_image, resize
from vidstyle.temporal.flow import (
    FlowPreset,
    check_preset,
    dense_flow,
    inside,
    motion_boundary_mask,
    occlusion_mask,
    pixel_places,
    resize_flow,
    warp,
)

PRESETS = get_args(FlowPreset)
SINTEL = ("sintel_alley_1", "sintel_cave_2", "sintel_market_5")


def pixel_grid(width: int, height: int) -> np.ndarray:
    return np.dstack(pixel_places(width, height))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def texture(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Noise of several sizes, uint8 H×W×3: something to follow in every place and at any scale."""
    image = np.zeros((height, width, 3))
    for sigma in (1.5, 4, 12):
        noise = cv2.GaussianBlur(rng.normal(size=image.shape), (0, 0), sigma)
        image += noise / noise.std()
    return np.clip(128 + 30 * image, 0, 255).astype(np.uint8)


def constant(width: int, height: int, dx: float, dy: float) -> np.ndarray:
    return np.tile(np.array([dx, dy], np.float32), (height, width, 1))


def lengths(vectors: np.ndarray) -> np.ndarray:
    return np.linalg.norm(vectors.astype(np.float64), axis=-1)


def naive_warp(image: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """``warp`` pixel by pixel in float64."""
    height, width = flow.shape[:2]
    result = np.empty(image.shape, np.float64)
    source = image.astype(np.float64)
    for y in range(height):
        for x in range(width):
            dx, dy = map(float, flow[y, x])
            px, py = min(max(x + dx, 0), width - 1), min(max(y + dy, 0), height - 1)
            left, top = int(px), int(py)
            right, bottom = min(left + 1, width - 1), min(top + 1, height - 1)
            a, b = px - left, py - top
            upper = (1 - a) * source[top, left] + a * source[top, right]
            lower = (1 - a) * source[bottom, left] + a * source[bottom, right]
            result[y, x] = (1 - b) * upper + b * lower
    return result


# -- presets ----------------------------------------------------------------------------


def test_presets_are_checked() -> None:
    for preset in PRESETS:
        check_preset(preset)
    with pytest.raises(OptionError, match="ultrafast, fast or medium, not 'slow'"):
        check_preset("slow")


# -- warp -------------------------------------------------------------------------------


@pytest.mark.parametrize(("dx", "dy"), [(0, 0), (3, 0), (0, -4), (-7, 5), (100, -100)])
def test_whole_pixels_are_moved_exactly(rng: np.random.Generator, dx: int, dy: int) -> None:
    image = rng.integers(0, 256, (24, 31, 3), dtype=np.uint8)
    rows = np.clip(np.arange(24) + dy, 0, 23)
    columns = np.clip(np.arange(31) + dx, 0, 30)
    assert np.array_equal(warp(image, constant(31, 24, dx, dy)), image[np.ix_(rows, columns)])


@pytest.mark.parametrize("reach", [2.0, 60.0])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_warp_is_bilinear(
    rng: np.random.Generator, dtype: type, channels: int, reach: float
) -> None:
    image = rng.uniform(0, 255, (23, 34, channels)).astype(dtype)
    flow = rng.uniform(-reach, reach, (23, 34, 2)).astype(np.float32)
    moved = warp(image, flow).reshape(image.shape)
    assert moved.dtype == dtype
    # Whole numbers are rounded; float32 knows places to 4e-6 pixels here, times 255.
    tolerance = 0.501 if np.issubdtype(dtype, np.integer) else 2e-3
    assert np.abs(moved - naive_warp(image, flow)).max() < tolerance


@pytest.mark.parametrize(("dtype", "channels"), [(np.int16, 1), (np.int16, 3), (np.float32, 2)])
def test_warp_rounds_some_places_to_a_32nd(
    rng: np.random.Generator, dtype: type, channels: int
) -> None:
    """OpenCV has no exact way for these; half of 1/32 pixel times the steepest slope is left."""
    image = rng.uniform(0, 255, (23, 34, channels)).astype(dtype)
    flow = rng.uniform(-3, 3, (23, 34, 2)).astype(np.float32)
    moved = warp(image, flow).reshape(image.shape)
    assert moved.dtype == dtype
    assert np.abs(moved - naive_warp(image, flow)).max() < 2 * 255 / 64 + 0.5


def test_a_ramp_stays_exact_between_pixels(rng: np.random.Generator) -> None:
    ramp = pixel_grid(40, 30) @ np.array([2.0, 0.5], np.float32)
    flow = rng.uniform(-2, 2, (30, 40, 2)).astype(np.float32)
    expected = (pixel_grid(40, 30) + flow) @ np.array([2.0, 0.5])
    away = slice(2, -2)
    assert np.abs(warp(ramp, flow) - expected)[away, away].max() < 1e-4


def test_warp_leaves_its_arguments_alone(rng: np.random.Generator) -> None:
    image, flow = texture(rng, 20, 12), rng.normal(size=(12, 20, 2)).astype(np.float32)
    copies = image.copy(), flow.copy()
    warp(image, flow)
    assert np.array_equal(image, copies[0]) and np.array_equal(flow, copies[1])
    with pytest.raises(ValueError, match="read-only"):
        pixel_places(20, 12)[0][0, 0] = 1


# -- dense flow -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("preset", "bound"), [("ultrafast", 0.12), ("fast", 0.15), ("medium", 0.03)]
)
@pytest.mark.parametrize("shift", [(1.0, 0.0), (-5.0, 3.0), (14.0, -8.0)])
def test_a_translation_is_recovered(
    rng: np.random.Generator, preset: FlowPreset, bound: float, shift: tuple[float, float]
) -> None:
    image = texture(rng, 360, 280)
    dx, dy = map(int, shift)
    frame, other = image[40:240, 40:320], image[40 - dy : 240 - dy, 40 - dx : 320 - dx]
    error = lengths(dense_flow(frame, other, preset) - np.float32(shift))
    assert error[24:-24, 24:-24].mean() < bound


@pytest.mark.parametrize(
    ("preset", "bound"), [("ultrafast", 0.25), ("fast", 0.2), ("medium", 0.07)]
)
def test_a_zoom_is_recovered(rng: np.random.Generator, preset: FlowPreset, bound: float) -> None:
    image = texture(rng, 320, 240)
    true = (pixel_grid(320, 240) - np.float32([159.5, 119.5])) * np.float32(0.03)
    found = dense_flow(warp(image, true), image, preset)
    assert lengths(found - true)[24:-24, 24:-24].mean() < bound


def test_the_same_picture_does_not_move(rng: np.random.Generator) -> None:
    image = texture(rng, 160, 90)
    for preset in PRESETS:
        assert lengths(dense_flow(image, image, preset)).max() < 0.01


def test_luma_is_taken_as_it_is(rng: np.random.Generator) -> None:
    frame, other = texture(rng, 160, 90), texture(rng, 160, 90)
    luma = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (frame, other)]
    assert np.array_equal(dense_flow(frame, other), dense_flow(*luma))


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize(
    ("width", "height"),
    [(1, 1), (7, 5), (5, 7), (31, 33), (300, 12), (12, 300), (500, 20), (20, 500), (1000, 24)],
)
def test_tiny_and_narrow_pictures(
    rng: np.random.Generator, width: int, height: int, preset: FlowPreset
) -> None:
    frame, other = (rng.integers(0, 256, (height, width, 3), dtype=np.uint8) for _ in range(2))
    flow = dense_flow(frame, other, preset)
    assert flow.shape == (height, width, 2) and flow.dtype == np.float32
    assert np.isfinite(flow).all()
    assert occlusion_mask(flow, flow).shape == (height, width)
    assert motion_boundary_mask(flow).shape == (height, width)
    assert warp(frame, flow).shape == frame.shape


def test_threads_agree_with_one_after_the_other(rng: np.random.Generator) -> None:
    images = [texture(rng, 200, 120) for _ in range(9)]
    jobs = [(a, b, preset) for a, b in pairwise(images) for preset in PRESETS]
    alone = [dense_flow(*job) for job in jobs]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(lambda job: dense_flow(*job), jobs))
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


# -- resizing ---------------------------------------------------------------------------


def test_a_constant_flow_scales_with_the_picture() -> None:
    assert np.allclose(resize_flow(constant(40, 30, 3, -2), 80, 45), (6, -3), atol=1e-5)
    assert np.allclose(resize_flow(constant(40, 30, 3, -2), 20, 30), (1.5, -2), atol=1e-5)


def test_a_flow_of_the_right_size_is_returned_as_it_is() -> None:
    flow = constant(40, 30, 3, -2)
    assert resize_flow(flow, 40, 30) is flow


def test_a_smooth_flow_survives_the_way_there_and_back() -> None:
    x, y = np.moveaxis(pixel_grid(64, 48), -1, 0)
    flow = np.dstack([4 * np.sin(x / 15), 3 * np.cos(y / 12)]).astype(np.float32)
    original = flow.copy()
    back = resize_flow(resize_flow(flow, 128, 96), 64, 48)
    assert lengths(back - flow).max() < 0.05
    assert np.array_equal(flow, original)


# -- masks ------------------------------------------------------------------------------


def smooth_flow(rng: np.random.Generator, width: int, height: int, reach: float) -> np.ndarray:
    flow = cv2.GaussianBlur(rng.normal(size=(height, width, 2)), (0, 0), 3)
    return (flow * reach / flow.std()).astype(np.float32)


@pytest.mark.parametrize(("relative", "absolute"), [(0.01, 0.5), (0.1, 2.0)])
def test_occlusion_is_what_the_paper_says(
    rng: np.random.Generator, relative: float, absolute: float
) -> None:
    width, height = 41, 29
    backward = smooth_flow(rng, width, height, 2.0)
    # Nearly the opposite, so that about half of the pixels find their way back.
    forward = -backward + smooth_flow(rng, width, height, 0.6)
    there = naive_warp(forward, backward)
    expected = np.zeros((height, width), bool)
    sure = np.ones((height, width), bool)
    for y in range(height):
        for x in range(width):
            u, v = (float(c) for c in backward[y, x])
            gap = (there[y, x, 0] + u) ** 2 + (there[y, x, 1] + v) ** 2
            motion = there[y, x, 0] ** 2 + there[y, x, 1] ** 2 + u * u + v * v
            bound = relative * motion + absolute
            outside = not (0 <= x + u <= width - 1 and 0 <= y + v <= height - 1)
            expected[y, x] = gap > bound or outside
            # Warping two channels rounds places to 1/32 pixel, which may tip what is close.
            sure[y, x] = outside or abs(gap - bound) > 0.05 * (1 + bound)
    found = occlusion_mask(backward, forward, relative, absolute)
    assert found.dtype == bool
    assert 0.1 < expected.mean() < 0.9 and sure.mean() > 0.85
    assert np.array_equal(found[sure], expected[sure])


def test_motion_boundaries_are_what_the_paper_says(rng: np.random.Generator) -> None:
    width, height = 33, 21
    flow = smooth_flow(rng, width, height, 0.3) + 0.8

    def slope(values: np.ndarray, i: int) -> float:
        before, after = max(i - 1, 0), min(i + 1, len(values) - 1)
        return (float(values[after]) - float(values[before])) / (after - before)

    expected = np.zeros((height, width), bool)
    for y in range(height):
        for x in range(width):
            across = sum(slope(flow[y, :, c], x) ** 2 for c in (0, 1))
            down = sum(slope(flow[:, x, c], y) ** 2 for c in (0, 1))
            motion = sum(float(c) ** 2 for c in flow[y, x])
            expected[y, x] = across + down > 0.01 * motion + 0.002
    found = motion_boundary_mask(flow)
    assert 0.1 < expected.mean() < 0.9
    assert (found != expected).sum() <= 1  # float32 may tip one


@pytest.mark.parametrize(("dx", "dy"), [(5, 0), (-4, 3)])
def test_a_moving_square_uncovers_what_it_leaves(dx: int, dy: int) -> None:
    width, height = 60, 40
    before, now = np.zeros((height, width), bool), np.zeros((height, width), bool)
    before[12:26, 20:38] = True
    now[12 + dy : 26 + dy, 20 + dx : 38 + dx] = True
    backward, forward = (np.zeros((height, width, 2), np.float32) for _ in range(2))
    backward[now], forward[before] = (-dx, -dy), (dx, dy)
    assert np.array_equal(occlusion_mask(backward, forward), before & ~now)
    edge = motion_boundary_mask(backward)
    kernel = np.ones((5, 5), np.uint8)
    away = cv2.dilate(now.astype(np.uint8), kernel) == cv2.erode(now.astype(np.uint8), kernel)
    assert not edge[away].any()
    outline = now & (cv2.erode(now.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0)
    assert edge[outline].all()


def test_what_comes_in_at_the_border_is_occluded() -> None:
    backward, forward = constant(30, 20, 4, -2), constant(30, 20, -4, 2)
    expected = np.zeros((20, 30), bool)
    expected[:2], expected[:, 26:] = True, True
    assert np.array_equal(~inside(backward), expected)
    assert np.array_equal(occlusion_mask(backward, forward), expected)


# -- the sample clip --------------------------------------------------------------------


@pytest.mark.parametrize("t", [20, 74, 140])
def test_the_harbour_moves_as_drawn(harbour: ModuleType, t: int) -> None:
    size = {"width": 480, "height": 270}
    true, valid = harbour.flow(t, **size)
    before, now = (harbour.render(s, **size) for s in (t - 1, t))
    error = lengths(dense_flow(now, before) - true)
    solid = valid & (harbour._owners(harbour.View(**size), t)[0] > 0)
    assert error[solid].mean() < 0.08
    assert error[valid].mean() < 0.4  # four fifths are plain sky, where the grain leads it astray
    gap = np.abs(warp(before, true).astype(np.float64) - now)[valid]
    assert gap.mean() < 1.3  # the grain alone makes 1.0


# -- MPI Sintel -------------------------------------------------------------------------


def read_flo(path: Path) -> np.ndarray:
    """Middlebury's format: H×W×2 float32."""
    content = path.read_bytes()
    assert content[:4] == b"PIEH"
    width, height = np.frombuffer(content, np.int32, 2, 4)
    return np.frombuffer(content, np.float32, -1, 12).reshape(height, width, 2)


def sintel_errors(folder: Path, preset: FlowPreset, side: int | None, lean: bool = False) -> float:
    """Mean end-point error of flow 2→3 in pixels of the full size, where it can be seen."""
    frame, other = (read_image(folder / f"frame_000{i}.png") for i in (2, 3))
    true = read_flo(folder / "flow_0002_to_0003.flo")
    hidden = read_image(folder / "occlusion_0002.png")[..., 0] > 127
    hidden |= read_image(folder / "invalid_0002.png")[..., 0] > 127
    height, width = true.shape[:2]
    if side is not None:
        frame, other = (resize(i, side, round(height * side / width)) for i in (frame, other))
    found = resize_flow(dense_flow(frame, other, preset, lean), width, height)
    return float(lengths(found - true)[~hidden].mean())


@pytest.mark.data
@pytest.mark.parametrize("name", SINTEL)
def test_sintels_occlusions_belong_to_its_second_frame(data: Path, name: str) -> None:
    folder = data / "flow" / name
    frame, other = (read_image(folder / f"frame_000{i}.png") for i in (2, 3))
    gap = np.abs(warp(other, read_flo(folder / "flow_0002_to_0003.flo")).astype(float) - frame)
    occluded = read_image(folder / "occlusion_0002.png")[..., 0] > 127
    assert gap[occluded].mean() > 4 * gap[~occluded].mean()


@pytest.mark.data
@pytest.mark.parametrize(
    ("preset", "side", "bounds"),
    [
        ("ultrafast", None, (0.7, 1.9, 18.0)),
        ("ultrafast", 640, (1.0, 2.6, 27.0)),
        ("fast", None, (0.55, 1.75, 20.0)),
        ("fast", 640, (0.8, 2.3, 27.0)),
        ("medium", None, (0.33, 1.0, 24.5)),
        ("medium", 640, (0.42, 1.5, 29.0)),
    ],
)
def test_sintels_flow(
    data: Path, preset: FlowPreset, side: int | None, bounds: tuple[float, ...]
) -> None:
    for name, bound in zip(SINTEL, bounds, strict=True):
        assert sintel_errors(data / "flow" / name, preset, side) < bound, name


@pytest.mark.data
@pytest.mark.parametrize("side", [None, 448])
def test_lean_flow_is_nearly_as_exact(data: Path, side: int | None) -> None:
    for name in SINTEL:
        usual, lean = (
            sintel_errors(data / "flow" / name, "medium", side, lean) for lean in (False, True)
        )
        assert lean < 1.15 * usual


@pytest.mark.data
@pytest.mark.parametrize(
    ("relative", "absolute", "bounds"),
    [(0.01, 0.5, (0.43, 0.50, 0.28)), (0.1, 2.0, (0.45, 0.48, 0.31))],
)
def test_sintels_occlusions(
    data: Path, relative: float, absolute: float, bounds: tuple[float, ...]
) -> None:
    """F1 of the mask at a longer side of 640, with the truth at that size."""
    for name, bound in zip(SINTEL, bounds, strict=True):
        folder = data / "flow" / name
        frame, other = (resize(read_image(folder / f"frame_000{i}.png"), 640, 272) for i in (2, 3))
        found = occlusion_mask(
            dense_flow(frame, other), dense_flow(other, frame), relative, absolute
        )
        hidden = read_image(folder / "occlusion_0002.png")[..., 0] > 127
        hidden |= ~inside(read_flo(folder / "flow_0002_to_0003.flo"))
        small = cv2.resize(hidden.astype(np.float32), (640, 272), interpolation=cv2.INTER_AREA)
        true = small > 0.5
        score = 2 * (found & true).sum() / (found.sum() + true.sum())
        assert score > bound, name
