"""Stills are told apart from videos."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from clips import numbered, write_clip
from video.test_decode import numbers, read

from vidstyle.errors import InputError
from vidstyle.video import VideoReader


@pytest.mark.parametrize(
    "name",
    ["a.jpg", "a.jpeg", "a.png", "a.webp", "a.bmp", "a.tif", "a.jp2", "a.avif", "a.gif", "a"],
)
@pytest.mark.parametrize("size", [(48, 64), (360, 480)])
def test_stills_are_for_another_command(tmp_path: Path, name: str, size: tuple[int, int]) -> None:
    path = tmp_path / name
    suffix = path.suffix or ".jpg"
    noise = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    try:
        path.write_bytes(cv2.imencode(suffix, noise)[1].tobytes())
    except cv2.error:
        pytest.skip(f"OpenCV writes no {suffix} here")
    with pytest.raises(InputError, match=r"is a still picture.*vidstyle image"):
        VideoReader(path)


@pytest.mark.parametrize("suffix", [".gif", ".png"])
def test_animated_pictures_are_videos(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    codec, pix_fmt = ("gif", "rgb8") if suffix == ".gif" else ("apng", "rgb24")
    clip = write_clip(
        tmp_path / "a.apng" if codec == "apng" else path,
        codec=codec, pix_fmt=pix_fmt, rate=25, ticks=range(5), time_base=Fraction(1, 25),
    )  # fmt: skip
    assert numbers(read(clip.rename(path))) == list(range(5))


def test_animated_webp_says_what_to_do(tmp_path: Path) -> None:
    animation = cv2.Animation()
    animation.frames = [numbered(index) for index in range(3)]
    animation.durations = [40, 40, 40]
    path = tmp_path / "a.webp"
    assert cv2.imwriteanimation(str(path), animation)
    with pytest.raises(InputError, match=r"animated WebP.*convert it"):
        VideoReader(path)
