"""Single frames of a clip: where they are taken, and clips that are longer than their pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from clips import Recipe, number_of, numbered, write_clip

from vidstyle.errors import InputError
from vidstyle.options import ReadOptions
from vidstyle.video import VideoReader
from vidstyle.video.stills import frame_at, stills


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Forty numbered frames."""
    recipe = Recipe(ticks=tuple(range(40)), image=numbered, codec="ffv1", pix_fmt="bgr0")
    return write_clip(tmp_path / "clip.mkv", recipe)


def numbers(pictures: list[np.ndarray]) -> list[int]:
    return [number_of(picture) for picture in pictures]


def test_stills_come_from_all_over_the_clip(clip: Path) -> None:
    found = numbers(stills(clip, 4, 640))
    assert np.abs(np.subtract(found, [5, 15, 25, 35])).max() <= 1


def test_stills_keep_to_the_part_that_is_read(clip: Path) -> None:
    with VideoReader(clip) as reader:
        second = reader.info.seconds / 40
    part = ReadOptions(start=10 * second, end=20 * second)
    assert all(10 <= number <= 20 for number in numbers(stills(clip, 5, 640, part)))


def test_a_frame_after_the_end_is_the_last(clip: Path) -> None:
    assert number_of(frame_at(clip, 1e4)) == 39


def test_stills_are_small(clip: Path) -> None:
    assert max(stills(clip, 2, 40)[0].shape) == 40


def test_what_is_no_clip_is_named(tmp_path: Path) -> None:
    path = tmp_path / "text.mp4"
    path.write_text("no video")
    with pytest.raises(InputError, match=r"text\.mp4"):
        stills(path, 3, 640)
