"""Cuts found in pictures, real and made up, and lists of cuts read from files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import chain, islice, pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from vidstyle.errors import InputError
from vidstyle.image import resize
from vidstyle.temporal.cuts import CutDetector, CutList, read_cuts
from vidstyle.temporal.flow import FlowPreset, dense_flow
from vidstyle.video.reader import ReadOptions, VideoReader

SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "harbour.mp4"


def texture(seed: int, width: int = 360, height: int = 240) -> np.ndarray:
    """Noise of several sizes, uint8 H×W×3; any seed gives a picture of the same colours."""
    rng = np.random.default_rng(seed)
    image = np.zeros((height, width, 3))
    for sigma in (2, 6, 20):
        noise = cv2.GaussianBlur(rng.normal(size=image.shape), (0, 0), sigma)
        image += noise / noise.std()
    return np.clip(128 + 30 * image, 0, 255).astype(np.uint8)


def lit(image: np.ndarray, gain: float, offset: float = 0.0) -> np.ndarray:
    return np.clip(image * gain + offset, 0, 255).astype(np.uint8)


def plain(level: int, image: np.ndarray) -> np.ndarray:
    return np.full_like(image, level)


def is_cut(previous: np.ndarray, frame: np.ndarray, preset: FlowPreset = "medium") -> bool:
    return CutDetector()(previous, frame, dense_flow(frame, previous, preset))


def cuts(frames: Iterator[np.ndarray], preset: FlowPreset = "medium") -> list[int]:
    """Indices of the frames that are said to begin a new shot."""
    found = (is_cut(*pair, preset) for pair in pairwise(frames))
    return [index for index, cut in enumerate(found, 1) if cut]


# -- pictures made up -------------------------------------------------------------------


@pytest.mark.parametrize("preset", ["ultrafast", "fast", "medium"])
def test_another_picture_of_the_same_colours_is_a_cut(preset: FlowPreset) -> None:
    frames = [texture(1), texture(2), texture(2), texture(3)]
    assert cuts(iter(frames), preset) == [1, 3]


def test_a_cut_in_low_light_is_a_cut() -> None:
    assert is_cut(lit(texture(1), 0.2), lit(texture(2), 0.2))


def test_a_cut_to_another_exposure_is_a_cut() -> None:
    assert is_cut(texture(1), lit(texture(2), 0.5))


@pytest.mark.parametrize("level", [0, 255])
def test_to_and_from_a_plain_picture_is_a_cut(level: int) -> None:
    image = texture(1)
    assert is_cut(image, plain(level, image))
    assert is_cut(plain(level, image), image)


def test_between_plain_pictures_is_no_cut() -> None:
    image = texture(1)
    assert not is_cut(plain(0, image), plain(255, image))


@pytest.mark.parametrize("shift", [(0, 0), (2, 1), (30, 0), (0, -20), (40, 25)])
def test_a_pan_is_no_cut(shift: tuple[int, int]) -> None:
    image, (dx, dy) = texture(1, 480, 320), shift
    assert not is_cut(image[50:-50, 50:-50], image[50 + dy : 270 + dy, 50 + dx : 430 + dx])


def test_a_fast_zoom_is_no_cut() -> None:
    image = texture(1)
    nearer = resize(image[20:-20, 30:-30], image.shape[1], image.shape[0])
    assert not is_cut(image, nearer)
    assert not is_cut(nearer, image)


@pytest.mark.parametrize(
    ("gain", "offset"), [(1.6, 0), (1.0, 80), (1.4, 40), (0.5, 0), (0.3, 0), (0.8, -20)]
)
def test_a_flash_or_another_exposure_is_no_cut(gain: float, offset: float) -> None:
    image = texture(1)
    assert not is_cut(image, lit(image, gain, offset))
    assert not is_cut(lit(image, gain, offset), image)


def test_noise_in_low_light_is_no_cut() -> None:
    rng = np.random.default_rng(0)
    dark = lit(texture(1), 0.12)
    noisy = [lit(dark + rng.normal(0, 5, dark.shape), 1) for _ in range(2)]
    assert not is_cut(*noisy)


def test_grain_on_a_plain_wall_is_no_cut() -> None:
    rng = np.random.default_rng(0)
    walls = [lit(90 + rng.normal(0, 6, (240, 360, 3)), 1) for _ in range(2)]
    assert not is_cut(*walls)


def test_one_object_that_fills_the_view_is_no_cut() -> None:
    before, now = texture(1), texture(1)
    now[:, :160] = texture(2)[:, :160]
    assert not is_cut(before, now)


def test_dissolves_and_fades_are_no_cuts() -> None:
    first, second = (texture(seed).astype(float) for seed in (1, 2))
    steps = np.linspace(0, 1, 13)
    assert not cuts(lit((1 - a) * first + a * second, 1) for a in steps)
    # The last step to black leaves nothing to compare.
    assert not cuts(lit(first, 1 - a) for a in steps[:-2])


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (16, 12), (33, 200), (300, 12), (1000, 24)])
def test_any_size_will_do(size: tuple[int, int]) -> None:
    image = texture(1, *size)
    assert not is_cut(image, image)
    assert is_cut(image, texture(2, *size)) in (False, True)
    still = np.zeros((*image.shape[:2], 2), np.float32)
    assert CutDetector().agreements(image, image, still).min() > 0.99


def test_portrait_is_as_good_as_landscape() -> None:
    first, second = texture(1, 240, 400), texture(2, 240, 400)
    assert is_cut(first, second)
    assert not is_cut(first[:-20], first[20:])


def test_it_is_a_pure_function() -> None:
    images = [texture(1), texture(1), texture(2), lit(texture(2), 1.3), texture(3), texture(3)]
    pairs = [(a, b, dense_flow(b, a)) for a, b in pairwise(images)]
    copies = [tuple(array.copy() for array in pair) for pair in pairs]
    detector = CutDetector()
    expected = [False, True, False, True, False]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda pair: detector(*pair), (pairs * 4)[::-1]))
    assert found[::-1] == expected * 4
    for pair, copy in zip(pairs, copies, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(pair, copy, strict=True))


def test_thresholds_can_be_moved() -> None:
    pair = texture(1), texture(2)
    flow = dense_flow(pair[1], pair[0])
    assert not CutDetector(agreement=-1)(*pair, flow)
    assert not CutDetector(share=1)(*pair, flow)


# -- real clips -------------------------------------------------------------------------


def frames_of(path: Path, options: ReadOptions, count: int | None = None) -> list[np.ndarray]:
    with VideoReader(path, replace(options, bit_depth=8)) as reader:
        return [frame.image for frame in islice(reader, count)]


def filling(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """Enlarged to cover the size and cropped to it, as an editor does with other formats."""
    scale = max(width / image.shape[1], height / image.shape[0])
    covering = round(image.shape[1] * scale), round(image.shape[0] * scale)
    image = resize(image, max(covering[0], width), max(covering[1], height))
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return np.ascontiguousarray(image[top : top + height, left : left + width])


def test_the_sample_is_one_shot() -> None:
    """Its two flashes are no cuts."""
    assert not cuts(iter(frames_of(SAMPLE, ReadOptions(max_side=480))), "fast")


@pytest.mark.data
def test_precision_and_recall_on_an_edit_of_all_clips(data: Path) -> None:
    clips = sorted((data / "clips").iterdir())
    clips = clips[::2] + clips[1::2]  # two of London are of the same moment: keep them apart
    pieces: list[list[np.ndarray]] = []
    for part in (0.05, 0.35, 0.6):
        for clip in clips:
            with VideoReader(clip) as reader:
                seconds = reader.info.duration or 1.0
            # None of these windows holds a cut of the clip's own.
            window = ReadOptions(start=part * seconds, max_side=480)
            pieces.append([filling(i, 480, 270) for i in frames_of(clip, window, 4)])
    starts = np.cumsum([len(piece) for piece in pieces])[:-1]
    true, found = set(starts.tolist()), set(cuts(chain.from_iterable(pieces)))
    assert len(true) == 56
    assert len(true & found) / len(true) >= 0.97, sorted(true - found)
    assert len(true & found) / len(found) >= 0.97, sorted(found - true)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("roadtrip_vp9_10bit.webm", ReadOptions(max_side=640), [42, 69]),
        ("rollercoaster_davis.mp4", ReadOptions(max_side=640), []),
        ("webcam_vfr.mov", ReadOptions(max_side=320), []),
        ("cockatoo_yuv444.mp4", ReadOptions(start=7, end=9, max_side=640), []),
        ("basketball.mp4", ReadOptions(start=8, max_side=640), []),
    ],
)
def test_cuts_of_whole_clips(
    data: Path, name: str, options: ReadOptions, expected: list[int]
) -> None:
    """A light that goes on, paper before the lens, whip pans; and shots under one subtitle."""
    assert cuts(iter(frames_of(data / "clips" / name, options))) == expected


# -- lists ------------------------------------------------------------------------------


def written(folder: Path, text: str) -> Path:
    path = folder / "cuts.txt"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_list_of_every_notation(tmp_path: Path) -> None:
    text = """; a comment
# another one
#
12.48
 0:01:02.5   ; the second scene
00:00:07   # the first
3:05.25
#125
#0 # the beginning
100

.5
"""
    expected = CutList((0.5, 7.0, 12.48, 62.5, 100.0, 185.25), frozenset({0, 125}))
    assert read_cuts(written(tmp_path, text)) == expected


def test_windows_line_ends_and_byte_order_marks(tmp_path: Path) -> None:
    assert read_cuts(written(tmp_path, "\ufeff1.5\r\n#7\r\n")) == CutList((1.5,), frozenset({7}))


def test_an_empty_list_holds_no_cuts(tmp_path: Path) -> None:
    assert read_cuts(written(tmp_path, "; nothing\n\n")) == CutList()


@pytest.mark.parametrize(
    "entry",
    [
        "soon",
        "-1",
        "1.2.3",
        "1:2:3:4",
        "0:61:00",
        "0:00:60",
        "#1.5",
        "#-1",
        "#x",
        "1e3",
        "125#",
        "nan",
    ],
)
def test_what_is_no_cut_is_named_with_its_line(tmp_path: Path, entry: str) -> None:
    path = written(tmp_path, f"1.0\n\n{entry}\n")
    with pytest.raises(InputError) as caught:
        read_cuts(path)
    message = str(caught.value)
    assert f"{path}, line 3:" in message and "#125" in message


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"missing\.txt"):
        read_cuts(tmp_path / "missing.txt")
    with pytest.raises(InputError, match=re.escape(str(tmp_path))):
        read_cuts(tmp_path)
    binary = tmp_path / "clip.mp4"
    binary.write_bytes(b"\x00\x00\xff\xfe\x80")
    with pytest.raises(InputError, match="not a text file"):
        read_cuts(binary)


def test_a_cut_belongs_to_the_first_frame_at_or_after_it() -> None:
    listed = CutList(times=(1.0, 2.02))
    times = [index / 25 for index in range(100)]
    starts = [i for i in range(1, 100) if listed.starts_shot(i, times[i], times[i - 1])]
    assert starts == [25, 51]


def test_rounded_times_fall_on_their_frames() -> None:
    times = [index * 1001 / 24_000 for index in range(200)]
    for digits in (3, 4, 6):
        listed = CutList(times=tuple(round(times[i], digits) for i in (1, 42, 69, 131)))
        starts = [i for i in range(1, 200) if listed.starts_shot(i, times[i], times[i - 1])]
        assert starts == [1, 42, 69, 131]


def test_frames_count_whatever_their_time() -> None:
    listed = CutList(frames=frozenset({125}))
    assert listed.starts_shot(125, 5.0, 4.96)
    assert not listed.starts_shot(124, 4.96, 4.92)
    assert not CutList().starts_shot(125, 5.0, 4.96)
