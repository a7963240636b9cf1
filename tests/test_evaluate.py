"""``evaluate`` on tiny clips of which the answer is known."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from clips import Sound, write_clip

from vidstyle.errors import InputError, OptionError, OutputError
from vidstyle.evaluate import Evaluation, evaluate, write_plot
from vidstyle.evaluate.audio import read_sound
from vidstyle.evaluate.compare import repeated
from vidstyle.evaluate.pairing import match_times
from vidstyle.frame import Frame
from vidstyle.pipeline.summary import Progress
from vidstyle.video import VideoReader

Draw = Callable[[int], np.ndarray]
FRAMES, WIDTH, HEIGHT = 12, 128, 96
RATE = 24


def texture(seed: int = 0, width: int = WIDTH + FRAMES * 4) -> np.ndarray:
    """Smooth random colours, float in [0, 255]."""
    noise = np.random.default_rng(seed).normal(0, 1, (HEIGHT, width, 3)).astype(np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), 2.5)
    return np.clip(128 + 30 * noise / noise.std(), 30, 225)


def still(index: int) -> np.ndarray:
    return texture()[:, :WIDTH]


def panning(index: int) -> np.ndarray:
    return texture()[:, 2 * index : 2 * index + WIDTH]


def noisy(draw: Draw, sigma: float, seed: int = 5) -> Draw:
    """With noise of its own in every frame, in levels."""
    return lambda i: draw(i) + np.random.default_rng((seed, i)).normal(0, sigma, (HEIGHT, WIDTH, 3))


def clip(path: Path, draw: Draw = panning, count: int = FRAMES, **recipe: Any) -> Path:
    """A clip without loss, unless the recipe says otherwise."""
    size = recipe.get("size", (WIDTH, HEIGHT))

    def image(index: int, width: int, height: int) -> np.ndarray:
        picture = np.clip(np.round(draw(index)), 0, 255).astype(np.uint8)
        return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)

    lossless = {"codec": "ffv1", "pix_fmt": "bgr0", "ticks": range(count), "image": image}
    return write_clip(path, **{**lossless, "size": size, **recipe})


@pytest.fixture
def original(tmp_path: Path) -> Path:
    return clip(tmp_path / "original.mkv")


# -- steadiness -----------------------------------------------------------------------------


def test_a_video_against_itself(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mkv", sounds=(Sound("flac", seconds=0.5),))
    result = evaluate(path, path, path)
    assert result.stylized.e_warp == result.floor.e_warp
    assert result.floor.e_warp < (3 / 255) ** 2
    assert result.excess(result.stylized) == 0
    assert result.detail_kept == 1
    assert result.excess_cut is None
    assert result.sound.offset == pytest.approx(0, abs=1e-6)
    assert result.sound.correlation == pytest.approx(1)
    assert result.size == (WIDTH, HEIGHT)
    assert result.frames == (FRAMES, FRAMES)
    assert result.judged > 0.8
    assert result.notes == result.cuts == result.missing == result.additional == ()
    assert result.repeated == ()


def test_noise_adds_twice_its_variance(tmp_path: Path) -> None:
    original = clip(tmp_path / "a.mkv", still)
    stylized = clip(tmp_path / "b.mkv", noisy(still, 4))
    result = evaluate(original, stylized)
    assert result.floor.e_warp == 0
    assert result.judged == 1
    variance = (4 / 255) ** 2 + 1 / 12 / 255**2  # and that of rounding
    assert result.stylized.e_warp == pytest.approx(2 * variance, rel=0.02)
    assert result.stylized.series == pytest.approx(np.full(FRAMES - 1, 2 * variance), rel=0.1)
    assert result.times == pytest.approx(np.arange(1, FRAMES) / RATE, abs=1e-3)


def test_what_a_temporal_filter_gains_and_loses(tmp_path: Path) -> None:
    original = clip(tmp_path / "a.mkv", still)
    fresh = clip(tmp_path / "fresh.mkv", noisy(still, 8))
    half = clip(tmp_path / "half.mkv", noisy(still, 4))
    flat = clip(tmp_path / "flat.mkv", lambda i: cv2.blur(still(i), (9, 9)))
    result = evaluate(original, half, fresh)
    assert result.excess_cut == pytest.approx(0.75, abs=0.01)
    assert result.per_frame is not None
    energy = [np.mean(np.concatenate([np.diff(p, axis=a).ravel() for a in (0, 1)]) ** 2)
              for p in (noisy(still, s)(0) / 255 for s in (4, 8))]  # fmt: skip
    assert result.stylized.detail == pytest.approx(energy[0], rel=0.02)
    assert result.detail_kept == pytest.approx(energy[0] / energy[1], rel=0.02)
    blurred = evaluate(original, flat, fresh)
    assert blurred.excess_cut == 1
    assert blurred.detail_kept is not None and blurred.detail_kept < 0.2


def test_motion_that_the_result_follows_is_no_error(tmp_path: Path, original: Path) -> None:
    inverted = clip(tmp_path / "inverted.mkv", lambda i: 255 - panning(i))
    resting = clip(tmp_path / "still.mkv", still)
    follows, rests = evaluate(original, inverted), evaluate(original, resting)
    assert follows.stylized.e_warp == pytest.approx(follows.floor.e_warp, rel=0.01)
    assert rests.stylized.e_warp > 20 * follows.stylized.e_warp


def test_flicker_of_the_whole_picture(tmp_path: Path) -> None:
    original = clip(tmp_path / "a.mkv", still)
    grey = clip(tmp_path / "grey.mkv", lambda i: still(i) + i % 2 * 4)
    blue = clip(tmp_path / "blue.mkv", lambda i: still(i) + i % 2 * np.array([0, 0, 4]))
    result = evaluate(original, grey)
    assert (result.floor.luma, result.floor.chroma) == (0, 0)
    assert result.static_pairs == FRAMES - 1
    assert result.stylized.luma == pytest.approx(4, abs=0.01)
    assert result.stylized.chroma == pytest.approx(0, abs=0.01)
    tinted = evaluate(original, blue)
    assert tinted.stylized.luma == pytest.approx(0.0722 * 4, abs=0.01)
    assert tinted.stylized.chroma == pytest.approx(math.hypot(2, 0.1834), abs=0.01)


def test_nothing_static_means_no_flicker(original: Path) -> None:
    result = evaluate(original, original)
    assert result.static_pairs == 0
    assert result.floor.luma is result.floor.chroma is None


@pytest.mark.parametrize(("side", "pairs"), [(12, 0), (48, FRAMES - 1)])
def test_flicker_needs_one_percent_of_the_picture(tmp_path: Path, side: int, pairs: int) -> None:
    def flashing(index: int) -> np.ndarray:
        picture = still(index) + index % 2 * 12
        picture[20 : 20 + side, 20 : 20 + side] -= index % 2 * 12
        return picture

    path = clip(tmp_path / "a.mkv", flashing)
    result = evaluate(path, path)
    assert result.static_pairs == pairs
    assert (result.floor.luma is None) == (pairs == 0)


def test_cuts_are_left_out(tmp_path: Path) -> None:
    def shots(index: int) -> np.ndarray:
        return texture(index // 5)[:, index : index + WIDTH]

    path = clip(tmp_path / "a.mkv", shots)
    result = evaluate(path, path)
    assert result.cuts == pytest.approx([5 / RATE, 10 / RATE], abs=1e-3)
    assert np.flatnonzero(np.isnan(result.floor.series)).tolist() == [4, 9]
    assert result.floor.e_warp < (3 / 255) ** 2
    blind = evaluate(path, path, cuts=lambda previous, frame, flow: False)
    assert blind.cuts == ()
    assert blind.floor.e_warp > 5 * result.floor.e_warp


def test_a_cut_test_gets_thumbnails(tmp_path: Path) -> None:
    seen = []

    def look(previous: np.ndarray, frame: np.ndarray, flow: np.ndarray) -> bool:
        seen.append((previous, frame, flow))
        return False

    original = clip(tmp_path / "a.mkv", count=3, size=(960, 720))
    evaluate(original, original, cuts=look, flow="ultrafast")
    assert len(seen) == 2
    for previous, frame, flow in seen:
        assert previous.shape == frame.shape == (336, 448, 3)
        assert previous.dtype == frame.dtype == np.uint8
        assert flow.shape == (336, 448, 2)
    # Two of 128 columns a frame are seven of 448.
    assert np.median(seen[0][2][..., 0]) == pytest.approx(7, abs=0.5)


# -- which frames belong together -----------------------------------------------------------


def test_a_dropped_and_an_additional_frame(tmp_path: Path, original: Path) -> None:
    ticks = [tick for tick in range(FRAMES) if tick != 5]
    dropped = clip(tmp_path / "b.mkv", lambda i: panning(ticks[i]), ticks=ticks)
    result = evaluate(original, dropped)
    assert result.frames == (FRAMES, FRAMES - 1)
    assert result.missing == (pytest.approx(5 / RATE, abs=1e-3),)
    assert result.additional == result.repeated == ()
    assert result.stylized.e_warp == result.floor.e_warp
    swapped = evaluate(dropped, original)
    assert swapped.additional == (pytest.approx(5 / RATE, abs=1e-3),)
    assert swapped.missing == ()
    assert swapped.stylized.e_warp == swapped.floor.e_warp


@pytest.mark.parametrize(
    "coding",
    [
        {},
        {"codec": "libx264", "pix_fmt": "yuv420p", "options": {"crf": "18"}},
        {"codec": "libx264", "pix_fmt": "yuv420p", "options": {"crf": "28"}},
        {"codec": "libx264", "pix_fmt": "yuv420p", "options": {"preset": "ultrafast"}},
    ],
)
def test_repeated_frames(tmp_path: Path, original: Path, coding: dict[str, Any]) -> None:
    stays = clip(tmp_path / "b.mkv", lambda i: panning(i - (i in (3, 8))), **coding)
    assert evaluate(original, stays).repeated == pytest.approx([3 / RATE, 8 / RATE], abs=1e-3)
    moves = clip(tmp_path / "c.mkv", panning, **coding)
    assert evaluate(original, moves).repeated == ()


def test_a_frame_that_misses_the_cut_is_repeated(tmp_path: Path) -> None:
    original = clip(tmp_path / "a.mkv", lambda i: texture(i // 6)[:, i : i + WIDTH])
    late = clip(tmp_path / "b.mkv", lambda i: texture(i > 6)[:, i - (i == 6) :][:, :WIDTH])
    assert evaluate(original, late).repeated == (pytest.approx(6 / RATE, abs=1e-3),)


def test_frames_that_rest_in_the_original_are_not_repeated(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mkv", lambda i: panning(i // 2))
    assert evaluate(path, path).repeated == ()


def test_repeated_in_a_video_of_half_the_rate_or_none() -> None:
    ours = np.full(10, 6.0)
    half = np.array([0.9, 9.0] * 5)
    assert repeated(ours, half).tolist() == [True, False] * 5
    uneven = np.array([0.9, 9.0, 0.9, 9.0, 0.9] * 2)  # 24 frames a second shown as 60
    assert repeated(ours, uneven).tolist() == [True, False, True, False, True] * 2
    assert repeated(ours, np.zeros(10)).all()
    assert not repeated(np.full(10, 0.1), np.zeros(10)).any()
    assert not repeated(ours, np.full(10, 0.3)).any()  # a calm style, but not a frozen one


def test_variable_rate(tmp_path: Path) -> None:
    ticks = (0, 1, 4, 5, 9, 10, 11, 14, 20, 21, 22, 23)
    original = clip(tmp_path / "a.mkv", ticks=ticks)
    kept = [i for i in range(FRAMES) if i != 7]
    dropped = clip(tmp_path / "b.mkv", lambda i: panning(kept[i]), ticks=[ticks[i] for i in kept])
    result = evaluate(original, dropped)
    assert result.missing == (pytest.approx(14 / RATE, abs=1e-3),)
    assert result.stylized.e_warp == result.floor.e_warp


def test_lost_timestamps_are_told(tmp_path: Path) -> None:
    original = clip(tmp_path / "a.mkv", ticks=(0, 1, 4, 5, 9, 10, 11, 14, 20, 21, 22, 30))
    even = clip(tmp_path / "b.mkv")
    result = evaluate(original, even)
    assert result.stylized.e_warp == result.floor.e_warp
    assert result.missing == result.additional == ()
    assert any("b.mkv: timestamps are not the original's" in note for note in result.notes)


def test_a_clock_that_runs_away_does_not_mix_up_frames(tmp_path: Path, original: Path) -> None:
    slow = clip(tmp_path / "b.mkv", rate=20, time_base=Fraction(1, 20))
    result = evaluate(original, slow)
    assert result.stylized.e_warp == result.floor.e_warp
    assert result.missing == ()
    assert any("b.mkv: its clock drifts" in note and "0.092 s" in note for note in result.notes)


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ([0, 1, 2, 3], [0.1, 1.9, 3], {0: 0, 2: 1, 3: 2}),
        ([0, 1, 2], [0, 0.6, 1.1, 2], {0: 0, 1: 2, 2: 3}),
        ([0, 0, 1], [0, 0, 1], {0: 0, 1: 1, 2: 2}),
        ([0, 1, 2], [5, 6], {}),
    ],
)
def test_match_times(ours: list[float], theirs: list[float], expected: dict[int, int]) -> None:
    assert match_times(np.array(ours), np.array(theirs), 0.45) == expected


def test_another_size(tmp_path: Path) -> None:
    original = clip(tmp_path / "a.mkv")
    half = clip(tmp_path / "half.mkv", size=(WIDTH // 2, HEIGHT // 2))
    result = evaluate(original, half)
    assert result.size == (WIDTH // 2, HEIGHT // 2)
    assert result.excess(result.stylized) == 0  # the same area average of the same pixels
    assert result.notes == (f"{original} resized from 128×96 to 64×48",)


# -- refusals -------------------------------------------------------------------------------


def test_frame_counts_that_do_not_match(tmp_path: Path, original: Path) -> None:
    half = clip(tmp_path / "half.mkv", count=6, size=(64, 48))
    with pytest.raises(InputError) as error:
        evaluate(original, half)
    told = f"{original} has 12 frames of 128×96, {half} has 6 of 64×48: only 6 match by time; "
    assert str(error.value).startswith(told)
    with pytest.raises(InputError, match=r"half.mkv has 6 of 128×96"):
        evaluate(original, original, clip(tmp_path / "half.mkv", count=6))


def test_shapes_that_do_not_match(tmp_path: Path, original: Path) -> None:
    square = clip(tmp_path / "square.mkv", size=(96, 96))
    with pytest.raises(InputError) as error:
        evaluate(original, square)
    told = f"{original} has 12 frames of 128×96, {square} has 12 of 96×96: the aspect ratios differ"
    assert str(error.value).startswith(told)


def test_a_per_frame_video_of_another_size(tmp_path: Path, original: Path) -> None:
    half = clip(tmp_path / "half.mkv", size=(64, 48))
    with pytest.raises(InputError, match=r"has 12 frames of 128×96, .*half.mkv has 12 of 64×48"):
        evaluate(original, original, half)


def test_a_single_frame(tmp_path: Path, original: Path) -> None:
    single = clip(tmp_path / "single.mkv", count=1)
    with pytest.raises(InputError, match=r"single\.mkv: has a single frame"):
        evaluate(original, single)


def test_nothing_but_cuts(original: Path) -> None:
    with pytest.raises(InputError, match=r"original\.mkv: no two frames of one shot"):
        evaluate(original, original, cuts=lambda previous, frame, flow: True)


def test_no_such_flow_or_file(tmp_path: Path, original: Path) -> None:
    with pytest.raises(OptionError, match="'exact'"):
        evaluate(original, original, flow="exact")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"nosuch\.mkv: no such file"):
        evaluate(original, tmp_path / "nosuch.mkv")


# -- sound ----------------------------------------------------------------------------------


def music(path: Path, lead: float = 0.0, start: float = 0.0, seed: int = 1) -> Path:
    """Still pictures and noise after ``lead`` seconds of silence, the track beginning late."""
    noise = np.random.default_rng(seed).normal(0, 0.1, 48_000).astype(np.float32)
    samples = np.concatenate([np.zeros(round(48_000 * lead), np.float32), noise])[None]
    with av.open(str(path), "w") as output:
        video = output.add_stream("ffv1", RATE)
        video.width, video.height, video.pix_fmt = 64, 48, "bgr0"
        audio = output.add_stream("pcm_s16le", 48_000, layout="mono")
        for index in range(RATE):
            picture = np.full((48, 64, 3), index, np.uint8)
            output.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(video.encode(None))
        frame = av.AudioFrame.from_ndarray((samples * 32767).astype(np.int16), "s16", "mono")
        frame.sample_rate, frame.time_base = 48_000, Fraction(1, 48_000)
        frame.pts = round(start * 48_000)
        output.mux(audio.encode(frame))
        output.mux(audio.encode(None))
    return path


def sound_of(original: Path, stylized: Path) -> Any:
    return evaluate(original, stylized, flow="ultrafast").sound


@pytest.mark.parametrize("change", [{"lead": 0.04}, {"start": 0.04}])
def test_sound_that_comes_late(tmp_path: Path, change: dict[str, float]) -> None:
    original, late = music(tmp_path / "a.mkv"), music(tmp_path / "b.mkv", **change)
    assert sound_of(original, late).offset == pytest.approx(0.04, abs=0.001)
    assert sound_of(late, original).offset == pytest.approx(-0.04, abs=0.001)
    assert sound_of(late, original).correlation > 0.9


def test_lossy_sound_with_a_late_track(tmp_path: Path) -> None:
    track = {"sounds": (Sound(seconds=0.5),)}
    original = clip(tmp_path / "a.mp4", codec="libx264", pix_fmt="yuv420p", **track)
    track = {"sounds": (Sound(seconds=0.5, start=0.04),)}
    late = clip(tmp_path / "b.mp4", codec="libx264", pix_fmt="yuv420p", **track)
    assert sound_of(original, late).offset == pytest.approx(0.04, abs=0.001)


def test_picture_and_sound_late_together_are_not_late(tmp_path: Path) -> None:
    original = clip(tmp_path / "a.mkv", sounds=(Sound("flac", seconds=0.5),))
    ticks = range(12, 12 + FRAMES)
    moved = clip(tmp_path / "b.mkv", ticks=ticks, sounds=(Sound("flac", seconds=0.5, start=0.5),))
    picture = clip(tmp_path / "c.mkv", ticks=ticks, sounds=(Sound("flac", seconds=0.5),))
    assert sound_of(original, moved).offset == pytest.approx(0, abs=0.001)
    assert sound_of(original, picture).offset == pytest.approx(-0.5, abs=0.001)


def test_gaps_in_the_sound_stay_silent(tmp_path: Path) -> None:
    path = tmp_path / "gap.mka"
    loud = np.full((1, 16_000), 8000, np.int16)
    with av.open(str(path), "w") as output:
        audio = output.add_stream("pcm_s16le", 16_000, layout="mono")
        for begin in (8000, 32_000):
            frame = av.AudioFrame.from_ndarray(loud, "s16", "mono")
            frame.sample_rate, frame.time_base, frame.pts = 16_000, Fraction(1, 16_000), begin
            output.mux(audio.encode(frame))
        output.mux(audio.encode(None))
    sound = read_sound(path)
    assert sound is not None
    assert sound.start == pytest.approx(0.5)
    assert len(sound.samples) == 40_000
    assert np.flatnonzero(sound.samples == 0).tolist() == list(range(16_000, 24_000))


def test_no_sound_and_another_sound(tmp_path: Path) -> None:
    original = music(tmp_path / "a.mkv")
    silent = clip(
        tmp_path / "b.mkv", lambda i: np.full((HEIGHT, WIDTH, 3), i), count=RATE, size=(64, 48)
    )
    sound = sound_of(original, silent)
    assert sound.offset is sound.correlation is None
    assert read_sound(silent) is None
    other = sound_of(original, music(tmp_path / "c.mkv", seed=2))
    assert other.offset is None
    assert other.correlation < 0.2


# -- the long way through -------------------------------------------------------------------


def test_progress(original: Path) -> None:
    events: list[Progress] = []
    evaluate(original, original, listener=events.append)
    assert [event.frames for event in events] == list(range(1, FRAMES + 1))
    assert {event.total for event in events} == {FRAMES}


def test_few_frames_are_held_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alive: set[int] = set()
    most = 0

    class Counting(VideoReader):
        def __iter__(self) -> Iterator[Frame]:
            nonlocal most
            for number, frame in enumerate(super().__iter__()):
                key = hash((id(self), number))
                alive.add(key)
                weakref.finalize(frame.image, alive.discard, key)
                most = max(most, len(alive))
                yield frame
                del frame

    monkeypatch.setattr("vidstyle.evaluate.compare.VideoReader", Counting)
    path = clip(tmp_path / "a.mkv", lambda i: still(i) + i % 3, count=40)
    evaluate(path, path, path, flow="ultrafast")
    assert 1 <= most <= 8


# -- the plot and the document --------------------------------------------------------------


@pytest.fixture
def evaluation(tmp_path: Path) -> Evaluation:
    original = clip(tmp_path / "a.mkv", lambda i: texture(i // 6)[:, :WIDTH])
    return evaluate(original, clip(tmp_path / "b.mkv", noisy(still, 4)), original)


def test_plot(tmp_path: Path, evaluation: Evaluation) -> None:
    path = tmp_path / "plot.png"
    assert write_plot(path, evaluation) == path
    picture = cv2.imread(str(path)).astype(int)
    assert picture.shape == (480, 1200, 3)
    blue, green, red = np.moveaxis(picture, 2, 0)
    assert ((red > blue + 100) & (red > green + 100)).sum() > 300  # the stylized video's line
    assert ((blue > red + 100) & (blue > green + 30)).sum() > 300  # the per-frame video's
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mkv", "b.mkv", "plot.png"]


def test_plots_that_cannot_be(
    tmp_path: Path, evaluation: Evaluation, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(OptionError, match=r"plot\.jpg: .*plot\.png"):
        write_plot(tmp_path / "plot.jpg", evaluation)
    with pytest.raises(OutputError, match="no folder"):
        write_plot(tmp_path / "no" / "plot.png", evaluation)
    monkeypatch.setattr("vidstyle.plots.find_spec", lambda name: None)
    with pytest.raises(OptionError, match=r"pip install 'vidstyle\[plot\]'"):
        write_plot(tmp_path / "plot.png", evaluation)
    assert not (tmp_path / "plot.png").exists()


def test_as_dict(evaluation: Evaluation) -> None:
    document = evaluation.as_dict()
    assert document["stylized"]["e_warp"] == evaluation.stylized.e_warp
    assert document["stylized"]["excess"] == evaluation.excess(evaluation.stylized)
    assert document["cuts"] == [pytest.approx(6 / RATE, abs=1e-3)]
    assert document["compared"] == FRAMES
    series = document["original"]["series"]
    assert len(series) == len(document["times"]) == FRAMES - 1
    assert document["judged"] == 1  # the cut is no part of it
    assert [index for index, value in enumerate(series) if value is None] == [5]
