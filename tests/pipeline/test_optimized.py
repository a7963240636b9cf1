"""Video by optimization: what a frame takes from others, and going on after an end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from clips import Recipe, Sound, frame_times, images, packets, write_clip
from toys import toy_photo, toy_style, toy_vgg

from vidstyle.errors import Interrupted, OptimizationError, OptionError, OutputError
from vidstyle.models.vgg import VGG19
from vidstyle.pipeline.optimized import VideoOptions, optimize_video
from vidstyle.pipeline.summary import Progress, Summary
from vidstyle.stylizers import FastOptions, FastStylizer, OptimizeOptions, OptimizeStylizer, Step
from vidstyle.temporal.flow import dense_flow, warp
from vidstyle.temporal.motion import TemporalOptions
from vidstyle.video import ReadOptions, WriteOptions

SIZE = 96, 64
SPEED = 3
LOSSLESS = WriteOptions(codec="ffv1", pix_fmt="bgr0")
PAINTING = toy_photo(50, 60, seed=9)
VGG = VGG19(toy_vgg(), "relu2_1")
STILL = OptimizeOptions(
    content_layers=(("relu2_1", 1.0),),
    style_layers=(("relu1_1", 1.0),),
    tv_weight=0.0,
    iterations=8,
    device="cpu",
    precision="fp32",
)
QUICK = VideoOptions(iterations=4)


def scene(seed: int, columns: int = 240) -> np.ndarray:
    """A wide landscape with much to hold on to."""
    rng = np.random.default_rng(seed)
    coarse = cv2.resize(rng.random((9, 30, 3), np.float32), (columns, SIZE[1]))
    fine = cv2.resize(rng.random((32, 120, 3), np.float32), (columns, SIZE[1]))
    return (255 * (0.6 * coarse + 0.4 * fine)).astype(np.uint8)


def pan(seed: int) -> Callable[[int, int, int], np.ndarray]:
    """A camera that turns right by three pixels a frame."""
    wide = scene(seed)
    return lambda n, width, _height: np.ascontiguousarray(wide[:, SPEED * n : SPEED * n + width])


def clip(path: Path, count: int = 5, seed: int = 0, **changes: Any) -> Path:
    changes = {"image": pan(seed), **changes}
    return write_clip(
        path,
        Recipe(ticks=tuple(range(count)), size=SIZE, codec="ffv1", pix_fmt="bgr0", **changes),
    )


def optimize(source: Path, output: Path, **more: Any) -> Summary:
    more = {
        "optimize": STILL,
        "video": QUICK,
        "temporal": TemporalOptions(1.0),
        "write": LOSSLESS,
        **more,
    }
    return optimize_video(source, output, [(PAINTING, 1.0)], vgg=VGG, **more)


def painted(source: Path, name: str = "out.mkv", **more: Any) -> list[np.ndarray]:
    """The frames of the result."""
    output = source.with_name(name)
    optimize(source, output, **more)
    return images(output)


def same(first: list[np.ndarray], second: list[np.ndarray]) -> bool:
    return len(first) == len(second) and all(map(np.array_equal, first, second))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# -- what comes out -------------------------------------------------------------------------


def test_a_whole_video(tmp_path: Path) -> None:
    source = clip(tmp_path / "a.mkv", sounds=(Sound(seconds=0.25),))
    heard: list[Progress] = []
    summary = optimize(source, tmp_path / "b.mkv", listener=heard.append)
    assert summary.frames == len(images(tmp_path / "b.mkv")) == 5
    assert frame_times(tmp_path / "b.mkv") == frame_times(source)
    assert packets(tmp_path / "b.mkv") == packets(source)
    assert [(p.frames, p.total, p.skipped) for p in heard] == [(n, 5, 0) for n in range(1, 6)]
    assert all(p.loss is not None and p.loss > 0 for p in heard)
    assert names(tmp_path) == ["a.mkv", "b.mkv"]


def test_more_than_eight_bits_are_named(tmp_path: Path) -> None:
    deep = Recipe(ticks=(0, 1), size=SIZE, codec="ffv1", pix_fmt="yuv420p10le", image=pan(0))
    source = write_clip(tmp_path / "a.mkv", deep)
    assert "10 bits painted as 8" in " ".join(optimize(source, tmp_path / "b.mkv").warnings)
    wanted = ReadOptions(bit_depth=8)
    assert optimize(source, tmp_path / "c.mkv", read=wanted).warnings == ()
    with pytest.raises(OptionError, match="8 bits"):
        optimize(source, tmp_path / "d.mkv", read=ReadOptions(bit_depth=10))


def test_side_by_side_and_a_part(tmp_path: Path) -> None:
    source = clip(tmp_path / "a.mkv", 6)
    read = ReadOptions(start=1 / 24, end=4 / 24)
    pairs = painted(source, compare=True, read=read)
    alone = painted(source, "alone.mkv", read=read)
    assert same([pair[:, : SIZE[0]] for pair in pairs], images(source)[1:4])
    assert same([pair[:, SIZE[0] :] for pair in pairs], alone)


def test_without_steps_the_past_is_moved_along(tmp_path: Path) -> None:
    """The first frame's noise travels with the scene, and what comes into view is the source."""
    source = clip(tmp_path / "a.mkv")
    still = replace(STILL, init="noise", iterations=1)
    results = painted(source, optimize=still, video=VideoOptions(iterations=1, drift=np.inf))
    first, last = results[0].astype(int), results[-1].astype(int)
    shift = 4 * SPEED
    rows, inner = slice(8, -8), slice(8, SIZE[0] - shift - 8)
    assert np.abs(first - images(source)[0]).mean() > 40
    moved = first[rows, shift:][:, inner]
    assert np.corrcoef(last[rows, inner].ravel(), moved.ravel())[0, 1] > 0.9
    new = np.abs(last - images(source)[-1])[rows, -SPEED + 1 :]
    assert new.mean() < 25 < np.abs(last - images(source)[-1])[rows, inner].mean()


def unsteady(pictures: list[np.ndarray], sources: list[np.ndarray]) -> float:
    """Mean change between frames along the flow, in levels."""
    changes = []
    for before, now, old, new in zip(pictures, pictures[1:], sources, sources[1:], strict=False):
        moved = warp(before, dense_flow(new, old))
        changes.append(np.abs(moved.astype(int) - now)[8:-8, 8:-12].mean())
    return float(np.mean(changes))


@pytest.mark.slow
def test_the_temporal_loss_steadies(tmp_path: Path) -> None:
    source = clip(tmp_path / "a.mkv")
    photos = images(source)
    # From the same start, many steps: the loss makes the difference.
    video = VideoOptions(iterations=40, temporal_weight=0.0)
    free = unsteady(painted(source, "free.mkv", video=video), photos)
    held = unsteady(painted(source, "held.mkv", video=replace(video, temporal_weight=1e4)), photos)
    weak = TemporalOptions(0.01)
    loose = unsteady(
        painted(source, "weak.mkv", video=replace(video, temporal_weight=1e4), temporal=weak),
        photos,
    )
    assert held < loose < free


def test_without_temporal_frames_are_on_their_own(tmp_path: Path) -> None:
    source = clip(tmp_path / "a.mkv", 3)
    results = painted(source, temporal=TemporalOptions(0))
    painter = OptimizeStylizer([(PAINTING, 1.0)], STILL, VGG)
    assert same(results, [painter(photo) for photo in images(source)])


def test_a_cut_leaves_nothing_of_the_shot_before(tmp_path: Path) -> None:
    def two_shots(first: int) -> Callable[[int, int, int], np.ndarray]:
        return lambda n, *size: pan(first)(n, *size) if n < 3 else pan(7)(n - 3, *size)

    one = painted(clip(tmp_path / "a.mkv", 6, image=two_shots(1)), "one.mkv")
    other = painted(clip(tmp_path / "b.mkv", 6, image=two_shots(2)), "other.mkv")
    assert same(one[3:], other[3:])
    assert not same(one[:3], other[:3])
    through = painted(tmp_path / "a.mkv", "c.mkv", temporal=TemporalOptions(1, cuts="none"))
    assert same(through[:3], one[:3])


def test_first_frames_have_more_steps_and_good_ones_end_early(tmp_path: Path) -> None:
    source = clip(tmp_path / "a.mkv", 3)

    def steps(**more: Any) -> list[int]:
        heard: list[Step] = []
        painted(source, steps=heard.append, **more)
        (tmp_path / "out.mkv").unlink()
        ends = [n for n, step in enumerate(heard) if step.iteration == 1] + [len(heard)]
        return np.diff(ends).tolist()

    assert steps() == [8, 4, 4]
    early = replace(STILL, iterations=60, tolerance=0.5)
    first, *rest = steps(optimize=early, video=VideoOptions(iterations=50))
    assert 11 <= first < 60
    assert all(11 <= count < 50 for count in rest)


# -- starts from the fast engine ------------------------------------------------------------


@pytest.fixture(scope="module")
def fast() -> FastStylizer:
    return FastStylizer(toy_style(), FastOptions(device="cpu", precision="fp32"))


def test_shots_start_from_the_fast_engine(tmp_path: Path, fast: FastStylizer) -> None:
    source = clip(tmp_path / "a.mkv", 3)
    photos, still = images(source), replace(STILL, iterations=1)
    video = VideoOptions(iterations=1, drift=np.inf)
    once = painted(source, "once.mkv", optimize=still, video=video, fast=fast)
    assert np.array_equal(once[0], fast(photos[0]))
    assert not np.array_equal(once[1], fast(photos[1]))
    # What comes into view is drawn by it, too.
    assert np.abs(once[1].astype(int) - fast(photos[1]))[8:-8, -2:].mean() < 20
    video = replace(video, refresh=True)
    always = painted(source, "always.mkv", optimize=still, video=video, fast=fast)
    assert same(always, [fast(photo) for photo in photos])


# -- passes ---------------------------------------------------------------------------------


def test_backward_passes_learn_from_the_next_frame(tmp_path: Path, fast: FastStylizer) -> None:
    """Without steps, each is half its own and half the next one's, moved back."""
    source = clip(tmp_path / "a.mkv", 4)
    video = VideoOptions(iterations=1, passes=2, refresh=True, drift=np.inf)
    still, photos = replace(STILL, iterations=1), images(source)
    results = [
        image.astype(int) for image in painted(source, optimize=still, video=video, fast=fast)
    ]
    own = [fast(photo).astype(int) for photo in photos]
    assert np.array_equal(results[3], own[3])
    rows, left, right = slice(8, -8), slice(12, -12), slice(12 - SPEED, -12 - SPEED)
    for n in range(3):
        halves = (own[n][rows, left] + results[n + 1][rows, right]) / 2
        apart = np.abs(own[n][rows, left] - results[n + 1][rows, right]).mean()
        assert np.abs(results[n][rows, left] - halves).mean() < 0.25 * apart


@pytest.mark.slow
def test_passes_keep_shots_apart(tmp_path: Path) -> None:
    def two_shots(last: int) -> Callable[[int, int, int], np.ndarray]:
        return lambda n, *size: pan(1)(n, *size) if n < 2 else pan(last)(n - 2, *size)

    video, heard = replace(QUICK, passes=3), list[Progress]()
    source = clip(tmp_path / "a.mkv", 4, image=two_shots(5))
    one = painted(source, "one.mkv", video=video, listener=heard.append)
    other = painted(clip(tmp_path / "b.mkv", 4, image=two_shots(6)), "other.mkv", video=video)
    assert same(one[:2], other[:2])
    assert not same(one[2:], other[2:])
    assert [(p.frames, p.total) for p in heard] == [(n, 12) for n in range(1, 13)]


# -- going on -------------------------------------------------------------------------------


class Stop(Exception):
    pass


def stop_after(count: int, error: type[BaseException] = Stop) -> Callable[[Progress], None]:
    def listen(progress: Progress) -> None:
        if progress.frames == count:
            raise error

    return listen


@pytest.mark.parametrize(("passes", "stops"), [(1, [1, 3]), (2, [2, 6, 8])])
def test_a_resumed_run_is_the_same(tmp_path: Path, passes: int, stops: list[int]) -> None:
    source, more = clip(tmp_path / "a.mkv", 5), {"video": replace(QUICK, passes=passes)}
    whole = painted(source, "whole.mkv", **more)
    for number in stops:
        with pytest.raises(Stop):
            painted(source, resume=True, listener=stop_after(number), **more)
    assert names(tmp_path) == [".out.mkv.work", "a.mkv", "whole.mkv"]
    heard: list[Progress] = []
    resumed = painted(source, resume=True, listener=heard.append, **more)
    assert same(resumed, whole)
    assert heard[-1].skipped == stops[-1]
    assert names(tmp_path) == ["a.mkv", "out.mkv", "whole.mkv"]


def test_a_damaged_frame_is_made_again(tmp_path: Path) -> None:
    source = clip(tmp_path / "a.mkv", 4)
    whole = painted(source, "whole.mkv")
    with pytest.raises(Stop):
        painted(source, listener=stop_after(3))
    (tmp_path / ".out.mkv.work" / "1" / "00000001.png").write_bytes(b"\x89PNG")
    assert same(painted(source, resume=True), whole)


def test_ctrl_c_keeps_the_frames(tmp_path: Path) -> None:
    source = clip(tmp_path / "a.mkv", 3)
    with pytest.raises(Interrupted) as left:
        painted(source, listener=stop_after(2, KeyboardInterrupt))
    assert left.value.partial == tmp_path / ".out.mkv.work"
    assert "--resume" in left.value.advice
    with pytest.raises(OutputError, match=r"--resume.*--overwrite"):
        painted(source)
    heard: list[Progress] = []
    again = replace(LOSSLESS, overwrite=True)
    painted(source, write=again, listener=heard.append)
    assert [p.skipped for p in heard] == [0, 0, 0]


CHANGES: dict[str, dict[str, Any]] = {
    "style weight": {"optimize": replace(STILL, style_weight=2.0)},
    "first iterations": {"optimize": replace(STILL, iterations=9)},
    "iterations": {"video": replace(QUICK, iterations=5)},
    "passes": {"video": replace(QUICK, passes=2)},
    "temporal": {"temporal": TemporalOptions(0.5)},
    "flow": {"temporal": TemporalOptions(1.0, "fast")},
    "max side": {"read": ReadOptions(max_side=48)},
    "style": {"paintings": [(PAINTING[::-1].copy(), 1.0)]},
    "vgg": {"vgg": VGG19(toy_vgg(seed=1), "relu2_1")},
}


@pytest.mark.parametrize("name", CHANGES)
def test_changed_settings_are_refused_by_name(tmp_path: Path, name: str) -> None:
    source, output = clip(tmp_path / "a.mkv", 2), tmp_path / "b.mkv"
    with pytest.raises(Stop):
        optimize(source, output, listener=stop_after(1))
    given = {
        "paintings": [(PAINTING, 1.0)],
        "vgg": VGG,
        "optimize": STILL,
        "video": QUICK,
        "temporal": TemporalOptions(1.0),
        **CHANGES[name],
    }
    with pytest.raises(OptionError, match=f"begun with {name} .*, not "):
        optimize_video(source, output, write=LOSSLESS, resume=True, **given)


def test_a_changed_input_is_refused(tmp_path: Path) -> None:
    source, output = clip(tmp_path / "a.mkv", 2), tmp_path / "b.mkv"
    with pytest.raises(Stop):
        optimize(source, output, listener=stop_after(1))
    clip(source, 3)
    with pytest.raises(OptionError, match="bytes of input"):
        optimize(source, output, resume=True)


def test_how_it_is_encoded_may_change(tmp_path: Path) -> None:
    source = clip(tmp_path / "a.mkv", 3)
    with pytest.raises(Stop):
        painted(source, listener=stop_after(2))
    optimize(source, tmp_path / "out.mkv", resume=True, compare=True, write=WriteOptions(crf=30))
    assert images(tmp_path / "out.mkv")[0].shape == (64, 192, 3)


# -- bad input ------------------------------------------------------------------------------


def test_what_fails_at_once_leaves_nothing(tmp_path: Path) -> None:
    source = clip(tmp_path / "a.mkv", 2)
    (tmp_path / "there.mkv").touch()
    with pytest.raises(OutputError, match="exists already"):
        painted(source, "there.mkv")
    deep = replace(STILL, style_layers=(("relu5_1", 1.0),))
    with pytest.raises(OptionError, match="ends with"):
        painted(source, optimize=deep)
    with pytest.raises(OptionError, match="the layers need"):
        painted(source, read=ReadOptions(max_side=2))
    assert names(tmp_path) == ["a.mkv", "there.mkv"]


def test_a_loss_that_is_no_number_names_the_frame(tmp_path: Path) -> None:
    source = clip(tmp_path / "a.mkv", 2)
    with pytest.raises(OptimizationError, match="frame 1: the loss became"):
        painted(source, video=replace(QUICK, temporal_weight=1e39))
    assert ".out.mkv.work" in names(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"passes": 0}, "passes must be at least 1, not 0"),
        ({"iterations": 0}, "iterations must be at least 1"),
        ({"temporal_weight": -1.0}, "temporal weight must be 0 or more, not -1"),
        ({"temporal_weight": np.inf}, "temporal weight must be finite"),
        ({"drift": np.nan}, "drift must be 0 or more"),
        ({"long_term": (2, 4)}, "long term"),
        ({"long_term": (1, 4, 2)}, "long term"),
        ({"long_term": ()}, "long term"),
    ],
)
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        VideoOptions(**options)


def test_options_that_do_not_go_together(tmp_path: Path) -> None:
    source = clip(tmp_path / "a.mkv", 2)
    with pytest.raises(OptionError, match="refresh"):
        painted(source, video=VideoOptions(refresh=True))
    with pytest.raises(OptionError, match="passes"):
        painted(source, video=VideoOptions(passes=2), temporal=TemporalOptions(0))
