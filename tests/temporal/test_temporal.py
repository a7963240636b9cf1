"""The memory of the past, on scenes and drawings that move by formula."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from toys import toy_style

from vidstyle.errors import InputError, OptionError
from vidstyle.evaluate.metrics import gradient_energy, mean_change, warping_error
from vidstyle.frame import Frame
from vidstyle.stylizers import FastOptions, FastStylizer
from vidstyle.temporal.consistency import TemporalMemory
from vidstyle.temporal.flow import FlowPreset, warp
from vidstyle.temporal.motion import (
    Motion,
    MotionTracker,
    TemporalOptions,
    estimate_motion,
    thumbnail,
)
from vidstyle.video import ReadOptions, VideoReader

SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "harbour.mp4"
WIDTH, HEIGHT = 128, 96
INNER = np.s_[12:-12, 12:-12]
"""Away from the border, where pictures go in and out."""
Noise = Callable[[int, float], np.ndarray]
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert not [t for t in threading.enumerate() if t not in before and t.is_alive()]


def waves(
    seed: int,
    dx: float = 0.0,
    dy: float = 0.0,
    *,
    width: int = WIDTH,
    height: int = HEIGHT,
    mean: float = 128,
    contrast: float = 20,
    shortest: float = 7,
) -> np.ndarray:
    """Sines of 7 to 56 pixels in all directions, moved by (dx, dy): H×W×3 float64."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    image = np.zeros((height, width, 3))
    for _ in range(20):
        length, angle, phase = shortest * 8 ** rng.random(), *rng.uniform(0, 2 * np.pi, 2)
        way = (x - dx) * np.cos(angle) + (y - dy) * np.sin(angle)
        image += np.sin(2 * np.pi / length * way + phase)[..., None] * rng.normal(1, 0.4, 3)
    return mean + contrast * image / image.std()


def grain(seed: int, spread: float, shape: tuple[int, ...] = (HEIGHT, WIDTH, 3)) -> np.ndarray:
    """A sensor's noise, fresh for every seed."""
    return np.random.default_rng((1, seed)).normal(0, spread, shape)


def strokes(seed: int, spread: float, shape: tuple[int, ...] = (HEIGHT, WIDTH, 3)) -> np.ndarray:
    """Noise of a few pixels' size and mean 0, as of strokes that a network draws anew."""
    noise = cv2.GaussianBlur(np.random.default_rng((2, seed)).normal(size=shape), (0, 0), 1.2)
    return spread * (noise - noise.mean((0, 1))) / noise.std()


def levels(image: np.ndarray) -> np.ndarray:
    return np.clip(np.round(image), 0, 255).astype(np.uint8)


def scene(count: int, base: np.ndarray | None = None) -> list[np.ndarray]:
    """A camera on a tripod."""
    base = waves(1) if base is None else base
    return [levels(base + grain(index, 2, base.shape)) for index in range(count)]


def filmed(images: Iterable[np.ndarray], *, first: int = 0) -> Iterator[Frame]:
    """Frames, 24 a second."""
    for index, image in enumerate(images, first):
        yield Frame(image, index, Fraction(1, 24), 1)


def steadied(
    sources: Iterable[np.ndarray], drawings: Iterable[np.ndarray], **options: object
) -> list[np.ndarray]:
    """What the memory makes of drawings whose sources move as the tracker finds."""
    chosen = TemporalOptions(**options)  # type: ignore[arg-type]
    memory = TemporalMemory(chosen)
    with MotionTracker(chosen, threads=1) as tracker:
        tracked = zip(tracker(filmed(sources)), drawings, strict=True)
        return [memory(drawing, motion.result()) for (_, motion, _), drawing in tracked]


def motions(images: Iterable[np.ndarray], threads: int = 1, **options: object) -> list[Motion]:
    chosen = TemporalOptions(**options)  # type: ignore[arg-type]
    with MotionTracker(chosen, threads=threads) as tracker:
        return [motion.result() for _, motion, _ in list(tracker(filmed(images)))]


def shots(found: Sequence[Motion]) -> list[int]:
    """Where shots begin."""
    return [index for index, motion in enumerate(found) if motion.flow is None]


def same(first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def rms(image: np.ndarray, other: np.ndarray) -> float:
    return float(np.sqrt(np.square(image.astype(float) - other).mean()))


def correlation(image: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(image.ravel().astype(float), other.ravel())[0, 1])


def kept(image: np.ndarray, other: np.ndarray) -> float:
    """Gradient energy away from the border, as a share of another picture's."""
    return gradient_energy(image[INNER]) / gradient_energy(other[INNER])


def steps(video: Sequence[np.ndarray]) -> float:
    """Mean change from frame to frame."""
    return float(np.mean([mean_change(*pair) for pair in pairwise(video)]))


# -- options and thumbnails -----------------------------------------------------------------


@pytest.mark.parametrize("temporal", [-0.01, 1.01, float("nan")])
def test_temporal_is_a_share(temporal: float) -> None:
    with pytest.raises(OptionError, match="temporal must be from 0 to 1"):
        TemporalOptions(temporal=temporal)
    assert TemporalOptions(temporal=0).temporal == 0 and TemporalOptions(temporal=1).temporal == 1


def test_unknown_flow_is_refused() -> None:
    with pytest.raises(OptionError, match="ultrafast, fast or medium, not 'slow'"):
        TemporalOptions(flow="slow")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [(1280, 720, (448, 252)), (720, 1280, (252, 448)), (449, 420, (448, 419)), (5000, 3, (448, 1))],
)
def test_thumbnails_of_large_pictures(width: int, height: int, expected: tuple[int, int]) -> None:
    image = np.full((height, width, 3), 90, np.uint8)
    image[:, width // 2 :] = 200
    small = thumbnail(image)
    assert small.shape == (expected[1], expected[0], 3)
    assert (small[0, 0] == 90).all() and (small[-1, -1] == 200).all()


@pytest.mark.parametrize(("width", "height"), [(1, 1), (2, 3), (448, 252), (17, 448)])
def test_small_pictures_are_their_own_thumbnails(width: int, height: int) -> None:
    image = np.zeros((height, width, 3), np.uint8)
    assert thumbnail(image) is image


# -- what stays as it is --------------------------------------------------------------------


def test_the_first_frame_comes_out_as_it_was_drawn() -> None:
    drawing = levels(waves(2) + strokes(0, 12))
    assert np.array_equal(steadied(scene(1), [drawing])[0], drawing)


def test_no_memory_leaves_every_frame_alone() -> None:
    drawings = [levels(waves(2) + strokes(index, 12)) for index in range(4)]
    assert same(steadied(scene(4), drawings, temporal=0), drawings)
    assert not same(steadied(scene(4), drawings, temporal=0.1), drawings)


def test_what_comes_in_stays_as_it_was() -> None:
    sources, drawings = scene(3), [levels(waves(2) + strokes(index, 12)) for index in range(3)]
    copies = [image.copy() for image in sources + drawings]
    steadied(sources, drawings)
    assert same(sources + drawings, copies)


@pytest.mark.parametrize(
    ("width", "height"), [(1, 1), (3, 2), (500, 17), (17, 500), (1000, 3), (61, 43)]
)
@pytest.mark.parametrize("cuts", ["auto", "none"])
def test_any_size_will_do(width: int, height: int, cuts: str) -> None:
    base = np.full((height, width, 3), 120.0)
    drawings = [levels(base + grain(index, 20, base.shape)) for index in range(6)]
    results = steadied([levels(base)] * 6, drawings, cuts=cuts)
    assert {result.shape for result in results} == {(height, width, 3)}
    assert {result.dtype for result in results} == {np.dtype(np.uint8)}
    assert steps(results) < 0.8 * steps(drawings)


# -- steadier, and as detailed --------------------------------------------------------------


@pytest.mark.parametrize("noise", [grain, strokes])
@pytest.mark.parametrize(("temporal", "calmer"), [(0.6, 2.5), (1.0, 10)])
def test_noise_in_a_still_scene_calms_down(noise: Noise, temporal: float, calmer: float) -> None:
    drawings = [levels(waves(2) + noise(index, 6)) for index in range(24)]
    results = steadied(scene(24), drawings, temporal=temporal)
    assert steps(results) < steps(drawings) / calmer
    detail = [kept(result, drawing) for result, drawing in zip(results, drawings, strict=True)]
    # Grain has colours of its own, and what is left of it has the drawing's luma alone.
    least = 0.65 if noise is grain else 0.9
    assert min(detail) > least - 0.05 and max(detail) < 1.15
    assert np.mean(detail) > least
    assert kept(results[-1], levels(waves(2))) > 1


@pytest.mark.parametrize("shift", [(0.37, -0.21), (1.3, 0.6), (0.4, 0.3), (0.1, 0.1)])
def test_moving_strokes_stay_sharp_and_steady(shift: tuple[float, float]) -> None:
    places = [(index * shift[0], index * shift[1]) for index in range(40)]
    sources = [levels(waves(1, *at) + grain(i, 2)) for i, at in enumerate(places)]
    clean = [waves(2, *at, shortest=4) for at in places]
    drawings = [levels(image + strokes(index, 8)) for index, image in enumerate(clean)]
    results = steadied(sources, drawings)

    flow = np.tile(-np.float32(shift), (HEIGHT, WIDTH, 1))
    away = np.zeros((HEIGHT, WIDTH), bool)
    away[INNER] = True

    def unsteadiness(video: Sequence[np.ndarray]) -> float:
        return float(np.mean([warping_error(b, a, flow, away) for a, b in pairwise(video)]))

    assert unsteadiness(results) < unsteadiness(drawings) / 6
    assert correlation(drawings[-1][INNER], clean[-1][INNER]) < 0.94
    for result, image in list(zip(results, clean, strict=True))[4::3]:
        assert correlation(result[INNER], image[INNER]) > 0.97
    detail = [
        kept(result, image) for result, image in zip(results, map(levels, clean), strict=True)
    ]
    assert min(detail) > 1
    assert np.mean(detail[-10:]) > 0.95 * np.mean(detail[5:15])


def test_of_two_drawings_in_turn_one_stays() -> None:
    first, second = waves(2), waves(3)
    assert ((first + second) / 2).std() < 0.75 * first.std()
    drawings = [levels((first, second)[index % 2] + strokes(index, 4)) for index in range(40)]
    results = steadied(scene(40), drawings)
    assert steps(results) < steps(drawings) / 10
    for result in results:
        assert correlation(result, first) > 0.95
        assert result.std() > 0.9 * first.std()


# -- what is over is over -------------------------------------------------------------------


def test_a_cut_leaves_nothing_of_the_shot_before() -> None:
    sources = scene(6) + scene(8, waves(11))
    old, new = waves(2), waves(3)
    drawings = [levels((old if i < 6 else new) + strokes(i, 6)) for i in range(14)]
    results = steadied(sources, drawings)
    assert np.array_equal(results[6], drawings[6])
    assert not np.array_equal(results[7], drawings[7])
    for result in results[6:]:
        assert abs(correlation(result - new, old)) < 0.05
    through = steadied(sources, drawings, cuts="none")
    assert correlation(through[7] - new, old) > 0.08  # the measure sees what a cut leaves


@pytest.mark.parametrize("step", [6, 8])
def test_what_an_object_uncovers_is_drawn_afresh(step: int) -> None:
    def with_object(index: int, behind: np.ndarray, thing: np.ndarray) -> np.ndarray:
        image = behind.copy()
        left = 8 + step * index
        image[30:62, left : left + 32] = thing[:32, :32]
        return image

    source = waves(1, mean=158, contrast=30), waves(4, mean=58, contrast=25)
    drawn = waves(2, mean=148), waves(5, mean=68)
    sources = [levels(with_object(i, *source) + grain(i, 2)) for i in range(10)]
    clean = [with_object(i, *drawn) for i in range(10)]
    drawings = [levels(image + strokes(i, 6)) for i, image in enumerate(clean)]
    results = steadied(sources, drawings)

    for index in range(1, 10):
        left = 8 + step * index
        fresh, passed = np.s_[32:60, left - step : left], np.s_[32:60, 8 : left - 2 * step]

        def ghost(place: tuple[slice, slice], index: int = index) -> float:
            """How much of the way back to the object's brightness the picture is."""
            gap = results[index][place].mean() - clean[index][place].mean()
            return float(gap / (drawn[1].mean() - drawn[0].mean()))

        assert ghost(fresh) < 0.5
        if index > 2:
            assert abs(ghost(passed)) < 0.1


@pytest.mark.parametrize("cuts", ["auto", "none"])
def test_a_flash_does_not_linger(cuts: str) -> None:
    sources, drawings = scene(10), [levels(waves(2) + strokes(index, 6)) for index in range(10)]
    calm = steadied(sources, drawings, cuts=cuts)
    for images in sources, drawings:
        images[6] = levels(images[6] + 90.0)
    results = steadied(sources, drawings, cuts=cuts)
    assert abs(results[6].mean() - drawings[6].mean()) < 2
    for index in (7, 8, 9):
        assert abs(results[index].mean() - drawings[index].mean()) < 1
        assert correlation(results[index], waves(2)) > 0.95
    assert rms(results[9], waves(2)) < rms(calm[9], waves(2)) + 2


@pytest.mark.slow
def test_a_slow_change_of_light_is_followed() -> None:
    ramp = range(-30, 30)
    sources = [levels(waves(1, mean=128 + r, contrast=15) + grain(r + 99, 2)) for r in ramp]
    drawings = [levels(waves(2, mean=128 + r, contrast=15) + strokes(r + 99, 6)) for r in ramp]
    results = steadied(sources, drawings)
    lag = [d.mean() - r.mean() for d, r in zip(drawings, results, strict=True)]
    assert max(map(abs, lag)) < 10
    assert lag[-1] < lag[-15] + 0.3  # and does not grow
    assert steps(results) < steps(drawings) / 2


@pytest.mark.slow
def test_a_dissolve_ends_as_the_new_drawing() -> None:
    shares = [min(index / 60, 1) for index in range(66)]
    sources = [
        levels((1 - share) * waves(1) + share * waves(11) + grain(i, 2))
        for i, share in enumerate(shares)
    ]
    old, new = waves(2), waves(3)
    clean = [(1 - share) * old + share * new for share in shares]
    drawings = [levels(image + strokes(index, 6)) for index, image in enumerate(clean)]
    results = steadied(sources, drawings)
    for result, image in zip(results, clean, strict=True):
        assert rms(result, image) < 6.5
    assert correlation(results[-1], new) > 0.98
    assert abs(correlation(results[-1] - new, old)) < 0.1


def test_colours_do_not_drift() -> None:
    shape = (54, 72, 3)
    drawn = waves(2, width=72, height=54)
    sources = scene(300, waves(1, width=72, height=54))
    drawings = [levels(drawn + strokes(index, 12, shape)) for index in range(300)]
    results = steadied(sources, drawings)
    for result in results:
        assert np.abs((result - drawn).mean((0, 1))).max() < 0.5
    assert correlation(results[-1], drawn) > 0.9
    assert results[-1].std() > 0.95 * drawn.std()
    assert kept(results[-1], levels(drawn)) > 1


def test_what_was_not_visible_is_drawn_afresh() -> None:
    memory, still = TemporalMemory(), scene(1)[0]
    drawings = [levels(waves(seed)) for seed in (2, 3)]
    memory(drawings[0], Motion(still))
    visible = np.ones((HEIGHT, WIDTH), np.float32)
    visible[:, : WIDTH // 2] = 0
    flow = np.zeros((HEIGHT, WIDTH, 2), np.float32)
    result = memory(drawings[1], Motion(still, flow, visible)).astype(int)
    new, old = np.s_[:, : WIDTH // 2 - 8], np.s_[:, WIDTH // 2 + 8 :]
    assert np.abs(result[new] - drawings[1][new]).max() <= 1
    assert rms(result[old], drawings[0][old]) < 0.3 * rms(drawings[1][old], drawings[0][old])


@pytest.mark.slow
def test_nothing_grows_that_was_not_drawn() -> None:
    """Over the whole sample clip, where posts move before water and the flow is often wrong."""

    def detail(image: np.ndarray) -> np.ndarray:
        """Mean square of it over 32×32 pixels."""
        luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
        squares = np.square(luma - cv2.blur(luma, (9, 9)))
        size = image.shape[1] // 32, image.shape[0] // 32
        return cv2.resize(squares, size, interpolation=cv2.INTER_AREA)

    stylizer = FastStylizer("scream", FastOptions(device="cpu", precision="fp32"))
    memory, options = TemporalMemory(), TemporalOptions()
    grown = []
    with (
        VideoReader(SAMPLE, ReadOptions(max_side=480)) as reader,
        MotionTracker(options) as tracker,
    ):
        for frame, motion, _ in tracker(reader):
            drawn = stylizer(frame.image)
            result = memory(drawn, motion.result())
            grown.append((detail(result) / (detail(drawn) + 20)).max())
    assert len(grown) == 150
    assert max(grown) < 2.5


def test_deep_pictures_are_steadied_like_shallow_ones() -> None:
    results = {}
    for kind in (np.uint8, np.float32):
        memory, results[kind] = TemporalMemory(), []
        previous = None
        for number in range(4):
            scene = waves(1, 1.3 * number).clip(0, 255)
            small = thumbnail(scene.astype(np.float32))
            assert small.dtype == np.uint8
            motion = (
                Motion(small)
                if previous is None
                else estimate_motion(previous, small, "fast", False)
            )
            drawn = waves(2, 1.3 * number, contrast=60).round().clip(0, 255)
            result = memory(drawn.astype(kind), motion)
            assert result.dtype == kind and result.min() >= 0 and result.max() <= 255
            results[kind].append(result)
            previous = small
    for shallow, deep in zip(results[np.uint8], results[np.float32], strict=True):
        assert np.abs(deep - shallow).max() < 1.6
    assert (results[np.float32][3] % 1 > 0).mean() > 0.5


def test_another_size_begins_anew() -> None:
    small, large = scene(3), scene(3, waves(1, width=140, height=100))
    drawings = [levels(image + strokes(i, 9, image.shape)) for i, image in enumerate(small + large)]
    results = steadied(small + large, drawings)
    assert np.array_equal(results[3], drawings[3])
    assert not np.array_equal(results[4], drawings[4])
    assert rms(results[5], large[2]) < rms(drawings[5], large[2])


# -- to go on later -------------------------------------------------------------------------


def test_there_is_nothing_to_keep_before_the_first_frame() -> None:
    fresh = TemporalMemory()
    assert fresh.state() == {}
    restored = TemporalMemory()
    restored.restore(fresh.state())
    drawing = levels(waves(2))
    assert np.array_equal(restored(drawing, Motion(scene(1)[0])), drawing)


@pytest.mark.parametrize(("width", "height"), [(96, 72), (700, 40)])
def test_a_run_goes_on_where_it_was_left(tmp_path: Path, width: int, height: int) -> None:
    shape, size = (height, width, 3), {"width": width, "height": height}
    sources = [levels(waves(1, 0.8 * i, **size) + grain(i, 2, shape)) for i in range(9)]
    drawings = [levels(waves(2, 0.8 * i, **size) + strokes(i, 9, shape)) for i in range(9)]
    options = TemporalOptions()
    first, second, kept = TemporalMemory(options), TemporalMemory(options), tmp_path / "state.npz"
    whole = []
    with MotionTracker(options, threads=1) as tracker:
        for index, (_, motion, _) in enumerate(tracker(filmed(sources))):
            whole.append(first(drawings[index], motion.result()))
            if index == 4:
                state = first.state()
                np.savez(kept, **state)
    with np.load(kept) as loaded:
        assert loaded.keys() == state.keys()
        assert all(np.array_equal(loaded[name], part) for name, part in state.items())
        second.restore(dict(loaded))
    (last,) = filmed(sources[4:5], first=4)
    with MotionTracker(options, previous=last, index=5, threads=1) as tracker:
        rest = [
            second(drawing, motion.result())
            for (_, motion, _), drawing in zip(
                tracker(filmed(sources[5:], first=5)), drawings[5:], strict=True
            )
        ]
    assert same(rest, whole[5:])
    assert not same(rest[:1], drawings[5:6])


# -- motion ---------------------------------------------------------------------------------


@pytest.mark.parametrize("spread", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("contrast", [0, 20])
def test_a_still_scene_stands_still_despite_grain(contrast: float, spread: float) -> None:
    still = waves(1, contrast=contrast)
    previous, now = (levels(still + grain(seed, spread)) for seed in (1, 2))
    motion = estimate_motion(previous, now, "medium", True)
    assert motion.flow is not None and motion.visible is not None
    assert (motion.flow == 0).mean() == 1
    assert (motion.visible == 1).mean() == 1
    assert motion.thumbnail is now


@pytest.mark.parametrize(("preset", "bound"), [("ultrafast", 0.4), ("fast", 0.4), ("medium", 0.1)])
@pytest.mark.parametrize("shift", [(2.5, -1.5), (-6.0, 3.0)])
def test_a_shift_is_found(preset: FlowPreset, bound: float, shift: tuple[float, float]) -> None:
    previous, now = levels(waves(1) + grain(1, 2)), levels(waves(1, *shift) + grain(2, 2))
    motion = estimate_motion(previous, now, preset, True)
    assert motion.flow is not None and motion.visible is not None
    assert motion.flow.shape == (HEIGHT, WIDTH, 2) and motion.flow.dtype == np.float32
    assert motion.visible.shape == (HEIGHT, WIDTH) and motion.visible.dtype == np.float32
    error = np.linalg.norm(motion.flow + np.float32(shift), axis=2)
    assert error[INNER].mean() < bound
    assert (motion.visible[INNER] > 0.9).mean() > 0.95
    moved = warp(previous, motion.flow)
    assert rms(moved[INNER], now[INNER]) < 0.3 * rms(previous[INNER], now[INNER])


@pytest.mark.parametrize("shift", [(6, 0), (0, -5)])
def test_what_comes_in_was_not_visible(shift: tuple[int, int]) -> None:
    previous, now = levels(waves(1) + grain(1, 2)), levels(waves(1, *shift) + grain(2, 2))
    visible = estimate_motion(previous, now, "medium", True).visible
    assert visible is not None
    new = visible[:, : shift[0] - 1] if shift[0] else visible[shift[1] + 1 :]
    assert (new == 0).mean() > 0.95
    assert visible.mean() > 0.85


# -- the tracker ----------------------------------------------------------------------------


def swaying(count: int) -> list[np.ndarray]:
    """Each frame moves by its own (index % 5 − 2) pixels."""
    places = np.cumsum([index % 5 - 2 for index in range(count)])
    return [levels(waves(1, at) + grain(i, 1)) for i, at in enumerate(places)]


def test_frames_keep_their_order_and_get_their_own_motion() -> None:
    images = swaying(12)
    with MotionTracker(TemporalOptions(), threads=3) as tracker:
        tracked = list(tracker(filmed(images)))
        found = [motion.result() for _, motion, _ in tracked]
    assert [frame.pts for frame, _, _ in tracked] == list(range(12))
    assert same([frame.image for frame, _, _ in tracked], images)
    assert same([motion.thumbnail for motion in found], images)
    assert shots(found) == [0]
    for index, motion in enumerate(found[1:], 1):
        assert motion.flow is not None
        assert motion.flow[INNER][..., 0].mean() == pytest.approx(2 - index % 5, abs=0.15)


def test_the_number_of_threads_does_not_matter() -> None:
    images = swaying(7) + scene(3, waves(11))
    alone, together = motions(images), motions(images, threads=4)
    assert shots(alone) == shots(together) == [0, 7]
    for one, other in zip(alone, together, strict=True):
        assert np.array_equal(one.thumbnail, other.thumbnail)
        if one.flow is not None:
            assert np.array_equal(one.flow, other.flow)
            assert np.array_equal(one.visible, other.visible)


def test_an_error_among_the_frames_comes_through() -> None:
    class Trouble(Exception):
        pass

    def broken() -> Iterator[Frame]:
        yield from filmed(scene(3))
        raise Trouble("reading")

    seen = []
    with (
        pytest.raises(Trouble, match="reading"),
        MotionTracker(TemporalOptions(), threads=2) as tracker,
    ):
        for _frame, motion, _ in tracker(broken()):
            seen.append(motion.result())
    assert shots(seen) == [0]
    assert len(seen) == 3


def test_threads_end_with_the_context() -> None:
    def at_work() -> int:
        return sum(thread.name.startswith("motion") for thread in threading.enumerate())

    with MotionTracker(TemporalOptions(), threads=2) as tracker:
        list(tracker(filmed(swaying(6))))
        assert at_work() == 2
    assert at_work() == 0


def test_without_memory_nothing_is_estimated() -> None:
    assert shots(motions(scene(4), temporal=0)) == [0, 1, 2, 3]


# -- cuts -----------------------------------------------------------------------------------


def test_cuts_are_found_or_not_asked_for() -> None:
    images = scene(3) + scene(3, waves(11))
    assert shots(motions(images)) == [0, 3]
    assert shots(motions(images, cuts="none")) == [0]


def test_listed_frames_begin_shots(tmp_path: Path) -> None:
    listed = tmp_path / "cuts.txt"
    listed.write_text("#2\n#5  ; the last one\n")
    images = scene(3) + scene(4, waves(11))
    assert shots(motions(images, cuts=listed)) == [0, 2, 5]
    assert shots(motions(images, cuts=str(listed))) == [0, 2, 5]


def test_listed_times_count_from_the_origin(tmp_path: Path) -> None:
    listed = tmp_path / "cuts.txt"
    listed.write_text("0.5\n0:00:00.625\n9\n")
    options = TemporalOptions(cuts=listed)

    def starts(first: int, origin: float) -> list[int]:
        with MotionTracker(options, origin=origin, threads=1) as tracker:
            tracked = list(tracker(filmed(scene(18), first=first)))
            return shots([motion.result() for _, motion, _ in tracked])

    assert starts(0, 0.0) == [0, 12, 15]
    assert starts(24, 1.0) == [0, 12, 15]
    assert starts(8, 0.0) == [0, 4, 7]  # only a part is read
    assert starts(32, 1.0) == [0, 4, 7]


@pytest.mark.parametrize("line", ["#5", "0.208"])
def test_a_run_that_goes_on_finds_listed_cuts_where_the_whole_run_does(
    tmp_path: Path, line: str
) -> None:
    listed = tmp_path / "cuts.txt"
    listed.write_text(f"0.05\n{line}\n#8\n")
    options = TemporalOptions(cuts=listed)
    assert shots(motions(scene(9), cuts=listed)) == [0, 2, 5, 8]
    (last,) = filmed(scene(5)[4:], first=4)
    with MotionTracker(options, previous=last, index=5, threads=1) as tracker:
        rest = [motion.result() for _, motion, _ in list(tracker(filmed(scene(4), first=5)))]
    assert shots(rest) == [0, 3]


def test_a_list_that_cannot_be_read_is_told_at_once(tmp_path: Path) -> None:
    threads = threading.active_count()
    with pytest.raises(InputError, match=r"nosuch\.txt"):
        MotionTracker(TemporalOptions(cuts=tmp_path / "nosuch.txt"))
    (tmp_path / "bad.txt").write_text("3.5\nsoon\n")
    with pytest.raises(InputError, match=r"bad\.txt, line 2: 'soon'"):
        MotionTracker(TemporalOptions(cuts=tmp_path / "bad.txt"))
    assert threading.active_count() == threads


# -- with a real stylizer -------------------------------------------------------------------


@needs_cuda
def test_a_gpu_and_the_processor_give_the_same_video() -> None:
    sources = [levels(waves(1, 0.7 * index) + grain(index, 2)) for index in range(8)]
    videos = [
        steadied(sources, FastStylizer(toy_style(), FastOptions(device=name, precision="fp32"))(
            np.stack(sources)))
        for name in ("cpu", "cuda")
    ]  # fmt: skip
    assert videos[0][0].std() > 5
    for expected, result in zip(*videos, strict=True):
        assert rms(result, expected) < 1
